"""Bodies that public SDKs, beacons and strangers send: taken or refused with words, never a 500."""

import gzip
import json
import zlib
from typing import Any

import pytest

from signal_actor.sandbox import Sandbox
from tests.service.conftest import OpenHouse
from tests.service.house import SERVER, House, numbered, tables


@pytest.fixture
async def door(open_house: OpenHouse, sandbox: Sandbox) -> House:
    return await open_house(tables())


def payload(door: House) -> dict[str, Any]:
    (stored,) = door.stored()
    found: dict[str, Any] = json.loads(stored["payload"])
    return found


TRACK = json.dumps(numbered(1)).encode()


@pytest.mark.parametrize("kind", ["text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "image/png", ""])
async def test_json_is_taken_whatever_the_content_type_says(door: House, kind: str) -> None:
    assert (await door.post("/v1/t", TRACK, **{"Content-Type": kind})).status_code == 200
    assert payload(door)["messageId"] == "m-1"


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP", None])
async def test_gzip_by_header_and_by_magic_bytes(door: House, encoding: str | None) -> None:
    headers = {"Content-Encoding": encoding} if encoding else {}
    assert (await door.post("/v1/t", gzip.compress(TRACK), **headers)).status_code == 200
    assert payload(door)["properties"] == {"n": 1}


async def test_a_body_that_a_proxy_has_inflated_already_is_taken(door: House) -> None:
    assert (await door.post("/v1/t", TRACK, **{"Content-Encoding": "gzip"})).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(TRACK)[:-9],
        gzip.compress(TRACK)[:20],
        gzip.compress(TRACK)[:10] + b"\xff" * 20,
        b"\x1f\x8b",
        zlib.compress(TRACK),
    ],
)
async def test_broken_gzip_is_a_400(door: House, body: bytes) -> None:
    response = await door.post("/v1/t", body, **{"Content-Encoding": "gzip"})
    assert (response.status_code, response.json()["code"]) == (400, "malformed_json")


async def test_a_gzip_bomb_is_a_413(door: House) -> None:
    bomb = gzip.compress(b" " * 50_000_000 + TRACK)
    assert len(bomb) < 100_000
    assert (await door.post("/v1/t", bomb)).status_code == 413
    assert (await door.post("/v1/batch", bomb)).status_code == 413


async def test_a_batch_may_have_eight_mebibytes_after_inflating(door: House) -> None:
    events = [{**numbered(n), "properties": {"x": "x" * 16_000}} for n in range(500)]
    body = json.dumps({"batch": events}).encode()
    assert 7_000_000 < len(body) < 8 * 1024 * 1024
    response = await door.request("POST", "/v1/batch", gzip.compress(body), headers=SERVER)
    assert response.json() == {"success": True, "accepted": 500, "rejected": []}
    response = await door.request("POST", "/v1/batch", body + b" " * 1024 * 1024, headers=SERVER)
    assert (response.status_code, response.json()["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
async def test_what_is_no_number_becomes_null(door: House, word: str) -> None:
    body = f'{{"type":"track","event":"x","properties":{{"price":{word},"list":[1,{word}]}}}}'
    assert (await door.post("/v1/t", body.encode())).status_code == 200
    assert payload(door)["properties"] == {"price": None, "list": [1, None]}


async def test_lone_surrogates_and_nul_are_replaced(door: House) -> None:
    body = rb'{"type":"track","event":"a\ud83dz\u0000b","properties":{"\udc00":"\ud83d\ude00 \u0000"}}'
    assert (await door.post("/v1/t", body)).status_code == 200
    stored = payload(door)
    assert stored["event"] == "a\ufffdz\ufffdb"
    assert stored["properties"] == {"\ufffd": "\U0001f600 \ufffd"}
    assert door.value("select length(name) from v_events") == 5


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"type":"track","event":"x","properties":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001,
        b'{"type":"track","event":"x","properties":{"n":' + b"9" * 5_000 + b"}}",
        b'{"type":"track","event":"\xed\xa0\x80"}',
        b'{"type":"track","event":"\x00"}',
    ],
    ids=["lists", "objects", "digits", "surrogate bytes", "raw NUL"],
)
async def test_what_cannot_be_read_safely_is_a_400(door: House, body: bytes) -> None:
    response = await door.post("/v1/t", body)
    assert (response.status_code, response.json()["code"]) == (400, "malformed_json")
    assert door.stored() == []


async def test_large_integers_survive(door: House) -> None:
    numbers = [2**53 + 1, 2**63, -(2**64), 10**300]
    body = {"type": "track", "event": "x", "userId": 2**70, "properties": {"n": numbers}}
    assert (await door.post("/v1/t", body)).status_code == 200
    stored = payload(door)
    assert stored["properties"]["n"] == numbers
    assert stored["userId"] == str(2**70)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
async def test_encodings_that_json_knows(door: House, encoding: str) -> None:
    body = json.dumps({**numbered(1), "event": "Größe"}, ensure_ascii=False).encode(encoding)
    assert (await door.post("/v1/t", body)).status_code == 200
    assert payload(door)["event"] == "Größe"


async def test_unknown_fields_are_kept_and_the_key_is_not(door: House) -> None:
    body = {**numbered(1), "channel": "web", "integrations": {"All": True}, "_metadata": {"b": 1}, "writeKey": "x"}
    assert (await door.post("/v1/t", body)).status_code == 200
    stored = payload(door)
    assert (stored["channel"], stored["integrations"], stored["_metadata"]) == ("web", {"All": True}, {"b": 1})
    assert "writeKey" not in stored


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ({"name": "Checkout", "properties": {"title": "T"}}, "Checkout"),
        ({"properties": {"title": "T", "path": "/p"}, "context": {"page": {"title": "C"}}}, "T"),
        ({"properties": {"path": "/p"}, "context": {"page": {"title": "C"}}}, "C"),
        ({"properties": {"path": "/p", "url": "https://x.example/u"}}, "/p"),
        ({"properties": {"url": "https://x.example/u?a=1"}}, "/u"),
        ({"context": {"page": {"url": "https://x.example"}}}, "/"),
    ],
)
async def test_a_page_takes_its_name_from_what_it_has(door: House, event: Any, name: str) -> None:
    assert (await door.post("/v1/p", {"type": "page", **event})).status_code == 200
    assert door.stored()[0]["name"] == name
