"""Origins: which pages may send, what a preflight learns, and what the cookie looks like there."""

from ipaddress import ip_network
from typing import Any

import pytest

from signal_actor.sandbox import Sandbox
from tests.service.conftest import OpenHouse
from tests.service.house import BROWSER, KEY, ORIGIN, SERVER, House, numbered, tables

PREFLIGHT = {
    "access-control-allow-credentials": "true",
    "access-control-expose-headers": "Retry-After",
    "access-control-allow-methods": "POST, OPTIONS",
    "access-control-max-age": "7200",
    "vary": "Origin",
}
SDK_HEADERS = {"content-type", "authorization", "content-encoding", "anonymousid", "sentat", "x-retry-count"}
GOOD = [ORIGIN, "https://a.shop.example.com", "https://a.b.shop.example.com", "https://SHOP.example.com:443"]
BAD = [
    "null",
    "http://shop.example.com",
    "https://shop.example.com:8443",
    "https://shop.example.com.evil.com",
    "https://evilshop.example.com",
    "https://evil.com#.shop.example.com",
    "https://evil.com/.shop.example.com",
    "https://user@shop.example.com",
    "https://*.shop.example.com",
    "file://",
    "chrome-extension://shop.example.com",
    "http://localhost:3000",
    "",
]


@pytest.fixture
async def door(open_house: OpenHouse, sandbox: Sandbox) -> House:
    return await open_house(tables())


@pytest.mark.parametrize("origin", GOOD)
async def test_an_allowed_origin_is_echoed_on_preflight_and_post(door: House, origin: str) -> None:
    response = await door.request("OPTIONS", "/v1/t", headers={"Origin": origin})
    assert response.status_code == 204
    assert response.content == b""
    assert response.headers["access-control-allow-origin"] == origin
    assert {name: response.headers.get(name) for name in PREFLIGHT} == PREFLIGHT
    allowed = {name.strip().lower() for name in response.headers["access-control-allow-headers"].split(",")}
    assert allowed >= SDK_HEADERS
    response = await door.post("/v1/t", numbered(1), Origin=origin)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize("origin", BAD)
async def test_another_origin_is_refused_on_preflight_and_post(door: House, origin: str) -> None:
    response = await door.request("OPTIONS", "/v1/t", headers={"Origin": origin})
    assert (response.status_code, response.json()["code"]) == (403, "origin_not_allowed")
    assert "access-control-allow-origin" not in response.headers
    assert response.headers["vary"] == "Origin"
    response = await door.post("/v1/t", numbered(1), Origin=origin)
    assert (response.status_code, response.json()["code"]) == (403, "origin_not_allowed")
    assert "set-cookie" not in response.headers
    assert door.stored() == []


@pytest.mark.parametrize("path", ["/v1/unknown", "/healthz", "/v1/batch", "/datafly.js"])
async def test_every_path_answers_preflights(door: House, path: str) -> None:
    assert (await door.request("OPTIONS", path, headers={"Origin": ORIGIN})).status_code == 204
    assert (await door.request("OPTIONS", path, headers={"Origin": "https://evil.com"})).status_code == 403


async def test_a_preflight_passes_for_any_pipelines_origin_and_the_post_only_for_its_own(
    open_house: OpenHouse, sandbox: Sandbox
) -> None:
    wanted = tables()
    wanted["pipelines"]["other"] = {"allowed_origins": ["https://other.example"]}
    door = await open_house(wanted)
    assert (await door.request("OPTIONS", "/v1/t", headers={"Origin": "https://other.example"})).status_code == 204
    assert (await door.post("/v1/t", numbered(1), Origin="https://other.example")).status_code == 403


async def test_without_an_origin_nobody_asks(door: House) -> None:
    assert (await door.request("POST", "/v1/t", numbered(1), headers=SERVER)).status_code == 200


async def test_in_production_an_empty_list_admits_no_browser(open_house: OpenHouse, sandbox: Sandbox) -> None:
    door = await open_house(tables(pipeline={"allowed_origins": []}))
    assert (await door.post("/v1/t", numbered(1))).status_code == 403
    assert (await door.post("/v1/t", numbered(1), Origin="http://localhost:3000")).status_code == 403


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost", 200),
        ("https://localhost:3000", 200),
        ("http://127.0.0.1:8080", 200),
        ("http://localhost.evil.com", 403),
        ("http://localhost.evil.com:3000", 403),
        ("http://evil.com/localhost", 403),
        ("http://127.0.0.1.evil.com", 403),
        ("http://localhost@evil.com", 403),
        ("null", 403),
        (ORIGIN, 200),
    ],
)
async def test_development_adds_loopback_and_nothing_else(
    open_house: OpenHouse, sandbox: Sandbox, origin: str, status: int
) -> None:
    door = await open_house(tables(pipeline={"mode": "development"}))
    assert (await door.post("/v1/t", numbered(1), Origin=origin)).status_code == status
    preflight = await door.request("OPTIONS", "/v1/t", headers={"Origin": origin})
    assert preflight.status_code == {200: 204}.get(status, status)


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        ("203.0.113.7", 200),
        ("198.51.100.1, 203.0.113.7", 200),  # what the client claims to be stands in front of what the proxy saw
        ("203.0.113.7, 198.51.100.1", 403),
        ("203.0.113.7, nonsense", 403),
        (None, 403),
    ],
)
async def test_the_ip_allowlist_heeds_trusted_proxies(
    open_house: OpenHouse, sandbox: Sandbox, forwarded: str | None, status: int
) -> None:
    wanted = tables(pipeline={"ip_allowlist": ["203.0.113.0/24"]})
    door = await open_house(wanted, trusted_proxies=(ip_network("127.0.0.0/8"),))
    headers = SERVER | ({"X-Forwarded-For": forwarded} if forwarded else {})
    response = await door.request("POST", "/v1/batch", {"batch": [numbered(1)]}, headers=headers)
    assert response.status_code == status, response.text
    if status == 403:
        assert response.json()["code"] == "ip_not_allowed"
        assert door.stored() == []


async def test_the_ip_allowlist_is_not_for_browsers_and_not_fooled_without_a_proxy(
    open_house: OpenHouse, sandbox: Sandbox
) -> None:
    door = await open_house(tables(pipeline={"ip_allowlist": ["203.0.113.0/24"]}))
    assert (await door.post("/v1/t", numbered(1))).status_code == 200
    forged = SERVER | {"X-Forwarded-For": "203.0.113.7"}
    response = await door.request("POST", "/v1/batch", {"batch": [numbered(2)]}, headers=forged)
    assert response.status_code == 403


@pytest.mark.parametrize(
    ("pipeline", "headers", "expected"),
    [
        ({}, {}, "HttpOnly; SameSite=Lax"),
        ({"cookie_domain": ".example.com"}, {}, "HttpOnly; SameSite=Lax; Domain=.example.com"),
        ({"cookie_same_site": "None"}, {"X-Forwarded-Proto": "https"}, "HttpOnly; SameSite=None; Secure"),
        ({}, {"X-Forwarded-Proto": "https"}, "HttpOnly; SameSite=Lax; Secure"),
        ({}, {"X-Forwarded-Proto": "http"}, "HttpOnly; SameSite=Lax"),
    ],
)
async def test_the_cookies_attributes(
    open_house: OpenHouse, sandbox: Sandbox, pipeline: Any, headers: Any, expected: str
) -> None:
    door = await open_house(tables(pipeline=pipeline), trusted_proxies=(ip_network("127.0.0.1"),))
    response = await door.post("/v1/t", {**numbered(1), "anonymousId": "a b;c"}, **headers)
    assert response.headers["set-cookie"] == f"_dfid=a%20b%3Bc; Path=/; Max-Age=34560000; {expected}"


async def test_a_stranger_cannot_make_the_cookie_secure(door: House) -> None:
    response = await door.post("/v1/t", numbered(1), **{"X-Forwarded-Proto": "https"})
    assert "Secure" not in response.headers["set-cookie"]


async def test_a_servers_request_gets_no_cookie(door: House) -> None:
    response = await door.request("POST", "/v1/t", numbered(1), headers={"X-Write-Key": KEY})
    assert "set-cookie" not in response.headers
    assert BROWSER["Origin"] == ORIGIN
