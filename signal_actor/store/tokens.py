"""Tokens: who may use the management side, as what. Shown once, stored as a hash."""

import hashlib
import hmac
import secrets
import sqlite3
from dataclasses import dataclass
from typing import Literal

from signal_actor.store import audit

PREFIX = "sat_"

Role = Literal["viewer", "editor", "admin"]


@dataclass(frozen=True, slots=True)
class Token:
    """A token without its text, which nobody knows any more."""

    id: int
    name: str
    role: Role
    created_at: int
    revoked_at: int | None


def create(connection: sqlite3.Connection, name: str, role: Role, *, author: str, now: int) -> tuple[int, str]:
    """A new token's id and its text, for the one time that it is shown."""
    text = PREFIX + secrets.token_urlsafe(32)
    (token_id,) = connection.execute(
        "insert into token (name, role, hash, created_at) values (?, ?, ?, ?) returning id",
        (name, role, hashed(text), now),
    ).fetchone()
    audit.record(
        connection,
        actor=author,
        action="create token",
        target=f"token/{token_id}",
        detail={"name": name, "role": role},
        now=now,
    )
    return token_id, text


def check(connection: sqlite3.Connection, text: str) -> tuple[str, Role] | None:
    """The name and the role behind a token, None for one that is unknown or revoked."""
    return owner(connection, hashed(text))


def owner(connection: sqlite3.Connection, wanted: str) -> tuple[str, Role] | None:
    """The name and the role behind a token's hash, None if it is unknown or revoked."""
    row = connection.execute(
        "select name, role, hash from token where hash = ? and revoked_at is null", (wanted,)
    ).fetchone()
    # The index finds hashes, of which a caller knows nothing; comparing them in constant time leaves nothing to argue.
    if row is None or not hmac.compare_digest(row[2], wanted):
        return None
    return row[0], row[1]


def tokens(connection: sqlite3.Connection) -> list[Token]:
    """All tokens, revoked ones included, oldest first."""
    rows = connection.execute("select id, name, role, created_at, revoked_at from token order by id")
    return [Token(*row) for row in rows]


def revoke(connection: sqlite3.Connection, token_id: int, *, author: str, now: int) -> bool:
    """Ends a token; False if there is none, or none any more, with this id."""
    changed = connection.execute(
        "update token set revoked_at = ? where id = ? and revoked_at is null", (now, token_id)
    ).rowcount
    if changed:
        audit.record(connection, actor=author, action="revoke token", target=f"token/{token_id}", now=now)
    return changed == 1


def hashed(text: str) -> str:
    """A token as it is stored: random enough that a plain hash cannot be turned back."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
