"""Statuses of the documents' table, each with its headers and its body."""

from typing import Any

import pytest

from signal_actor import event
from signal_actor.sandbox import Sandbox
from tests.service.conftest import OpenHouse
from tests.service.house import BROWSER, KEY, ORIGIN, House, numbered, tables

COMMON = {
    "content-type": "application/json",
    "access-control-allow-origin": ORIGIN,
    "access-control-allow-methods": "POST, OPTIONS",
    "access-control-allow-headers": "Content-Type, Authorization",
    "access-control-allow-credentials": "true",
    "access-control-expose-headers": "Retry-After",
    "vary": "Origin",
}


@pytest.fixture
async def door(open_house: OpenHouse, sandbox: Sandbox) -> House:
    """A pipeline that owes nothing to anybody."""
    return await open_house(tables())


def refused(response: Any, status: int, code: str) -> str:
    """Checks an error's status, headers and body, and returns its message."""
    assert response.status_code == status, response.text
    body = response.json()
    assert body.keys() == {"error", "code", "message"}
    assert body["error"] == body["code"] == code
    assert {name: response.headers.get(name) for name in COMMON} == COMMON
    assert "set-cookie" not in response.headers
    return str(body["message"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/t", {"type": "track", "event": "Product Added", "properties": {"price": 79.99}}),
        ("/v1/p", {"type": "page", "name": "Product Detail"}),
        ("/v1/i", {"type": "identify", "userId": "user_98765", "traits": {"email": "jane@example.com"}}),
        ("/v1/g", {"type": "group", "groupId": "org_555", "traits": {"name": "Acme Corp"}}),
    ],
)
async def test_the_four_endpoints_answer_200_with_the_documents_body_and_headers(
    door: House, path: str, body: Any
) -> None:
    response = await door.post(path, body)
    assert response.status_code == 200
    assert response.json() == {"success": True}
    assert {name: response.headers.get(name) for name in COMMON} == COMMON
    (stored,) = door.stored()
    assert stored["type"] == body["type"]
    assert stored["pipeline"] == "shop"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/t", {"event": "x"}, "type"),
        ("/v1/t", {"type": "page", "name": "x"}, "type"),
        ("/v1/t", {"type": "track"}, "event"),
        ("/v1/t", {"type": "track", "event": ""}, "event"),
        ("/v1/t", {"type": "track", "event": ["x"]}, "event"),
        ("/v1/t", {"type": "track", "event": "x", "properties": []}, "properties"),
        ("/v1/t", {"type": "track", "event": "x", "context": "x"}, "context"),
        ("/v1/t", {"type": "track", "event": "x", "timestamp": "yesterday"}, "timestamp"),
        ("/v1/t", {"type": "track", "event": "x", "messageId": "m" * 256}, "messageId"),
        ("/v1/t", {"type": "track", "event": "x", "anonymousId": {}}, "anonymousId"),
        ("/v1/t", {"type": "track", "event": "x", "context": {"consent": {"marketing": "maybe"}}}, "consent.marketing"),
        ("/v1/i", {"type": "identify", "traits": {"email": "a@example.com"}}, "userId"),
        ("/v1/i", {"type": "identify", "userId": "u", "traits": "x"}, "traits"),
        ("/v1/g", {"type": "group"}, "groupId"),
        ("/v1/p", {"type": "page"}, "name"),
        ("/v1/a", {"type": "alias", "userId": "u"}, "previousId"),
    ],
)
async def test_400_names_the_field(door: House, path: str, body: Any, field: str) -> None:
    message = refused(await door.post(path, body), 400, "invalid_payload")
    assert field in message
    assert door.stored() == []


@pytest.mark.parametrize("body", [b"", b"{", b"not json", b"\xff\xfe\xfd", b'{"a": 1}{'])
async def test_400_for_what_is_no_json(door: House, body: bytes) -> None:
    refused(await door.post("/v1/t", body), 400, "malformed_json")


@pytest.mark.parametrize("body", [b"[]", b"1", b'"x"', b"null", b"[[]]"])
async def test_400_for_json_that_is_no_event(door: House, body: bytes) -> None:
    refused(await door.post("/v1/t", body), 400, "invalid_payload")


@pytest.mark.parametrize("key", [None, "Bearer dk_unknown", "Bearer", "Basic !!!", f"Digest {KEY}", f"bearer x{KEY}"])
async def test_401_asks_for_a_bearer(door: House, key: str | None) -> None:
    headers = {"Origin": ORIGIN} | ({"Authorization": key} if key else {})
    response = await door.request("POST", "/v1/t", numbered(1), headers=headers)
    refused(response, 401, "invalid_pipeline_key")
    assert response.headers["www-authenticate"] == "Bearer"


async def test_403_is_readable_for_the_page_that_must_not_send(door: House) -> None:
    response = await door.post("/v1/t", numbered(1), Origin="https://evil.example.com")
    assert response.status_code == 403
    assert response.json()["code"] == "origin_not_allowed"
    assert "https://evil.example.com" in response.json()["message"]
    assert response.headers["access-control-allow-origin"] == "https://evil.example.com"
    assert "set-cookie" not in response.headers
    assert door.stored() == []


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/x", "/v2/t", "/v1/t/extra", "/favicon.ico", "/v1/%00"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_404_is_json(door: House, method: str, path: str) -> None:
    response = await door.request(method, path, headers=BROWSER)
    refused(response, 404, "not_found")


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/t"), ("PUT", "/v1/batch"), ("DELETE", "/healthz")])
async def test_405_is_json_and_says_what_is_allowed(door: House, method: str, path: str) -> None:
    response = await door.request(method, path, headers=BROWSER)
    refused(response, 405, "method_not_allowed")
    assert response.headers["allow"]


async def test_a_slash_at_the_end_is_no_redirect(door: House) -> None:
    assert (await door.post("/v1/t/", numbered(1))).status_code == 200
    assert (await door.request("GET", "/healthz/")).status_code == 200


async def test_413_for_more_than_a_mebibyte(door: House) -> None:
    fits = {**numbered(1), "properties": {"x": "x" * (1024 * 1024 - 300)}}
    assert (await door.post("/v1/t", fits)).status_code == 200
    large = {**numbered(2), "properties": {"x": "x" * 1024 * 1024}}
    refused(await door.post("/v1/t", large), 413, "payload_too_large")
    refused(await door.post("/v1/t", b"x" * 9_000_000), 413, "payload_too_large")  # is read, not reset
    assert len(door.stored()) == 1


async def test_415_says_which_encoding_is_taken(door: House) -> None:
    response = await door.post("/v1/t", b"anything", **{"Content-Encoding": "br"})
    refused(response, 415, "unsupported_encoding")
    assert response.headers["accept-encoding"] == "gzip"


async def test_a_bug_of_ours_is_a_500_that_says_nothing_was_stored(
    door: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("a bug, with a secret")

    monkeypatch.setattr(event, "parse", broken)
    message = refused(await door.post("/v1/t", numbered(1)), 500, "internal_error")
    assert "secret" not in message
    monkeypatch.undo()
    assert (await door.post("/v1/t", numbered(1))).status_code == 200


async def test_health_and_readiness(door: House) -> None:
    for path in ("/healthz", "/readyz"):
        response = await door.request("GET", path)
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json"
