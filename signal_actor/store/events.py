"""Events in the store: acceptance, in one transaction with de-duplication, identity, consent and what is now owed."""

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from signal_actor import identity
from signal_actor.consent import Consent
from signal_actor.errors import Refusal
from signal_actor.event import Event
from signal_actor.store import identities, messages, tally
from signal_actor.store.ids import first_id, whole
from signal_actor.wire import dumps


class Incoming(NamedTuple):
    """An event at the door. `consent` is what it says itself, None if nothing."""

    event: Event
    consent: Consent | None


def accept(
    connection: sqlite3.Connection, pipeline_id: int, incoming: Sequence[Incoming], *, now: int, dedupe_hours: float
) -> int:
    """Stores events with their de-duplication keys, identity links, consent and one delivery per live integration.

    An event whose messageId was seen within `dedupe_hours` is passed over. Returns how many were new.
    """
    last: int = connection.execute("select coalesce(max(id), 0) from event").fetchone()[0]
    next_id = max(first_id(now), last + 1)
    count = Counter[str]()
    for item in incoming:
        event = item.event
        key = identity.message_key(pipeline_id, event["messageId"])
        if not messages.claim(connection, key, next_id, now=now, dedupe_hours=dedupe_hours):
            continue
        identities.resolve(connection, pipeline_id, event, item.consent, now=now)
        order = identity.order_key(event)
        _insert(connection, next_id, pipeline_id, event, now)
        connection.execute(OWE, (next_id, order, order, now, now, pipeline_id))
        next_id += 1
        count[event["type"]] += 1
    tally.add(connection, "event", pipeline_id, count, now=now)
    return count.total()


OWE = """
    insert into delivery (event_id, integration_id, visitor, behind, due_at, window_from)
    select ?, i.id, ?, exists (
               select 1 from delivery d where d.integration_id = i.id and d.visitor = ? and d.finished_at is null
           ), ?, ?
    from integration i
    where i.pipeline_id = ? and i.enabled = 1 and i.deleted_at is null
"""


def _insert(connection: sqlite3.Connection, event_id: int, pipeline_id: int, event: Event, now: int) -> None:
    connection.execute(
        "insert into event (id, pipeline_id, received_at, type, name, message_id, anonymous_id, user_id, payload)"
        " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            event_id,
            pipeline_id,
            now,
            event["type"],
            event.get("event") or event.get("name"),
            event["messageId"],
            event.get("anonymousId"),
            event.get("userId"),
            dumps(event),
        ),
    )


def find(connection: sqlite3.Connection, name: str) -> list[int]:
    """Ids of the events that go by an event id or a messageId, oldest first."""
    number = whole(name)
    ids = [] if number is None else known(connection, [number])
    return sorted({*ids, *messages.find(connection, name)})


def story(connection: sqlite3.Connection, event_id: int) -> dict[str, Any]:
    """One event with its deliveries and every attempt that it was part of, as the views show them."""

    def rows(sql: str) -> list[dict[str, Any]]:
        cursor = connection.execute(sql, (event_id,))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    return {
        "event": rows("select * from v_events where event_id = ?")[0],
        "deliveries": rows("select * from v_deliveries where event_id = ? order by integration"),
        "attempts": rows(
            "select * from v_attempts where attempt_id in"
            " (select attempt_id from attempt_event where event_id = ?) order by attempt_id"
        ),
    }


def known(connection: sqlite3.Connection, event_ids: list[int]) -> list[int]:
    """Those of the ids that are ids of events."""
    rows = connection.execute(
        "select id from event where id in (select value from json_each(?)) order by id", (json.dumps(event_ids),)
    )
    return [row[0] for row in rows]


def payload(connection: sqlite3.Connection, event_id: int) -> str:
    """A stored event as JSON text. Raises Refusal (404)."""
    row = connection.execute("select payload from event where id = ?", (event_id,)).fetchone()
    if row is None:
        raise Refusal(404, "not_found", f"There is no event {event_id}; retention may have taken it.")
    return str(row[0])
