"""Attacks: what a stranger may send over a real socket. The server, and every other connection, must not notice."""

import contextlib
import random
import subprocess
import sys
import time

import pytest
import trio
from strangers import GET, Answer, boom, echo, hasty, post
from structlog.testing import capture_logs

WEBSOCKET = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
H2C = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n"
)
H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# HEADERS of a POST without END_STREAM on stream 1, and later its DATA.
H2_HEADERS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + b"\x00\x00\x05\x01\x04\x00\x00\x00\x01" + b"\x83\x86\x84\x41\x00"
H2_DATA = b"\x00\x00\x05\x00\x01\x00\x00\x00\x01hello"


@pytest.fixture
def calm():
    """Nothing that a stranger sends is worth a line in the log."""
    with capture_logs() as logs:
        yield
    assert logs == []


async def ask(open_door, data: bytes, app=echo) -> Answer:
    """Send the attack, then see that a well-behaved peer is served; returns what the attacker got."""
    door = await open_door(app)
    bystander = await door.peer()
    attacker = await door.peer()
    answer = await attacker.ask(data)
    assert (await bystander.ask(GET)).status in (200, 413)
    assert (await door.ask(GET)).status in (200, 413)
    return answer


@pytest.mark.parametrize("attack", ["websocket", "h2"])
def test_what_ends_an_unguarded_hypercorn(attack):
    """The negative control: the same bytes end hypercorn's own Trio server, process and all."""
    program = """
import sys, trio
from functools import partial
from hypercorn.config import Config
from hypercorn.trio import serve

async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
    else:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 413, "headers": []})
        await send({"type": "http.response.body", "body": b""})

async def main():
    config = Config()
    config.bind, config.errorlog = ["127.0.0.1:0"], None
    async with trio.open_nursery() as nursery:
        print(*await nursery.start(partial(serve, app, config, shutdown_trigger=trio.sleep_forever)), flush=True)

trio.run(main)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout
            port = int(process.stdout.readline().rpartition(":")[2])
            trio.run(_attack_unguarded, port, attack)
            assert process.wait(timeout=10) == 1
        finally:
            process.kill()


async def _attack_unguarded(port: int, attack: str) -> None:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        if attack == "websocket":
            await stream.send_all(WEBSOCKET + b"x")
        else:
            await stream.send_all(H2_PREFACE + H2_HEADERS)
            await stream.receive_some(1000)
            await trio.sleep(0.2)
            await stream.send_all(H2_DATA)
        with trio.fail_after(20), contextlib.suppress(trio.BrokenResourceError):
            while await stream.receive_some(1000):
                pass


async def test_websocket_upgrade_is_a_plain_request(open_door, calm):
    door = await open_door(echo)
    peer = await door.peer()
    assert (await peer.ask(WEBSOCKET + b"x")).body == b"GET / "
    await peer.send(b"\r\n\r\n")
    assert (await peer.answer()).status == 400
    assert await peer.closed()
    assert (await door.ask(GET)).status == 200


async def test_websocket_upgrade_keeps_the_connection_usable(open_door, calm):
    door = await open_door(echo)
    peer = await door.peer()
    for _ in range(3):
        assert (await peer.ask(WEBSOCKET)).status == 200


async def test_h2c_upgrade_is_a_plain_request(open_door, calm):
    assert (await ask(open_door, H2C)).body == b"GET / "


async def test_http2_prior_knowledge_is_refused(open_door, calm):
    door = await open_door(hasty)
    peer = await door.peer()
    answer = await peer.ask(H2_PREFACE + H2_HEADERS)
    assert (answer.status, answer.json["code"]) == (505, "http_version_not_supported")
    await peer.send(H2_DATA)
    assert await peer.closed()
    assert (await door.ask(GET)).status == 413


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)) + b"\r\n\r\n", 400),  # TLS, knocking
        (b"\r\n\r\n\r\nGET\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nBad Name: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nName: a\0b\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET path HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET ?query HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET http:///?x HTTP/1.1\r\nHost: x\r\n\r\n", 200),
        (b"GET / HTTP/3.7\r\nHost: x\r\n\r\n", 505),
        (b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999999\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 40_000 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a:b\r\n" * 1_000 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 100_000, 431),
        (b"GET /" + b"a" * 100_000, 431),
    ],
)
async def test_what_is_not_a_request_gets_a_readable_answer(open_door, calm, data, status):
    answer = await ask(open_door, data)
    assert answer.status == status
    if status != 200:
        assert answer.headers["connection"] == "close"
        assert answer.headers["content-type"] == "application/json"
        assert answer.json["error"] == answer.json["code"]
        assert answer.json["message"]


async def test_a_malformed_head_request_gets_a_head(open_door, calm):
    door = await open_door(echo)
    peer = await door.peer()
    answer = await peer.ask(b"HEAD nowhere HTTP/1.1\r\nHost: x\r\n\r\n", method="HEAD")
    assert answer.status == 400
    assert await peer.closed()


async def test_pipelined_requests_are_answered_in_order(open_door, calm):
    door = await open_door(echo)
    peer = await door.peer()
    await peer.send(b"".join(post(b"%d" % n) for n in range(50)))
    assert [(await peer.answer()).body for _ in range(50)] == [b"POST / %d" % n for n in range(50)]


async def test_an_early_answer_reaches_a_peer_that_sends_first(open_door, calm):
    """The peer writes 8 MB before it reads, as browsers do; a reset would destroy the answer."""
    door = await open_door(hasty)
    peer = await door.peer()
    answer = await peer.ask(post(b"x" * 8_000_000))
    assert (answer.status, answer.body, answer.headers["connection"]) == (413, b"too large", "close")
    assert await peer.closed()


async def test_a_refusal_reaches_a_peer_that_sends_first(open_door, calm):
    door = await open_door(echo)
    peer = await door.peer()
    assert (await peer.ask(b"GET /" + b"a" * 8_000_000)).status == 431
    assert await peer.closed()


async def test_an_early_answer_does_not_swallow_a_flood(open_door, calm):
    door = await open_door(hasty, linger_bytes=1_000_000)
    peer = await door.peer()
    await peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
    with trio.fail_after(20):
        assert await peer.press_on(b"x" * 100_000) < 500
    assert (await door.ask(GET)).status == 413


async def test_an_unread_body_is_not_the_next_request(open_door, calm):
    """A body that has arrived with its head is passed over, and the connection lives on."""
    door = await open_door(hasty)
    peer = await door.peer()
    for _ in range(3):
        answer = await peer.ask(post(b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"))
        assert answer.status == 413
        assert "connection" not in answer.headers
    with trio.move_on_after(0.05) as nothing_more:
        await peer.closed()
    assert nothing_more.cancelled_caught


async def test_a_bug_in_the_application_is_one_answer_and_one_line(open_door):
    door = await open_door(boom)
    with capture_logs() as logs:
        answer = await door.ask(GET)
    assert (answer.status, answer.json["code"], answer.headers["connection"]) == (500, "internal_error", "close")
    assert [(line["event"], type(line["exc_info"])) for line in logs] == [("application failed", ValueError)]


async def test_bugs_in_the_applications_tasks_are_contained_too(open_door):
    async def app(scope, receive, send):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(boom, scope, receive, send)
            nursery.start_soon(boom, scope, receive, send)

    door = await open_door(app)
    with capture_logs() as logs:
        assert (await door.ask(GET)).status == 500
        assert (await door.ask(GET)).status == 500
    assert len(logs) == 2


async def test_an_unexpected_error_closes_one_connection(open_door, monkeypatch):
    """Whatever may go wrong inside: logged once, and nobody else notices."""
    door = await open_door(echo)
    bystander = await door.peer()
    await bystander.ask(GET)
    with monkeypatch.context() as broken:
        broken.setattr("signal_actor.server.connection.Exchange.run", boom)
        with capture_logs() as logs:
            peer = await door.peer()
            await peer.send(GET)
            assert await peer.closed()
    assert [(line["event"], line["log_level"]) for line in logs] == [("connection failed", "error")]
    assert (await bystander.ask(GET)).status == 200


async def test_resets_in_every_phase(open_door, calm):
    door = await open_door(echo)
    for data in (b"", b"GET / HT", GET, post(b"x" * 100)[:-10], GET * 20, b"nonsense\r\n\r\n"):
        peer = await door.peer()
        peer.stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        await peer.send(data)
        await peer.stream.aclose()
    assert (await door.ask(GET)).status == 200


async def test_noise(open_door, calm):
    """Seeded garbage, cut and glued from real requests."""
    rng = random.Random(7)
    pieces = [
        WEBSOCKET,
        H2C,
        H2_PREFACE,
        H2_HEADERS,
        H2_DATA,
        GET,
        post(b"hello"),
        b"\r\n",
        b"\0",
        b"Transfer-Encoding: ",
    ]
    door = await open_door(echo, linger=0.2)
    bystander = await door.peer()
    started = time.monotonic()
    for _ in range(200):
        data = bytearray(b"".join(rng.choices(pieces, k=4)))
        for _ in range(rng.randrange(6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        peer = await door.peer()
        with contextlib.suppress(trio.BrokenResourceError):
            await peer.send(bytes(data))
        await peer.stream.aclose()
        assert (await bystander.ask(GET)).status == 200
    assert time.monotonic() - started < 20
