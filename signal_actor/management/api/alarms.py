"""Alarms: what is wrong now, and the rules that say so."""

from typing import Any

from pydantic import BaseModel

from signal_actor.alarms import RULES, Rules
from signal_actor.management.auth import Caller
from signal_actor.management.office import Office
from signal_actor.management.paging import Page
from signal_actor.management.routes import Noun
from signal_actor.secrets import MASK
from signal_actor.store import settings as store

alarms = Noun("alarms")


class Alarm(BaseModel):
    """Something that is wrong."""

    kind: str
    pipeline: str | None
    integration: str | None
    text: str
    since: str


class ShownRules(Rules):
    """The rules. The webhook's address may hold a secret, so it reads as "***"."""

    webhook: str = ""


@alarms.get("/alarms")
async def firing(office: Office) -> Page[Alarm]:
    """What is wrong now."""
    return Page(data=[Alarm(**alarm.told()) for alarm in office.alarms.firing])


@alarms.get("/alarms/rules")
async def rules(office: Office) -> ShownRules:
    """The rules."""
    return _shown(office)


@alarms.patch("/alarms/rules", role="admin", shape=Rules)
async def change(office: Office, caller: Caller, body: dict[str, Any]) -> ShownRules:
    """Change the rules; null brings a default back."""
    if body.get("webhook") == MASK:
        body.pop("webhook")
    await office.database.run(store.patch, RULES, Rules, body, author=caller.name, now=office.now())
    return _shown(office)


def _shown(office: Office) -> ShownRules:
    found = office.database.read(store.get, RULES, Rules)
    return ShownRules(**{**found.model_dump(), "webhook": MASK if found.webhook else ""})
