"""Backfill: a file of events, stored piece by piece, through the same checks and de-duplication as over HTTP.

How far the file got is kept in the same transactions as its events, so an import that was interrupted goes on exactly
where it stopped.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from signal_actor import consent, event
from signal_actor.errors import Refusal, UsageError
from signal_actor.store import events, pipelines
from signal_actor.store.events import Incoming
from signal_actor.wire import loads


def done(connection: sqlite3.Connection, file: str, pipeline: str) -> int:
    """How many lines of the file are done."""
    row = connection.execute(
        "select line from import where file = ? and pipeline_id = ?", (file, _id(connection, pipeline))
    ).fetchone()
    return row[0] if row else 0


def store(
    connection: sqlite3.Connection,
    *,
    file: str,
    pipeline: str,
    first: int,
    lines: Sequence[str],
    dedupe_hours: float,
    now: int,
) -> dict[str, Any]:
    """Stores the events of some lines, the first of which has the number `first` (from 1).

    Returns how many were accepted and duplicates, and the lines that were refused: `[[line, message], ...]`.

    Raises:
        UsageError: there is no such pipeline.
    """
    pipeline_id = _id(connection, pipeline)
    incoming: list[Incoming] = []
    refused: list[tuple[int, str]] = []
    for number, line in enumerate(lines, first):
        if not line.strip():
            continue
        try:
            incoming.append(_incoming(line, f"{file}:{number}", now))
        except Refusal as error:
            refused.append((number, error.message))
    accepted = events.accept(connection, pipeline_id, incoming, now=now, dedupe_hours=dedupe_hours)
    connection.execute(
        "insert or replace into import (file, pipeline_id, line) values (?, ?, ?)",
        (file, pipeline_id, first + len(lines) - 1),
    )
    return {"accepted": accepted, "duplicates": len(incoming) - accepted, "refused": refused}


def _incoming(line: str, place: str, now: int) -> Incoming:
    """One checked event. Without a messageId it gets one from its place, the same if the file comes again."""

    def make_id() -> str:
        return str(uuid5(NAMESPACE_URL, place))

    parsed = event.parse(loads(line.encode()), expected=None, received_at=now, make_id=make_id)
    if "anonymousId" not in parsed and "userId" not in parsed:
        raise event.invalid("anonymousId", "is required, or userId")
    return Incoming(parsed, consent.stated(parsed["context"]))


def _id(connection: sqlite3.Connection, slug: str) -> int:
    pipeline_id = pipelines.identified(connection, slug)
    if pipeline_id is None:
        raise UsageError(f"there is no pipeline {slug!r}; `signal-actor export` shows those there are")
    return pipeline_id
