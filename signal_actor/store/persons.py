"""Persons: finding all that is stored about somebody, and erasing it.

A person is a user id with the visitors linked to it, a visitor with the user linked to it, or an email address with
the users and visitors who gave it. Erased are their rows of identity, their events with all deliveries, and what
attempts say about them; an attempt that was about others too keeps its figures and loses its texts.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from signal_actor.errors import UsageError
from signal_actor.store import audit, outbox, upkeep

CHUNK = 200  # events erased in one transaction
ROUNDS = 5  # looks for what came in meanwhile

Receipt = dict[str, int]
NOTHING: Receipt = {"events": 0, "deliveries": 0, "attempts_erased": 0, "attempts_blanked": 0, "identities": 0}


@dataclass(frozen=True, slots=True)
class Person:
    """Who is to be forgotten: one of the three; in one pipeline, or in all."""

    user_id: str | None = None
    anonymous_id: str | None = None
    email: str | None = None
    pipeline: str | None = None

    def check(self) -> None:
        """Raises UsageError unless exactly one of the three is given."""
        if sum(bool(each) for each in (self.user_id, self.anonymous_id, self.email)) != 1:
            raise UsageError("give one of user_id, anonymous_id and email")


@dataclass(frozen=True, slots=True)
class Found:
    """What is stored about a person: pairs of pipeline id and user or anonymous id, and ids of events."""

    users: list[tuple[int, str]]
    visitors: list[tuple[int, str]]
    events: list[int]


def find(connection: sqlite3.Connection, person: Person) -> Found:
    """All that is stored about a person. Reads every event; not for the event loop."""
    person.check()
    pipelines = [
        row[0]
        for row in connection.execute("select id from pipeline where ?1 is null or slug = ?1", (person.pipeline,))
    ]
    users = {(key, person.user_id) for key in pipelines if person.user_id}
    visitors = {(key, person.anonymous_id) for key in pipelines if person.anonymous_id}
    if person.email:
        users |= _pairs(connection, USERS_BY_EMAIL, pipelines, person.email)
        visitors |= _pairs(connection, VISITORS_BY_EMAIL, pipelines, _quoted(person.email))
    users |= _pairs(connection, USERS_OF_VISITORS, sorted(visitors))
    visitors |= _pairs(connection, VISITORS_OF_USERS, sorted(users))
    own = [[key, person.anonymous_id] for key in pipelines if person.anonymous_id]
    said = None if person.email is None else _quoted(person.email)
    values = (json.dumps(sorted(users)), json.dumps(sorted(visitors)), json.dumps(own), said, json.dumps(pipelines))
    events = [row[0] for row in connection.execute(EVENTS, values)]
    return Found(sorted(users), sorted(visitors), events)


USERS_BY_EMAIL = """
    select pipeline_id, user_id from person where pipeline_id in (select value from json_each(?))
    and lower(traits ->> '$.email') = lower(?)
"""
VISITORS_BY_EMAIL = """
    select distinct pipeline_id, anonymous_id from event where pipeline_id in (select value from json_each(?))
    and anonymous_id is not null and user_id is null and instr(lower(payload), ?) > 0
"""
USERS_OF_VISITORS = """
    select pipeline_id, user_id from visitor where user_id is not null
    and (pipeline_id, anonymous_id) in (select value ->> 0, value ->> 1 from json_each(?))
"""
VISITORS_OF_USERS = """
    select pipeline_id, anonymous_id from visitor
    where (pipeline_id, user_id) in (select value ->> 0, value ->> 1 from json_each(?))
"""
# Events of the users; of the visitors unless they are somebody else's; and all that hold the email address.
EVENTS = """
    select id from event
    where (pipeline_id, user_id) in (select value ->> 0, value ->> 1 from json_each(?1))
       or (user_id is null and (pipeline_id, anonymous_id) in (select value ->> 0, value ->> 1 from json_each(?2)))
       or (pipeline_id, anonymous_id) in (select value ->> 0, value ->> 1 from json_each(?3))
       or (?4 is not null and instr(lower(payload), ?4) > 0 and pipeline_id in (select value from json_each(?5)))
    order by id
"""


def pieces(found: Found) -> Iterator[dict[str, Any]]:
    """What was found as arguments of `erase`, piece by piece; identities go first, so that no event is linked anew."""
    yield {"users": found.users, "visitors": found.visitors, "events": found.events[:CHUNK]}
    for start in range(CHUNK, len(found.events), CHUNK):
        yield {"users": [], "visitors": [], "events": found.events[start : start + CHUNK]}


def erase(
    connection: sqlite3.Connection,
    *,
    users: list[tuple[int, str]],
    visitors: list[tuple[int, str]],
    events: list[int],
    now: int,
) -> Receipt:
    """Erases identities and up to CHUNK events, so that nothing of them is left in the pages that they were on."""
    with _securely(connection):
        identities = 0
        for table, column, rows in (("person", "user_id", users), ("visitor", "anonymous_id", visitors)):
            for row in rows:
                sql = f"delete from {table} where pipeline_id = ? and {column} = ?"
                identities += connection.execute(sql, tuple(row)).rowcount
        touched = _open_visitors(connection, events)
        blanked = _blank(connection, events)
        deliveries, attempts = upkeep.erase_events(connection, events, now=now)
        for integration_id, those in touched.items():
            outbox.promote(connection, integration_id, those)
    return {
        "events": len(events),
        "deliveries": deliveries,
        "attempts_erased": attempts,
        "attempts_blanked": blanked - attempts,
        "identities": identities,
    }


def record(connection: sqlite3.Connection, person: Person, receipt: Receipt, *, author: str, now: int) -> None:
    """Says in the audit that somebody was forgotten, without saying who: by a fingerprint that one can compare."""
    named = person.user_id or person.anonymous_id or person.email or ""
    by = "user_id" if person.user_id else "anonymous_id" if person.anonymous_id else "email"
    fingerprint = sha256(named.encode()).hexdigest()[:16]
    detail: dict[str, Any] = {"by": by, "fingerprint": fingerprint, **receipt}
    target = f"person/{fingerprint}"
    audit.record(connection, actor=author, action="forget person", target=target, detail=detail, now=now)


@contextmanager
def _securely(connection: sqlite3.Connection) -> Iterator[None]:
    """What is deleted inside is overwritten in the file."""
    connection.execute("pragma secure_delete = on")
    try:
        yield
    finally:
        connection.execute("pragma secure_delete = off")


def _pairs(connection: sqlite3.Connection, sql: str, values: list[Any], *more: Any) -> set[tuple[int, str]]:
    return {(row[0], row[1]) for row in connection.execute(sql, (json.dumps(values), *more))}


def _quoted(email: str) -> str:
    """The address as it stands in a payload, as a value of its own."""
    return json.dumps(email.lower(), ensure_ascii=False)


def _open_visitors(connection: sqlite3.Connection, events: list[int]) -> dict[int, list[int]]:
    """Whose turn may come when these events are gone, by integration."""
    found: dict[int, list[int]] = {}
    for integration_id, visitor in connection.execute(
        "select distinct integration_id, visitor from delivery"
        " where event_id in (select value from json_each(?)) and finished_at is null",
        (json.dumps(events),),
    ):
        found.setdefault(integration_id, []).append(visitor)
    return found


def _blank(connection: sqlite3.Connection, events: list[int]) -> int:
    """Takes the texts out of all attempts that were about these events. Returns how many."""
    return connection.execute(
        "update attempt set request_body = null, response_body = null, error = ?"
        " where id in (select attempt_id from attempt_event where event_id in (select value from json_each(?)))",
        (outbox.ERASED, json.dumps(events)),
    ).rowcount
