"""Examples: requests as the fake vendors get them, smallest and as printed by the vendors."""

import json
from typing import Any

from signal_actor.sandbox.vendor import Answer, Call, Moment, Vendor

EVENTS = "/v2/organizations/demo-org/environments/main/events"
INSIDER_HEADERS = {"X-PARTNER-NAME": "demo", "X-REQUEST-TOKEN": "sandbox-insider-key"}
OMETRIA_HEADERS = {"X-Ometria-Auth": "sandbox-ometria-key"}
JSON = {"content-type": "application/json"}

PRODUCT_VIEWED = {
    "type": "track",
    "event": "product_viewed",
    "anonymousId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "userId": "user-123",
    "channel": "web",
    "messageId": "evt_9f8e7d6c",
    "timestamp": "2026-06-06T10:15:00.000Z",
    "properties": {
        "product_id": "SKU-A",
        "product_name": "Widget",
        "category": "Tools",
        "price": 49.99,
        "currency": "USD",
    },
    "context": {
        "page": {
            "url": "https://example.com/p/widget",
            "path": "/p/widget",
            "referrer": "https://example.com/",
            "search": "",
        },
        "locale": "en-US",
    },
}


def track(message_id: str = "m-1", visitor: str = "a-1", **changes: Any) -> dict[str, Any]:
    """A track event of the minimum that Ninetailed demands."""
    return {"type": "track", "event": "signed_up", "anonymousId": visitor, "messageId": message_id} | changes


def identify(message_id: str = "m-1", visitor: str = "a-1", **changes: Any) -> dict[str, Any]:
    """An identify event of the minimum that Ninetailed demands."""
    fields = {"type": "identify", "anonymousId": visitor, "userId": "u-1", "messageId": message_id}
    return fields | {"traits": {"plan": "pro"}} | changes


def strict_event(**changes: Any) -> dict[str, Any]:
    """A track event with all that the vendor's own clients send."""
    page = PRODUCT_VIEWED["context"]["page"] | {"query": {}}  # type: ignore[index]
    context = {
        "campaign": {},
        "gdpr": {"isConsentGiven": True},
        "library": {"name": "signal-actor", "version": "0.1.0"},
        "locale": "en-US",
        "page": page,
    }
    times = dict.fromkeys(("timestamp", "originalTimestamp", "sentAt"), "2026-06-06T10:15:00.000Z")
    return PRODUCT_VIEWED | times | {"context": context} | changes


def user(uuid: str = "u-1", **changes: Any) -> dict[str, Any]:
    """An Insider user who is accepted."""
    return {"identifiers": {"uuid": uuid}, "attributes": {"name": "A"}} | changes


def record(id: str = "r-1", **changes: Any) -> dict[str, Any]:
    """An Ometria custom event that is accepted."""
    fields = {"@type": "custom_event", "id": id, "timestamp": "2026-06-06T15:32:52+00:00"}
    return (
        fields | {"event_type": "product_viewed", "identity_email": "jane.doe@example.com", "properties": {}} | changes
    )


def call(path: str, body: Any, *, method: str = "POST", **headers: str) -> Call:
    """A call whose body is JSON, or raw if it is bytes. Underscores in header names stand for hyphens."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    return Call(method, path, "", JSON | named, raw)


def ask(vendor: Vendor[Any], call: Call, moment: Moment | None = None, **settings: Any) -> Answer:
    """What the vendor answers under changed settings."""
    changed = type(vendor.settings)(**settings)
    return vendor.answer(changed, call, vendor.items(call), moment or Moment())
