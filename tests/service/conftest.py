"""Fixtures: a sandbox, and services in this process that deliver to it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from signal_actor import service
from signal_actor.dispatch import supervisor
from signal_actor.sandbox import Sandbox, serve
from signal_actor.service import Options, Ready
from tests.service.commander import Commander
from tests.service.house import PATIENCE, House, tables, written

OpenHouse = Callable[..., Awaitable[House]]


@pytest.fixture
async def sandbox(nursery: trio.Nursery) -> Sandbox:
    running = await nursery.start(serve)
    assert isinstance(running, Sandbox)
    return running


@pytest.fixture
async def open_house(
    nursery: trio.Nursery, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[OpenHouse]:
    """Opens a house on the test's data directory; `wanted` are the configuration's tables, None leaves it as it is."""
    monkeypatch.setattr(supervisor, "GRACE", 0.3)  # tests that leave a vendor hanging shall not wait for it
    houses: list[House] = []

    async def open_house(wanted: Mapping[str, Any] | None = None, **options: Any) -> House:
        config = written(tmp_path / "signal.toml", wanted) if wanted is not None else None
        data_dir = tmp_path / "data"
        ended = trio.Event()

        async def run(*, task_status: trio.TaskStatus[tuple[service.Service, Ready]]) -> None:
            given = Options(data_dir, config, ingest_bind="127.0.0.1:0", admin_bind="127.0.0.1:0", **options)
            with service.opened(given) as running:
                async with trio.open_nursery() as inner:
                    task_status.started((running, await inner.start(running.run)))
            ended.set()

        running, ready = await nursery.start(run)

        async def leave() -> None:
            running.stop()
            with trio.fail_after(PATIENCE):
                await ended.wait()

        client = httpx.AsyncClient(timeout=PATIENCE, trust_env=False)
        houses.append(House(data_dir, sandbox, running, ready, client, leave))
        return houses[-1]

    yield open_house
    for house in houses:
        await house.client.aclose()
        await house.leave()


@pytest.fixture(scope="session")
def commander(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commander]:
    """Runs commands, each in a process of its own."""
    commander = Commander(tmp_path_factory.mktemp("commander"))
    yield commander
    commander.close()


@pytest.fixture
async def house(open_house: OpenHouse, sandbox: Sandbox) -> House:
    """A pipeline with all four vendors, quick to retry."""
    return await open_house(tables(sandbox))
