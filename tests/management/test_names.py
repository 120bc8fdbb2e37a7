"""Names: pipelines and integrations are called by slug or by number, wherever somebody can call them."""

from typing import Any

import pytest
import trio

from tests.management.desk import ADMIN, Desk
from tests.management.test_live import watching
from tests.service.conftest import OpenHouse
from tests.service.house import KEY, PATIENCE, House, numbered, tables

BLOG = "dk_test_blog"


@pytest.fixture
async def house(open_house: OpenHouse, sandbox: Any) -> House:
    """Two pipelines, each with a webhook that has the same slug; `shop` has an insider too. All have got an event."""
    wanted = tables(sandbox, only=("webhook", "insider"))
    webhook = wanted["pipelines"]["shop"]["integrations"]["webhook"]
    wanted["pipelines"]["blog"] = {"pipeline_keys": [BLOG], "integrations": {"webhook": webhook}}
    found = await open_house(wanted, admin_token=ADMIN)
    for key, number in ((KEY, 1), (BLOG, 2)):
        answer = await found.request("POST", "/v1/t", numbered(number), headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 200
    await found.settled()
    return found


async def number(desk: Desk, pipeline: str, slug: str) -> int:
    listed = await desk.all("/integrations", limit=10, pipeline=pipeline)
    return next(int(item["id"]) for item in listed if item["slug"] == slug)


async def test_lists_are_filtered_by_slug_and_by_number(house: House, viewer: Desk) -> None:
    blog = (await viewer.ok("GET", "/pipelines/blog"))["id"]
    shops, blogs = await number(viewer, "shop", "webhook"), await number(viewer, str(blog), "webhook")
    for path in ("/events", "/deliveries"):
        for params, wanted in (
            ({"pipeline": "blog"}, ["m-2"]),
            ({"pipeline": str(blog)}, ["m-2"]),
            ({"integration": str(blogs)}, ["m-2"]),
            ({"integration": str(shops), "pipeline": "shop"}, ["m-1"]),
            ({"integration": str(shops), "pipeline": "blog"}, []),
            ({"integration": "webhook"}, ["m-2", "m-1"]),
            ({"integration": "999"}, []),
            ({"pipeline": "999"}, []),
            ({"pipeline": "9" * 30}, []),
        ):
            found = await viewer.all(path, limit=10, **params)
            assert [item["message_id"] for item in found] == wanted, (path, params)
    assert len(await viewer.all("/integrations", limit=10, pipeline=str(blog))) == 1


async def test_a_slug_goes_before_a_number(house: House, editor: Desk) -> None:
    shops = await number(editor, "shop", "webhook")
    config = {"url": "http://127.0.0.1:1/"}
    body = {"slug": str(shops), "pipeline": "blog", "config": config}
    await editor.ok("POST", "/integration-catalog/webhook/install", body, status=201)
    assert await editor.all("/events", limit=10, integration=str(shops)) == []
    assert (await editor.ok("GET", f"/integrations/{shops}"))["slug"] == "webhook"  # a path means the number


async def test_an_integration_is_found_by_its_slug_where_only_one_has_it(house: House, editor: Desk) -> None:
    insider = await number(editor, "shop", "insider")
    for path in ("", "/mappings"):
        by_slug = await editor.ok("GET", f"/integrations/insider{path}")
        assert by_slug == await editor.ok("GET", f"/integrations/{insider}{path}")
    assert (await editor.ok("POST", "/integrations/insider/pause"))["health"] == "paused"
    assert (await editor.ok("POST", "/integrations/insider/resume"))["health"] == "ok"
    assert (await editor.ok("PATCH", "/integrations/insider", {"name": "By slug"}))["id"] == insider
    await editor.refused(404, "GET", "/integrations/nowhere")
    message = await editor.refused(400, "DELETE", "/integrations/webhook")
    for slug in ("shop", "blog"):
        assert f"{await number(editor, slug, 'webhook')} ({slug})" in message
    await editor.ok("DELETE", "/integrations/insider", status=204)
    await editor.refused(404, "GET", "/integrations/insider")


async def test_replay_and_discard_take_numbers(house: House, editor: Desk) -> None:
    shops, blogs = await number(editor, "shop", "webhook"), await number(editor, "blog", "webhook")
    await editor.ok("POST", f"/integrations/{shops}/pause")
    await editor.ok("POST", f"/integrations/{blogs}/pause")
    await house.track(3, 4)
    for body, count in (
        ({"integration": "webhook"}, 2),
        ({"integration": shops}, 2),
        ({"integration": str(shops), "pipeline": "shop"}, 2),
        ({"integration": shops, "pipeline": "blog"}, 0),
        ({"integration": blogs}, 0),
        ({"integration": "webhook", "pipeline": (await editor.ok("GET", "/pipelines/shop"))["id"]}, 2),
    ):
        asked = {"state": "pending", "dry_run": True, **body}
        assert await editor.ok("POST", "/deliveries/discard", asked) == {"count": count}, body
    assert await editor.ok("POST", "/deliveries/discard", {"state": "pending", "integration": shops}) == {"count": 2}
    assert await editor.ok("POST", "/deliveries/replay", {"state": "skipped", "integration": blogs}) == {"count": 0}
    assert await editor.ok("POST", "/deliveries/replay", {"state": "skipped", "integration": shops}) == {"count": 2}


async def test_a_stream_is_filtered_by_number(house: House, viewer: Desk) -> None:
    async with watching(house, integration=str(await number(viewer, "shop", "webhook"))) as stream:
        await house.request("POST", "/v1/t", numbered(5), headers={"Authorization": f"Bearer {BLOG}"})
        await house.settled()
        await house.track(6)
        with trio.fail_after(PATIENCE):
            (found,) = await stream.until(1)
    assert (found[1]["message_id"], found[1]["integration"]) == ("m-6", "webhook")


async def test_a_number_means_one_integration_and_not_its_predecessor(house: House, editor: Desk) -> None:
    """Rows of a removed integration stay, with its slug; one of another vendor may go by that slug now."""
    old = await number(editor, "shop", "webhook")
    await editor.ok("DELETE", f"/integrations/{old}", status=204)
    body = {"pipeline": "shop", "slug": "webhook", "config": {"api_key": "k-123456"}}
    new = (await editor.ok("POST", "/integration-catalog/ometria/install", body, status=201))["id"]
    await editor.ok("POST", f"/integrations/{new}/pause")
    await house.track(7)
    for path in ("/events", "/deliveries"):
        for integration, wanted in ((str(old), ["m-1"]), (str(new), ["m-7"]), ("webhook", ["m-7", "m-2", "m-1"])):
            found = await editor.all(path, limit=10, integration=integration)
            assert [item["message_id"] for item in found] == wanted, (path, integration)
    for integration, count in ((old, 0), (new, 1), (str(old), 0), (str(new), 1)):
        asked = {"state": "pending", "integration": integration, "dry_run": True}
        assert await editor.ok("POST", "/deliveries/discard", asked) == {"count": count}, integration
