"""What the browser SDKs ask for first: shapes, the host that they are told, and refusals that a page can read."""

from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from signal_actor.sandbox import Sandbox
from tests.service.conftest import OpenHouse
from tests.service.house import KEY, ORIGIN, House, tables

SETTINGS = f"/v1/projects/{KEY}/settings"
PROXY = (ip_network("127.0.0.1/32"),)
FORWARDED = {"X-Forwarded-Host": "Data.Example.com, inner", "X-Forwarded-Proto": "https, http"}


async def get(house: House, path: str, **headers: str) -> httpx.Response:
    return await house.request("GET", path, headers={"Origin": ORIGIN} | headers)


def segment_io(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()["integrations"]["Segment.io"]
    return found


async def test_segments_settings_name_the_host_that_was_asked(house: House) -> None:
    response = await get(house, SETTINGS)
    address = urlsplit(house.ready.ingest).netloc
    assert segment_io(response) == {"apiKey": KEY, "apiHost": f"{address}/v1", "protocol": "http"}
    assert response.json()["metrics"] == {"sampleRate": 0, "host": f"{address}/v1"}
    assert "segment.io" not in response.text
    assert response.headers["cache-control"].startswith("private")


async def test_behind_a_trusted_proxy_they_name_the_proxys_host(open_house: OpenHouse, sandbox: Sandbox) -> None:
    house = await open_house(tables(), trusted_proxies=PROXY)
    told = segment_io(await get(house, SETTINGS, **FORWARDED))
    assert (told["apiHost"], told["protocol"]) == ("data.example.com/v1", "https")
    told = segment_io(await get(house, SETTINGS, **{"X-Forwarded-Prefix": "/df/"}, **FORWARDED))
    assert told["apiHost"] == "data.example.com/df/v1"


async def test_nobody_else_is_believed(house: House) -> None:
    told = segment_io(await get(house, SETTINGS, **{"X-Forwarded-Prefix": "/df"}, **FORWARDED))
    assert (told["apiHost"], told["protocol"]) == (f"{urlsplit(house.ready.ingest).netloc}/v1", "http")


async def test_what_is_no_host_is_told_to_nobody(house: House) -> None:
    for host in ("", "evil.example/path?", 'a"b', "user@host", "[::1", "host:port", "x" * 64, "a..b", "h\u00f6st"):
        for path in (SETTINGS, "/sourceConfig", "/healthz"):
            response = await house.request("GET", path, headers=[("Origin", ORIGIN), ("Host", host.encode("latin-1"))])
            assert (response.status_code, response.json()["code"]) == (400, "invalid_payload"), host
            assert response.headers["access-control-allow-origin"] == ORIGIN


async def test_a_host_is_told_as_it_was_asked_for(house: House) -> None:
    for host in ("data.example.com", "data.example.com:8443", "[2001:db8::1]:8080", "my_host"):
        assert segment_io(await get(house, SETTINGS, Host=host))["apiHost"] == f"{host}/v1"


async def test_rudderstacks_source(house: House) -> None:
    for path in ("/sourceConfig", "//sourceConfig", "/sourceConfig/", "/sourceConfig/?p=npm&v=3.34.1&build=modern"):
        source = (await house.client.get(house.ready.ingest + path, auth=(KEY, ""))).json()["source"]
        assert source == {
            "id": "shop",
            "name": "Shop",
            "enabled": True,
            "config": {"statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}},
            "destinations": [],
        }


async def test_rudderstacks_key_may_be_in_the_query(house: House) -> None:
    assert (await get(house, f"/sourceConfig/?writeKey={KEY}")).json()["source"]["id"] == "shop"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/projects/dk_wrong/settings", 404, "not_found"),
        ("/v1/projects//settings", 404, "not_found"),
        ("/sourceConfig/?writeKey=dk_wrong", 401, "invalid_pipeline_key"),
        ("/sourceConfig", 401, "invalid_pipeline_key"),
        ("/v1//projects/dk_wrong/settings", 404, "not_found"),
    ],
)
async def test_refusals_are_json_that_a_page_can_read(house: House, path: str, status: int, code: str) -> None:
    response = await get(house, path)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert response.headers["vary"] == "Origin"
    assert "cache-control" not in response.headers


@pytest.mark.parametrize("path", [SETTINGS, SETTINGS + "/", f"/sourceConfig?writeKey={KEY}"])
async def test_answers_can_be_read_by_pages_and_redirect_nobody(house: House, path: str) -> None:
    for method in ("GET", "HEAD"):
        response = await house.request(method, path, headers={"Origin": ORIGIN})
        assert (response.status_code, response.history) == (200, [])
        assert response.headers["access-control-allow-origin"] == ORIGIN
        assert response.headers["access-control-allow-credentials"] == "true"
        assert response.headers["vary"] == "Origin"
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    preflight = await house.request("OPTIONS", path, headers=asked)
    assert preflight.status_code == 204
    assert "GET" in preflight.headers["access-control-allow-methods"]
    assert "Authorization" in preflight.headers["access-control-allow-headers"]


async def test_a_revoked_key_gets_no_settings(open_house: OpenHouse, sandbox: Sandbox) -> None:
    house = await open_house(tables())
    wanted = tables(pipeline={"pipeline_keys": ["dk_other"]})
    await house.leave()
    house = await open_house(wanted)
    assert (await get(house, SETTINGS)).status_code == 404
    assert (await get(house, "/v1/projects/dk_other/settings")).status_code == 200


@pytest.mark.parametrize("path", ["//v1/batch", "/v1//batch", "/v1/batch/"])
async def test_a_slash_too_many_in_the_configured_host_loses_nothing(house: House, path: str) -> None:
    event = {"type": "track", "event": "Signed Up", "userId": "user-1"}
    headers = {"Authorization": f"Bearer {KEY}"}
    assert (await house.request("POST", path, {"batch": [event]}, headers=headers)).status_code == 200
    assert len(house.stored()) == 1
