"""The HTTP server, byte by byte: an honest one, until a fault says otherwise."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
import trio

from signal_actor.sandbox import Sandbox, serve

Dial = Callable[[], Awaitable[trio.SocketStream]]
EVENT = b'{"events":[{"messageId":"m-1"}]}'
HEAD = b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
POST = HEAD + b"Content-Length: %d\r\n\r\n" % len(EVENT) + EVENT


@pytest.fixture
async def dial(sandbox: Sandbox) -> AsyncIterator[Dial]:
    host, port = sandbox.webhook.url.removeprefix("http://").split(":")
    async with AsyncExitStack() as stack:

        async def connect() -> trio.SocketStream:
            return await stack.enter_async_context(await trio.open_tcp_stream(host, int(port)))

        yield connect


async def until(stream: trio.SocketStream, ending: bytes, times: int = 1) -> bytes:
    """What arrives until `ending` came so many times; fails when it does not come."""
    read = b""
    with trio.fail_after(20):
        while read.count(ending) < times:
            chunk = bytes(await stream.receive_some())
            assert chunk, read
            read += chunk
    return read


async def rest(stream: trio.SocketStream) -> bytes:
    """What arrives until the server closes."""
    read = b""
    with trio.fail_after(20):
        async for chunk in stream:
            read += chunk
    return read


async def test_a_connection_is_kept_alive(dial: Dial) -> None:
    stream = await dial()
    for _ in range(3):
        await stream.send_all(POST)
        assert (await until(stream, b'{"accepted": 1}')).startswith(b"HTTP/1.1 200 ")


async def test_pipelined_requests_are_answered_in_order(dial: Dial, sandbox: Sandbox) -> None:
    sandbox.webhook.faults.add(delay=0.05, status=500)
    stream = await dial()
    await stream.send_all(POST + POST.replace(b"/events", b"/second", 1))
    read = await until(stream, b'{"accepted": 1}')
    assert (read.index(b"HTTP/1.1 500"), read.count(b"HTTP/1.1 ")) == (0, 2)
    assert [entry.path for entry in sandbox.webhook.ledger.requests] == ["/events", "/second"]


async def test_a_request_that_comes_during_a_delay_is_answered_after_it(dial: Dial, sandbox: Sandbox) -> None:
    sandbox.webhook.faults.add(delay=0.1)
    stream = await dial()
    await stream.send_all(POST)
    await sandbox.webhook.ledger.wait_for_requests(1)
    await stream.send_all(POST)
    answers = await until(stream, b'{"accepted": 1}', times=2)
    assert answers.count(b"HTTP/1.1 200 ") == 2


async def test_an_answer_is_cut_in_the_middle_of_its_body(dial: Dial, sandbox: Sandbox) -> None:
    sandbox.webhook.faults.add(cut="midway", status=200, body="0123456789")
    stream = await dial()
    await stream.send_all(POST)
    head, _, body = (await rest(stream)).partition(b"\r\n\r\n")
    assert (b"content-length: 10" in head.lower(), body) == (True, b"01234")


async def test_connection_close_is_obeyed(dial: Dial) -> None:
    stream = await dial()
    await stream.send_all(POST.replace(b"Host: x", b"Host: x\r\nConnection: close"))
    assert (await rest(stream)).endswith(b'{"accepted": 1}')


async def test_a_body_may_come_in_chunks_and_slowly(dial: Dial, sandbox: Sandbox) -> None:
    stream = await dial()
    await stream.send_all(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    for part in (EVENT[:10], EVENT[10:]):
        await stream.send_all(b"%x\r\n%s\r\n" % (len(part), part))
        await trio.sleep(0.01)
    await stream.send_all(b"0\r\n\r\n")
    await until(stream, b'{"accepted": 1}')
    assert sandbox.webhook.ledger.ids == ["m-1"]


async def test_who_asks_whether_to_continue_is_told(dial: Dial) -> None:
    stream = await dial()
    await stream.send_all(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(EVENT))
    assert (await until(stream, b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
    await stream.send_all(EVENT)
    assert (await until(stream, b'{"accepted": 1}')).startswith(b"HTTP/1.1 200 ")


async def test_head_is_answered_without_a_body(dial: Dial) -> None:
    stream = await dial()
    await stream.send_all(b"HEAD /events HTTP/1.1\r\nHost: x\r\n\r\n")
    read = await until(stream, b"\r\n\r\n")
    assert read.startswith(b"HTTP/1.1 405 ")
    await stream.send_all(POST)
    assert (await until(stream, b'{"accepted": 1}')).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "junk",
    [
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_a_bad_request(dial: Dial, junk: bytes, sandbox: Sandbox) -> None:
    stream = await dial()
    await stream.send_all(junk)
    assert (await rest(stream)).startswith(b"HTTP/1.1 400 ")
    assert sandbox.webhook.ledger.requests == []


async def test_heads_and_bodies_are_bounded(dial: Dial) -> None:
    stream = await dial()
    await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 200_000)
    assert (await rest(stream)).startswith(b"HTTP/1.1 431 ")
    stream = await dial()
    await stream.send_all(HEAD + b"Content-Length: 16000001\r\n\r\n")
    assert (await rest(stream)).startswith(b"HTTP/1.1 413 ")
    stream = await dial()
    await stream.send_all(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(17):
        await stream.send_all(b"f4240\r\n" + b"a" * 1_000_000 + b"\r\n")
    assert (await rest(stream)).startswith(b"HTTP/1.1 413 ")


async def test_a_client_that_leaves_in_the_middle_of_a_request_leaves_no_trace(dial: Dial, sandbox: Sandbox) -> None:
    stream = await dial()
    await stream.send_all(POST[:-5])
    await stream.aclose()
    other = await dial()
    await other.send_all(POST)
    await until(other, b'{"accepted": 1}')
    assert len(sandbox.webhook.ledger.requests) == 1


async def test_cancelling_closes_open_connections_quietly() -> None:
    async with trio.open_nursery() as nursery:
        webhook = (await nursery.start(serve)).webhook
        host, port = webhook.url.removeprefix("http://").split(":")
        async with (
            await trio.open_tcp_stream(host, int(port)) as idle,
            await trio.open_tcp_stream(host, int(port)) as busy,
        ):
            webhook.faults.add(hang=True)
            await busy.send_all(POST)
            await webhook.ledger.wait_for_requests(1)
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                assert (await rest(idle), await rest(busy)) == (b"", b"")
