"""The supervisor in virtual time: actors are started, replaced, restarted and stopped, and do not notice each other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from signal_actor.delivery.rules import Health
from signal_actor.destinations.base import Limits
from signal_actor.dispatch.supervisor import Supervisor
from signal_actor.errors import StorageFull, StorageLost
from signal_actor.live import DeliveryPolicy, Integration, Live
from signal_actor.store import outbox
from tests import stage
from tests.dispatch import post
from tests.dispatch.post import OK, Desk, Vendor, reply


def live(*integrations: Integration) -> Live:
    return Live(integrations={item.id: item for item in integrations})


@asynccontextmanager
async def running(supervisor: Supervisor, first: Live) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run, first)
        yield
        supervisor.stop()


async def test_every_integration_has_its_actor_and_the_right_ones_are_rung(
    desk: Desk, vendor: Vendor, autojump_clock: MockClock
) -> None:
    stage.add_integration(desk.database.writer.connection, 2)
    vendor.of_one = False
    supervisor = Supervisor(desk.database, {"fake": post.destination()})
    async with running(supervisor, live(post.integration(1), post.integration(2))):
        await trio.sleep(1)
        desk.accept("m-0", "m-1")
        supervisor.ring(99)
        await trio.sleep(1)
        assert vendor.requests == []
        supervisor.ring(stage.SHOP)
        await desk.settled(1)
        await desk.settled(1, key=2)
        assert vendor.times == [2.0, 2.0]
        desk.accept("m-2")
        supervisor.ring_all()
        await desk.settled(1)


async def test_an_actor_that_raises_is_started_again_with_back_off_and_harms_nobody(
    desk: Desk, vendor: Vendor, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.add_integration(desk.database.writer.connection, 2)
    vendor.of_one = False
    started: list[float] = []
    real = outbox.lease

    def lease(connection: Any, key: int, **how: Any) -> Any:
        leased = real(connection, key, **how)
        if key == 1:
            started.append(trio.current_time())
            if len(started) <= 6:
                raise ZeroDivisionError("a bug")
        return leased

    monkeypatch.setattr(outbox, "lease", lease)
    desk.accept("m-0")
    supervisor = Supervisor(desk.database, {"fake": post.destination()})
    async with running(supervisor, live(post.integration(1), post.integration(2))):
        await desk.settled(1, key=2)
        await desk.settled(1_000)
    gaps = [round(b - a) for a, b in pairwise(started[:6])]
    assert gaps == [2, 4, 8, 16, 32]
    assert desk.states(1) == desk.states(2) == {"m-0": "done"}


async def test_what_an_actor_that_raised_had_in_hand_is_released_and_sent_again(
    desk: Desk, vendor: Vendor, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, broken = outbox.settle, [True]

    def settle(*args: Any, **kwargs: Any) -> Any:
        if broken:
            broken.clear()
            raise ZeroDivisionError("a bug")
        return real(*args, **kwargs)

    monkeypatch.setattr(outbox, "settle", settle)
    desk.accept("m-0", "m-1")
    supervisor = Supervisor(desk.database, {"fake": post.destination()})
    async with running(supervisor, live(post.integration())):
        await desk.settled(100)
    assert vendor.sizes == [2, 2]
    outcomes = [row["outcome"] for row in desk.rows("select outcome from attempt order by id")]
    assert outcomes == ["interrupted", "delivered"]


async def test_faults_long_apart_do_not_add_up(
    desk: Desk, vendor: Vendor, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, faults = outbox.lease, []

    def lease(*args: Any, **kwargs: Any) -> Any:
        if trio.current_time() >= 500 * (len(faults) + 1):
            faults.append(trio.current_time())
            raise ZeroDivisionError("a bug")
        return real(*args, **kwargs)

    monkeypatch.setattr(outbox, "lease", lease)
    supervisor = Supervisor(desk.database, {"fake": post.destination()})
    async with running(supervisor, live(post.integration())):
        for number in range(6):
            await trio.sleep(500)
            desk.accept(f"m-{number}")
            supervisor.ring_all()
            await desk.settled(3)
    assert len(faults) == 6


async def test_the_loss_of_the_database_goes_through(
    desk: Desk, vendor: Vendor, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lease(*args: Any, **kwargs: Any) -> Any:
        raise StorageLost("gone")

    monkeypatch.setattr(outbox, "lease", lease)
    supervisor = Supervisor(desk.database, {"fake": post.destination()})
    with pytest.raises(ExceptionGroup) as raised:
        await supervisor.run(live(post.integration()))
    assert raised.group_contains(StorageLost)


async def test_a_new_configuration_takes_over_when_what_is_in_flight_has_ended(
    desk: Desk, vendor: Vendor, autojump_clock: MockClock
) -> None:
    vendor.takes = 5
    desk.accept(*[f"m-{number}" for number in range(10)])
    made = {
        "fake": post.destination(limits=Limits(items=5)),
        "other": post.destination("other", limits=Limits(items=1)),
    }
    before = post.integration(policy={"max_in_flight": 1})
    supervisor = Supervisor(desk.database, made)
    async with running(supervisor, live(before)):
        await trio.sleep(2)
        supervisor.assign(live(replace(before, vendor="other", policy=DeliveryPolicy(max_in_flight=5))))
        await desk.settled()
    assert vendor.sizes == [5, 1, 1, 1, 1, 1]
    assert vendor.times == pytest.approx([0, 5, 5, 5, 5, 5], abs=0.1)
    assert sorted(vendor.delivered) == sorted(f"m-{number}" for number in range(10)), "each once"


async def test_nothing_changes_for_those_whose_configuration_did_not(
    desk: Desk, vendor: Vendor, autojump_clock: MockClock
) -> None:
    """What an actor itself wrote into its health is no news to it: it goes on resting."""
    vendor.answer = lambda ids: reply(503, retry_after="600")
    mine = post.integration()
    supervisor = Supervisor(desk.database, {"fake": post.destination()})
    desk.accept("m-0")
    async with running(supervisor, live(mine)):
        await trio.sleep(1)
        desk.accept("m-1")  # the second failure in a row, and all rest
        supervisor.ring_all()
        await trio.sleep(1)
        for _ in range(5):
            desk.accept(f"n-{trio.current_time()}")
            supervisor.assign(live(replace(mine, health=Health.RETRYING, health_reason="HTTP 503.")))
            supervisor.ring_all()
            await trio.sleep(60)
        assert len(vendor.requests) == 2


async def test_who_is_resumed_goes_on_at_once(desk: Desk, vendor: Vendor, autojump_clock: MockClock) -> None:
    vendor.answer = lambda ids: reply(401)
    mine = post.integration(policy={"probe_seconds": 1_000})
    supervisor = Supervisor(desk.database, {"fake": post.destination()})
    desk.accept("m-0")
    async with running(supervisor, live(mine)):
        await trio.sleep(1)
        assert desk.health()[0] == "misconfigured"
        vendor.answer = lambda ids: OK
        supervisor.assign(live(mine))  # somebody pressed "resume": healthy, says the store
        await desk.settled(1)


async def test_who_is_paused_stops_and_who_is_resumed_starts(
    desk: Desk, vendor: Vendor, autojump_clock: MockClock
) -> None:
    mine = post.integration()
    supervisor = Supervisor(desk.database, {"fake": post.destination()})
    async with running(supervisor, live(mine)):
        supervisor.assign(live(replace(mine, health=Health.PAUSED)))
        await trio.sleep(1)
        desk.accept("m-0")
        supervisor.ring_all()
        await trio.sleep(500)
        assert vendor.requests == []
        supervisor.assign(live(mine))
        await desk.settled(1)


async def test_integrations_come_and_go(desk: Desk, vendor: Vendor, autojump_clock: MockClock) -> None:
    supervisor = Supervisor(desk.database, {"fake": post.destination()})
    async with running(supervisor, live()):
        desk.accept("m-0")
        await trio.sleep(1)
        assert vendor.requests == []
        supervisor.assign(live(post.integration()))
        await desk.settled(1)
        supervisor.assign(live())
        desk.accept("m-1")
        supervisor.ring(stage.SHOP)
        await trio.sleep(100)
        assert desk.states()["m-1"] == "pending"
        supervisor.assign(live(post.integration()))
        await desk.settled(1)


@pytest.mark.parametrize("how", ["unknown vendor", "settings that do not fit"])
async def test_what_cannot_be_served_waits_until_it_can(
    desk: Desk, vendor: Vendor, autojump_clock: MockClock, how: str
) -> None:
    mine = post.integration()
    lame = replace(mine, vendor="gone") if how == "unknown vendor" else replace(mine, settings=None)
    supervisor = Supervisor(desk.database, {"fake": post.destination()})
    desk.accept("m-0")
    async with running(supervisor, live(lame)):
        await trio.sleep(1_000)
        assert desk.states() == {"m-0": "pending"}
        supervisor.assign(live(mine))
        await desk.settled(1)


async def test_at_the_end_what_is_in_flight_gets_its_grace_and_no_more(
    desk: Desk, vendor: Vendor, autojump_clock: MockClock
) -> None:
    vendor.takes = 30
    policy = {"request_timeout_seconds": 60, "max_in_flight": 1}
    desk.accept(*[f"m-{number}" for number in range(20)])
    supervisor = Supervisor(desk.database, {"fake": post.destination(limits=Limits(items=10))})
    async with running(supervisor, live(post.integration(policy=policy))):
        await trio.sleep(5)
    assert trio.current_time() == pytest.approx(15, abs=0.1)
    assert desk.counted() == {"pending": 20}
    assert set(desk.attempts().values()) == {0}


async def test_a_full_disk_does_not_keep_the_process_from_ending(
    desk: Desk, vendor: Vendor, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def settle(*args: Any, **kwargs: Any) -> Any:
        raise StorageFull("no room")

    monkeypatch.setattr(outbox, "settle", settle)
    desk.accept("m-0")
    supervisor = Supervisor(desk.database, {"fake": post.destination()})
    with trio.fail_after(60):
        async with running(supervisor, live(post.integration())):
            await trio.sleep(5)
    assert desk.states() == {"m-0": "leased"}
