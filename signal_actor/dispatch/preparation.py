"""Preparation: one leased event becomes a vendor's payload, or its fate is decided without asking the vendor."""

from typing import Any, NamedTuple

import structlog
from pydantic_core import from_json

from signal_actor import consent, mapping
from signal_actor.delivery.batching import Parcel
from signal_actor.delivery.rules import Rejected, Skipped
from signal_actor.destinations.base import Destination, Prepared, Settings
from signal_actor.errors import MappingError
from signal_actor.live import Integration
from signal_actor.store.outbox import Leased


class Key(NamedTuple):
    """What an actor needs back from a parcel: the leased row, and what was left out of its payload and why.

    `trailing` are the visitor's next events whose fate is decided already; they are settled with this one, in order.
    """

    row: Leased
    notes: tuple[str, ...]
    trailing: list[tuple[Leased, Skipped | Rejected]]


Package = Parcel[Key]


class Preparation:
    """Consent, mapping and the vendor's own conditions, for one integration. A failure concerns its own event only."""

    def __init__(
        self, integration: Integration, settings: Settings, destination: Destination[Any], *, default_consent: bool
    ) -> None:
        self._integration = integration
        self._settings = settings
        self._destination = destination
        self._default_consent = default_consent
        document = mapping.merge(destination.variants[integration.variant], integration.mappings)
        self._mapper = mapping.compile(document)

    def __call__(self, row: Leased) -> Package | Skipped | Rejected:
        if self._integration.removed:
            return Skipped("the integration was removed")
        if not self._integration.enabled:
            return Skipped("the integration is disabled")
        try:
            event = from_json(row.payload)
            known = event["context"].get("consent")
            newest = from_json(row.consent) if row.consent else None
            category = consent.denied(
                self._integration.consent_categories, known, newest or known, default=self._default_consent
            )
            if category is not None:
                return Skipped(f"consent: {category} is not granted")
            prepared = self._destination.prepare(self._settings, self._mapper, event)
        except MappingError as error:
            return Rejected(f"mapping: {error}")
        except Exception as error:
            # A bug in a vendor's module must not stop the others; the event waits as a dead letter for the mended one.
            structlog.get_logger().exception("mapping.failed", event_id=row.event_id, vendor=self._destination.slug)
            return Rejected(f"mapping: {type(error).__name__}: {error}")
        if not isinstance(prepared, Prepared):
            return prepared
        return Parcel(
            key=Key(row, prepared.notes, []),
            payload=prepared.payload,
            visitor=row.visitor,
            size=prepared.size,
            identify=prepared.identify,
            attempts=row.attempts,
        )
