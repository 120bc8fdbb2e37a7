"""Ometria: the document's presets, limits and troubleshooting, and what a push answers."""

import json
from typing import Any

import pytest
from destination_cases import SECRET, event, payload, prepare, reply, settings

from signal_actor.delivery.rules import Delivered, Misconfigured, Outcome, RefusedWhole, Rejected, Retry, Skipped
from signal_actor.destinations.base import Prepared
from signal_actor.destinations.ometria import OMETRIA

RETAIL = [
    ("page", None, "page_view"),
    ("track", "Products Searched", "search"),
    ("track", "Product Viewed", "product_viewed"),
    ("track", "Product Added to Wishlist", "wishlist_add"),
    ("track", "Product Added", "cart_add"),
    ("track", "Product Removed", "cart_remove"),
    ("track", "Checkout Started", "checkout_started"),
    ("track", "Order Completed", "order_completed"),
]


@pytest.mark.parametrize(("kind", "name", "event_type"), RETAIL)
def test_the_retail_preset(kind: str, name: str | None, event_type: str) -> None:
    assert payload(OMETRIA, event(type=kind, event=name), variant="retail")["event_type"] == event_type


@pytest.mark.parametrize("name", ["Signed Up", "product_viewed", "Product viewed", "Order Refunded"])
def test_the_retail_preset_drops_all_other_events(name: str) -> None:
    assert isinstance(prepare(OMETRIA, event(event=name), variant="retail"), Skipped)


@pytest.mark.parametrize(
    ("name", "event_type"),
    [("Product Added to Wishlist", "product_added_to_wishlist"), ("Signed Up", "signed_up"), ("cart_add", "cart_add")],
)
def test_the_default_preset_takes_the_name_in_snake_case(name: str, event_type: str) -> None:
    assert payload(OMETRIA, event(event=name))["event_type"] == event_type


@pytest.mark.parametrize("variant", ["default", "retail"])
@pytest.mark.parametrize("name", [name for _, name, _ in RETAIL if name and name.startswith("Product ")])
def test_product_events_have_the_documents_names_of_properties(variant: str, name: str) -> None:
    sent = payload(
        OMETRIA, event(event=name, properties={"variant": "v", "price": 1, "url": "u", "a": {"b": 1}}), variant=variant
    )
    assert sent["properties"] == {"variant_id": "v", "product_price": 1, "url": "u", "a": {"b": 1}}


def test_other_events_keep_theirs() -> None:
    sent = payload(OMETRIA, event(event="Subscription Renewed", properties={"variant": "v", "price": 1}))
    assert sent["properties"] == {"variant": "v", "price": 1}


def test_an_event_type_is_cut_at_512_characters() -> None:
    ready = prepare(OMETRIA, event(event="e" * 513))
    assert isinstance(ready, Prepared)
    assert ready.payload["event_type"] == "e" * 512
    assert ready.notes == ("event_type cut to 512 characters",)
    assert payload(OMETRIA, event(event="e" * 512))["event_type"] == "e" * 512


def test_a_record_has_at_most_60_kb() -> None:
    around = len(json.dumps(payload(OMETRIA, event(properties={"x": ""})), separators=(",", ":")))
    assert isinstance(prepare(OMETRIA, event(properties={"x": "x" * (60_000 - around)})), Prepared)
    over = prepare(OMETRIA, event(properties={"x": "x" * (60_001 - around)}))
    assert over == Skipped("the record has 60001 bytes, and Ometria takes at most 60000")


def test_request() -> None:
    request = OMETRIA.build(settings(OMETRIA), [payload(OMETRIA, event())] * 2, 0.0)
    assert request.url == "https://api.ometria.com/v2/push"
    assert request.headers == {"Content-Type": "application/json", "X-Ometria-Auth": SECRET}
    assert [record["@type"] for record in json.loads(request.body)] == ["custom_event"] * 2
    assert OMETRIA.limits.items == 100


def test_a_key_from_a_file_loses_its_newline_and_one_that_fits_no_header_is_refused() -> None:
    request = OMETRIA.build(settings(OMETRIA, api_key="key\n"), [], 0.0)
    assert request.headers["X-Ometria-Auth"] == "key"
    for odd in ("", " ", "a\nb", "schlüssel"):
        with pytest.raises(ValueError, match="api_key"):
            settings(OMETRIA, api_key=odd)


PARTLY = {"status": "OK", "request_id": "e8d96762", "accepted": 1, "rejected": 1}
NOTE = "Ometria rejected 1 of 2 records, without saying which (request e8d96762)"


@pytest.mark.parametrize(
    ("status", "answer", "count", "outcome"),
    [
        (202, {"status": "OK", "request_id": "e8d96762", "accepted": 2, "rejected": 0}, 2, Delivered()),
        (202, None, 2, Delivered()),
        (200, PARTLY, 2, Delivered(NOTE)),
        (202, PARTLY, 2, Delivered(NOTE)),
        (400, {"message": "mixed"}, 2, RefusedWhole("HTTP 400: mixed.")),
        (400, {"message": "Payload invalid: Record is too large."}, 1,
         Rejected("HTTP 400: Payload invalid: Record is too large.")),
        (413, None, 2, RefusedWhole("HTTP 413.")),
        (429, None, 2, Retry("HTTP 429.")),
        (500, None, 2, Retry("HTTP 500.")),
    ],
)  # fmt: skip
def test_answers(status: int, answer: Any, count: int, outcome: Outcome) -> None:
    assert OMETRIA.classify([{}] * count, reply(status, answer)) == [outcome] * count


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_our_configuration_and_has_the_documents_remedy(status: int) -> None:
    (outcome,) = OMETRIA.classify([{}], reply(status, {"message": "API key is not authorised to access this resource"}))
    assert isinstance(outcome, Misconfigured)
    assert "API key is not authorised to access this resource." in outcome.cause
    assert "Generate a Data API key under Settings > API keys." in outcome.cause


def test_troubleshooting_has_every_row_of_the_document() -> None:
    symptoms = {row.symptom for row in OMETRIA.troubleshooting}
    assert symptoms >= {
        "403 Forbidden on every push",
        "Push returns 202 but the event never appears against the contact",
        "Event delivered but not linked to a customer",
        "400 Bad Request",
        "Event type appears truncated",
    }
