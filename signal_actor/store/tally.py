"""Tally: how often what happened, counted in the transactions in which it happens, so that no figure needs a scan.

    event     by pipeline and type: accepted
    delivery  by integration and final state: done, skipped, dead
    attempt   by integration and HTTP status: requests; "" where no answer came

Law: for every noun, owner and label, `total - gone` is the number of rows that there are. Totals never go down.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from signal_actor.store.ids import DAY, HOUR, MINUTE

FOLDS = ((2 * DAY, HOUR), (62 * DAY, DAY))  # from this age on, one row for so long

Noun = Literal["event", "delivery", "attempt"]
OUTCOMES = {"done": "delivered", "skipped": "skipped", "dead": "dead"}  # what final states are called outside

PUT = """
    insert into tally (slot, noun, owner, label, total, gone) values (?, ?, ?, ?, ?, ?)
    on conflict do update set total = total + excluded.total, gone = gone + excluded.gone
"""


@dataclass(frozen=True, slots=True)
class Count:
    """How often, ever. `rows` are those that are still there."""

    noun: str
    owner: int
    label: str
    total: int
    rows: int


def add(connection: sqlite3.Connection, noun: Noun, owner: int, counts: Mapping[str, int], *, now: int) -> None:
    """Something happened."""
    for label, count in counts.items():
        connection.execute(PUT, (now - now % MINUTE, noun, owner, label, count, 0))


def remove(connection: sqlite3.Connection, noun: Noun, rows: Iterable[tuple[int, str]], *, now: int) -> None:
    """Rows, each an owner and a label, are there no longer or not under this label."""
    for (owner, label), count in Counter(rows).items():
        connection.execute(PUT, (now - now % MINUTE, noun, owner, label, 0, count))


def counts(connection: sqlite3.Connection) -> list[Count]:
    """Everything that was ever counted."""
    rows = connection.execute(
        "select noun, owner, label, sum(total), sum(total) - sum(gone) from tally group by noun, owner, label"
    )
    return [Count(*row) for row in rows]


def series(connection: sqlite3.Connection, *, since: int, until: int, step: int) -> list[tuple[Any, ...]]:
    """(start of the step, noun, owner, label, count) of what happened in a span, in order of time; milliseconds."""
    return connection.execute(
        "select max((slot - ?1) / ?3, 0) * ?3 + ?1, noun, owner, label, sum(total) from tally"
        f" where slot >= ?1 - ?1 % {MINUTE} and slot < ?2 and total > 0 group by 1, 2, 3, 4 order by 1",
        (since, until, step),
    ).fetchall()


def fold(connection: sqlite3.Connection, *, now: int) -> None:
    """Brings what is old together into fewer rows."""
    for age, width in FOLDS:
        limit = (now - age) // width * width
        connection.execute(
            "insert into tally (slot, noun, owner, label, total, gone)"
            " select slot / ?1 * ?1, noun, owner, label, sum(total), sum(gone) from tally"
            " where slot < ?2 and slot % ?1 <> 0 group by 1, 2, 3, 4"
            " on conflict do update set total = total + excluded.total, gone = gone + excluded.gone",
            (width, limit),
        )
        connection.execute("delete from tally where slot < ?2 and slot % ?1 <> 0", (width, limit))
