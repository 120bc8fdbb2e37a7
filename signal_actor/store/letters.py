"""Letters: deliveries that people look for, replay or discard, dead letters above all."""

import json
import sqlite3
from collections import Counter
from dataclasses import dataclass
from typing import Any

from signal_actor.delivery.rules import State
from signal_actor.errors import UsageError
from signal_actor.store import audit, outbox, tally
from signal_actor.store.ids import LARGEST, first_id
from signal_actor.wire import iso, milliseconds

CHUNK = 1_000  # deliveries changed in one transaction, so that none holds the others up
REPLAYABLE = ("dead", "skipped")  # what is done is never sent again
DISCARDABLE = ("dead", "pending")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which deliveries. What is None does not matter; `event` is an event's name, times are ISO 8601 of acceptance."""

    pipeline: str | None = None
    integration: str | None = None
    state: str | None = None
    event: str | None = None
    event_ids: tuple[int, ...] | list[int] | None = None
    since: str | None = None
    until: str | None = None
    integration_id: int | None = None
    finished_by: int | None = None  # ms; what was replayed and is final again already is not replayed again and again

    def where(self) -> tuple[str, list[Any]]:
        """The conditions in SQL over d(elivery), e(vent), i(ntegration) and p(ipeline), with their values."""
        conditions, values = ["1"], list[Any]()

        def add(condition: str, value: Any) -> None:
            if value is not None:
                conditions.append(condition)
                values.append(value)

        add("p.slug = ?", self.pipeline)
        add("i.slug = ?", self.integration)
        add("i.id = ?", self.integration_id)
        if self.state is not None:  # spelt out, because an index of some states is of no use for a parameter
            if self.state not in set(State):
                raise UsageError(f"state: {self.state!r} is none of {', '.join(State)}")
            conditions.append(f"d.state = '{self.state}'")
        add("e.name = ?", self.event)
        ids = None if self.event_ids is None else json.dumps(list(self.event_ids))
        add("d.event_id in (select value from json_each(?))", ids)
        add("d.event_id >= ?", _first_id("since", self.since))
        add("d.event_id < ?", _first_id("until", self.until))
        add("d.finished_at <= ?", self.finished_by)
        return " and ".join(conditions), values


FROM = """
    from delivery d
    join integration i on i.id = d.integration_id
    join pipeline p on p.id = i.pipeline_id
    join event e on e.id = d.event_id
"""


def backlog(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """What every integration is owed, as `v_backlog` shows it."""
    return _dicts(connection.execute("select * from v_backlog order by pipeline, integration"))


LISTED = """
    select d.event_id, e.message_id, p.slug as pipeline, i.slug as integration, i.vendor, d.state, d.attempts,
           case d.state when 'pending' then d.due_at end as due_at,
           case d.state when 'leased' then d.due_at end as leased_until,
           d.last_status, d.last_error, e.received_at as accepted_at, d.finished_at
"""
TIMES = ("due_at", "leased_until", "accepted_at", "finished_at")


def listed(
    connection: sqlite3.Connection, wanted: Filter, *, limit: int, after: tuple[int, str] = (0, "")
) -> list[dict[str, Any]]:
    """Deliveries with the columns of `v_deliveries`, oldest first; `after` is the last one's event id and integration.

    Not read from the view, which knows integrations by slugs only, and a slug may have belonged to another before.
    """
    condition, values = wanted.where()
    cursor = connection.execute(
        f"{LISTED} {FROM} where {condition} and d.event_id >= ? and (d.event_id, i.slug) > (?, ?)"
        " order by d.event_id, i.slug limit ?",
        [*values, after[0], *after, limit],
    )
    found = _dicts(cursor)
    for row in found:
        row.update({name: iso(row[name]) for name in TIMES if row[name] is not None})
    return found


def newest(
    connection: sqlite3.Connection, wanted: Filter, *, limit: int, before: int | None = None
) -> list[dict[str, Any]]:
    """Deliveries for people, newest first: event id and name, when it was accepted, state and what was said last."""
    condition, values = wanted.where()
    cursor = connection.execute(
        "select d.event_id, e.type, e.name, e.received_at, i.slug as integration, d.state, d.attempts, d.due_at,"
        f" d.last_status, d.last_error, d.finished_at {FROM}"
        f" where {condition} and d.event_id < ? order by d.event_id desc limit ?",
        [*values, LARGEST if before is None else before, limit],
    )
    return _dicts(cursor)


def _dicts(cursor: sqlite3.Cursor) -> list[dict[str, Any]]:
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def count(connection: sqlite3.Connection, wanted: Filter) -> int:
    """How many deliveries there are of the kind."""
    condition, values = wanted.where()
    found: int = connection.execute(f"select count(*) {FROM} where {condition}", values).fetchone()[0]
    return found


def replay(connection: sqlite3.Connection, wanted: Filter, *, author: str, now: int) -> int:
    """Makes up to CHUNK of them pending again, with a fresh retry window and behind what their visitors have open.

    Returns how many; fewer than CHUNK says that there are no more.

    Raises:
        UsageError: the state is not one that can be replayed.
    """
    _check(wanted.state, REPLAYABLE, "replayed")
    return _change(
        connection,
        wanted,
        "state = 'pending', behind = 1, due_at = ?, window_from = ?, attempts = 0, last_status = null,"
        " last_error = null, finished_at = null",
        (now, now),
        action="replay",
        author=author,
        now=now,
    )


def discard(connection: sqlite3.Connection, wanted: Filter, *, author: str, now: int) -> int:
    """Gives up to CHUNK of them up for good: they are skipped, with who said so. Returns how many."""
    _check(wanted.state, DISCARDABLE, "discarded")
    return _change(
        connection,
        wanted,
        "state = 'skipped', due_at = null, lease = null, finished_at = ?, last_error = ?",
        (now, f"discarded by {author}"),
        action="discard",
        author=author,
        now=now,
    )


def _change(connection: sqlite3.Connection, wanted: Filter, change: str, values: tuple[Any, ...], **said: Any) -> int:
    condition, bound = wanted.where()
    rows = connection.execute(
        f"select d.event_id, d.integration_id, d.visitor, d.state {FROM} where {condition} order by d.event_id limit ?",
        [*bound, CHUNK],
    ).fetchall()
    visitors: dict[int, list[int]] = {}
    for _, integration_id, visitor, _ in rows:
        visitors.setdefault(integration_id, []).append(visitor)
    for integration_id, those in visitors.items():
        outbox.demote(connection, integration_id, those)
    connection.executemany(
        f"update delivery set {change} where event_id = ? and integration_id = ?",
        [(*values, event_id, integration_id) for event_id, integration_id, *_ in rows],
    )
    for integration_id, those in visitors.items():
        outbox.promote(connection, integration_id, those)
    owners = [integration_id for _, integration_id, *_ in rows]
    if wanted.state != "pending":
        tally.remove(connection, "delivery", ((owner, str(wanted.state)) for owner in owners), now=said["now"])
    if said["action"] == "discard":
        for owner, count in Counter(owners).items():
            tally.add(connection, "delivery", owner, {"skipped": count}, now=said["now"])
    if rows:
        audit.record(
            connection,
            actor=said["author"],
            action=said["action"],
            target=f"{len(rows)} deliveries",
            detail={name: getattr(wanted, name) for name in wanted.__slots__ if getattr(wanted, name) is not None},
            now=said["now"],
        )
    return len(rows)


def _check(state: str | None, allowed: tuple[str, ...], done: str) -> None:
    if state not in allowed:
        raise UsageError(f"state: only {' and '.join(allowed)} deliveries can be {done}, not {state}")


def _first_id(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return first_id(milliseconds(text))
    except ValueError:
        raise UsageError(f"{name}: {text!r} is no ISO 8601 time, such as 2026-02-25T14:30:00Z") from None
