"""Mappings: got, changed, taken back, tried without sending, and live at once."""

from typing import Any

from tests.management.desk import Desk
from tests.service.house import House, arrived, numbered

ORDER = {
    "type": "track",
    "event": "Order Completed",
    "anonymousId": "a",
    "properties": {"order_id": "o-1", "total": 5, "currency": "EUR"},
}


async def path_of(desk: Desk, slug: str = "insider") -> str:
    return f"/integrations/{(await desk.integration(slug))['id']}/mappings"


async def test_what_is_got_can_be_put_again(editor: Desk) -> None:
    path = await path_of(editor)
    first = await editor.ok("GET", path)
    assert first["changes"] == {}
    assert first["mappings"] == first["default"]
    assert "track" in first["mappings"]
    changed = {"track": {"Order Completed": {"name": "order"}, "Product Viewed": None}}
    put = await editor.ok("PUT", path, {"mappings": changed})
    assert put["changes"] == changed
    assert put["mappings"]["track"]["Order Completed"]["name"] == "order"
    assert put["mappings"]["track"]["Product Viewed"] is None
    again = await editor.ok("PUT", path, {"mappings": put["mappings"]})
    assert again == put
    reverted = await editor.ok("PUT", path, {"mappings": {}})
    assert reverted == first


async def test_a_wrong_mapping_is_refused_and_named(editor: Desk) -> None:
    path = await path_of(editor)
    wrong = {"page": {"fields": {"x": {"source": "properties.x", "convert": "nonsense"}}}}
    message = await editor.refused(400, "PUT", path, {"mappings": wrong})
    assert "page.fields.x.convert" in message
    await editor.refused(400, "PUT", path, {"mappings": []})
    await editor.refused(400, "PUT", path, {})


async def test_a_preview_maps_with_the_draft_and_sends_nothing(house: House, viewer: Desk) -> None:
    path = await path_of(viewer) + "/preview"
    seen = await viewer.ok("POST", path, {"event": ORDER})
    assert seen["outcome"] == "mapped"
    assert seen["payload"]["events"][0]["event_name"] == "confirmation_page_view"
    assert "***" in str(seen["request"]["headers"])
    draft = {"track": {"Order Completed": {"name": "order"}}}
    tried = await viewer.ok("POST", path, {"event": ORDER, "mappings": draft})
    assert tried["payload"]["events"][0]["event_name"] == "order"
    skip = await viewer.ok("POST", path, {"event": ORDER, "mappings": {"track": {"Order Completed": {"skip": "no"}}}})
    assert (skip["outcome"], skip["reason"], skip["payload"]) == ("skipped", "no", None)
    denied = {**ORDER, "context": {"consent": {"marketing": False}}}
    assert (await viewer.ok("POST", path, {"event": denied}))["reason"] == "consent: marketing is not granted"
    assert all(not fake.ledger.requests for fake in house.sandbox.vendors.values())
    assert house.stored() == []


async def test_a_stored_event_can_be_previewed(house: House, viewer: Desk) -> None:
    await house.post("/v1/t", ORDER | {"messageId": "m"})
    path = await path_of(viewer) + "/preview"
    event_id = house.value("select event_id from v_events")
    seen = await viewer.ok("POST", path, {"event_id": event_id})
    assert seen["payload"]["events"][0]["event_params"]["event_group_id"] == "o-1"
    await viewer.refused(404, "POST", path, {"event_id": 1})
    for body in ({}, {"event": ORDER, "event_id": event_id}):
        assert "event_id" in await viewer.refused(400, "POST", path, body)
    assert "event: is required" in await viewer.refused(400, "POST", path, {"event": {"type": "track"}})


async def names(house: House, count: int) -> list[Any]:
    fake = house.sandbox.vendors["insider"]
    await arrived(fake, count)
    return [item.payload["events"][0]["event_name"] for item in fake.ledger.accepted]


async def test_a_saved_mapping_is_live_for_the_next_event(house: House, editor: Desk) -> None:
    path = await path_of(editor)
    await house.track(1)
    assert await names(house, 1) == ["signed_up"]
    await editor.ok("PUT", path, {"mappings": {"track": {"Signed Up": {"name": "joined"}}}})
    await house.track(2)
    assert await names(house, 2) == ["signed_up", "joined"]


async def test_an_unpublished_mapping_waits_in_the_draft(house: House, editor: Desk) -> None:
    path = await path_of(editor)
    draft = {"track": {"Signed Up": {"name": "joined"}}}
    await editor.ok("PUT", path, {"mappings": draft, "publish": False})
    seen = await editor.ok("POST", path + "/preview", {"event": numbered(1)})
    assert seen["payload"]["events"][0]["event_name"] == "joined"
    await house.track(1)
    assert await names(house, 1) == ["signed_up"]
    pipeline = await editor.ok("GET", "/pipelines/shop")
    assert pipeline["draft"] is True
    assert "Signed Up" in str(pipeline["changes"])
    await editor.ok("POST", "/pipelines/shop/publish")
    await house.track(2)
    assert await names(house, 2) == ["signed_up", "joined"]


async def test_a_thousand_mistakes_are_not_explained_one_by_one(viewer: Desk) -> None:
    insider = await viewer.integration("insider")
    path = f"/integrations/{insider['id']}/mappings/preview"
    strays = {f"evnt{number}": 1 for number in range(1_000)}
    message = await viewer.refused(400, "POST", path, {"event": {"type": "page", "name": "x"}, **strays})
    assert message.count("unknown key") == 50
    assert message.endswith("and 950 problems more")
    assert len(await viewer.refused(400, "POST", path, {"x" * 100_000: 1})) < 1_000


async def test_a_preview_signs_nothing(house: House, admin: Desk, viewer: Desk) -> None:
    """Else a viewer could have any event signed, and send it to the receiver as if it were ours."""
    config = {"url": house.sandbox.vendors["webhook"].hint["url"], "secret": "whsec_c2VjcmV0", "headers": {"X-A": "b"}}
    made = await admin.ok("POST", "/integration-catalog/webhook/install", {"config": config}, status=201)
    event = {"type": "track", "event": "Forged", "userId": "u"}
    for who, path, body in ((viewer, "mappings/preview", {"event": event}), (admin, "test", {"event": event})):
        request = (await who.ok("POST", f"/integrations/{made['id']}/{path}", body))["request"]
        assert request["headers"]["webhook-signature"] == "***"
        assert request["headers"]["X-A"] == "b"
        assert "Forged" in request["body"]
