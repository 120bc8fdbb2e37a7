"""Messages: the keys by which a repeated messageId is recognised, and by which an event is found.

Keys are kept by day: new ones are written side by side, and old days go cheaply. A unique index on the event table
would slow every insert down as the file grows.
"""

import sqlite3
from functools import lru_cache

from signal_actor import identity
from signal_actor.live import Retention
from signal_actor.store import walk
from signal_actor.store.ids import DAY, HOUR, LARGEST, first_id

CHUNK = 500  # keys forgotten in one transaction: a few milliseconds


def claim(connection: sqlite3.Connection, key: bytes, event_id: int, *, now: int, dedupe_hours: float) -> bool:
    """Takes a key for a new event; False if it is taken since at least `dedupe_hours` ago."""
    days = -int(-dedupe_hours * HOUR // DAY)
    return connection.execute(_unless_seen(days), (now // DAY, key, event_id)).rowcount == 1


@lru_cache
def _unless_seen(days: int) -> str:
    # From tomorrow's day on: the clock may have been set back over midnight.
    earlier = " or ".join(f"exists (select 1 from seen where day = ?1 - {n} and key = ?2)" for n in range(-1, days + 1))
    return f"insert into seen (day, key, event_id) select ?1, ?2, ?3 where not ({earlier})"


DAYS = """
    with recursive days (day) as (
        select min(day) from seen
        union all
        select (select min(day) from seen where day > days.day) from days where day is not null
    )
"""


def find(connection: sqlite3.Connection, message_id: str) -> list[int]:
    """Ids of the events with this messageId, of all pipelines, oldest first.

    Every day that has keys is asked for theirs; events that are older than the keys are looked through. Those are few,
    dead letters above all, unless keys had to make room.
    """
    pipelines = [row[0] for row in connection.execute("select id from pipeline")]
    keys = [identity.message_key(pipeline_id, message_id) for pipeline_id in pipelines]
    marks = ", ".join("?" * len(keys))
    keyed = connection.execute(
        f"{DAYS} select e.id from days cross join seen s on s.day = days.day and s.key in ({marks})"
        " join event e on e.id = s.event_id",
        keys,
    )
    found = {row[0] for row in keyed}
    (oldest,) = connection.execute("select min(day) from seen").fetchone()
    before = first_id(oldest * DAY) if oldest is not None else LARGEST
    for span in walk.down(connection, 0, before):
        old = connection.execute(
            "select id from event where id >= ? and id < ? and message_id = ?", (*span, message_id)
        )
        found |= {row[0] for row in old}
    return sorted(found)


def forget(connection: sqlite3.Connection, retention: Retention, *, now: int, early: bool = False) -> int:
    """Deletes keys of days that nobody asks for any more, up to CHUNK. Returns how many went.

    They are kept for as long as their events, because people look for those; `early` keeps only what recognises
    repeats.
    """
    needed = retention.dedupe_hours * HOUR
    wished = 0 if early else retention.done_days * DAY
    oldest = (now - round(max(needed, wished))) // DAY - 1
    cursor = connection.execute(
        "delete from seen where (day, key) in (select day, key from seen where day < ? limit ?)", (oldest, CHUNK)
    )
    return cursor.rowcount
