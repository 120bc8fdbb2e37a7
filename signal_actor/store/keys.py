"""Keys: the pipeline keys that browsers and servers show at the door. They are public, and live or revoked at once."""

import secrets
import sqlite3
from collections.abc import Iterable

from signal_actor.errors import Refusal
from signal_actor.store import audit

PREFIX = "dk_live_"


def of(connection: sqlite3.Connection, pipeline_id: int) -> tuple[str, ...]:
    """A pipeline's keys in force, oldest first."""
    rows = connection.execute(
        "select key from pipeline_key where pipeline_id = ? and revoked_at is null order by created_at, key",
        (pipeline_id,),
    )
    return tuple(row[0] for row in rows)


def owners(connection: sqlite3.Connection) -> dict[str, str]:
    """The slug of the pipeline behind every key in force."""
    return dict(
        connection.execute(
            "select k.key, p.slug from pipeline_key k join pipeline p on p.id = k.pipeline_id"
            " where k.revoked_at is null"
        )
    )


def never_had(connection: sqlite3.Connection, pipeline_id: int) -> bool:
    """Whether a pipeline never had a key. One whose keys were all revoked does not get a new one unasked."""
    return connection.execute("select 1 from pipeline_key where pipeline_id = ?", (pipeline_id,)).fetchone() is None


def fresh() -> str:
    """A key that nobody has."""
    return PREFIX + secrets.token_hex(16)


def put(connection: sqlite3.Connection, pipeline_id: int, keys: Iterable[str], *, now: int) -> None:
    """Brings keys into force; one that was revoked before belongs to this pipeline from now on."""
    connection.executemany(
        "insert into pipeline_key (key, pipeline_id, created_at) values (?, ?, ?) on conflict (key) do update"
        " set pipeline_id = excluded.pipeline_id, created_at = excluded.created_at, revoked_at = null",
        [(key, pipeline_id, now) for key in keys],
    )


def drop(connection: sqlite3.Connection, pipeline_id: int, keys: Iterable[str], *, now: int) -> int:
    """Takes keys out of force and returns how many were in it."""
    return connection.executemany(
        "update pipeline_key set revoked_at = ? where key = ? and pipeline_id = ? and revoked_at is null",
        [(now, key, pipeline_id) for key in keys],
    ).rowcount


def create_key(connection: sqlite3.Connection, pipeline_id: int, *, author: str, now: int) -> str:
    """Issues a key. Raises Refusal (404) if there is no such pipeline."""
    if not connection.execute("select 1 from pipeline where id = ? and deleted_at is null", (pipeline_id,)).fetchone():
        raise Refusal(404, "not_found", f"There is no pipeline {pipeline_id}.")
    key = fresh()
    put(connection, pipeline_id, [key], now=now)
    _record(connection, "create key", pipeline_id, key, author, now)
    return key


def revoke_key(connection: sqlite3.Connection, pipeline_id: int, key: str, *, author: str, now: int) -> None:
    """Revokes a key. Raises Refusal (404) if the pipeline has no such key in force."""
    if not drop(connection, pipeline_id, [key], now=now):
        raise Refusal(404, "not_found", "This pipeline has no such key in force.")
    _record(connection, "revoke key", pipeline_id, key, author, now)


def _record(connection: sqlite3.Connection, action: str, pipeline_id: int, key: str, author: str, now: int) -> None:
    audit.record(
        connection, actor=author, action=action, target=f"pipeline/{pipeline_id}", detail={"key": key}, now=now
    )
