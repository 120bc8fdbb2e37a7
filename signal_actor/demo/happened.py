"""Happened: what became of the newest events, by SQL on the views that everybody may read, on a connection that only
reads.
"""

import json
import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Any

from signal_actor.database import open_reader

NEWEST = 30  # events that are shown

EVENTS = """
    select event_id as id, received_at as at, type, coalesce(name, '') as name, user_id as user
    from v_events order by event_id desc limit ?
"""
DELIVERIES = """
    select event_id as id, integration, state, attempts, due_at as due, last_status as status, last_error as reason,
           round((julianday(finished_at) - julianday(accepted_at)) * 86400000) as ms
    from v_deliveries where event_id >= ? order by event_id, integration
"""
ATTEMPTS = """
    select integration, status, outcome, duration_ms as ms, request_body as request, response_body as response, error
    from v_attempts where attempt_id in (select attempt_id from attempt_event where event_id = ?)
    order by attempt_id
"""


class Happened:
    """A reader of `signal.db`. Every question is one short statement."""

    def __init__(self, path: Path) -> None:
        self._connection = open_reader(path)
        self._connection.row_factory = sqlite3.Row

    def __enter__(self) -> "Happened":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()

    def newest(self) -> list[dict[str, Any]]:
        """The newest events first, each with its deliveries."""
        events = self._rows(EVENTS, NEWEST)
        by_id: dict[int, dict[str, Any]] = {event["id"]: {**event, "deliveries": []} for event in events}
        for delivery in self._rows(DELIVERIES, min(by_id, default=0)):
            if (event := by_id.get(delivery.pop("id"))) is not None:  # one may have come in between
                event["deliveries"].append(delivery)
        return list(by_id.values())

    def story(self, event_id: int) -> dict[str, Any] | None:
        """One event as it was stored, and every attempt to deliver it."""
        found = self._rows("select payload from v_events where event_id = ?", event_id)
        if not found:
            return None
        return {"event": json.loads(found[0]["payload"]), "attempts": self._rows(ATTEMPTS, event_id)}

    def _rows(self, sql: str, *values: int) -> list[dict[str, Any]]:
        return [dict(row) for row in self._connection.execute(sql, values)]
