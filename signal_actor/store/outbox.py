"""Outbox: what is owed, leased and settled. One row per event and integration, from acceptance to its final state.

Laws, for every integration:
1. While a visitor has nothing in flight, its earliest open delivery is its head, and all others are `behind`.
2. While it has something in flight it has no head, so that nothing else of it can be leased.
3. A lease takes heads, and behind each what follows it without a gap.
4. Only the holder of a lease settles it: every update that ends one names the lease.
5. A lease whose holder did not live to settle it is released before the next holder starts; the attempts say so.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from signal_actor.store import integrations, tally


class Leased(NamedTuple):
    """A delivery in the hands of an actor. `attempts` counts this one; `consent` is the visitor's newest, as JSON."""

    event_id: int
    payload: str
    visitor: int
    attempts: int
    window_from: int
    consent: str | None


class Settlement(NamedTuple):
    """What becomes of a leased delivery: the outcome of `rules.step` for one row."""

    event_id: int
    visitor: int
    state: str
    due_at: int | None
    finished_at: int | None
    give_back: bool
    status: int | None
    error: str | None


class Attempt(NamedTuple):
    """One request to a vendor, for the record. Bodies are bounded and hold no secrets."""

    started_at: int
    duration_ms: int
    status: int | None
    outcome: str
    request_body: str | None
    response_body: str | None
    error: str | None
    event_ids: Sequence[int]

    def about(self, left: Sequence[int]) -> "Attempt":
        """The attempt after events of it were erased while it was under way: without what it says, about the rest."""
        return self._replace(request_body=None, response_body=None, error=ERASED, event_ids=left)


ERASED = "what was said is erased, because it was about a person who was forgotten"

COLUMNS = "d.event_id, e.payload, d.visitor, d.attempts + 1, d.window_from, coalesce(v.consent, n.consent)"
ABOUT = """
    join event e on e.id = d.event_id
    left join visitor v on v.pipeline_id = e.pipeline_id and v.anonymous_id = e.anonymous_id
    left join person n on n.pipeline_id = e.pipeline_id and n.user_id = e.user_id and e.anonymous_id is null
"""
OPEN = "f.integration_id = {} and f.visitor = {} and f.finished_at is null and f.event_id > {}"
HEADS = f"""
    select {COLUMNS},
           exists (select 1 from delivery f where {OPEN.format("d.integration_id", "d.visitor", "d.event_id")})
    from delivery d {ABOUT}
    where d.integration_id = ? and d.state = 'pending' and d.behind = 0 and d.due_at <= ?
    order by d.due_at, d.event_id limit ?
"""
FOLLOWERS = f"""
    select {COLUMNS.replace("d.", "f.")}, f.due_at from delivery f {ABOUT.replace("d.", "f.")}
    where {OPEN.format("?", "?", "?")} order by f.event_id limit ?
"""


def lease(
    connection: sqlite3.Connection, integration_id: int, *, lease: int, now: int, until: int, heads: int, items: int
) -> list[Leased]:
    """Leases what is due: up to `heads` visitors' heads, the longest due first, and their followers up to `items`.

    Returned in order of acceptance.
    """
    due: list[Leased] = []
    followed: list[Leased] = []
    for *row, more in connection.execute(HEADS, (integration_id, now, heads)).fetchall():
        due.append(Leased._make(row))
        if more:
            followed.append(due[-1])
    for head in followed:
        if len(due) >= items:
            break
        # A visitor at a time: a visitor with a hundred thousand waiting events costs no more than one with a hundred.
        place = (integration_id, head.visitor, head.event_id, items - len(due))
        for *row, due_at in connection.execute(FOLLOWERS, place).fetchall():
            if due_at > now:  # nobody overtakes a follower that waits for its own retry
                break
            due.append(Leased._make(row))
    connection.executemany(
        "update delivery set state = 'leased', lease = ?, due_at = ?, attempts = attempts + 1"
        " where event_id = ? and integration_id = ?",
        [(lease, until, row.event_id, integration_id) for row in due],
    )
    return sorted(due, key=lambda row: row.event_id)


def extend(connection: sqlite3.Connection, integration_id: int, *, lease: int, until: int) -> None:
    """Gives a lease more time: a vendor is slow, or a batch had to be split again and again."""
    connection.execute(
        "update delivery set due_at = ? where integration_id = ? and state = 'leased' and lease = ?",
        (until, integration_id, lease),
    )


SETTLE = """
    update delivery set state = ?, due_at = ?, behind = 1, lease = null, attempts = attempts - ?, last_status = ?,
                        last_error = ?, finished_at = ?
    where event_id = ? and integration_id = ? and lease = ?
"""


def settle(
    connection: sqlite3.Connection,
    integration_id: int,
    *,
    lease: int,
    settlements: Sequence[Settlement],
    attempt: Attempt | None,
    health: tuple[str, str | None] | None,
    now: int,
) -> list[Settlement]:
    """Ends a lease (or a part of it), records the attempt, and lets the visitors' next events come forward.

    Returns what it settled: all but what the lease does not hold any more, because somebody erased it.
    """
    fresh = [
        (s.state, s.due_at, s.give_back, s.status, s.error, s.finished_at, s.event_id, integration_id, lease)
        for s in settlements
    ]
    settled = list(settlements)
    if connection.executemany(SETTLE, fresh).rowcount != len(fresh):
        settled = _found(connection, integration_id, settlements)
    final = Counter(s.state for s in settled if s.finished_at is not None)
    tally.add(connection, "delivery", integration_id, final, now=now)
    promote(connection, integration_id, [s.visitor for s in settlements])
    if attempt is not None:
        record(connection, integration_id, attempt)
    if health is not None:
        integrations.note_health(connection, integration_id, *health, now=now)
    return settled


def _found(connection: sqlite3.Connection, integration_id: int, settlements: Sequence[Settlement]) -> list[Settlement]:
    """Those of the settlements that have become true."""
    there = connection.execute(
        "select event_id, state, due_at, finished_at from delivery"
        " where integration_id = ? and event_id in (select value from json_each(?))",
        (integration_id, json.dumps([s.event_id for s in settlements])),
    )
    true = set(there.fetchall())
    return [s for s in settlements if (s.event_id, s.state, s.due_at, s.finished_at) in true]


def record(connection: sqlite3.Connection, integration_id: int, attempt: Attempt) -> None:
    """Keeps one attempt and which events it was about."""
    there = connection.execute(
        "select id from event where id in (select value from json_each(?))", (json.dumps(list(attempt.event_ids)),)
    ).fetchall()
    if len(there) < len(attempt.event_ids):
        attempt = attempt.about([row[0] for row in there])
    if not there:
        return
    cursor = connection.execute(
        "insert into attempt (integration_id, started_at, duration_ms, events, status, outcome, request_body,"
        " response_body, error) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            integration_id,
            attempt.started_at,
            attempt.duration_ms,
            len(attempt.event_ids),
            attempt.status,
            attempt.outcome,
            attempt.request_body,
            attempt.response_body,
            attempt.error,
        ),
    )
    connection.executemany(
        "insert into attempt_event (attempt_id, event_id) values (?, ?)",
        [(cursor.lastrowid, event_id) for event_id in attempt.event_ids],
    )
    status = "" if attempt.status is None else str(attempt.status)
    tally.add(connection, "attempt", integration_id, {status: 1}, now=attempt.started_at)


def promote(connection: sqlite3.Connection, integration_id: int, visitors: Sequence[int]) -> None:
    """Laws 1 and 2, after something of these visitors, which have no head now, was settled or came to wait again."""
    connection.execute(
        "update delivery set behind = 0 where integration_id = ?1 and state = 'pending' and event_id in ("
        " select (select min(d.event_id) from delivery d"
        "         where d.integration_id = ?1 and d.visitor = each.value and d.finished_at is null)"
        " from json_each(?2) each where not exists ("
        "  select 1 from delivery d where d.integration_id = ?1 and d.visitor = each.value and d.state = 'leased'))",
        (integration_id, json.dumps(list(set(visitors)))),
    )


def demote(connection: sqlite3.Connection, integration_id: int, visitors: Sequence[int]) -> None:
    """Takes these visitors' heads away, before something is put in front of them; `promote` chooses the new ones."""
    connection.execute(
        "update delivery set behind = 1 where integration_id = ?1 and state = 'pending' and event_id in ("
        " select (select min(d.event_id) from delivery d"
        "         where d.integration_id = ?1 and d.visitor = each.value and d.finished_at is null)"
        " from json_each(?2) each)",
        (integration_id, json.dumps(list(set(visitors)))),
    )


def next_due(connection: sqlite3.Connection, integration_id: int) -> int | None:
    """When the integration's next delivery is due; None if none waits."""
    row = connection.execute(
        "select min(due_at) from delivery where integration_id = ? and state = 'pending' and behind = 0",
        (integration_id,),
    ).fetchone()
    due: int | None = row[0]
    return due


def recover(
    connection: sqlite3.Connection, *, now: int, latest_due: int | None = None, integration_id: int | None = None
) -> int:
    """Releases the leases that nobody holds any more: all at start, one integration's after its actor's fault.

    Each is said in an attempt of its own. With `latest_due`, due times are pulled in too. Returns how many deliveries
    were in flight.
    """
    leases = connection.execute(
        "select lease, integration_id, json_group_array(event_id), json_group_array(visitor) from delivery"
        " where state = 'leased' and integration_id = coalesce(?, integration_id) group by lease, integration_id",
        (integration_id,),
    ).fetchall()
    released = 0
    for lease_id, owner, ids, visitors in leases:
        event_ids = json.loads(ids)
        released += len(event_ids)
        error = "the attempt was cut off; whether the vendor got it is unknown, so it is sent again"
        record(connection, owner, Attempt(now, 0, None, "interrupted", None, None, error, event_ids))
        connection.execute(
            "update delivery set state = 'pending', behind = 1, lease = null, due_at = ?"
            " where integration_id = ? and state = 'leased' and lease = ?",
            (now, owner, lease_id),
        )
        promote(connection, owner, json.loads(visitors))
    if latest_due is not None:
        pull_in(connection, latest_due=latest_due)
    return released


def pull_in(connection: sqlite3.Connection, *, latest_due: int) -> None:
    """Brings due times that only a clock that was set back can leave so far away back to `latest_due`."""
    connection.execute(
        "update delivery set due_at = ?1 where state = 'pending' and behind = 0 and due_at > ?1"
        " and integration_id in (select id from integration)",
        (latest_due,),
    )
