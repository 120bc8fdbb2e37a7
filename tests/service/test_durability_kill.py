"""Durability: what was answered with 200 arrives at every vendor, whatever kills the process and however often."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
import trio

from signal_actor.sandbox import Sandbox
from tests.service.house import PATIENCE, Database, eventually, numbered, numbers, tables, written
from tests.service.invariants import check
from tests.service.processes import Serving, launched, serving

EVENTS, SIZE, VISITORS, KILLS = 10_000, 50, 100, 9

Serve = Callable[[], Awaitable[Serving]]


@pytest.fixture
async def serve(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Serve]:
    """Starts processes one after the other on the same data."""
    wanted = tables(sandbox, pipeline={"rate_limit_rps": 100_000})
    config = written(tmp_path / "signal.toml", wanted)
    last: list[Serving] = []

    async def serve() -> Serving:
        last[:] = [await serving(tmp_path / "data", tmp_path / "log", "--config", config)]
        return last[0]

    yield serve
    for process in last:
        await process.kill()


# httpx leaves the generator of a request's body behind when the connection breaks under it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_10_000_events_survive_kill_9_again_and_again(serve: Serve, sandbox: Sandbox, tmp_path: Path) -> None:
    dice = random.Random(9)
    for fake in sandbox.vendors.values():
        # The vendor keeps what it gets and is slow to say so: the worst moment for its client to die.
        fake.faults.add(delay=0.03, when="after", times=None)
    state = [await serve()]
    killed = 0

    async def kill_again_and_again() -> None:
        nonlocal killed
        for _ in range(KILLS):
            await trio.sleep(dice.uniform(0.2, 0.8))
            await state[0].kill()
            killed += 1
            state[0] = await serve()

    async with trio.open_nursery() as nursery, httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client:
        nursery.start_soon(kill_again_and_again)
        for start in range(0, EVENTS, SIZE):
            batch = [numbered(n, visitor=f"visitor-{n % VISITORS}") for n in range(start, start + SIZE)]
            await acknowledged(client, state, batch)
            # Spread over the kills, so that each of them finds something on its way.
            await eventually(lambda start=start: killed >= KILLS * start // EVENTS)
    alive = state[0]
    await alive.settled()
    assert await alive.stop() == 0
    assert alive.value("select count(*) from v_events") == EVENTS
    repeats = 0
    for slug, fake in sandbox.vendors.items():
        assert set(numbers(fake)) == set(range(EVENTS)), slug
        assert len(fake.ledger.counts) == EVENTS, f"{slug}: a repeat has another id"
        assert fake.ledger.overlaps == []
        for visitor in range(VISITORS):
            mine = [n for n in dict.fromkeys(numbers(fake)) if n % VISITORS == visitor]
            assert mine == sorted(mine), f"{slug}: visitor {visitor} out of order"
        repeats += sum(fake.ledger.counts.values()) - EVENTS
    assert repeats > 0, "no kill met anything in flight, so this has proved nothing"
    check(alive.path)
    assert "Traceback" not in alive.log.read_text()


async def acknowledged(client: httpx.AsyncClient, state: list[Serving], batch: list[dict[str, object]]) -> None:
    """Posts until it is told 200, as a client with patience does."""
    with trio.fail_after(PATIENCE * 2):
        while True:
            try:
                return await state[0].post(client, batch)  # type: ignore[arg-type]
            except httpx.TransportError:
                await trio.sleep(0.05)


async def test_what_was_answered_before_the_kill_is_there_even_if_nobody_asks_again(
    serve: Serve, sandbox: Sandbox
) -> None:
    told: list[int] = []
    for round_ in range(3):
        alive = await serve()
        async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client:
            for n in range(round_ * 20, round_ * 20 + 20):
                await alive.post(client, [numbered(n)])
                told.append(n)
            await alive.kill()
    alive = await serve()
    await alive.settled()
    assert set(told) <= {int(row["message_id"][2:]) for row in alive.rows("select message_id from v_events")}
    for fake in sandbox.vendors.values():
        assert set(numbers(fake)) == set(told)
    assert await alive.stop() == 0
    check(alive.path)


async def test_a_kill_during_the_start_leaves_a_directory_that_starts(
    serve: Serve, sandbox: Sandbox, tmp_path: Path
) -> None:
    dice = random.Random(5)
    for _ in range(4):
        process = await launched(tmp_path / "data", tmp_path / "log", "--config", tmp_path / "signal.toml")
        await trio.sleep(dice.uniform(0.5, 1.2))  # imports take the first part, then everything is created
        process.kill()
        await process.wait()
    alive = await serve()
    await alive.track(1)
    await alive.settled()
    assert await alive.stop() == 0
    check(Database(alive.data_dir).path)
