"""Payload: one event on its way to a vendor: JSON of known size, with ids, times and objects that are sound."""

import json
from datetime import UTC, datetime
from typing import Any

from signal_actor import converters
from signal_actor.destinations.base import Prepared
from signal_actor.errors import MappingError
from signal_actor.event import Event

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def encode(value: Any) -> bytes:
    """JSON in UTF-8, as short as it gets. Raises MappingError for what JSON cannot say."""
    try:
        return _encoder.encode(value).encode()
    except (ValueError, TypeError, RecursionError) as problem:  # NaN, lone surrogates, too deep
        raise MappingError(f"payload: not JSON ({type(problem).__name__})") from None


def prepared(payload: Any, *, identify: bool = False, notes: tuple[str, ...] = ()) -> Prepared:
    return Prepared(payload, len(encode(payload)), identify, notes)


def section(fields: dict[str, Any], key: str) -> dict[str, Any]:
    """Takes an object that the mapping filled out of its fields, to be completed; {} if it filled none."""
    found = fields.pop(key, None)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise MappingError(f"{key}: must be an object")
    return dict(found)


def known(event: Event, key: str) -> dict[str, Any]:
    """An object of the event's context; {} if there is none."""
    context = event.get("context")
    found = context.get(key) if isinstance(context, dict) else None
    return found if isinstance(found, dict) else {}


def identifier(event: Event, key: str) -> str | None:
    """An id of the event as a text; None if there is none."""
    found = event.get(key)
    if found is None or isinstance(found, bool | dict | list):
        return None
    return str(found) or None


def message_id(event: Event) -> str:
    if found := identifier(event, "messageId"):
        return found
    raise MappingError("messageId: missing")


def timestamp(event: Event, key: str = "timestamp") -> str:
    """A time of the event, with milliseconds and Z; absent ones are the event's `timestamp`."""
    text = event.get(key, event.get("timestamp"))
    try:
        moment = converters.instant(text)
    except ValueError as problem:
        raise MappingError(f"{key}: {problem}") from None
    if isinstance(text, str) and len(text) == len("2026-06-06T10:15:00.000Z") and text[10] == "T" and text[-1] == "Z":
        return text  # as `event.py` makes them
    return _milliseconds(moment)


def moment(now: float) -> str:
    """Unix time in the same form."""
    return _milliseconds(datetime.fromtimestamp(now, UTC))


def _milliseconds(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
