"""Insider: its Unification API upserts users, with their identifiers, attributes and events, one entry per delivery."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, field_validator

from signal_actor.converters import snake_case
from signal_actor.delivery.rules import Outcome, Skipped
from signal_actor.destinations import insider_answer, variants
from signal_actor.destinations.base import Advice, ApiKey, Destination, Limits, Prepared, Reply, Request, Settings
from signal_actor.destinations.insider_order import lines, total
from signal_actor.destinations.payload import encode, identifier, known, prepared, section, timestamp
from signal_actor.event import Event
from signal_actor.mapping import Mapped, Mapper

ADDRESS = "https://unification.useinsider.com"
BODY_BYTES = 5_000_000  # Unification API: per request, counted with everything around the users
FRAME_BYTES = 1_012  # `{"users":[` and `]}`, and a comma for each of 1,000 users

# Events that stand for a cart or an order get one event per product, as Insider's taxonomy has it.
PER_PRODUCT = frozenset({"confirmation_page_view", "purchase", "cart_page_view", "checkout_page_view"})
ORDERS = frozenset({"confirmation_page_view", "purchase"})

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")  # the vendor prints A-Z too, and refuses its own example of it
_FOREIGN = re.compile(r"[^a-z0-9_]+")


class InsiderSettings(Settings):
    api_key: ApiKey = Field(title="API key", description="Insider Unification API key.")
    partner_name: str = Field(
        title="Partner name",
        description="Your Insider partner slug (e.g. myco), shown in Settings > Account.",
        pattern=r"^[A-Za-z0-9._-]+$",
    )
    uuid_source: Literal["user_id_or_anonymous_id", "user_id"] = Field(
        default="user_id_or_anonymous_id",
        title="UUID source",
        description="What keys the Insider user: the user id, else the anonymous id; or the user id only, which skips "
        "events of visitors who have not been identified.",
    )

    @field_validator("partner_name")
    @classmethod
    def _lower(cls, name: str) -> str:
        return name.lower()  # the header wants lower case


def prepare(settings: InsiderSettings, mapper: Mapper, event: Event) -> Prepared | Skipped:
    """One entry of `users`: an identify has attributes, everything else has events and what is known about consent."""
    uuid = identifier(event, "userId")
    if uuid is None and settings.uuid_source == "user_id_or_anonymous_id":
        uuid = identifier(event, "anonymousId")
    if uuid is None:
        return Skipped(f"no uuid, which Insider requires: the event has no id of the source {settings.uuid_source}")
    mapped = mapper(event)
    if isinstance(mapped, Skipped):
        return mapped
    fields, notes = mapped.fields, mapped.notes
    identifiers = {"uuid": uuid, **section(fields, "identifiers")}
    attributes = _with_consent(section(fields, "attributes"), event)
    user: dict[str, Any] = {"identifiers": identifiers}
    if event["type"] == "identify":
        # An entry needs an attribute; identifiers are attributes too.
        user["attributes"] = attributes or dict(identifiers)
    else:
        made = _events(mapper, mapped, event)
        if isinstance(made, Skipped):
            return made
        events, notes = made
        if attributes:
            user["attributes"] = attributes
        user["events"] = events
    user["not_append"] = True  # a repeat must not append to attributes that are lists
    ready = prepared(user, notes=notes)
    if ready.size > BODY_BYTES - FRAME_BYTES:
        return Skipped(f"the entry has {ready.size} bytes, and Insider takes at most {BODY_BYTES} per request")
    return ready


def build(settings: InsiderSettings, payloads: Sequence[Any], now: float) -> Request:
    return Request(
        "POST",
        f"{settings.address(ADDRESS)}/api/user/v1/upsert",
        {
            "Content-Type": "application/json",
            "X-PARTNER-NAME": settings.partner_name,
            "X-REQUEST-TOKEN": settings.api_key.get_secret_value(),
        },
        encode({"users": list(payloads)}),
    )


def classify(payloads: Sequence[Any], reply: Reply) -> list[Outcome]:
    return insider_answer.classify(payloads, reply, TROUBLESHOOTING)


def _events(mapper: Mapper, mapped: Mapped, event: Event) -> tuple[list[dict[str, Any]], tuple[str, ...]] | Skipped:
    """The entry's events and all notes; Skipped if Insider could not take their name or their number."""
    notes = mapped.notes
    name = mapped.name if _NAME.fullmatch(mapped.name) else snake_case(_FOREIGN.sub("_", snake_case(mapped.name)))
    if not name:
        return Skipped("Insider's event names are of a-z, 0-9, . _ -; give this event one in Field Mappings")
    if name != mapped.name:
        notes += (f"event_name changed to {name}, because Insider takes a-z, 0-9, . _ - only",)
    listed = lines(event) if name in PER_PRODUCT else ([], ())
    if isinstance(listed, Skipped):
        return listed
    products, left_out = listed
    when = timestamp(event)
    if not products:
        params = section(mapped.fields, "event_params")
        # An order that says nothing about products is one line of its whole amount.
        if name in ORDERS and "unit_sale_price" not in params and (amount := total(event)) is not None:
            params["unit_sale_price"] = amount
        return [_event(name, when, params)], notes
    each = [line for line in map(mapper, products) if isinstance(line, Mapped)]
    events = [_event(name, when, section(line.fields, "event_params")) for line in each]
    return events, tuple(dict.fromkeys((*notes, *left_out, *(note for line in each for note in line.notes))))


def _event(name: str, when: str, params: Mapping[str, Any]) -> dict[str, Any]:
    return {"event_name": name, "timestamp": when} | ({"event_params": params} if params else {})


def _with_consent(attributes: dict[str, Any], event: Event) -> dict[str, Any]:
    """Consent that is known, as custom attributes, so that workflows in Insider can respect it.

    `gdpr_optin: false` would switch off every campaign and all processing for the user, so it is only ever sent when
    the customer says so in a trait; a consent banner can only grant.
    """
    custom = section(attributes, "custom")
    said = "gdpr_optin" in attributes or "gdpr_optin" in custom
    for category, given in known(event, "consent").items():
        if isinstance(given, bool):
            custom[f"consent_{category}"] = given
            if category == "marketing" and given and not said:
                attributes["gdpr_optin"] = True
    if custom:
        attributes["custom"] = custom
    return attributes


_KEY = "Regenerate the key with Unification API scope."

TROUBLESHOOTING = (
    Advice("401 Unauthorized: invalid API key or wrong scopes", _KEY, status=401),
    Advice("403 Forbidden: the key may not do this", _KEY, status=403),
    Advice(
        "400 partner_name invalid: slug doesn't match account",
        "Confirm the partner name in Settings > Account.",
        status=400,
        mark="Partner is invalid",
    ),
    Advice(
        "User not appearing: missing uuid",
        "Insider requires a non-empty uuid on every event.",
        status=200,
        mark="identifiers.required",
    ),
    Advice(
        "Predictive segments not updating: event name not in Insider's taxonomy",
        "Use Insider's standard event names (product_detail_page_view, confirmation_page_view) for full segmentation "
        "support.",
    ),
)

INSIDER = Destination(
    slug="insider",
    name="Insider",
    category="Marketing Automation",
    summary="Cross-channel personalisation: users, attributes and events by the Unification API.",
    settings=InsiderSettings,
    variants=variants.load("insider"),
    consent=("marketing",),
    limits=Limits(items=1_000, body_bytes=BODY_BYTES - FRAME_BYTES),
    prepare=prepare,
    build=build,
    classify=classify,
    troubleshooting=TROUBLESHOOTING,
)
