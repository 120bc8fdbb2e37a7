"""Examples of the vendors' documents: posted as printed, they arrive with exactly the documented fields."""

from typing import Any

from signal_actor import __version__
from signal_actor.sandbox import Sandbox
from tests.service.conftest import OpenHouse
from tests.service.house import House, arrived, tables

VISITOR = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
PAGE = {
    "url": "https://example.com/p/widget",
    "path": "/p/widget",
    "referrer": "https://example.com/",
    "search": "",
}


async def post(house: House, *events: dict[str, Any]) -> None:
    for event in events:
        path = f"/v1/{event['type'][0]}"
        response = await house.post(path, {"anonymousId": VISITOR, **event})
        assert response.status_code == 200, response.text


IDENTIFY = {"type": "identify", "userId": "user-123", "traits": {"email": "jane.doe@example.com"}}


async def test_ninetaileds_product_viewed(open_house: OpenHouse, sandbox: Sandbox) -> None:
    house = await open_house(tables(sandbox, only=("ninetailed",)))
    properties = {
        "product_id": "SKU-A",
        "product_name": "Widget",
        "category": "Tools",
        "price": 49.99,
        "currency": "USD",
    }
    viewed = {
        "type": "track",
        "event": "Product Viewed",
        "messageId": "evt_9f8e7d6c",
        "timestamp": "2026-06-06T10:15:00.000Z",
        "properties": properties,
        "context": {"page": PAGE, "locale": "en-US"},
    }
    await post(house, IDENTIFY, viewed)
    await arrived(sandbox.ninetailed, 2)
    identify, track = (item.payload for item in sandbox.ninetailed.ledger.accepted)
    assert identify["type"] == "identify"
    assert identify["userId"] == "user-123"
    assert identify["traits"] == {"email": "jane.doe@example.com"}
    sent_at = track.pop("sentAt")
    assert track.pop("originalTimestamp") == "2026-06-06T10:15:00.000Z"
    assert sent_at.endswith("Z")
    # What the vendor's own clients always send besides the document's fields.
    assert track["context"].pop("library") == {"name": "signal-actor", "version": __version__}
    assert track["context"].pop("campaign") == {}
    assert track["context"].pop("gdpr") == {"isConsentGiven": True}
    assert track["context"]["page"].pop("query") == {}
    assert track == {
        "type": "track",
        "event": "product_viewed",
        "anonymousId": VISITOR,
        "userId": "user-123",
        "channel": "web",
        "messageId": "evt_9f8e7d6c",
        "timestamp": "2026-06-06T10:15:00.000Z",
        "properties": properties,
        "context": {"page": PAGE, "locale": "en-US"},
    }
    request = sandbox.ninetailed.ledger.requests[0]
    assert request.path == "/v2/organizations/demo-org/environments/main/events"
    assert request.headers["content-type"] == "application/json"


async def test_ometrias_product_viewed(open_house: OpenHouse, sandbox: Sandbox) -> None:
    house = await open_house(tables(sandbox, only=("ometria",), ometria={"variant": "retail"}))
    viewed = {
        "type": "track",
        "event": "Product Viewed",
        "messageId": "evt_abc123def456",
        "timestamp": "2026-06-06T15:32:52Z",
        "properties": {
            "product_id": "SKU-A",
            "product_name": "Merino Crew Jumper",
            "variant": "navy-m",
            "price": 79.00,
            "currency": "GBP",
            "category": "Knitwear",
        },
        "context": {"page": {"url": "https://example.com/products/merino-crew"}},
    }
    await post(house, IDENTIFY, viewed, {"type": "track", "event": "Signed Up"})
    await house.settled()
    (request,) = sandbox.ometria.ledger.requests
    assert [item.payload for item in request.items] == [
        {
            "@type": "custom_event",
            "id": "evt_abc123def456",
            "timestamp": "2026-06-06T15:32:52+00:00",
            "event_type": "product_viewed",
            "identity_email": "jane.doe@example.com",
            "properties": {
                "product_id": "SKU-A",
                "product_name": "Merino Crew Jumper",
                "variant_id": "navy-m",
                "product_price": 79.00,
                "currency": "GBP",
                "category": "Knitwear",
                "page_url": "https://example.com/products/merino-crew",
            },
        }
    ]
    assert request.path == "/v2/push"
    assert request.headers["x-ometria-auth"] == "sandbox-ometria-key"
    assert house.states("ometria") == ["skipped", "done", "skipped"]
    reasons = house.rows("select last_error from v_deliveries where state = 'skipped'")
    assert all(row["last_error"] for row in reasons)


async def test_insiders_identify_page_and_order(open_house: OpenHouse, sandbox: Sandbox) -> None:
    house = await open_house(tables(sandbox, only=("insider",)))
    traits = {"email": "jane@example.com", "phone": "+447700900123", "plan": "pro"}
    order = {
        "type": "track",
        "event": "Order Completed",
        "properties": {
            "order_id": "O-1",
            "total": 120.5,
            "currency": "usd",
            "products": [
                {"product_id": "A", "name": "Jumper", "price": 100.5, "quantity": 1},
                {"product_id": "B", "name": "Socks", "price": 10, "quantity": 2},
            ],
        },
    }
    page = {"type": "page", "name": "Home", "context": {"page": PAGE}}
    await post(house, {**IDENTIFY, "userId": "user-123", "traits": traits}, page, order)
    await house.settled()
    user, viewed, bought = (item.payload for item in sandbox.insider.ledger.accepted)
    assert user["identifiers"] == {
        "uuid": "user-123",
        "email": "jane@example.com",
        "phone_number": "+447700900123",
    }
    assert user["attributes"]["custom"]["plan"] == "pro"
    assert "events" not in user
    assert viewed["events"][0]["event_name"] == "page_view"
    assert viewed["events"][0]["event_params"]["url"] == PAGE["url"]
    assert [event["event_name"] for event in bought["events"]] == ["confirmation_page_view"] * 2
    params = [event["event_params"] for event in bought["events"]]
    assert {param["event_group_id"] for param in params} == {"O-1"}
    assert {param["currency"] for param in params} == {"USD"}
    assert [(p["product_id"], p["unit_sale_price"], p["quantity"]) for p in params] == [("A", 100.5, 1), ("B", 10, 2)]
    assert viewed["identifiers"]["uuid"] == bought["identifiers"]["uuid"] == "user-123"
    request = sandbox.insider.ledger.requests[0]
    assert request.path == "/api/user/v1/upsert"
    assert request.headers["x-partner-name"] == "demo"
    assert request.headers["x-request-token"] == "sandbox-insider-key"
    assert "gdpr_optin" not in str([user, viewed, bought])


async def test_the_webhook_gets_the_event_whole_and_signed(open_house: OpenHouse, sandbox: Sandbox) -> None:
    sandbox.webhook.configure(secret="whsec_c2lnbmFsLWFjdG9yLXdlYmhvb2s=")  # the receiver refuses what is not signed
    house = await open_house(tables(sandbox, only=("webhook",)))
    event = {"type": "track", "event": "Anything", "properties": {"deep": {"er": [1, None, "ü"]}}, "userId": "u"}
    await post(house, event)
    await arrived(sandbox.webhook, 1)
    (payload,) = (item.payload for item in sandbox.webhook.ledger.accepted)
    assert payload["properties"] == {"deep": {"er": [1, None, "ü"]}}
    assert (payload["event"], payload["userId"], payload["anonymousId"]) == ("Anything", "u", VISITOR)
    assert {"messageId", "timestamp", "receivedAt"} <= payload.keys()


async def test_documented_http_examples_arrive_at_all_four(house: House, sandbox: Sandbox) -> None:
    """The four bodies of the HTTP document, as they are printed."""
    context = {"userAgent": "Mozilla/5.0 ...", "locale": "en-US"}
    page = {
        "url": "https://shop.example.com/products/headphones",
        "title": "Wireless Headphones | Shop",
        "referrer": "https://shop.example.com/category/audio",
    }
    await post(
        house,
        {
            "type": "track",
            "event": "Product Added",
            "properties": {"product_id": "SKU-1234", "name": "Wireless Headphones", "price": 79.99, "quantity": 1},
            "context": {"page": page, **context, "timezone": "America/New_York"},
            "timestamp": "2026-02-25T14:30:00.000Z",
            "messageId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
        },
        {
            "type": "page",
            "name": "Product Detail",
            "properties": {**page, "path": "/products/headphones", "search": "?color=black"},
            "context": context,
            "messageId": "b2c3d4e5-f6a7-8901-bcde-f12345678901",
        },
        {
            "type": "identify",
            "userId": "user_98765",
            "traits": {"email": "jane@example.com", "createdAt": "2025-03-15T10:00:00.000Z"},
            "context": context,
            "messageId": "c3d4e5f6-a7b8-9012-cdef-123456789012",
        },
        {
            "type": "group",
            "groupId": "org_555",
            "traits": {"name": "Acme Corp", "employees": 250},
            "context": context,
            "messageId": "d4e5f6a7-b8c9-0123-defa-234567890123",
        },
    )
    await house.settled()
    assert house.states("ninetailed") == ["done", "done", "done", "skipped"]
    assert house.states("insider") == ["done", "done", "done", "skipped"]
    assert house.states("ometria") == ["done", "done", "skipped", "skipped"]
    assert house.states("webhook") == ["done"] * 4
    assert [item.payload["type"] for item in sandbox.webhook.ledger.accepted] == ["track", "page", "identify", "group"]
    assert sandbox.ninetailed.ledger.ids == [event["message_id"] for event in house.stored()[:3]]
