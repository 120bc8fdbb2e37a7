"""Settings: who has access, who changed what, how long things are kept, and what runs here."""

import platform
import sqlite3
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast

from quart import Response

from signal_actor.errors import Refusal
from signal_actor.management.pages.desk import Room, Visit
from signal_actor.store import audit, tokens, upkeep
from signal_actor.store.tokens import Role

room = Room("settings")
LINES = 100  # of the audit, a page
PACKAGES = ("trio", "hypercorn", "quart-trio", "httpx", "pydantic", "cryptography")


@room.get("/settings")
async def about(visit: Visit) -> Response:
    database = visit.office.database
    files = [path for suffix in ("", "-wal") if (path := database.path.with_name(database.path.name + suffix)).exists()]
    return visit.show(
        "settings_about.html",
        tab="about",
        version=_version("signal-actor"),
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        packages=[(name, _version(name)) for name in PACKAGES],
        path=str(database.path),
        files=[(path.name, path.stat().st_size) for path in files],
        used=database.read(upkeep.used_bytes),
    )


@room.get("/settings/retention")
async def retention(visit: Visit) -> Response:
    return visit.show("settings_retention.html", tab="retention", retention=visit.office.live().retention)


@room.get("/settings/tokens", role="admin")
async def listed(visit: Visit) -> Response:
    return _tokens(visit)


@room.post("/settings/tokens", role="admin")
async def create(visit: Visit) -> Response:
    """Shows the token in the answer itself: it is in no address, no cookie and no log."""
    name, role = visit.form.get("name", "").strip(), visit.form.get("role", "viewer")
    if not name or role not in ("viewer", "editor", "admin"):
        raise Refusal(400, "invalid_payload", "A token needs a name, and one of the roles viewer, editor, admin.")
    _, text = await visit.office.database.run(tokens.create, name[:200], cast(Role, role), **visit.author)
    return _tokens(visit, fresh=text, name=name)


@room.post("/settings/tokens/revoke", role="admin")
async def revoke(visit: Visit) -> Response:
    key = visit.form.get("id", "")
    if not key.isdigit() or not await visit.office.database.run(
        partial(tokens.revoke, token_id=int(key), **visit.author)
    ):
        raise Refusal(404, "not_found", "There is no such token in force.")
    return visit.go("/settings/tokens", "The token is revoked, and its sessions have ended.")


@room.get("/settings/audit", role="admin")
async def changes(visit: Visit) -> Response:
    before = visit.args.get("before", "")
    found = visit.office.database.read(
        audit.lines, limit=LINES + 1, before=int(before) if before.isdigit() and len(before) < 19 else None
    )
    following = found[LINES - 1].id if len(found) > LINES else None
    return visit.show("settings_audit.html", tab="audit", lines=found[:LINES], following=following)


def _tokens(visit: Visit, **fresh: Any) -> Response:
    found = visit.office.database.read(tokens.tokens)
    values = {"fresh": None, "name": "", **fresh}
    return visit.show("settings_tokens.html", tab="tokens", tokens=found, **values)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
