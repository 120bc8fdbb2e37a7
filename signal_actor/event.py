"""Event: what a browser or a server said, checked and brought into one form."""

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError

from signal_actor.errors import Refusal
from signal_actor.wire import LATEST, iso, milliseconds

Event = dict[str, Any]
"""A normalised event, as it is stored, mapped and shown. JSON, camelCase as on the wire; unknown keys are kept.

    type               track, page, identify, group, alias or screen
    messageId          stable id; the same on every retry
    timestamp          when it happened, corrected for the client's clock; ISO 8601, milliseconds, Z
    originalTimestamp  what the client said it was, same form; absent if it said nothing
    receivedAt         when it was accepted, same form
    anonymousId        the visitor; absent only for events that know nothing but a user
    userId             the user, from the event itself or from an earlier identify of the visitor
    event              track: the event's name
    name               page, screen: the page's name
    groupId, previousId
    properties         track, page, screen: an object, may be empty
    traits             identify, group: an object, may be empty
    context            an object: page, locale, campaign, userAgent, library, ..., and
    context.traits     what is known about the user (email, phone, ...): from earlier identifies and this event
    context.consent    what is known about consent, {category: bool}; absent if nothing is known
"""

TYPES = ("track", "page", "identify", "group", "alias", "screen")

Text = Annotated[str, StringConstraints(max_length=4096)]
Id = Annotated[str, StringConstraints(max_length=255)]  # opaque; 255 is what the public SDKs stay below
Object = dict[str, Any]


def _not_a_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a string")
    return value


class Envelope(BaseModel):
    """The fields that every event may carry, in the document's words. Numbers as ids become text, as the SDKs do."""

    model_config = ConfigDict(coerce_numbers_to_str=True, extra="ignore")

    type: str | None = None
    event: Text | None = None
    name: Text | None = None
    userId: Id | None = None  # noqa: N815 (the wire's own names)
    anonymousId: Id | None = None  # noqa: N815
    groupId: Id | None = None  # noqa: N815
    previousId: Id | None = None  # noqa: N815
    messageId: Id | None = None  # noqa: N815
    timestamp: Annotated[str | None, BeforeValidator(_not_a_boolean)] = None
    originalTimestamp: str | None = None  # noqa: N815
    sentAt: str | None = None  # noqa: N815
    properties: Object | None = None
    traits: Object | None = None
    context: Object | None = None


IDS = ("userId", "anonymousId", "groupId", "previousId", "messageId", "event", "name")
MEANINGS = {
    "string_type": "must be a string",
    "dict_type": "must be an object",
    "string_too_long": "is too long",
}


def invalid(field: str, meaning: str) -> Refusal:
    """The refusal of an event whose `field` is not as it has to be."""
    return Refusal(400, "invalid_payload", f"{field}: {meaning}.")


def parse(
    raw: Any, *, expected: str | None, received_at: int, sent_at: str | None = None, make_id: Callable[[], str]
) -> Event:
    """Checks one event and brings it into its normal form.

    Args:
        raw: what the body holds; changed by nobody.
        expected: the endpoint's type, or None where the event says it (batches).
        received_at: milliseconds since 1970.
        sent_at: the batch's `sentAt`, for events without their own.
        make_id: makes the messageId of an event without one.

    Raises:
        Refusal: 400 `invalid_payload`, naming the field.
    """
    if not isinstance(raw, dict):
        raise Refusal(400, "invalid_payload", "An event must be a JSON object.")
    try:
        given = Envelope.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise invalid(str(first["loc"][0]), MEANINGS.get(first["type"], first["msg"].lower())) from None
    event: Event = {key: value for key, value in raw.items() if key != "writeKey" and value is not None}
    for key in IDS:
        value = getattr(given, key)
        if value:
            event[key] = value
        else:
            event.pop(key, None)
    event["type"] = _type(given.type, expected)
    if "messageId" not in event:
        event["messageId"] = make_id()
    context = event["context"] = dict(given.context or {})
    if not isinstance(context.get("traits", {}), dict):
        raise invalid("context.traits", "must be an object")
    _require(event, context)
    _set_times(event, given, received_at, given.sentAt or sent_at)
    return event


def _type(given: str | None, expected: str | None) -> str:
    if given is None:
        raise invalid("type", "is required")
    if expected is not None and given != expected:
        raise invalid("type", f'must be "{expected}" at this endpoint')
    if given not in TYPES:
        raise invalid("type", "must be one of " + ", ".join(TYPES))
    return given


def _require(event: Event, context: Object) -> None:
    """What each type of event cannot do without."""
    match event["type"]:
        case "track":
            if "event" not in event:
                raise invalid("event", "is required for track")
            event.setdefault("properties", {})
        case "page" | "screen":
            properties = event.setdefault("properties", {})
            name = event.get("name") or page_name(properties, context)
            if not name:
                raise invalid("name", f"is required for {event['type']}")
            event["name"] = name
        case "identify":
            if "userId" not in event:
                raise invalid("userId", "is required for identify")
            # RudderStack's SDKs put an identify's traits into its context only.
            event["traits"] = event.get("traits") or context.get("traits") or {}
        case "group":
            if "groupId" not in event:
                raise invalid("groupId", "is required for group")
            event.setdefault("traits", {})
        case "alias":
            for field in ("previousId", "userId"):
                if field not in event:
                    raise invalid(field, "is required for alias")
        case _:
            raise AssertionError(event["type"])  # `_type` lets no other through


def page_name(properties: Object, context: Object) -> str | None:
    """A name for a page that has none: the one in its properties (Jitsu), its title, its path, or its URL's path."""
    page = context.get("page")
    page = page if isinstance(page, dict) else {}
    candidates = [properties.get("name"), properties.get("title"), page.get("title"), properties.get("path")]
    candidates += [_path(url) for url in (properties.get("url"), page.get("url"))]
    return next((text for text in candidates if isinstance(text, str) and text), None)


def _path(url: Any) -> str | None:
    try:
        return urlsplit(url).path or "/" if isinstance(url, str) and url else None
    except ValueError:
        return None


def _set_times(event: Event, given: Envelope, received_at: int, sent_at: str | None) -> None:
    """The client's time, moved by what its clock is off: received minus sent (Segment's rule)."""
    said = given.timestamp or given.originalTimestamp
    if said is None:
        event["timestamp"] = iso(received_at)
    else:
        said_ms = _time("timestamp" if given.timestamp else "originalTimestamp", said)
        original = given.originalTimestamp
        event["originalTimestamp"] = iso(_time("originalTimestamp", original) if original else said_ms)
        off = received_at - _time("sentAt", sent_at) if sent_at else 0
        event["timestamp"] = iso(min(max(said_ms + off, 0), LATEST))
    if sent_at:
        event["sentAt"] = iso(_time("sentAt", sent_at))
    event["receivedAt"] = iso(received_at)


def _time(field: str, text: str) -> int:
    try:
        return milliseconds(text)
    except ValueError:
        raise invalid(field, "must be an ISO 8601 date-time, such as 2026-02-25T14:30:00.000Z") from None
