"""Audit: who changed what, and when."""

from typing import Any

from pydantic import BaseModel

from signal_actor.management.office import Office
from signal_actor.management.paging import Page, Paged, cut
from signal_actor.management.routes import Noun
from signal_actor.store import audit as store
from signal_actor.wire import iso

audit = Noun("audit")


class Line(BaseModel):
    """One change. `target` is what was changed, as noun/id."""

    id: int
    at: str
    actor: str
    action: str
    target: str
    detail: dict[str, Any]


@audit.get("/audit", role="admin")
async def listed(office: Office, query: Paged) -> Page[Line]:
    """Changes, newest first."""
    before = query.after()
    lines = office.database.read(store.lines, limit=query.limit + 1, before=before[0] if before else None)
    shown = [
        Line(id=line.id, at=iso(line.at), actor=line.actor, action=line.action, target=line.target, detail=line.detail)
        for line in lines
    ]
    return cut(shown, query.limit, lambda line: (line.id,))
