"""Cases for destinations: a normalised event to start from, settings that are valid, examples read from files.

An example is {title, in, out}: `in` is a merge patch over EVENT, `out` is the payload in full, {"skipped": text} or
{"error": text}. `variant`, `settings`, `changes` (to the mapping) and `notes` may stand beside them.
"""

import json
from pathlib import Path
from typing import Any

import hypothesis

from signal_actor import mapping
from signal_actor.delivery.rules import Skipped
from signal_actor.destinations import registry
from signal_actor.destinations.base import Destination, Prepared, Reply

unhurried = hypothesis.settings(deadline=None)
"""Hypothesis without a stop-watch, which fails where the machine is busy."""

SECRET = "key-XyZ-0123456789"

CONFIG: dict[str, dict[str, Any]] = {
    "ninetailed": {"organization_id": "3f1c-org", "environment_slug": "main"},
    "insider": {"api_key": SECRET, "partner_name": "myco"},
    "ometria": {"api_key": SECRET},
    "webhook": {"url": "https://hooks.example.com/in?x=1", "secret": SECRET, "headers": {"X-Team": "shop"}},
}

EVENT: dict[str, Any] = {
    "type": "track",
    "event": "Product Viewed",
    "messageId": "evt_1",
    "timestamp": "2026-06-06T10:15:00.000Z",
    "originalTimestamp": "2026-06-06T10:14:59.000Z",
    "receivedAt": "2026-06-06T10:15:00.250Z",
    "anonymousId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "properties": {},
    "context": {},
}


def destinations() -> list[Destination[Any]]:
    return list(registry.BUILT_IN)


def event(**changes: Any) -> dict[str, Any]:
    merged = mapping.merge(EVENT, changes)
    assert isinstance(merged, dict)
    return merged


def settings(destination: Destination[Any], **changes: Any) -> Any:
    return destination.settings.model_validate(CONFIG[destination.slug] | changes)


def prepare(
    destination: Destination[Any],
    given: dict[str, Any],
    *,
    variant: str = "default",
    changes: Any = None,
    **config: Any,
) -> Prepared | Skipped:
    document = mapping.merge(destination.variants[variant], changes or {})
    return destination.prepare(settings(destination, **config), mapping.compile(document), given)


def payload(destination: Destination[Any], given: dict[str, Any], **how: Any) -> Any:
    ready = prepare(destination, given, **how)
    assert isinstance(ready, Prepared), ready
    return ready.payload


def examples(name: str) -> list[dict[str, Any]]:
    found = json.loads((Path(__file__).parent / "examples" / f"{name}.json").read_text())
    assert isinstance(found, list)
    return found


def reply(status: int, answer: Any = None, **headers: str) -> Reply:
    body = answer if isinstance(answer, bytes) else b"" if answer is None else json.dumps(answer).encode()
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)
