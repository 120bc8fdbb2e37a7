"""Sessions: browsers that are logged in. The cookie's text is stored as a hash, like a token's."""

import secrets
import sqlite3
from dataclasses import dataclass

from signal_actor.store.ids import DAY
from signal_actor.store.tokens import Role, hashed

LIFE = 7 * DAY
MOST = 100  # sessions of one token; who logs in again and again ends the oldest


@dataclass(frozen=True, slots=True)
class Session:
    """A login. `token_hash` is of the token that opened it and still has to be valid; None after a login link."""

    name: str
    role: Role
    token_hash: str | None
    csrf: str


def create(connection: sqlite3.Connection, name: str, role: Role, token_hash: str | None, *, now: int) -> str:
    """Opens a session, forgets those that have ended or are too many, and returns the cookie's text."""
    connection.execute("delete from session where expires_at < ?", (now,))
    connection.execute(
        "delete from session where hash in"
        " (select hash from session where token_hash is ? order by created_at desc limit -1 offset ?)",
        (token_hash, MOST - 1),
    )
    text = secrets.token_urlsafe(32)
    connection.execute(
        "insert into session (hash, name, role, token_hash, csrf, created_at, expires_at) values (?, ?, ?, ?, ?, ?, ?)",
        (hashed(text), name, role, token_hash, secrets.token_urlsafe(24), now, now + LIFE),
    )
    return text


def find(connection: sqlite3.Connection, cookie_hash: str, *, now: int) -> Session | None:
    """The session of a cookie, if it has not ended."""
    row = connection.execute(
        "select name, role, token_hash, csrf from session where hash = ? and expires_at >= ?", (cookie_hash, now)
    ).fetchone()
    return None if row is None else Session(*row)


def end(connection: sqlite3.Connection, cookie_hash: str) -> None:
    """Logs out."""
    connection.execute("delete from session where hash = ?", (cookie_hash,))
