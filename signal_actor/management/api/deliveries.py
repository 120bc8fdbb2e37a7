"""Deliveries: what is owed, what was given up on, and sending it again or giving it up for good."""

from dataclasses import asdict, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, StrictBool

from signal_actor.management.api.events import Search
from signal_actor.management.auth import Caller
from signal_actor.management.office import Office
from signal_actor.management.paging import Page, part
from signal_actor.management.routes import Id, Noun
from signal_actor.store import letters, names, search
from signal_actor.store.letters import Filter
from signal_actor.wire import iso

deliveries = Noun("deliveries")


class Delivery(BaseModel):
    """One event owed to one integration."""

    event_id: int
    integration_id: int
    message_id: str
    type: str
    name: str | None
    pipeline: str
    integration: str
    vendor: str
    state: str
    attempts: int
    due_at: str | None
    leased_until: str | None
    last_status: int | None
    last_error: str | None
    accepted_at: str
    finished_at: str | None


class Which(BaseModel):
    """Which deliveries; what is left out does not matter. `event` is an event's name; times are of acceptance.

    A pipeline and an integration go by their slugs or their ids.
    """

    model_config = ConfigDict(extra="forbid")

    integration: str | Id | None = None
    pipeline: str | Id | None = None
    event: str | None = None
    event_ids: list[Id] | None = None
    since: str | None = None
    until: str | None = None
    dry_run: StrictBool = False


class Replay(Which):
    """Deliveries to send again."""

    state: Literal["dead", "skipped"] = "dead"


class Discard(Which):
    """Deliveries to give up for good."""

    state: Literal["dead", "pending"] = "dead"


class Counted(BaseModel):
    """How many deliveries were changed, or would be."""

    count: int


@deliveries.get("/deliveries")
async def listed(office: Office, query: Search) -> Page[Delivery]:
    """Deliveries, newest event first."""
    after = query.after(2)
    before = (after[0], after[1]) if after else None
    wanted = query.wanted(office)
    found, following = await office.database.search(search.deliveries, wanted, before=before, limit=query.limit)
    data = [Delivery(**item) for item in found]
    return part(data, following)


@deliveries.post("/deliveries/replay", role="editor")
async def send_again(office: Office, caller: Caller, body: Replay) -> Counted:
    """Send dead or skipped deliveries again, with a fresh retry window."""
    return await _change(office, caller, body, letters.replay)


@deliveries.post("/deliveries/discard", role="editor")
async def give_up(office: Office, caller: Caller, body: Discard) -> Counted:
    """Give dead or pending deliveries up for good."""
    return await _change(office, caller, body, letters.discard)


def _filter(office: Office, body: Replay | Discard) -> Filter:
    asked = body.model_dump(exclude={"dry_run", "pipeline", "integration"})
    return Filter(**asked, **asdict(office.database.read(names.called, body.pipeline, body.integration)))


async def _change(office: Office, caller: Caller, body: Replay | Discard, verb: Any) -> Counted:
    """In pieces, so that accepting goes on in between."""
    now = office.now()
    wanted = _filter(office, body)
    if body.state == "pending":  # what comes in meanwhile was not meant
        wanted = replace(wanted, until=wanted.until or iso(now + 1))
    else:
        wanted = replace(wanted, finished_by=now)
    if body.dry_run:
        return Counted(count=await office.database.search(letters.count, wanted))
    total = 0
    while True:
        changed = await office.database.run(verb, wanted, author=caller.name, now=office.now())
        total += changed
        office.ring()
        if changed < letters.CHUNK:
            return Counted(count=total)
