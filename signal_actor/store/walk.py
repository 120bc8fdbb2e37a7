"""Walk: long scans in short steps, so that no reading transaction lasts (the WAL could not be checkpointed meanwhile).

Ids of events grow with time, so a step is a span of time. Nobody knows before how many events it holds, so each step
is made wider or narrower by how much work the last one was. (Time that a thread waits for a core is no work: steps
that shrink on a busy machine would never end.)

Between two steps a walk rests if the process had other things to do. A lower priority alone does not help accepting:
a core that is free may share its insides with the one that accepts.
"""

import sqlite3
import time
from collections.abc import Iterator

from signal_actor.store import ids

STEP_SECONDS = 0.05  # of a core, that a step may take
REST = 6.0  # times a step's work, while the rest of the process is as busy as the walk
LEAST = 1_000 << ids.BITS  # ids: the events of a second


def down(connection: sqlite3.Connection, low: int, high: int) -> Iterator[tuple[int, int]]:
    """Spans of ids (from, up to but without) in which all events of `low` to `high` are, the newest first."""
    oldest, newest = connection.execute(
        "select (select min(id) from event where id >= ?1 and id < ?2), (select max(id) from event where id < ?2)",
        (low, high),
    ).fetchone()
    if oldest is None:
        return
    width, above = LEAST, newest + 1
    while above > oldest:
        below, own, whole = max(above - width, oldest), time.thread_time(), time.process_time()
        yield below, above
        took = time.thread_time() - own
        others = time.process_time() - whole - took
        time.sleep(max(min(others, took), 0.0) * REST)
        above = below
        if took < STEP_SECONDS / 4:
            width *= 4
        elif took > STEP_SECONDS:
            width = max(width // 2, LEAST)
