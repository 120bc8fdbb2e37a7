"""Ninetailed: the document's tables, its example byte for byte, and the strict schema of the vendor's own clients."""

import json
from typing import Any

import jsonschema
import pytest
from destination_cases import EVENT, event, examples, payload, prepare, reply, settings, unhurried
from hypothesis import given
from hypothesis import strategies as st
from ninetailed_schema import BODY

from signal_actor.delivery.rules import Delivered, Misconfigured, Outcome, RefusedWhole, Rejected, Retry, Skipped
from signal_actor.destinations.base import Limits, Prepared
from signal_actor.destinations.ninetailed import NINETAILED
from signal_actor.errors import MappingError

STRICT = jsonschema.Draft202012Validator(BODY)

DOCUMENTED = {
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
SUPERSET = {"originalTimestamp", "sentAt", "context.library", "context.campaign", "context.gdpr", "context.page.query"}


def leaves(value: Any, path: str = "") -> dict[str, str]:
    if isinstance(value, dict) and value:
        return {k: v for key, each in value.items() for k, v in leaves(each, f"{path}.{key}".lstrip(".")).items()}
    return {path: json.dumps(value)}


def test_the_documents_example_arrives_as_documented_plus_what_the_clients_always_send() -> None:
    (example,) = (each for each in examples("ninetailed") if each["title"].startswith("the document's"))
    sent = json.loads(send(event(**example["in"])))["events"][0]
    found, documented = leaves(sent), leaves(DOCUMENTED)
    assert documented.items() <= found.items()
    assert all(any(path.startswith(known) for known in SUPERSET) for path in found.keys() - documented.keys())


def send(*events: dict[str, Any], now: float = 1_780_740_900.0) -> bytes:
    return NINETAILED.build(settings(NINETAILED), [payload(NINETAILED, each) for each in events], now).body


@pytest.mark.parametrize(
    ("given_event", "kind", "name"),
    [  # the document's event mapping
        ({"type": "page", "event": None}, "page", None),
        ({"type": "track", "event": "Identified"}, "identify", None),
        ({"type": "identify", "event": None}, "identify", None),
        ({"type": "track", "event": "Product Viewed"}, "track", "product_viewed"),
        ({"type": "track", "event": "Product Added"}, "track", "product_added"),
        ({"type": "track", "event": "Order Completed"}, "track", "order_completed"),
        ({"type": "track", "event": "Signed Up"}, "track", "signed_up"),
        ({"type": "track", "event": "add_to_cart"}, "track", "add_to_cart"),  # its first example
    ],
)
def test_event_mapping(given_event: dict[str, Any], kind: str, name: str | None) -> None:
    sent = payload(NINETAILED, event(userId="user-123", **given_event))
    assert (sent["type"], sent.get("event")) == (kind, name)


def test_a_track_named_identified_gives_its_properties_and_what_is_known_as_traits() -> None:
    identified = event(
        event="Identified",
        userId="u",
        properties={"plan": "pro"},
        context={"traits": {"email": "a@b.c", "plan": "free"}},
    )
    ready = prepare(NINETAILED, identified)
    assert isinstance(ready, Prepared)
    assert ready.payload["traits"] == {"email": "a@b.c", "plan": "pro"}
    assert ready.identify


def test_without_a_user_it_stays_a_track() -> None:
    assert payload(NINETAILED, event(event="Identified"))["event"] == "identified"


def test_identifies_are_counted() -> None:
    ready = [prepare(NINETAILED, event(type=kind, userId="u")) for kind in ("identify", "track", "page")]
    assert [each.identify for each in ready if isinstance(each, Prepared)] == [True, False, False]
    assert NINETAILED.limits == Limits(items=200, identifies=50, visitors=50)


def test_identity() -> None:
    anonymous, known = payload(NINETAILED, event()), payload(NINETAILED, event(userId="user-123"))
    assert "userId" not in anonymous
    assert known["userId"] == "user-123"
    assert anonymous["anonymousId"] == known["anonymousId"] == EVENT["anonymousId"]


@pytest.mark.parametrize(
    ("consent", "given"),
    [({}, True), ({"personalization": True}, True), ({"personalization": False}, False), ({"marketing": False}, True)],
)
def test_consent(consent: dict[str, bool], given: bool) -> None:
    assert payload(NINETAILED, event(context={"consent": consent}))["context"]["gdpr"] == {"isConsentGiven": given}


@pytest.mark.parametrize(
    ("page", "query", "path", "search"),
    [
        ({"url": "https://a.b/c?x=1&x=2&y="}, {"x": "2", "y": ""}, "/c", "?x=1&x=2&y="),
        ({"url": "https://a.b"}, {}, "/", ""),
        ({"url": "http://[", "path": 5}, {}, "", ""),
        ({"url": 5, "search": "?a=b"}, {"a": "b"}, "", "?a=b"),
        ({"url": "https://a.b/c?x=1", "query": {"q": "1", "n": 5}}, {"q": "1"}, "/c", "?x=1"),
        ({"url": "https://a.b/" + "c" * 3000}, {}, "/" + "c" * 3000, ""),
    ],
)
def test_pages_are_whole(page: dict[str, Any], query: dict[str, str], path: str, search: str) -> None:
    for sent in (
        payload(NINETAILED, event(type="page", properties=page))["properties"],
        payload(NINETAILED, event(type="page", properties=page))["context"]["page"],
        payload(NINETAILED, event(context={"page": page}))["context"]["page"],
    ):
        assert (sent["query"], sent["path"], sent["search"], sent["referrer"]) == (query, path, search, "")


def test_a_campaign_that_the_client_knows_wins_over_the_address() -> None:
    context = {"campaign": {"source": "ads", "name": 5, "id": "x"}, "page": {"url": "https://a.b/?utm_source=mail"}}
    assert payload(NINETAILED, event(context=context))["context"]["campaign"] == {"source": "ads"}


def test_mappings_may_add_to_the_context_and_the_root() -> None:
    fields = {"context.location.city": "properties.city", "context.page.title": {"default": "T"}, "viewId": "messageId"}
    changed = event(properties={"city": "Leeds"}, context={"page": {"url": "https://a.b/c"}})
    sent = payload(NINETAILED, changed, changes={"other": {"fields": fields}})
    assert sent["context"]["location"] == {"city": "Leeds"}
    assert sent["context"]["page"]["title"] == "T"
    assert sent["context"]["page"]["path"] == "/c"
    assert sent["viewId"] == "evt_1"


def test_a_mapping_that_makes_an_object_a_text_is_said_so() -> None:
    with pytest.raises(MappingError, match=r"^context: must be an object"):
        prepare(
            NINETAILED,
            event(),
            changes={"other": {"fields": {"context.locale": None, "context.userAgent": None, "context": "event"}}},
        )


def test_request() -> None:
    configured = settings(NINETAILED, organization_id="a/b c", environment_slug="mäin")
    request = NINETAILED.build(configured, [payload(NINETAILED, event())], 1_780_740_900.25)
    assert request.url == "https://experience.ninetailed.co/v2/organizations/a%2Fb%20c/environments/m%C3%A4in/events"
    assert request.headers == {"Content-Type": "application/json"}
    assert json.loads(request.body)["events"][0]["sentAt"] == "2026-06-06T10:15:00.250Z"


ODD = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=4)
    | st.dictionaries(st.text(max_size=2), st.integers(), max_size=2)
)
ODD_PAGE = st.dictionaries(st.sampled_from(["url", "path", "referrer", "search", "title", "query", "x"]), ODD)


@unhurried
@given(
    st.sampled_from(["page", "track", "identify", "screen"]),
    ODD_PAGE,
    st.fixed_dictionaries(
        {},
        optional={
            "page": ODD_PAGE,
            "locale": ODD,
            "campaign": ODD_PAGE,
            "library": ODD,
            "userAgent": ODD,
            "consent": ODD,
        },
    ),
    st.sampled_from(
        ["2026-06-06T10:15:00+02:00", "2026-06-06", "2026-06-06T10:15:00.123456Z", "2026-06-06T10:15:00.000Z"]
    ),
)
def test_whatever_the_client_says_holds_against_the_strict_schema(
    kind: str, properties: dict[str, Any], context: dict[str, Any], time: str
) -> None:
    traits = properties
    odd = event(type=kind, userId="u", name="Home", timestamp=time) | {
        "properties": properties,
        "traits": traits,
        "context": context,
    }
    try:
        body = json.loads(send(odd))
    except MappingError:  # a lone surrogate
        return
    STRICT.validate(body)


NOT_FOUND = {"message": "Not found", "data": {}, "error": {"code": "ERR_CONFIG_NOT_FOUND"}}
MISMATCH = {"message": "Mismatch", "data": {}, "error": {"code": "ERR_NAMESPACE_MISMATCH"}}
UNKNOWN = {"message": "No such profile", "data": {}, "error": {"code": "ERR_PROFILE_NOT_FOUND"}}
INVALID = {"message": "Invalid data provided", "data": {}, "error": {"code": "ERR_INVALID_DATA"}}
OVERLOAD = {"message": "Profile overload", "data": {}, "error": {"code": "ERR_PROFILE_OVERLOAD"}}
BROKEN = {"message": "Internal server error", "data": {}, "error": {"code": "ERR_INTERNAL_SERVER_ERROR"}}
OK = {"data": {"profiles": []}, "message": "ok", "error": None}


@pytest.mark.parametrize(
    ("status", "answer", "count", "outcome"),
    [  # the vendor's error table, and the document's
        (200, OK, 2, Delivered()),
        (200, {"message": "ok"}, 1, Delivered()),
        (400, INVALID, 2, RefusedWhole("HTTP 400: ERR_INVALID_DATA, Invalid data provided.")),
        (400, INVALID, 1, Rejected("HTTP 400: ERR_INVALID_DATA, Invalid data provided.")),
        (404, MISMATCH, 2, RefusedWhole("HTTP 404: ERR_NAMESPACE_MISMATCH, Mismatch.")),
        (404, MISMATCH, 1, Rejected("HTTP 404: ERR_NAMESPACE_MISMATCH, Mismatch.")),
        (404, UNKNOWN, 1, Rejected("HTTP 404: ERR_PROFILE_NOT_FOUND, No such profile.")),
        (429, OVERLOAD, 2, Retry("HTTP 429: ERR_PROFILE_OVERLOAD, Profile overload.")),
        (500, BROKEN, 2, Retry("HTTP 500: ERR_INTERNAL_SERVER_ERROR, Internal server error.")),
        (503, None, 1, Retry("HTTP 503.")),
    ],
)
def test_errors(status: int, answer: Any, count: int, outcome: Outcome) -> None:
    assert NINETAILED.classify([{}] * count, reply(status, answer)) == [outcome] * count


@pytest.mark.parametrize("answer", [NOT_FOUND, None, b"<html><title>nginx</title></html>"])
def test_an_unknown_organisation_is_our_configuration_and_has_the_documents_remedy(answer: Any) -> None:
    (outcome,) = NINETAILED.classify([{}], reply(404, answer))
    assert isinstance(outcome, Misconfigured)
    assert "Re-check the Client ID under SDK Keys and the environment slug." in outcome.cause


def test_troubleshooting_has_every_row_of_the_document() -> None:
    assert [row.symptom for row in NINETAILED.troubleshooting] == [
        "404 ERR_CONFIG_NOT_FOUND",
        "400 ERR_INVALID_DATA",
        "Profiles not updating",
        "Audiences not matching",
        "Events rejected in bulk",
    ]


def test_what_is_skipped_says_why() -> None:
    assert isinstance(prepare(NINETAILED, event(anonymousId=None)), Skipped)
