"""Waiting: no stranger's silence is waited for longer than its limit. Connections in memory, time is virtual."""

import pytest
import trio
from strangers import GET, echo, hasty, post, read_all, reply

from signal_actor.server import Limits
from signal_actor.server.room import Room


async def test_silence_at_the_beginning(meet, autojump_clock):
    peer = meet(echo, head=10)
    assert await peer.closed()
    assert trio.current_time() == pytest.approx(10)


async def test_half_a_head(meet, autojump_clock):
    peer = meet(echo, head=10, linger=2)
    answer = await peer.ask(b"GET / HTTP/1.1\r\nHo")
    assert (answer.status, answer.json["code"]) == (408, "request_timeout")
    assert trio.current_time() == pytest.approx(10)
    assert await peer.closed()


async def test_a_head_byte_by_byte_gets_no_more_time(meet, autojump_clock):
    peer = meet(echo, head=10, idle=100)
    await peer.ask(GET)
    await trio.sleep(50)
    for byte in GET:
        await peer.send(bytes([byte]))
        await trio.sleep(1)
        if trio.current_time() > 60.5:
            break
    assert (await peer.answer()).status == 408
    assert trio.current_time() < 62


async def test_half_a_body(meet, autojump_clock):
    peer = meet(echo, body=10)
    answer = await peer.ask(post(b"0123456789")[:-1])
    assert (answer.status, answer.headers["connection"]) == (408, "close")
    assert trio.current_time() == pytest.approx(10)


async def test_a_dripping_body(meet, autojump_clock):
    peer = meet(echo, body=10, body_rate=1000)
    await peer.send(post(b"x" * 100_000)[:-100_000])
    with trio.fail_after(30):
        await peer.press_on(b"x", every=1)
    assert trio.current_time() < 20


async def test_a_slow_but_steady_body_is_welcome(meet, autojump_clock):
    peer = meet(echo, body=10, body_rate=1000)
    body = b"x" * 100_000
    await peer.send(post(body)[: -len(body)])
    for _ in range(100):
        await peer.send(b"x" * 1000)
        await trio.sleep(1)
    assert (await peer.answer()).status == 200


async def test_the_applications_own_time_is_not_the_peers(meet, autojump_clock):
    async def slow(scope, receive, send):
        await trio.sleep(60)
        await reply(send, await read_all(receive) or b"?")

    peer = meet(slow, body=10)
    await peer.send(post(b"hello")[:-5])
    await trio.sleep(61)
    assert (await peer.ask(b"hello")).body == b"hello"


async def test_a_peer_that_does_not_read(meet, autojump_clock):
    ended = trio.Event()

    async def app(scope, receive, send):
        try:
            await reply(send, b"x" * 1_000_000)
        finally:
            ended.set()

    peer = meet(app, stingy=True, write=30)
    await peer.send(GET)
    await ended.wait()
    assert trio.current_time() == pytest.approx(30)


async def test_a_peer_that_does_not_read_a_stream(meet, autojump_clock):
    ended = trio.Event()

    async def app(scope, receive, send):
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send({"type": "http.response.body", "body": b"tick", "more_body": True})
                await trio.sleep(1)
        finally:
            ended.set()

    peer = meet(app, stingy=True, write=30)
    await peer.send(GET)
    for _ in range(5):
        await peer.stream.receive_some(100)
    await ended.wait()
    assert trio.current_time() == pytest.approx(34, abs=1.5)


async def test_idle_after_a_request(meet, autojump_clock):
    peer = meet(echo, idle=75)
    for _ in range(3):
        await peer.ask(GET)
        await trio.sleep(70)
    begun = trio.current_time() - 70
    assert await peer.closed()
    assert trio.current_time() - begun == pytest.approx(75)


async def test_lingering_ends(meet, autojump_clock):
    peer = meet(hasty, linger=5)
    assert (await peer.ask(post(b"x" * 100)[:-1])).status == 413
    with trio.fail_after(20):
        await peer.press_on(b"x", every=0.5)
    assert trio.current_time() == pytest.approx(5, abs=1)


async def test_the_longest_idle_makes_room(meet, autojump_clock):
    room = Room(Limits(connections=2))
    first, second = meet(echo, room=room), meet(echo, room=room)
    for peer in (first, second, first):  # now the second has been idle longest
        await peer.ask(GET)
        await trio.sleep(1)
    await room.admit_one()
    await room.admit_one()
    await room.admit_one()
    assert await second.closed()
    assert (await first.ask(GET)).status == 200


async def test_when_all_are_at_work_the_next_waits(meet, autojump_clock):
    async def slow(scope, receive, send):
        await trio.sleep(20)
        await reply(send, b"done")

    room = Room(Limits(connections=1))
    await room.admit_one()
    peer = meet(slow, room=room)
    await peer.send(GET)
    await trio.sleep(1)
    await room.admit_one()
    assert trio.current_time() == pytest.approx(20)
    assert (await peer.answer()).body == b"done"


async def test_whoever_leaves_makes_room(autojump_clock):
    room = Room(Limits(connections=1))
    await room.admit_one()
    with trio.move_on_after(1) as full:
        await room.admit_one()
    assert full.cancelled_caught
    async with trio.open_nursery() as waiting:
        waiting.start_soon(room.admit_one)
        await trio.sleep(1)
        for _ in range(2):
            room.leave()


async def test_a_connection_that_comes_while_closing(meet, autojump_clock):
    room = Room(Limits())
    room.close()
    assert await meet(echo, room=room).closed()
    assert trio.current_time() == 0


async def test_closing_ends_the_idle_now_and_the_busy_after_their_answer(meet, autojump_clock):
    async def slow(scope, receive, send):
        await trio.sleep(5)
        await reply(send, b"done")

    room = Room(Limits())
    fresh, idle, half, busy = (meet(slow, room=room) for _ in range(4))
    await idle.ask(GET)
    await half.send(b"GET / HT")
    await busy.send(GET)
    await trio.sleep(1)
    room.close()
    begun = trio.current_time()
    assert await fresh.closed()
    assert await idle.closed()
    assert await half.closed()
    assert trio.current_time() == begun
    answer = await busy.answer()
    assert (answer.body, answer.headers["connection"]) == (b"done", "close")
    assert await busy.closed()
