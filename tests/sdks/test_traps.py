"""What docs/migration.md warns of or promises, each shown with the real package."""

import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import trio

from signal_actor.ingest import acceptance, sdks
from signal_actor.live import PipelineSettings
from signal_actor.server import serve
from tests.sdks.conftest import OpenShop, Sdk, Shop
from tests.sdks.watch import overloaded
from tests.service.house import KEY, eventually

SEGMENT, BATCHING = Sdk("segment_browser.js"), Sdk("segment_browser_batching.js")
RUDDER, BEACON = Sdk("rudder_browser.js"), Sdk("rudder_browser_beacon.js")


async def test_a_write_key_may_stay_as_it_is(open_shop: OpenShop) -> None:
    key = "Vh7Kz2mN4pQ8rT1wX5yB9cD3fG6jL0sA"
    shop = await open_shop(pipeline_keys=[key])
    await shop.visit(SEGMENT, key=key)
    assert len(await shop.stored(4)) == 4


async def test_the_settings_keep_analytics_next_from_telling_segment_how_it_is_used(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    counters, settings = Sdk("segment_browser_counters.js"), sdks.segment
    await shop.visit(counters)
    await shop.quiet(1)
    assert await shop.strangers() == set()
    monkeypatch.setattr(sdks, "segment", lambda *told: {"integrations": settings(*told)["integrations"]})
    await trio.to_thread.run_sync(shop.browser.execute_cdp_cmd, "Network.clearBrowserCache", {})
    await shop.visit(counters)
    await shop.quiet(1)
    assert await shop.strangers() == {"api.segment.io"}
    assert {knock.path for knock in shop.watch.posts()} == {"/v1/t"}


async def test_settings_without_segment_io_make_analytics_next_forget_the_host(shop: Shop) -> None:
    await shop.visit(Sdk("segment_browser_lost.js"))
    await shop.quiet(1)
    assert shop.house.stored() == []
    assert "api.segment.io" in await shop.strangers()


async def test_without_config_url_rudderstack_asks_its_own_servers(shop: Shop) -> None:
    await shop.visit(Sdk("rudder_browser_lost.js"))
    await shop.quiet(1)
    assert shop.house.stored() == []
    assert "api.rudderstack.com" in await shop.strangers()


async def test_rudderstacks_default_build_loads_its_plugins_from_elsewhere(shop: Shop) -> None:
    await shop.visit(Sdk("rudder_browser_default.js"))
    await shop.quiet(1)
    assert shop.house.stored() == []
    assert "cdn.rudderlabs.com" in await shop.strangers()


async def test_cookies_come_with_credentials_or_beacons_only(shop: Shop) -> None:
    for visit, (sdk, kept) in enumerate(((SEGMENT, False), (RUDDER, False), (BATCHING, True), (BEACON, True)), 1):
        await trio.to_thread.run_sync(forget_cookies, shop)
        await shop.visit(sdk)
        await shop.stored(4 * visit)
        assert ("_dfid" in await trio.to_thread.run_sync(cookies, shop)) == kept, sdk.script


def cookies(shop: Shop) -> set[str]:
    found = shop.browser.execute_cdp_cmd("Network.getCookies", {"urls": [shop.host]})
    return {cookie["name"] for cookie in found["cookies"]}


def forget_cookies(shop: Shop) -> None:
    shop.browser.execute_cdp_cmd("Network.clearBrowserCookies", {})


async def test_an_identify_that_names_nobody_is_refused_and_the_rest_goes_on(shop: Shop) -> None:
    await shop.visit(Sdk("segment_browser_traits_only.js"))
    (event,) = await shop.stored(1)
    assert event["event"] == "Newsletter Opened"
    refused = [(knock.path, knock.status) for knock in shop.watch.posts() if knock.status != 200]
    assert refused == [("/v1/i", 400)]


@pytest.mark.parametrize(("sdk", "path"), [(SEGMENT, "/v1/t"), (RUDDER, "/v1/track")], ids=str)
async def test_a_key_that_is_revoked_while_a_page_is_open_costs_one_attempt(shop: Shop, sdk: Sdk, path: str) -> None:
    await shop.visit(sdk)
    await shop.stored(4)
    accepting = shop.house.service.acceptance
    accepting.live = replace(accepting.live, by_key={})
    before = len(shop.watch.posts())
    await trio.to_thread.run_sync(shop.browser.execute_script, "analytics.track('Late')")
    await shop.quiet()
    assert [(knock.path, knock.status) for knock in shop.watch.posts()[before:]] == [(path, 401)]


@pytest.mark.parametrize(
    ("sdk", "path"), [(SEGMENT, f"/v1/projects/{KEY}/settings"), (RUDDER, "/sourceConfig/")], ids=str
)
async def test_an_origin_that_is_not_allowed_is_told_so_at_once(open_shop: OpenShop, sdk: Sdk, path: str) -> None:
    shop = await open_shop(allowed_origins=["http://other.localhost"])
    accepting = shop.house.service.acceptance
    elsewhere = PipelineSettings(allowed_origins=(shop.pages,))
    (pipeline,) = accepting.live.pipelines.values()
    other = replace(pipeline, id=0, settings=elsewhere)  # whose origins let preflights through
    accepting.live = replace(accepting.live, pipelines={**accepting.live.pipelines, 0: other})
    await shop.visit(sdk)
    await shop.quiet()
    assert [(knock.path, knock.status) for knock in shop.watch.knocks if knock.method != "OPTIONS"] == [(path, 403)]


async def test_without_settings_from_the_service_an_origin_that_is_not_allowed_is_tried_again(
    open_shop: OpenShop,
) -> None:
    shop = await open_shop(allowed_origins=["http://other.localhost"])
    await shop.visit(BATCHING)
    await eventually(lambda: len(shop.watch.knocks) > 1)
    tries = [(knock.method, knock.path, knock.status) for knock in shop.watch.knocks]
    assert set(tries) == {("OPTIONS", "/v1/b", 403)}


async def test_beacons_hear_no_answer_and_are_not_repeated(shop: Shop) -> None:
    overloaded(shop.house.service, 1)
    await shop.visit(BEACON)
    await shop.quiet()
    assert [knock.status for knock in shop.watch.posts()] == [503]
    assert shop.house.stored() == []


async def test_without_an_error_handler_rudder_sdk_node_ends_the_process(shop: Shop) -> None:
    with pytest.raises(AssertionError, match="401") as ended:
        await shop.visit(Sdk("rudder_node_unhandled.mjs"), key="dk_wrong")
    assert "survived" not in str(ended.value)
    await shop.visit(Sdk("rudder_node_unhandled.mjs"), key=KEY)


async def test_a_batch_of_three_megabytes_is_taken(shop: Shop) -> None:
    said = await shop.visit(Sdk("rudder_python_large.py", "rudder"))
    events = await shop.stored(100)
    assert sorted(event["event"] for event in events) == sorted(f"Large {n}" for n in range(100)), said
    assert {len(event["properties"]["text"]) for event in events} == {27_500}
    (batch,) = shop.watch.posts()
    assert batch.headers["content-encoding"] == "gzip"


async def test_a_batch_that_is_refused_for_its_size_is_lost(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptance, "ONE_BATCH", 1024 * 1024)  # nginx's default
    await shop.visit(Sdk("rudder_python_large.py", "rudder"))
    assert [knock.status for knock in shop.watch.posts()] == [413]
    assert shop.house.stored() == []


async def test_a_redirect_loses_the_events(shop: Shop, nursery: trio.Nursery) -> None:
    async def redirect(scope: Any, receive: Any, send: Any) -> None:
        elsewhere = shop.house.ready.ingest + scope["path"]
        headers = [(b"location", elsewhere.encode()), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 301, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    front = await nursery.start(partial(serve, redirect, "127.0.0.1:0", stop=trio.Event()))
    await shop.visit(Sdk("segment_python.py", "segment"), host=front)
    assert [(knock.method, knock.status) for knock in shop.watch.knocks] == [("GET", 405)]
    assert shop.house.stored() == []


async def test_what_is_no_json_is_made_json(shop: Shop) -> None:
    said = await shop.visit(Sdk("segment_python_strange.py", "segment"))
    strange, plain = await shop.stored(2)
    assert plain["properties"] == {"n": 1}, said
    expected = {"nan": None, "inf": None, "text": "a\ufffdb\ufffdc", "n": 2**70}
    assert strange["properties"] == expected
    assert [knock.status for knock in shop.watch.posts()] == [200]
    json.dumps(strange["properties"], allow_nan=False).encode()
