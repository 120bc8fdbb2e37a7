"""Search: events and deliveries that people look for, newest first, page by page.

A messageId is found by its key. Everything else is looked for step by step (`walk.py`): an index for every field
people search by would cost every event that is accepted. No page costs more than BUDGET; a search that comes to the
end of it says where to go on. So does one whose payloads are large together.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from signal_actor.delivery.rules import State
from signal_actor.errors import Refusal
from signal_actor.store import messages, walk
from signal_actor.store.ids import first_id, time_of
from signal_actor.wire import iso

BUDGET = 1.0  # seconds of a core: some five million events, if the file is in memory
PAGE_CHARS = 2_000_000  # of payload in a page: larger ones hold up who reads and writes them
LAST = 2**62

Row = dict[str, Any]
Position = tuple[int, int]  # event id and integration id


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for; None does not matter. Times are ISO 8601 of acceptance."""

    pipeline: str | None = None
    integration: str | None = None
    integration_id: int | None = None
    type: str | None = None
    event: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    message_id: str | None = None
    state: str | None = None
    since: str | None = None
    until: str | None = None

    def span(self) -> tuple[int, int]:
        """Ids from, and up to but without."""
        since = 0 if self.since is None else first_id(time_of("since", self.since))
        return since, LAST if self.until is None else first_id(time_of("until", self.until))


ABOUT_EVENT = {
    "pipeline": "e.pipeline_id in (select id from pipeline where slug = ?)",
    "type": "e.type = ?",
    "event": "e.name = ?",
    "user_id": "e.user_id = ?",
    "anonymous_id": "e.anonymous_id = ?",
    "message_id": "e.message_id = ?",
}
ABOUT_DELIVERY = {
    "integration": "d.integration_id in (select id from integration where slug = ?)",
    "integration_id": "d.integration_id = ?",
    "state": "d.state = ?",
}
WHOSE = ("integration", "integration_id")
EVENT = "e.id, e.received_at, p.slug, e.type, e.name, e.message_id, e.anonymous_id, e.user_id, e.payload"
DELIVERY = """
    d.event_id, d.integration_id, e.message_id, e.type, e.name, p.slug, i.slug, i.vendor, d.state, d.attempts,
    case d.state when 'pending' then d.due_at end, case d.state when 'leased' then d.due_at end, d.last_status,
    d.last_error, e.received_at, d.finished_at
"""


def events(
    connection: sqlite3.Connection, wanted: Wanted, *, before: int | None, limit: int
) -> tuple[list[Row], int | None]:
    """Events, newest first, and the id before which to go on; None at the end.

    `deliveries` and `statuses` of each are by the integrations' slugs.
    """
    conditions, values = _conditions(wanted, ABOUT_EVENT)
    owed, bound = _conditions(wanted, ABOUT_DELIVERY)
    if owed:
        conditions.append(f"exists (select 1 from delivery d where d.event_id = e.id and {' and '.join(owed)})")
    said = " and ".join(["e.id >= ? and e.id < ?", *conditions])
    sql = f"select {EVENT} from event e join pipeline p on p.id = e.pipeline_id where {said} order by e.id desc limit ?"

    def window(low: int, high: int, left: int) -> Iterable[Any]:
        return connection.execute(sql, (low, high, *values, *bound, left))

    rows, after = _through(connection, wanted, before, limit, window, weight=lambda row: len(row[8]))
    found = [_event(row) for row in rows]
    fates = _fates(connection, [row[0] for row in rows])
    for item in found:
        own = fates.get(item["event_id"], {})
        item["deliveries"] = {slug: state for slug, (state, _) in own.items()}
        item["statuses"] = {slug: status for slug, (_, status) in own.items()}
    return found, after


def deliveries(
    connection: sqlite3.Connection, wanted: Wanted, *, before: Position | None, limit: int
) -> tuple[list[Row], Position | None]:
    """Deliveries, newest event first, and the position before which to go on; None at the end."""
    conditions, values = _conditions(wanted, ABOUT_EVENT | {name: ABOUT_DELIVERY[name] for name in WHOSE})
    if wanted.state is not None:  # spelt out, because an index of some states is of no use for a parameter
        conditions.append(f"d.state = '{_state(wanted.state)}'")
    said = " and ".join(["d.event_id >= ? and d.event_id < ?", "(d.event_id, d.integration_id) < (?, ?)", *conditions])
    sql = f"""
        select {DELIVERY} from delivery d join event e on e.id = d.event_id
        join integration i on i.id = d.integration_id join pipeline p on p.id = i.pipeline_id
        where {said} order by d.event_id desc, d.integration_id desc limit ?
    """
    edge = before or (LAST, 0)

    def window(low: int, high: int, left: int) -> Iterable[Any]:
        return connection.execute(sql, (low, high, *edge, *values, left))

    # Those of one event may be on two pages; then the event of the cursor is looked at again.
    upto = edge[0] + (edge[1] > 0)
    rows, after = _through(connection, wanted, upto, limit, window)
    following = None if after is None else (after, 0) if len(rows) < limit else (rows[-1][0], rows[-1][1])
    return [_delivery(row) for row in rows], following


def _through(
    connection: sqlite3.Connection,
    wanted: Wanted,
    before: int | None,
    limit: int,
    window: Callable[[int, int, int], Iterable[Any]],
    weight: Callable[[Any], int] = lambda _: 0,
) -> tuple[list[Any], int | None]:
    """Looks through events step by step until the page is full, the budget is spent or nothing is left.

    A row begins with its event's id; `weight`: characters that it adds to the page.
    """
    low, high = wanted.span()
    found: list[Any] = []
    room = PAGE_CHARS
    started = time.thread_time()
    for below, above in _steps(connection, wanted, low, min(high, before or LAST)):
        for row in window(below, above, limit - len(found)):
            found.append(row)
            room -= weight(row)
            if len(found) >= limit or room < 0:
                return found, row[0]
        if time.thread_time() - started > BUDGET:
            return found, below
    return found, None


def _steps(connection: sqlite3.Connection, wanted: Wanted, low: int, high: int) -> Iterable[tuple[int, int]]:
    if wanted.message_id is None:
        return walk.down(connection, low, high)
    return ((each, each + 1) for each in reversed(messages.find(connection, wanted.message_id)) if low <= each < high)


def _conditions(wanted: Wanted, known: dict[str, str]) -> tuple[list[str], list[Any]]:
    given = {name: getattr(wanted, name) for name in known if getattr(wanted, name) is not None}
    if "state" in given:
        _state(given["state"])
    return [known[name] for name in given], list(given.values())


def _fates(connection: sqlite3.Connection, ids: list[int]) -> dict[int, dict[str, tuple[str, int | None]]]:
    """Where the deliveries of events stand, and the last HTTP status of each, by the integrations' slugs."""
    found: dict[int, dict[str, tuple[str, int | None]]] = {}
    for event_id, slug, state, status in connection.execute(
        "select d.event_id, i.slug, d.state, d.last_status"
        " from delivery d join integration i on i.id = d.integration_id"
        " where d.event_id in (select value from json_each(?)) order by i.id",
        (json.dumps(ids),),
    ):
        found.setdefault(event_id, {})[slug] = state, status
    return found


def _event(row: Any) -> Row:
    names = ("event_id", "received_at", "pipeline", "type", "name", "message_id", "anonymous_id", "user_id", "payload")
    item = dict(zip(names, row, strict=True))
    return item | {"received_at": iso(row[1]), "payload": json.loads(row[8])}


def _delivery(row: Any) -> Row:
    names = (
        *("event_id", "integration_id", "message_id", "type", "name", "pipeline", "integration", "vendor", "state"),
        *("attempts", "due_at", "leased_until", "last_status", "last_error", "accepted_at", "finished_at"),
    )
    item = dict(zip(names, row, strict=True))
    for name in ("due_at", "leased_until", "accepted_at", "finished_at"):
        item[name] = None if item[name] is None else iso(item[name])
    return item


def _state(text: str) -> str:
    if text not in set(State):
        raise Refusal(400, "invalid_payload", f"state: {text[:40]!r} is none of {', '.join(State)}.")
    return text
