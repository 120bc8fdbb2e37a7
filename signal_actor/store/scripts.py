"""Scripts in the store: every datafly.js that was ever handed out, for the tags that pin one by its hash."""

import gzip
import sqlite3


def keep(connection: sqlite3.Connection, name: str, text: bytes, *, now: int) -> None:
    """Keeps a script; one that is there already stays as it is."""
    connection.execute(
        "insert into script (hash, text, created_at) values (?, ?, ?) on conflict do nothing",
        (name, gzip.compress(text, 9, mtime=0), now),
    )


def find(connection: sqlite3.Connection, name: str) -> bytes | None:
    """The script of this hash."""
    row = connection.execute("select text from script where hash = ?", (name,)).fetchone()
    return None if row is None else gzip.decompress(row[0])
