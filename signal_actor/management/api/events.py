"""Events: what was accepted, and what became of each."""

import json
from dataclasses import asdict
from typing import Any, Literal

from pydantic import BaseModel

from signal_actor.destinations.base import Reply
from signal_actor.destinations.blame import remedy
from signal_actor.destinations.registry import destinations
from signal_actor.errors import Refusal
from signal_actor.management.office import Office
from signal_actor.management.paging import Page, Paged, part
from signal_actor.management.routes import Noun
from signal_actor.store import events as store
from signal_actor.store import names, search
from signal_actor.store.ids import whole
from signal_actor.store.search import Wanted

events = Noun("events")


class Search(Paged):
    """What is looked for. `event` is an event's name; times are ISO 8601 of acceptance.

    A pipeline and an integration go by their slugs or their ids.
    """

    pipeline: str | None = None
    integration: str | None = None
    type: str | None = None
    event: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    message_id: str | None = None
    state: Literal["pending", "leased", "done", "skipped", "dead"] | None = None
    since: str | None = None
    until: str | None = None

    def wanted(self, office: Office) -> Wanted:
        named = office.database.read(names.called, self.pipeline, self.integration)
        return Wanted(**self.model_dump(exclude={"limit", "cursor"}) | asdict(named))


class Event(BaseModel):
    """An event. `deliveries` says where each integration's stands."""

    event_id: int
    received_at: str
    pipeline: str
    type: str
    name: str | None
    message_id: str
    anonymous_id: str | None
    user_id: str | None
    payload: dict[str, Any]


class FoundEvent(Event):
    """An event of a list; `deliveries` says where each integration's stands."""

    deliveries: dict[str, str]


class Delivery(BaseModel):
    """What one integration is owed for the event. `remedy` is what the vendor's page advises."""

    integration: str
    vendor: str
    state: str
    attempts: int
    due_at: str | None
    leased_until: str | None
    last_status: int | None
    last_error: str | None
    finished_at: str | None
    remedy: str | None


class Attempt(BaseModel):
    """One request that the event was part of."""

    attempt_id: int
    integration: str
    started_at: str
    duration_ms: int
    events: int
    status: int | None
    outcome: str
    request_body: str | None
    response_body: str | None
    error: str | None


class Story(Event):
    """One event's whole story."""

    deliveries: list[Delivery]
    attempts: list[Attempt]


@events.get("/events")
async def searched(office: Office, query: Search) -> Page[FoundEvent]:
    """Search, newest first. A page may be short and still have more: it ends where the search's budget did."""
    after = query.after()
    found, following = await office.database.search(
        search.events, query.wanted(office), before=after[0] if after else None, limit=query.limit
    )
    data = [FoundEvent(**item) for item in found]
    return part(data, None if following is None else (following,))


@events.get("/events/<path:id>")
async def one(office: Office, id: str) -> Story:
    """One event, by id or messageId, with its deliveries and every attempt's request and response."""
    number = whole(id)
    keyed = [] if number is None else office.database.read(store.known, [number])
    found = keyed or await office.database.search(store.find, id)
    if not found:
        raise Refusal(404, "not_found", f"There is no event {id[:80]!r}; retention may have taken it.")
    story = office.database.read(store.story, found[-1])
    attempts = [Attempt(**{name: row[name] for name in Attempt.model_fields}) for row in story["attempts"]]
    return Story(
        **{**story["event"], "payload": json.loads(story["event"]["payload"])},
        deliveries=[_delivery(row, attempts) for row in story["deliveries"]],
        attempts=attempts,
    )


def _delivery(row: dict[str, Any], attempts: list[Attempt]) -> Delivery:
    own = [attempt for attempt in attempts if attempt.integration == row["integration"]]
    advice = None
    if own and own[-1].status is not None and own[-1].outcome != "delivered" and row["vendor"] in destinations():
        reply = Reply(own[-1].status, {}, (own[-1].response_body or "").encode())
        advice = remedy(reply, destinations()[row["vendor"]].troubleshooting) or None
    named = {name: row[name] for name in Delivery.model_fields if name != "remedy"}
    return Delivery(**named, remedy=advice)
