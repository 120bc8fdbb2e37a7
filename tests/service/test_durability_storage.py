"""Storage: what a full disk and an actor that fell over leave behind, and that it is neither lost nor sent twice."""

import pytest
import trio

from signal_actor.dispatch import settling, supervisor
from signal_actor.dispatch.record import Recorder
from signal_actor.sandbox import Sandbox
from tests.service.conftest import OpenHouse
from tests.service.house import House, arrived, numbered, numbers, tables
from tests.service.invariants import check


def full(house: House) -> None:
    """From now on the file must not grow; SQLite's own bound gives the error that a full disk gives."""
    writer = house.service.database.writer.connection
    (pages,) = writer.execute("pragma page_count").fetchone()
    writer.execute(f"pragma max_page_count = {pages}")


def roomy(house: House) -> None:
    house.service.database.writer.connection.execute("pragma max_page_count = 1000000")


def stuffing() -> dict[str, str]:
    """Properties so large that the record of their attempt cannot be kept without room."""
    return {"x": "x" * 150_000}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "ROOM_SECONDS", 0.02)
    monkeypatch.setattr(settling, "LONGEST_PARTING", 0.1)
    monkeypatch.setattr(supervisor, "RESTART_BASE", 0.01)


async def test_an_outcome_waits_for_room_and_is_not_sent_again(open_house: OpenHouse, sandbox: Sandbox) -> None:
    sandbox.webhook.faults.add(delay=0.2, when="after")
    house = await open_house(tables(sandbox, only=("webhook",)))
    await house.track(1, properties={"n": 1, **stuffing()})
    await sandbox.webhook.ledger.wait_for_requests(1)
    full(house)
    await arrived(sandbox.webhook, 1)
    await trio.sleep(0.4)
    assert house.states("webhook") == ["leased"]
    roomy(house)
    await house.settled()
    assert house.states("webhook") == ["done"]
    assert sandbox.webhook.ledger.duplicates == {}
    check(house.path)


async def test_a_process_that_stops_on_a_full_disk_ends_and_its_successor_goes_on(
    open_house: OpenHouse, sandbox: Sandbox
) -> None:
    sandbox.webhook.faults.add(delay=0.2, when="after")
    house = await open_house(tables(sandbox, only=("webhook",)))
    await house.track(1, properties={"n": 1, **stuffing()})
    await sandbox.webhook.ledger.wait_for_requests(1)
    full(house)
    await arrived(sandbox.webhook, 1)
    await house.leave()
    assert house.states("webhook") == ["leased"]
    house = await open_house(None)
    await house.settled()
    assert sandbox.webhook.ledger.ids == ["m-1", "m-1"]  # nobody could write down that it had arrived
    check(house.path)


@pytest.mark.parametrize("fails", [{1}, {1, 2}, {2}, {3}])
async def test_an_actor_that_raises_gives_its_leases_back(
    open_house: OpenHouse, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, fails: set[int]
) -> None:
    calls = 0
    original = Recorder.__call__

    def record(self: Recorder, *args: object, **kwargs: object) -> object:
        nonlocal calls
        calls += 1
        if calls in fails:
            raise RuntimeError("a bug")
        return original(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Recorder, "__call__", record)
    house = await open_house(tables(sandbox, only=("webhook",)))
    large = [numbered(n, visitor="a", properties={"n": n, "x": "x" * 500_000}) for n in range(10)]
    assert (await house.post("/v1/batch", {"batch": large})).json()["accepted"] == 10  # one lease, four requests
    await house.settled()
    assert list(dict.fromkeys(numbers(sandbox.webhook))) == list(range(10))
    assert sandbox.webhook.ledger.overlaps == []
    assert house.states("webhook") == ["done"] * 10
    interrupted = house.rows("select * from v_attempts where outcome = 'interrupted'")
    assert interrupted
    check(house.path)
