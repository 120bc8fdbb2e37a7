"""Rehearsal: what an integration would make of an event, and one event sent once, both outside of the outbox."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import SecretStr

from signal_actor.delivery.rules import Misconfigured, Outcome, Rejected, Retry, Skipped
from signal_actor.destinations.base import Destination, Reply, Request, Settings
from signal_actor.dispatch import transport
from signal_actor.dispatch.preparation import Preparation
from signal_actor.dispatch.record import REPLY_KEPT, WORDS, Recorder, reasons
from signal_actor.errors import ConfigurationError
from signal_actor.event import Event
from signal_actor.live import Integration
from signal_actor.secrets import MASK
from signal_actor.store.outbox import Leased
from signal_actor.wire import dumps

MAPPED = "mapped"
WITHOUT = "the integration does not fit its vendor any more"


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """`outcome` is "mapped" or why there is no payload: "skipped" or "rejected". `request` holds no secrets."""

    outcome: str
    reason: str | None
    notes: tuple[str, ...]
    payload: Any
    request: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Tested:
    """What was sent, what came back and what that means. Neither holds secrets."""

    request: dict[str, Any] | None
    response: dict[str, Any] | None
    verdict: str
    reason: str | None
    duration_ms: int


class Rehearsal:
    """Rehearses for every integration; `destinations` are the catalogue."""

    def __init__(self, destinations: Mapping[str, Destination[Any]]) -> None:
        self._destinations = destinations

    def preview(
        self, integration: Integration, event: Event, consent: str | None, *, default_consent: bool, now: int
    ) -> Rehearsed:
        """What would be sent for an event. `consent` is the visitor's newest, as JSON. Sends nothing."""
        if integration.settings is None:
            raise ConfigurationError(integration.health_reason or WITHOUT)
        destination = self._destinations[integration.vendor]
        prepare = Preparation(
            replace(integration, enabled=True, removed=False),
            integration.settings,
            destination,
            default_consent=default_consent,
        )
        found = prepare(Leased(0, dumps(event), 0, 1, now, consent))
        if isinstance(found, Skipped | Rejected):
            return Rehearsed(WORDS[type(found)], found.reason, (), None, None)
        shown = _shown(*_built(destination, integration.settings, found.payload, now), Recorder(integration.settings))
        return Rehearsed(MAPPED, None, found.key.notes, found.payload, shown)

    async def test(self, integration: Integration, event: Event, *, now: int) -> Tested:
        """Sends one event through the real transport; the outbox does not know of it, and consent is none of it."""
        if integration.settings is None:
            raise ConfigurationError(integration.health_reason or WITHOUT)
        destination = self._destinations[integration.vendor]
        recorder = Recorder(integration.settings)
        prepare = Preparation(
            replace(integration, enabled=True, removed=False, consent_categories=()),
            integration.settings,
            destination,
            default_consent=True,
        )
        found = prepare(Leased(0, dumps(event), 0, 1, now, None))
        if isinstance(found, Skipped | Rejected):
            return Tested(None, None, WORDS[type(found)], found.reason, 0)
        request, without = _built(destination, integration.settings, found.payload, now)
        started = time.perf_counter()
        async with transport.client(1) as client:
            within = integration.policy.request_timeout_seconds
            answer = await transport.exchange(client, request, within=within)
        duration = round((time.perf_counter() - started) * 1000)
        outcome: Outcome = answer if isinstance(answer, Retry | Misconfigured) else _read(destination, found, answer)
        why = recorder.redacted("; ".join(reasons([outcome]))) or None
        response = _answered(answer, recorder) if isinstance(answer, Reply) else None
        return Tested(_shown(request, without, recorder), response, WORDS[type(outcome)], why, duration)


def _read(destination: Destination[Any], found: Any, reply: Reply) -> Outcome:
    try:
        return destination.classify([found.payload], reply)[0]
    except Exception as error:  # a vendor module's bug is a finding of the test
        return Retry(f"{type(error).__name__}: {error}")


def _built(destination: Destination[Any], settings: Settings, payload: Any, now: int) -> tuple[Request, Request]:
    """The request, and the same without secrets."""
    masks = {name: SecretStr(MASK) for name, value in settings if isinstance(value, SecretStr)}
    kinds = settings, settings.model_copy(update=masks)
    real, without = (destination.build(each, [payload], now / 1000) for each in kinds)
    return real, without


def _shown(request: Request, without: Request, recorder: Recorder) -> dict[str, Any]:
    """What a secret decides is no more shown than the secret: whoever sees signatures of their own events can forge."""
    headers = {name: value if without.headers.get(name) == value else MASK for name, value in request.headers.items()}
    return {
        "method": request.method,
        "url": recorder.redacted(request.url),
        "headers": {name: recorder.redacted(value) for name, value in headers.items()},
        "body": recorder.redacted(request.body.decode("utf-8", "replace")),
    }


def _answered(reply: Reply, recorder: Recorder) -> dict[str, Any]:
    body = reply.body[: REPLY_KEPT * 4].decode("utf-8", "replace")[:REPLY_KEPT]
    headers = {name: recorder.redacted(value) for name, value in reply.headers.items()}
    return {"status": reply.status, "headers": headers, "body": recorder.redacted(body)}
