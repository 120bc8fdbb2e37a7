"""Settings: what is true for the whole service, kept in notes: delivery defaults, retention, alarm rules."""

import sqlite3
from collections.abc import Mapping
from typing import Any, TypeVar

from signal_actor import mapping
from signal_actor.live import Strict
from signal_actor.problems import Problems
from signal_actor.store import audit, notes

S = TypeVar("S", bound=Strict)


def get(connection: sqlite3.Connection, name: str, model: type[S]) -> S:
    """The settings of this name."""
    return model.model_validate(notes.get(connection, name) or {})


def patch(
    connection: sqlite3.Connection, name: str, model: type[Strict], changes: Mapping[str, Any], *, author: str, now: int
) -> None:
    """Applies a JSON merge patch; null brings a default back. Raises ConfigurationError."""
    problems = Problems()
    checked = problems.checked(model, mapping.merge(notes.get(connection, name) or {}, dict(changes)), name)
    problems.done()
    assert checked is not None
    notes.put(connection, name, checked.model_dump(mode="json", exclude_defaults=True))
    detail = {"keys": sorted(changes)}
    audit.record(connection, actor=author, action="change settings", target=f"settings/{name}", detail=detail, now=now)
