"""Quart: a stock quart-trio application behaves here as it does nowhere else: it idles, times out and stops in time.

On hypercorn's own Trio server, `http.disconnect` after an answer cancels the very task that was about to start the
keep-alive timer. Here no such task exists.
"""

from typing import Any

import httpx
import pytest
import trio
from quart import request
from quart_trio import QuartTrio
from strangers import GET, post


@pytest.fixture
def app() -> Any:
    app = QuartTrio("tests")
    app.config["MAX_CONTENT_LENGTH"] = 1_000_000

    @app.get("/")
    async def index() -> str:
        return "hello"

    @app.post("/")
    async def upload() -> str:
        return str(len(await request.get_data()))

    @app.get("/slow")
    async def slow() -> str:
        await trio.sleep(0.3)
        return "done"

    @app.get("/events")
    async def events() -> Any:
        async def ticks() -> Any:
            while True:
                yield b"tick\n"
                await trio.sleep(0.01)

        return ticks(), {"content-type": "text/event-stream"}

    return app


async def test_idle_after_a_request_is_closed_in_time(app, meet, autojump_clock):
    peer = meet(app, idle=75)
    assert (await peer.ask(GET)).body == b"hello"
    begun = trio.current_time()
    assert await peer.closed()
    assert trio.current_time() - begun == pytest.approx(75)


async def test_stop_does_not_wait_for_idle_connections(app, open_door):
    door = await open_door(app, grace=60)
    peers = [await door.peer() for _ in range(10)]
    for peer in peers:
        assert (await peer.ask(GET)).body == b"hello"
    door.stop.set()
    with trio.fail_after(6):
        await door.ended.wait()


async def test_stop_lets_requests_finish(app, open_door):
    door = await open_door(app)
    peer = await door.peer()
    await peer.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    await trio.sleep(0.1)
    door.stop.set()
    assert (await peer.answer()).body == b"done"
    with trio.fail_after(6):
        await door.ended.wait()


async def test_bodies_small_and_too_large(app, open_door):
    door = await open_door(app)
    async with httpx.AsyncClient(base_url=door.url, trust_env=False) as client:
        for _ in range(3):
            assert (await client.post("/", content=b"x" * 999_999)).text == "999999"
            assert (await client.post("/", content=b"x" * 5_000_000)).status_code == 413
            assert (await client.get("/nowhere")).status_code == 404
    peer = await door.peer()
    for _ in range(3):
        assert (await peer.ask(post(b"hello"))).body == b"5"


async def test_a_chunked_body_that_is_too_large(app, open_door):
    async def chunks() -> Any:
        for _ in range(100):
            yield b"x" * 50_000

    door = await open_door(app)
    async with httpx.AsyncClient(base_url=door.url, trust_env=False) as client:
        assert (await client.post("/", content=chunks())).status_code == 413


async def test_a_stream_ends_when_its_reader_leaves(app, open_door):
    door = await open_door(app, grace=60)
    peer = await door.peer()
    await peer.send(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await peer.answer()).status == 200
    await peer.stream.aclose()
    await trio.sleep(0.1)
    door.stop.set()
    with trio.fail_after(6):
        await door.ended.wait()
