"""Upkeep: what the janitor does in the store, in small bites that hold nobody up."""

import json
import sqlite3

from signal_actor.live import Retention
from signal_actor.store import tally
from signal_actor.store.ids import DAY, first_id

SMALL = 128 * 1024 * 1024  # bytes that a vacuum rewrites in about a second
CHUNK = 500  # events forgotten in one transaction: a few milliseconds


def forget_finished(
    connection: sqlite3.Connection, retention: Retention, *, after: int, now: int, early: bool = False
) -> tuple[int, int]:
    """Deletes up to CHUNK events, beyond the id `after`, whose every delivery is final and old enough.

    `early` forgets finished history before its time, because the file would grow past its bound otherwise; dead
    letters keep theirs. Returns how many events went and the id up to which it looked; 0 as the latter at the end.
    """
    horizon = now if early else now - round(retention.done_days * DAY)
    dead_horizon = now - round(retention.dead_days * DAY)
    rows = connection.execute(
        """
        select e.id, not exists (
                   select 1 from delivery d where d.event_id = e.id
                   and (d.finished_at is null or d.finished_at >= case d.state when 'dead' then ?1 else ?2 end)
               )
        from event e where e.id > ?3 and e.id < ?4 order by e.id limit ?5
        """,
        (dead_horizon, horizon, after, first_id(horizon), CHUNK),
    ).fetchall()
    erase_events(connection, [event_id for event_id, finished in rows if finished], now=now)
    return sum(finished for _, finished in rows), rows[-1][0] if len(rows) == CHUNK else 0


def erase_events(connection: sqlite3.Connection, event_ids: list[int], *, now: int) -> tuple[int, int]:
    """Deletes events with their deliveries, and attempts that were about no others.

    Returns how many deliveries and attempts went.
    """
    gone = json.dumps(event_ids)
    attempts = json.dumps(
        [
            row[0]
            for row in connection.execute(
                "select distinct attempt_id from attempt_event where event_id in (select value from json_each(?))",
                (gone,),
            )
        ]
    )
    said = "delete from {} where {} in (select value from json_each(?)) {} returning {}"

    def delete(noun: tally.Noun, *parts: str, ids: str = gone) -> int:
        rows = connection.execute(said.format(*parts), (ids,)).fetchall()
        tally.remove(connection, noun, (row for row in rows if row[1] is not None), now=now)
        return len(rows)

    final = "integration_id, case when finished_at is not null then state end"
    deliveries = delete("delivery", "delivery", "event_id", "", final)
    connection.execute("delete from attempt_event where event_id in (select value from json_each(?))", (gone,))
    delete("event", "event", "id", "", "pipeline_id, type")
    alone = "and not exists (select 1 from attempt_event x where x.attempt_id = attempt.id)"
    found = "integration_id, coalesce(status, '')"
    return deliveries, delete("attempt", "attempt", "id", alone, found, ids=attempts)


def scrub(connection: sqlite3.Connection) -> str:
    """A script, to be run outside of a transaction, after which no bytes are left of what was erased.

    Erased rows are overwritten where they were, but SQLite may have moved them before, which leaves a shadow.
    Only a new file has none, and only a small one is made anew at once: nothing can be stored meanwhile.
    """
    truncate = "pragma wal_checkpoint(truncate)"
    return f"vacuum; {truncate}" if used_bytes(connection) <= SMALL else truncate


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the file that hold something; free pages inside of it are room for more."""
    pages, free, size = (
        connection.execute(f"pragma {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    used: int = (pages - free) * size
    return used
