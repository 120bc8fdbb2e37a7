"""Stage: a database with pipelines and integrations on it, for tests of what lies below the doors."""

import sqlite3
import tempfile
from collections.abc import Iterable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from signal_actor.database import migrate, open_writer
from signal_actor.store import events
from signal_actor.store.events import Incoming
from signal_actor.store.outbox import Settlement

NOW = 1_700_000_000_000
SHOP = 1


@cache
def template() -> bytes:
    """An empty, migrated database: migrating takes longer than most tests."""
    with tempfile.TemporaryDirectory() as folder, closing(open_writer(Path(folder) / "signal.db")) as connection:
        migrate(connection)
        connection.execute("pragma journal_mode = delete")
        return connection.serialize()


def in_memory() -> sqlite3.Connection:
    """A fresh migrated database without a file."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(template())
    return connection


def on_disk(folder: Path) -> Path:
    """A fresh migrated file."""
    path = folder / "signal.db"
    path.write_bytes(template())
    return path


def add_pipeline(connection: sqlite3.Connection, key: int = SHOP, slug: str = "shop") -> None:
    connection.execute(
        "insert into pipeline (id, slug, name, settings, created_at) values (?, ?, ?, '{}', 0)", (key, slug, slug)
    )


def add_integration(
    connection: sqlite3.Connection, key: int, slug: str = "", *, pipeline: int = SHOP, vendor: str = "webhook"
) -> None:
    connection.execute(
        "insert into integration (id, pipeline_id, slug, name, vendor, variant, consent_categories, config, managed_by,"
        " health_since, created_at, updated_at) values (?, ?, ?, 'name', ?, 'default', '[]', '{}', 'api', 0, 0, 0)",
        (key, pipeline, slug or f"i{key}", vendor),
    )


def track(message_id: str, visitor: str | None = None, **more: Any) -> dict[str, Any]:
    """A normalised event."""
    about = {} if visitor is None else {"anonymousId": visitor}
    return {"type": "track", "event": "Viewed", "messageId": message_id, "properties": {}, "context": {}} | about | more


def accept(
    connection: sqlite3.Connection,
    *normalised: dict[str, Any],
    now: int = NOW,
    pipeline: int = SHOP,
    dedupe_hours: float = 48,
) -> int:
    """Accepts events as they are, with what their context says about consent."""
    incoming = [Incoming(event, event["context"].get("consent")) for event in normalised]
    return events.accept(connection, pipeline, incoming, now=now, dedupe_hours=dedupe_hours)


def settlement(row: Any, state: str = "done", *, now: int = NOW, due_at: int | None = None, **more: Any) -> Settlement:
    """What becomes of a leased row."""
    final = None if state == "pending" else now
    values: dict[str, Any] = {"give_back": False, "status": None, "error": None, "finished_at": final} | more
    return Settlement(row.event_id, row.visitor, state, due_at if state == "pending" else None, **values)


def rows(connection: sqlite3.Connection, sql: str, values: Iterable[Any] = ()) -> list[dict[str, Any]]:
    """Rows with their columns' names."""
    cursor = connection.execute(sql, tuple(values))
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
