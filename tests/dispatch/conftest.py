"""Fixtures of actors: SQL runs inline, because the autojump clock does not see worker threads."""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
import trio

from signal_actor.database import Database, open_writer
from signal_actor.dispatch import pressure, supervisor, transport
from signal_actor.dispatch.actor import Actor
from tests import stage
from tests.dispatch.post import Desk, Vendor, no_client, wall


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Vendor:
    made = Vendor()
    monkeypatch.setattr(transport, "exchange", made.exchange)
    monkeypatch.setattr(transport, "client", no_client)
    return made


@pytest.fixture
async def desk(tmp_path: Path, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setitem(Actor.__init__.__kwdefaults__, "now", wall)
    monkeypatch.setattr(supervisor, "now_ms", wall)
    monkeypatch.setattr(pressure, "LOOK_SECONDS", 3_600)  # virtual time is never late
    path = stage.on_disk(tmp_path)
    database = Database(path, open_writer(path), commit_in_thread=False)
    database.writer.connection.execute("pragma synchronous = off")  # what is proved here is not the disk
    stage.add_pipeline(database.writer.connection)
    stage.add_integration(database.writer.connection, 1)
    async with trio.open_nursery() as nursery:
        await nursery.start(database.writer.serve)
        yield Desk(database)
        nursery.cancel_scope.cancel()
    database.close()
