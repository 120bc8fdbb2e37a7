"""Retention: what is finished goes in time, what is open or dead stays, and file and WAL do not grow without bound."""

import os
import sqlite3

import pytest

from signal_actor import janitor
from signal_actor.sandbox import Sandbox
from tests.service.conftest import OpenHouse
from tests.service.house import House, eventually, numbers, tables
from tests.service.invariants import check


@pytest.fixture(autouse=True)
def _tidy_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(janitor, "TIDY_SECONDS", 0.05)
    monkeypatch.setattr(janitor, "LOOK_SECONDS", 0.05)


def wal(house: House) -> int:
    return os.stat(f"{house.path}-wal").st_size


async def test_done_events_go_and_their_message_ids_are_remembered(open_house: OpenHouse, sandbox: Sandbox) -> None:
    house = await open_house(tables(sandbox, only=("webhook",), retention={"done_days": 0}))
    await house.track(*range(1200))
    await house.until("select count(*) = 0 from v_events")
    assert sorted(numbers(sandbox.webhook)) == list(range(1200))
    for table in ("delivery", "attempt", "attempt_event"):
        assert house.value(f"select count(*) from {table}") == 0
    await house.track(5)
    assert house.value("select count(*) from v_events") == 0
    assert sandbox.webhook.ledger.duplicates == {}
    check(house.path)


async def test_what_is_open_or_dead_stays(open_house: OpenHouse, sandbox: Sandbox) -> None:
    sandbox.webhook.faults.add(status=503, contains="m-2", times=None)
    sandbox.ometria.faults.add(status=400, contains="m-3", times=None)
    retention = {"done_days": 0, "dead_days": 30}
    house = await open_house(tables(sandbox, only=("webhook", "ometria"), retention=retention))
    for n in (1, 2, 3):
        await house.track(n)
    await house.until("select count(*) = 2 from v_events")
    await house.until("select count(*) from v_dead")
    await house.until("select count(*) > 3 from v_attempts where outcome = 'retry'")
    assert [event["message_id"] for event in house.stored()] == ["m-2", "m-3"]
    (dead,) = house.rows("select * from v_dead")
    assert dead["message_id"] == "m-3"
    assert house.rows("select * from v_attempts where outcome = 'rejected'")  # its story is kept with it
    sandbox.webhook.faults.clear()
    await house.until("select count(*) = 1 from v_events")
    check(house.path)


async def test_the_file_gives_its_pages_back_and_the_wal_is_cut(open_house: OpenHouse, sandbox: Sandbox) -> None:
    sandbox.webhook.faults.add(status=503, times=None)
    house = await open_house(tables(sandbox, only=("webhook",), retention={"done_days": 0}))
    for start in range(0, 400, 50):
        await house.track(*range(start, start + 50), context={"x": "x" * 40_000})
    full = house.value("pragma page_count") * house.value("pragma page_size")
    assert full > 16_000_000
    sandbox.webhook.faults.clear()
    await house.until("select count(*) = 0 from v_events")
    await eventually(lambda: os.stat(house.path).st_size < full / 10)
    await eventually(lambda: wal(house) < 1_000_000)
    await house.track(1000)
    await house.until("select count(*) = 0 from v_events")
    check(house.path)


async def test_a_long_reader_does_not_stop_anything(open_house: OpenHouse, sandbox: Sandbox) -> None:
    """Somebody's open transaction keeps the WAL from being cut, but not events from being accepted and delivered."""
    house = await open_house(tables(sandbox, only=("webhook",), retention={"done_days": 0}))
    await house.track(0)
    reader = sqlite3.connect(house.path)
    reader.execute("begin")
    reader.execute("select count(*) from v_events").fetchone()
    await house.track(*range(1, 600))
    await house.until("select count(*) = 0 from v_events")
    assert len(sandbox.webhook.ledger.counts) == 600
    reader.close()
    await eventually(lambda: wal(house) < 1_000_000)
