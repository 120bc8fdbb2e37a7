"""Connections that are slow, too many, too large or torn, and the others that do not notice."""

import json
from urllib.parse import urlsplit

import pytest
import trio

from signal_actor.sandbox import Sandbox
from tests.service.conftest import OpenHouse
from tests.service.house import KEY, PATIENCE, House, numbered, numbers, tables

HEAD = f"POST /v1/t HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n".encode()


@pytest.fixture
async def house(open_house: OpenHouse, sandbox: Sandbox) -> House:
    return await open_house(tables(sandbox, only=("webhook",)))


async def connected(house: House) -> trio.SocketStream:
    address = urlsplit(house.ready.ingest)
    assert address.hostname
    assert address.port
    return await trio.open_tcp_stream(address.hostname, address.port)


async def told(house: House, request: bytes) -> bytes:
    """Sends raw bytes and reads the answer until the connection ends."""
    async with await connected(house) as stream:
        answer = b""
        with trio.fail_after(PATIENCE):
            try:
                await stream.send_all(request)
                await stream.send_eof()
                async for piece in stream:
                    answer += piece
            except trio.BrokenResourceError:
                pass
    return answer


async def test_200_slow_connections_hold_nobody_up(house: House, sandbox: Sandbox) -> None:
    beginnings = [b"", b"P", HEAD, HEAD + b"Content-Length: 100\r\n\r\n", HEAD + b"Content-Length: 100\r\n\r\n{"]
    streams = []
    for n in range(200):
        streams.append(await connected(house))
        await streams[-1].send_all(beginnings[n % len(beginnings)])
    with trio.fail_after(PATIENCE):
        await house.track(*range(50))
        await house.settled()
    assert sorted(numbers(sandbox.webhook)) == list(range(50))
    for stream in streams:
        await stream.aclose()
    assert (await house.post("/v1/t", numbered(100))).status_code == 200


@pytest.mark.parametrize(
    "request_",
    [
        HEAD + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
        HEAD + b"".join(b"X-%d: y\r\n" % n for n in range(5_000)) + b"\r\n",
        b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 99999999999999999999\r\n\r\n{}",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        HEAD + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n",
        b"\x00" * 1_000,
        b"\r\n" * 1_000,
    ],
    ids=["header", "headers", "path", "tls", "http2", "negative", "huge", "chunk", "both", "websocket", "nul", "lines"],
)
async def test_what_is_no_proper_request_ends_there(house: House, request_: bytes) -> None:
    answer = await told(house, request_)
    assert answer[:12] in {b"", *(b"HTTP/1.1 %d" % status for status in (400, 411, 413, 414, 426, 431, 501, 505))}
    assert house.stored() == []
    assert (await house.post("/v1/t", numbered(1))).status_code == 200


async def test_a_client_that_leaves_in_the_middle_stores_nothing(house: House) -> None:
    body = json.dumps(numbered(1)).encode()
    for end in (1, len(body) // 2, len(body) - 1):
        async with await connected(house) as stream:
            await stream.send_all(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body[:end])
    assert (await house.post("/v1/t", numbered(2))).status_code == 200
    assert [event["message_id"] for event in house.stored()] == ["m-2"]


async def test_pipelined_requests_are_answered_in_order(house: House) -> None:
    requests = b""
    for n in range(20):
        body = json.dumps(numbered(n) if n % 2 else {"broken": n}).encode()
        requests += HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    answer = await told(house, requests)
    statuses = [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [400, 200] * 10
    assert [event["message_id"] for event in house.stored()] == [f"m-{n}" for n in range(1, 20, 2)]


async def test_a_body_in_small_pieces_is_one_body(house: House) -> None:
    body = json.dumps(numbered(1)).encode()
    async with await connected(house) as stream:
        await stream.send_all(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for byte in body:
            await stream.send_all(b"1\r\n%c\r\n" % byte)
        await stream.send_all(b"0\r\n\r\n")
        with trio.fail_after(PATIENCE):
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
    assert [event["message_id"] for event in house.stored()] == ["m-1"]
