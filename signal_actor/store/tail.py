"""Tail: what was just accepted, and what the events of just settled deliveries are called, for those who watch."""

import json
import sqlite3
from typing import NamedTuple


class Seen(NamedTuple):
    """An event, as short as a line."""

    event_id: int
    received_at: int
    pipeline_id: int
    type: str
    name: str | None
    message_id: str
    anonymous_id: str | None
    user_id: str | None


COLUMNS = "id, received_at, pipeline_id, type, name, message_id, anonymous_id, user_id"


def newest_id(connection: sqlite3.Connection) -> int:
    """The id of the newest event, 0 if there is none."""
    newest: int = connection.execute("select coalesce(max(id), 0) from event").fetchone()[0]
    return newest


def since(connection: sqlite3.Connection, event_id: int, *, limit: int) -> tuple[list[Seen], int]:
    """The newest events after this one, oldest first, and how many older ones were passed over."""
    rows = connection.execute(
        f"select {COLUMNS} from event where id > ? order by id desc limit ?", (event_id, limit)
    ).fetchall()
    passed = 0
    if len(rows) == limit:
        sql = "select count(*) from event where id > ? and id < ?"
        passed = connection.execute(sql, (event_id, rows[-1][0])).fetchone()[0]
    return [Seen(*row) for row in reversed(rows)], passed


def named(connection: sqlite3.Connection, event_ids: list[int]) -> dict[int, Seen]:
    """Events by id."""
    rows = connection.execute(
        f"select {COLUMNS} from event where id in (select value from json_each(?))", (json.dumps(event_ids),)
    )
    return {row[0]: Seen(*row) for row in rows}
