"""Ometria: its Data API takes custom events in batches, each tied to a contact by email, and validates them later."""

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from signal_actor.delivery.rules import Delivered, Outcome, Skipped
from signal_actor.destinations import variants
from signal_actor.destinations.base import Advice, ApiKey, Destination, Limits, Prepared, Reply, Request, Settings
from signal_actor.destinations.blame import blame, read
from signal_actor.destinations.payload import encode, message_id, prepared, section, timestamp
from signal_actor.event import Event
from signal_actor.mapping import Mapper

ADDRESS = "https://api.ometria.com"
RECORD_BYTES = 60_000  # "60 KB per record" (Data API introduction): the smaller reading holds under both
EVENT_TYPE_CHARACTERS = 512  # the document: longer ones are truncated by Ometria


class OmetriaSettings(Settings):
    api_key: ApiKey = Field(
        title="API key",
        description="Your Ometria Data API key with push access. Found in Settings > API keys. "
        "Sent in the X-Ometria-Auth header.",
    )


def prepare(settings: OmetriaSettings, mapper: Mapper, event: Event) -> Prepared | Skipped:
    """One custom_event record. Its id is the event's own, so that a record that is pushed twice merges with itself."""
    mapped = mapper(event)
    if isinstance(mapped, Skipped):
        return mapped
    fields, notes = mapped.fields, mapped.notes
    if len(mapped.name) > EVENT_TYPE_CHARACTERS:
        notes += (f"event_type cut to {EVENT_TYPE_CHARACTERS} characters",)
    properties = section(fields, "properties")
    record = {
        "@type": "custom_event",
        "id": message_id(event),
        "timestamp": timestamp(event)[:19] + "+00:00",  # seconds and offset, as the document and the vendor print it
        "event_type": mapped.name[:EVENT_TYPE_CHARACTERS],
    }
    ready = prepared(
        record | {k: v for k, v in fields.items() if k not in record} | {"properties": properties}, notes=notes
    )
    if ready.size > RECORD_BYTES:
        return Skipped(f"the record has {ready.size} bytes, and Ometria takes at most {RECORD_BYTES}")
    return ready


def build(settings: OmetriaSettings, payloads: Sequence[Any], now: float) -> Request:
    return Request(
        "POST",
        f"{settings.address(ADDRESS)}/v2/push",
        {"Content-Type": "application/json", "X-Ometria-Auth": settings.api_key.get_secret_value()},
        encode(list(payloads)),
    )


def classify(payloads: Sequence[Any], reply: Reply) -> list[Outcome]:
    """A push is received, not validated: `rejected` is a count without indices, so it is a warning on each record."""
    if 200 <= reply.status < 300:
        answer = read(reply)
        rejected = answer.get("rejected") if isinstance(answer, dict) else None
        if isinstance(rejected, int) and rejected > 0:
            request = str(answer.get("request_id") or "unknown")[:64]
            note = f"Ometria rejected {rejected} of {len(payloads)} records, without saying which (request {request})"
            return [Delivered(note)] * len(payloads)
    return blame(payloads, reply, TROUBLESHOOTING)


_KEY = (
    "The API key is missing, invalid, or is a Query API (Website Personalisation) key rather than a Data API push key. "
    "Generate a Data API key under Settings > API keys."
)

TROUBLESHOOTING = (
    Advice("403 Forbidden on every push", _KEY, status=403),
    Advice("401 Unauthorized", _KEY, status=401),
    Advice(
        "Push returns 202 but the event never appears against the contact",
        "The event_type is not configured in Ometria. Create it under Settings > Custom events.",
    ),
    Advice(
        "Event delivered but not linked to a customer",
        "identity_email is missing. Call datafly.identify() with the contact's email before tracking.",
    ),
    Advice(
        "400 Bad Request",
        "The batch mixed record types or exceeded 100 records, or the body was malformed. Signal sends only "
        "custom_event records in batches of up to 100, so check for a custom Field Mapping change.",
        status=400,
    ),
    Advice(
        "Event type appears truncated",
        "Event type names over 512 characters are truncated by Ometria. Use a shorter event_type.",
    ),
)

OMETRIA = Destination(
    slug="ometria",
    name="Ometria",
    category="Marketing Automation",
    summary="Custom events by the Data API, linked to contacts by email.",
    settings=OmetriaSettings,
    variants=variants.load("ometria"),
    consent=("marketing",),
    limits=Limits(items=100),  # the document: records per push request
    prepare=prepare,
    build=build,
    classify=classify,
    troubleshooting=TROUBLESHOOTING,
)
