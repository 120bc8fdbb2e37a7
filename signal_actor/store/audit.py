"""Audit: who changed what, and when. Written in the transaction of the change itself."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from signal_actor.wire import dumps


@dataclass(frozen=True, slots=True)
class Line:
    """One change. `target` is what was changed, as noun/id; `detail` holds no secrets."""

    id: int
    at: int
    actor: str
    action: str
    target: str
    detail: dict[str, Any]


def record(
    connection: sqlite3.Connection,
    *,
    actor: str,
    action: str,
    target: str,
    now: int,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Adds a line."""
    connection.execute(
        "insert into audit (at, actor, action, target, detail) values (?, ?, ?, ?, ?)",
        (now, actor, action, target, dumps(detail or {})),
    )


def lines(connection: sqlite3.Connection, *, limit: int = 100, before: int | None = None) -> list[Line]:
    """The newest lines first; `before` is the id of the last line of the page before."""
    rows = connection.execute(
        "select id, at, actor, action, target, detail from audit where ?1 is null or id < ?1 order by id desc limit ?2",
        (before, limit),
    )
    return [Line(key, at, actor, action, target, json.loads(said)) for key, at, actor, action, target, said in rows]
