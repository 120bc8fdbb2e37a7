"""datafly.js as the running service hands it out: what it holds, for how long, and by which names."""

import time
from typing import Any

import pytest

from signal_actor import configuration
from signal_actor.errors import ConfigurationError
from signal_actor.ingest.datafly.bundle import build, fingerprint
from signal_actor.ingest.datafly.shelf import DEFAULTS, settings
from signal_actor.live import Browser, PipelineSettings
from signal_actor.sandbox import Sandbox
from signal_actor.store import plans
from tests.service.conftest import OpenHouse
from tests.service.house import KEY, ORIGIN, House, eventually, tables


@pytest.fixture
async def door(open_house: OpenHouse, sandbox: Sandbox) -> House:
    return await open_house(tables())


async def script(door: House, path: str = "/datafly.js", method: str = "GET", **headers: str) -> Any:
    return await door.request(method, path, headers=headers)


async def publish(door: House, **pipeline: Any) -> None:
    text = configuration.dumped(tables(pipeline=pipeline))
    before = (await script(door)).headers["etag"]
    await door.service.execute("apply", {"text": text, "file": "test", "secrets": {}})
    end = time.monotonic() + 5
    while (await script(door)).headers["etag"] == before:
        assert time.monotonic() < end


@pytest.mark.parametrize("path", ["/datafly.js", "/d.js"])
async def test_the_plain_names(door: House, path: str) -> None:
    response = await script(door, path, Origin=ORIGIN)
    assert response.status_code == 200
    assert response.content == build({}).plain
    assert response.headers.get_list("access-control-allow-origin") == ["*"]
    assert response.headers.get_list("vary") == ["Accept-Encoding"]
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "access-control-allow-credentials" not in response.headers


async def test_head_and_not_modified(door: House) -> None:
    full = await script(door)
    head = await script(door, method="HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == full.headers["content-length"]
    same = await script(door, **{"If-None-Match": full.headers["etag"]})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", full.headers["etag"])
    assert "content-type" not in same.headers
    assert (await script(door, method="POST")).status_code == 405


async def test_types_and_nothing_else(door: House) -> None:
    assert "interface Datafly" in (await script(door, "/datafly.d.ts")).text
    for path in ("/datafly.0123456789abcdef.js", "/datafly.map", "/datafly.x.y.js", "/datafly.js/"):
        response = await script(door, path)
        assert (response.status_code, response.json()["code"]) == (404, "not_found"), path


async def test_pins_survive_publishing_and_restarts(open_house: OpenHouse, sandbox: Sandbox) -> None:
    door = await open_house(tables())
    pinned = build({})
    await publish(door, default_consent="denied")
    response = await script(door, f"/{pinned.immutable_name}")
    assert (response.status_code, response.content) == (200, pinned.plain)
    assert "immutable" in response.headers["cache-control"]
    await door.leave()
    again = await open_house()
    assert (await script(again, f"/{pinned.immutable_name}")).content == pinned.plain
    assert again.value("select count(*) from script") == 2


async def test_settings_of_keys_in_force(door: House) -> None:
    await publish(door, browser={"auto_page": False}, pipeline_keys=[KEY, "dk_other"])
    text = (await script(door)).text
    assert fingerprint(KEY) in text
    assert fingerprint("dk_other") in text
    await publish(door, browser={"auto_page": False})
    text = (await script(door)).text
    assert (fingerprint(KEY) in text, fingerprint("dk_other") in text) == (True, False)
    await publish(door)
    assert (await script(door)).content == build({}).plain


async def test_the_configuration_comes_back_as_it_was_written(door: House) -> None:
    browser = {"batch_size": 5, "consent": "wait onetrust", "mirror": "ninetailed"}
    await publish(door, browser=browser)
    exported = door.service.database.read(plans.export, door.service.box)
    assert exported["pipelines"]["shop"]["browser"] == browser
    assert 'consent = "wait onetrust"' in configuration.dumped(exported)
    parsed = configuration.parse(configuration.dumped(exported), file="f", resolve=str)
    assert parsed.pipelines["shop"].settings.browser == Browser(**browser)


def test_consent_follows_from_the_pipelines_default() -> None:
    def consent(**fields: Any) -> str:
        return settings(PipelineSettings.model_validate(fields))["consent"]

    assert (consent(), consent(default_consent="denied")) == ("send", "wait")
    assert consent(default_consent="denied", browser={"consent": "send"}) == "send"
    assert consent(browser={"consent": "wait  tcf"}) == "wait tcf"
    assert DEFAULTS == {"autoPage": True, "batchSize": 10, "flushMs": 1000, "consent": "send", "mirror": ""}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("consent", "later", 'must be "send" or "wait", with the banners to read behind it, such as "wait onetrust"'),
        ("consent", "wait klaro", "klaro is no banner that can be read: google, tcf, onetrust, cookiebot, or manual"),
        ("batch_size", 0, "must be at least 1"),
        ("flush_ms", 60_001, "must be at most 60000"),
        ("mirror", "insider", "must be '' or 'ninetailed'"),
        ("autopage", True, "unknown key"),
    ],
)
def test_mistakes_are_named(key: str, value: Any, words: str) -> None:
    text = configuration.dumped({"pipelines": {"shop": {"browser": {key: value}}}})
    with pytest.raises(ConfigurationError) as error:
        configuration.parse(text, file="f", resolve=str)
    assert str(error.value).startswith(f"f: pipelines.shop.browser.{key}: ")
    assert words in str(error.value)


async def test_ready_does_not_wait_for_the_script(door: House) -> None:
    await eventually(lambda: door.rows("select * from script"))
