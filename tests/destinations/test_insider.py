"""Insider: the document's tables, the vendor's documented failures, its limits, and carts and orders."""

import json
from typing import Any

import pytest
from destination_cases import SECRET, event, payload, prepare, reply, settings

from signal_actor.delivery.rules import Delivered, Misconfigured, Outcome, RefusedWhole, Rejected, Retry, Skipped
from signal_actor.destinations.base import Prepared
from signal_actor.destinations.insider import INSIDER


def names(given: dict[str, Any], variant: str = "default") -> list[str]:
    return [each["event_name"] for each in payload(INSIDER, given, variant=variant)["events"]]


@pytest.mark.parametrize("variant", ["default", "ecommerce"])
@pytest.mark.parametrize(
    ("kind", "name", "sent"),
    [("page", None, "page_view"), ("track", "Product Viewed", "product_detail_page_view"),
     ("track", "Newsletter Opened", "newsletter_opened")],
)  # fmt: skip
def test_event_mapping(variant: str, kind: str, name: str | None, sent: str) -> None:
    assert names(event(type=kind, event=name), variant) == [sent]


def test_order_completed_is_the_documents_confirmation_page_view() -> None:
    assert names(event(event="Order Completed")) == ["confirmation_page_view"]


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("Product List Viewed", "listing_page_view"),
        ("Product Added", "item_added_to_cart"),
        ("Product Removed", "item_removed_from_cart"),
        ("Cart Viewed", "cart_page_view"),
        ("Cart Cleared", "cart_cleared"),
        ("Checkout Started", "checkout_page_view"),
        ("Order Completed", "purchase"),
        ("Signed Up", "sign_up_confirmation"),
        ("User Registered", "sign_up_confirmation"),
        ("Lead Collected", "lead_collected"),
    ],
)
def test_the_ecommerce_variant_has_the_vendors_taxonomy(name: str, sent: str) -> None:
    assert names(event(event=name), "ecommerce") == [sent]


def test_an_identify_is_an_upsert_without_events() -> None:
    sent = payload(INSIDER, event(type="identify", userId="u", traits={"a": 1}))
    assert "events" not in sent
    assert sent["attributes"] == {"custom": {"a": 1}}


# ---- identity ----


@pytest.mark.parametrize(
    ("source", "user", "uuid"),
    [
        ("user_id_or_anonymous_id", "user-123", "user-123"),
        ("user_id_or_anonymous_id", None, "a1b2c3d4-e5f6-7890-abcd-ef1234567890"),
        ("user_id", "user-123", "user-123"),
        ("user_id_or_anonymous_id", 7, "7"),
    ],
)
def test_uuid(source: str, user: Any, uuid: str) -> None:
    assert payload(INSIDER, event(userId=user), uuid_source=source)["identifiers"] == {"uuid": uuid}


def test_an_event_of_nobody_yet_is_skipped() -> None:
    assert isinstance(prepare(INSIDER, event(), uuid_source="user_id"), Skipped)


@pytest.mark.parametrize("where", ["own", "known"])
def test_identifiers_come_from_own_and_known_traits(where: str) -> None:
    traits = {"email": "jane@example.com", "phone": "07700 900123", "country": "GB"}
    given = {"traits": traits, "type": "identify"} if where == "own" else {"context": {"traits": traits}}
    assert payload(INSIDER, event(userId="user-123", **given))["identifiers"] == {
        "uuid": "user-123",
        "email": "jane@example.com",
        "phone_number": "+447700900123",
    }


def test_a_number_that_cannot_be_completed_is_no_identifier_and_not_in_the_note() -> None:
    ready = prepare(INSIDER, event(context={"traits": {"phone": "07700 900123"}}))
    assert isinstance(ready, Prepared)
    assert "phone_number" not in ready.payload["identifiers"]
    assert ready.notes == ("identifiers.phone_number left out: not a phone number that can be completed to E.164",)


# ---- consent ----


@pytest.mark.parametrize(
    ("consent", "attributes"),
    [
        (None, None),
        ({"marketing": "yes"}, None),
        ({"marketing": True}, {"gdpr_optin": True, "custom": {"consent_marketing": True}}),
        ({"marketing": False}, {"custom": {"consent_marketing": False}}),
        ({"analytics": True}, {"custom": {"consent_analytics": True}}),
    ],
)
def test_consent(consent: Any, attributes: Any) -> None:
    assert payload(INSIDER, event(context={"consent": consent})).get("attributes") == attributes


@pytest.mark.parametrize("name", ["gdpr_optin", "email_optin", "sms_optin", "whatsapp_optin"])
@pytest.mark.parametrize("said", [True, False])
def test_permissions_that_the_customer_gives_pass_through(name: str, said: bool) -> None:
    assert payload(INSIDER, event(type="identify", userId="u", traits={name: said}))["attributes"] == {name: said}


# ---- carts and orders ----

PRODUCTS = [{"product_id": "A", "price": 1}, {"product_id": "B", "sale_price": 2, "price": 3, "currency": "EUR"}]


@pytest.mark.parametrize(("variant", "name"), [("default", "confirmation_page_view"), ("ecommerce", "purchase")])
def test_an_order_always_has_what_the_vendor_requires_of_a_purchase(variant: str, name: str) -> None:
    order = {"order_id": 7, "currency": "GBP", "revenue": 3}
    for properties in (order, order | {"products": PRODUCTS}, order | {"products": []}):
        sent = payload(INSIDER, event(event="Order Completed", properties=properties), variant=variant)["events"]
        assert len(sent) == max(1, len(properties.get("products", [])))  # type: ignore[arg-type]
        for each in sent:
            assert each["event_name"] == name
            assert each["event_params"].keys() >= {"event_group_id", "currency", "unit_sale_price", "quantity"}
            assert each["event_params"]["event_group_id"] == "7"


def test_a_products_own_values_win_and_the_orders_total_is_not_its_price() -> None:
    order = {"order_id": "O", "currency": "GBP", "total": 9, "price": 9, "products": [*PRODUCTS, {"product_id": "C"}]}
    sent = payload(INSIDER, event(event="Order Completed", properties=order))["events"]
    params = [each["event_params"] for each in sent]
    assert [each.get("unit_sale_price") for each in params] == [1, 2, None]
    assert [each["currency"] for each in params] == ["GBP", "EUR", "GBP"]
    assert [each["custom"]["total"] for each in params] == [9, 9, 9]


def test_a_cart_is_taken_apart_too_and_other_lists_are_not() -> None:
    cart = event(event="Cart Viewed", properties={"cart_id": "C", "products": PRODUCTS})
    sent = payload(INSIDER, cart, variant="ecommerce")["events"]
    assert [each["event_params"]["event_group_id"] for each in sent] == ["C", "C"]
    assert names(event(event="Product List Viewed", properties={"products": PRODUCTS}), "ecommerce") == [
        "listing_page_view"
    ]
    assert names(event(event="Cart Viewed", properties={"products": PRODUCTS})) == ["cart_viewed"]


def test_orders_that_would_grow_out_of_proportion_are_skipped() -> None:
    many = event(event="Order Completed", properties={"products": [{}] * 1_001})
    big = event(event="Order Completed", properties={"products": [{}] * 600, "note": "x" * 10_000})
    full = event(event="Order Completed", properties={"products": [{"x": "x" * 10_000}] * 600})
    for given in (many, big, full):
        assert isinstance(prepare(INSIDER, given), Skipped)


# ---- request and answers ----


def test_request() -> None:
    request = INSIDER.build(settings(INSIDER, partner_name=" MyCo "), [payload(INSIDER, event())], 0.0)
    assert request.url == "https://unification.useinsider.com/api/user/v1/upsert"
    assert request.headers == {
        "Content-Type": "application/json",
        "X-PARTNER-NAME": "myco",
        "X-REQUEST-TOKEN": SECRET,
    }
    assert list(json.loads(request.body)) == ["users"]
    assert INSIDER.limits.items == 1_000
    with pytest.raises(ValueError, match="partner_name"):
        settings(INSIDER, partner_name="my co")


def test_a_full_request_has_at_most_5_000_000_bytes() -> None:
    limit = INSIDER.limits.body_bytes
    assert limit is not None
    sizes = [limit // 1_000] * 1_000
    assert sum(sizes) + len(b'{"users":[]}') + 999 <= 5_000_000
    assert limit + 2_000 > 5_000_000


REQUIRED = [
    "event_group_id parameter is required on purchase event",
    "unit_sale_price parameter is required on purchase event",
]
NOBODY = "either insider_id or idenifiers must be specified"


@pytest.mark.parametrize(
    ("errors", "reason"),
    [  # the vendor's documented failures
        ({"users.1.identifiers.required": [NOBODY], "users.1.insider_id.required": [NOBODY]},
         f"{NOBODY}. Insider requires a non-empty uuid on every event."),
        ({"users.1.identifiers.*.regexp(^.+@.+\\..+$)": ["not a valid email address: sample"]},
         "not a valid email address: sample"),
        ({"users.1.identifiers.*.type(string)": ["uuid must be string: 12345"]}, "uuid must be string: 12345"),
        ({"users.1.identifiers.*.in(defaults_column)": ["key must be one of phone_number(pn), email(em) or uuid"]},
         "key must be one of phone_number(pn), email(em) or uuid"),
        ({"users.1.identifiers.*.regexp(^\\+[1-9]\\d{6,14}$)": ["user has an invalid phone number: 12345"]},
         "user has an invalid phone number: 12345"),
        ({"users.1.events.0.event_name.*.regexp(^[a-z0-9][a-zA-Z0-9._-]*$)": ["invalid event name: homepageView"]},
         "invalid event name: homepageView"),
        ({"users.1.events.0.event_params.*.required": REQUIRED}, "; ".join(REQUIRED)),
        ({"users.1.something.new": "no list"}, "something.new"),
    ],
)  # fmt: skip
def test_failures_belong_to_the_user_at_their_position(errors: dict[str, Any], reason: str) -> None:
    answer = {"data": {"successful": {"count": 2}, "fail": {"count": 1, "errors": errors}}}
    assert INSIDER.classify([{}] * 3, reply(200, answer)) == [Delivered(), Rejected(reason), Delivered()]


GOOD = {"data": {"successful": {"count": 2}, "fail": {}}}
COUNTED = {"data": {"successful": {"count": 1}, "fail": {"count": 1}}}
MESSAGE = {"success": False}


@pytest.mark.parametrize(
    ("status", "answer", "count", "outcome"),
    [
        (200, GOOD, 2, Delivered()),
        (200, {}, 2, Delivered()),
        (200, None, 2, Delivered("Insider's answer could not be read")),
        (200, b'{"data":{"fail":{"errors":{"users.0', 2, RefusedWhole("Insider's answer was too long to read")),
        (200, COUNTED, 2, RefusedWhole("Insider refused some users without saying which")),
        (200, COUNTED, 1, Rejected("Insider refused some users without saying which")),
        (400, {"error": "users must be defined: bad request"}, 1,
         Rejected("HTTP 400: users must be defined: bad request.")),
        (400, MESSAGE | {"message": "Request data is not in valid JSON format."}, 2,
         RefusedWhole("HTTP 400: Request data is not in valid JSON format.")),
        (400, {"error": "request body is bigger than maximum allowed size 5,000,000 bytes"}, 2,
         RefusedWhole("HTTP 400: request body is bigger than maximum allowed size 5,000,000 bytes.")),
        (400, {"error": "content type must be application/json"}, 2,
         RefusedWhole("HTTP 400: content type must be application/json.")),
        (400, MESSAGE | {"message": "Partner is invalid."}, 2,
         Misconfigured("HTTP 400: Partner is invalid. Confirm the partner name in Settings > Account.")),
        (401, MESSAGE | {"message": "Partner token authentication failed."}, 2,
         Misconfigured("HTTP 401: Partner token authentication failed. "
                       "Regenerate the key with Unification API scope.")),
        (401, {"error": "Bad Api Key."}, 2,
         Misconfigured("HTTP 401: Bad Api Key. Regenerate the key with Unification API scope.")),
        (403, MESSAGE | {"message": "Access Denied."}, 2,
         Misconfigured("HTTP 403: Access Denied. Regenerate the key with Unification API scope.")),
        (429, {"error": "rejected: too many requests"}, 2, Retry("HTTP 429: rejected: too many requests.")),
        (500, MESSAGE | {"message": "The request processing has failed because of an unknown error."}, 2,
         Retry("HTTP 500: The request processing has failed because of an unknown error.")),
        (503, None, 2, Retry("HTTP 503.")),
        (504, None, 2, Retry("HTTP 504.")),
        (520, None, 2, Retry("HTTP 520.")),
    ],
)  # fmt: skip
def test_answers(status: int, answer: Any, count: int, outcome: Outcome) -> None:
    assert INSIDER.classify([{}] * count, reply(status, answer)) == [outcome] * count


def test_troubleshooting_has_every_row_of_the_document() -> None:
    assert {row.remedy for row in INSIDER.troubleshooting} == {
        "Regenerate the key with Unification API scope.",
        "Confirm the partner name in Settings > Account.",
        "Insider requires a non-empty uuid on every event.",
        "Use Insider's standard event names (product_detail_page_view, confirmation_page_view) for full segmentation "
        "support.",
    }
    assert INSIDER.category == "Marketing Automation"
