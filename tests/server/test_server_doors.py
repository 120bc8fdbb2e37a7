"""Doors: opening, reporting, filling up and closing a listener."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from strangers import GET, echo, read_all, reply
from structlog.testing import capture_logs

from signal_actor.errors import UsageError
from signal_actor.server import Limits, serve


async def test_port_0_picks_one_and_all_addresses_are_reported_as_loopback(open_door):
    for bind in ("127.0.0.1:0", "0.0.0.0:0"):
        door = await open_door(echo, bind=bind)
        assert door.url == f"http://127.0.0.1:{door.port}"
        assert (await door.ask(GET)).status == 200


async def test_ipv6(open_door):
    try:
        door = await open_door(echo, bind="[::1]:0")
    except* UsageError:
        pytest.skip("no IPv6 here")
    assert door.url == f"http://[::1]:{door.port}"
    async with await trio.open_tcp_stream("::1", door.port) as stream:
        await stream.send_all(GET)
        assert (await stream.receive_some(100)).startswith(b"HTTP/1.1 200")


async def test_a_name(open_door):
    door = await open_door(echo, bind="localhost:0")
    async with await trio.open_tcp_stream("localhost", door.port) as stream:
        await stream.send_all(GET)
        assert (await stream.receive_some(100)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "bind",
    "|8080|:8080|127.0.0.1|127.0.0.1:|127.0.0.1:x|127.0.0.1:65536|::1:80|1.2.3.4:-1|127.0.0.1:²|[127.0.0.1]:80"
    f"|192.0.2.1:0|no.such.host.invalid:0|a\0b:80|{'a' * 70}:80".split("|"),
)
async def test_an_address_that_cannot_be(bind):
    with pytest.raises(UsageError) as caught:
        await serve(echo, bind, stop=trio.Event())
    assert "\n" not in str(caught.value)
    assert bind in str(caught.value) or repr(bind) in str(caught.value)


async def test_a_port_in_use(open_door):
    door = await open_door(echo)
    with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{door.port}: .*in use"):
        await serve(echo, f"127.0.0.1:{door.port}", stop=trio.Event())


async def test_stop_refuses_the_new_ends_the_idle_and_finishes_the_rest(open_door):
    go_on, working = trio.Event(), trio.Event()

    async def app(scope, receive, send):
        await read_all(receive)
        if scope["path"] == "/slow":
            working.set()
            await go_on.wait()
        await reply(send, b"done")

    door = await open_door(app)
    idle, busy = await door.peer(), await door.peer()
    await idle.ask(GET)
    await busy.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    await working.wait()
    door.stop.set()
    with trio.fail_after(6):
        assert await idle.closed()
    with pytest.raises(OSError, match="failed"):
        await door.peer()
    assert not door.ended.is_set()
    go_on.set()
    with trio.fail_after(6):
        assert (await busy.answer()).body == b"done"
        await door.ended.wait()


async def test_grace_is_bounded(open_door):
    async def app(scope, receive, send):
        await trio.sleep_forever()

    door = await open_door(app, grace=0.1)
    peer = await door.peer()
    await peer.send(GET)
    await trio.sleep(0.05)
    door.stop.set()
    with trio.fail_after(6):
        await door.ended.wait()
    assert await peer.closed()


async def test_more_connections_than_allowed(open_door):
    """Whoever is idle longest makes room, and no peer that asks something goes away empty."""
    door = await open_door(echo, connections=20)
    peers = [await door.peer() for _ in range(60)]
    for peer in peers[-20:]:
        assert (await peer.ask(GET)).status == 200
    with trio.fail_after(6):
        assert all([await peer.closed() for peer in peers[:40]])


async def test_connections_that_ended_are_not_counted(open_door):
    door = await open_door(echo, connections=5)
    idle = await door.peer()
    for _ in range(20):
        assert (await idle.ask(GET)).status == 200
        assert (await door.ask(GET)).status == 200


async def test_running_out_of_files_is_survived(open_door, monkeypatch):
    failing = True
    accept = trio.SocketListener.accept

    async def accept_or_fail(self):
        if failing:
            await trio.lowlevel.checkpoint()
            raise OSError(errno.EMFILE, "Too many open files")
        return await accept(self)

    monkeypatch.setattr(trio.SocketListener, "accept", accept_or_fail)
    with capture_logs() as logs:
        door = await open_door(echo)
        await trio.sleep(0.25)
        failing = False
        assert (await door.ask(GET)).status == 200
    assert [line["event"] for line in logs] == ["cannot accept a connection"]


def test_running_out_of_files_for_real():
    """In a process of its own, whose last file goes to a new peer: an idle one makes room for the server's end."""
    program = """
import os, resource, sys, trio
from strangers import GET, Door, echo
from signal_actor.server import serve

async def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    stop = trio.Event()

    async def run(*, task_status):
        await serve(echo, "127.0.0.1:0", stop=stop, task_status=task_status)

    async with trio.open_nursery() as nursery:
        url = await nursery.start(run)
        door = Door(url, int(url.rpartition(":")[2]), stop, stop)
        idle = await door.peer()
        await idle.ask(GET)
        hoard = []
        try:
            while True:
                hoard.append(os.dup(0))
        except OSError:
            os.close(hoard.pop())
        with trio.fail_after(20):
            print((await door.ask(GET)).status)
            assert await idle.closed()
        stop.set()

trio.run(main)
"""
    here = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": f"{here.parent.parent}:{here}"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout.strip().endswith("200"), done.stderr
    assert done.returncode == 0, done.stderr


def test_no_more_connections_than_half_the_files(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    assert Limits(connections=2000).capacity() == 512
    assert Limits(connections=100).capacity() == 100
