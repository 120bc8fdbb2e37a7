"""Transport: what a vendor answers, however hostile, costs a bounded amount."""

import brotli
import trio

from signal_actor.destinations.base import Reply, Request
from signal_actor.dispatch import transport

BOMB = brotli.compress(bytes(32 * 1024 * 1024))


async def answered(nursery: trio.Nursery, answer: bytes) -> tuple[Reply, bytes]:
    """What comes of an answer, and the request that it was given to."""
    seen = bytearray()

    async def talk(stream: trio.SocketStream) -> None:
        seen.extend(await stream.receive_some())
        await stream.send_all(answer)

    listeners = await nursery.start(trio.serve_tcp, talk, 0)
    address = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"
    async with transport.client(1) as client:
        reply = await transport.exchange(client, Request("POST", address, {}, b"{}"), within=10)
    assert isinstance(reply, Reply)
    return reply, bytes(seen)


async def test_an_answer_is_not_inflated(nursery: trio.Nursery) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: {len(BOMB)}\r\n\r\n".encode()
    reply, request = await answered(nursery, head + BOMB)
    assert reply.body == BOMB
    assert b"accept-encoding: identity" in request.lower()
