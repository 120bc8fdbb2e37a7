"""Signals: an orderly end loses nothing and sends nothing twice; a second signal does not wait."""

import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import trio

from signal_actor.sandbox import Sandbox
from tests.service.house import KEY, PATIENCE, arrived, eventually, numbered, numbers, tables, written
from tests.service.invariants import check
from tests.service.processes import Serving, run, serving

Serve = Callable[[], Awaitable[Serving]]


@pytest.fixture
async def serve(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Serve]:
    config = written(tmp_path / "signal.toml", tables(sandbox))
    started: list[Serving] = []

    async def serve() -> Serving:
        started.append(await serving(tmp_path / "data", tmp_path / "log", "--config", config))
        return started[-1]

    yield serve
    for process in started:
        await process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_orderly_end_waits_for_what_is_in_flight(serve: Serve, sandbox: Sandbox, number: int) -> None:
    for fake in sandbox.vendors.values():
        fake.faults.add(delay=2, when="after")
    alive = await serve()
    await alive.track(*range(10), visitor="a")
    for fake in sandbox.vendors.values():
        await fake.ledger.wait_for_requests(1)
    await alive.track(*range(10, 20), visitor="a")  # these have to wait for the first ones, so they are left over
    assert await alive.stop(number) == 0
    for fake in sandbox.vendors.values():
        assert numbers(fake) == list(range(10))
    check(alive.path)
    assert alive.value("select count(*) from v_deliveries where state = 'done'") == 40
    assert alive.value("select count(*) from v_deliveries where state = 'pending'") == 40
    alive = await serve()
    await alive.settled()
    assert await alive.stop() == 0
    for fake in sandbox.vendors.values():
        assert numbers(fake) == list(range(20))
        assert fake.ledger.duplicates == {}
    assert "Traceback" not in alive.log.read_text()
    check(alive.path)


async def test_a_second_signal_ends_at_once_and_loses_nothing(serve: Serve, sandbox: Sandbox) -> None:
    sandbox.webhook.faults.add(hang=True)
    alive = await serve()
    await alive.track(1)
    await sandbox.webhook.ledger.wait_for_requests(1)
    for fake in (sandbox.ninetailed, sandbox.insider, sandbox.ometria):
        await arrived(fake, 1)
    alive.process.send_signal(signal.SIGTERM)
    await eventually(lambda: "service.stopping" in alive.log.read_text())
    before = trio.current_time()
    assert await alive.stop() == 1
    assert trio.current_time() - before < 5  # the grace would have been ten
    alive = await serve()
    await alive.settled()
    assert numbers(sandbox.webhook) == [1]
    assert await alive.stop() == 0
    check(alive.path)


async def test_a_request_in_progress_is_answered_and_the_port_is_closed(serve: Serve, sandbox: Sandbox) -> None:
    alive = await serve()
    host, _, port = alive.ready["ingest"].removeprefix("http://").partition(":")
    body = json.dumps(numbered(1)).encode()
    head = f"POST /v1/t HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    stream = await trio.open_tcp_stream(host, int(port))
    async with stream:
        await stream.send_all(head.encode() + body[:20])
        await trio.sleep(0.1)  # nothing tells us that the head has been read
        alive.process.send_signal(signal.SIGTERM)
        await eventually(lambda: "service.stopping" in alive.log.read_text())
        with pytest.raises(OSError):  # noqa: PT011 (whatever the platform calls it)
            await refused(host, int(port))
        await stream.send_all(body[20:])
        with trio.fail_after(PATIENCE):
            answer = await stream.receive_some()
    assert answer.startswith(b"HTTP/1.1 200")
    with trio.fail_after(PATIENCE):
        assert await alive.process.wait() == 0
    assert alive.value("select count(*) from v_events") == 1


async def refused(host: str, port: int) -> None:
    """Connects until it is refused."""
    with trio.fail_after(PATIENCE):
        while True:
            async with await trio.open_tcp_stream(host, port):
                await trio.sleep(0.02)


async def test_a_second_process_on_the_same_data_is_refused(serve: Serve, sandbox: Sandbox, tmp_path: Path) -> None:
    alive = await serve()
    second = await run("serve", "--data-dir", alive.data_dir, "--admin-bind", "127.0.0.1:0")
    assert second.returncode == 3
    assert second.stdout == ""
    assert len(second.stderr.strip().splitlines()) == 1
    assert str(alive.data_dir) in second.stderr
    await alive.track(1)
    await alive.settled()
    assert await alive.stop() == 0
