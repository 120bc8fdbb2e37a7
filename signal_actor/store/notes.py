"""Notes: single facts that outlive a process, one row each, as JSON."""

import json
import sqlite3
from typing import Any

from signal_actor.wire import dumps


def get(connection: sqlite3.Connection, name: str) -> Any:
    """A fact, None if it was never noted."""
    row = connection.execute("select value from note where name = ?", (name,)).fetchone()
    return None if row is None else json.loads(row[0])


def put(connection: sqlite3.Connection, name: str, value: Any) -> None:
    """Notes a fact in the place of the one before."""
    connection.execute("insert or replace into note (name, value) values (?, ?)", (name, dumps(value)))
