"""An integration's actor in virtual time: what is sent when, together with what, and what becomes of it."""

import random
import sqlite3
from collections.abc import Sequence
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from signal_actor.delivery.rules import Misconfigured, Retry, Skipped
from signal_actor.destinations.base import Limits, Prepared, Reply
from signal_actor.errors import MappingError, StorageFull, StorageLost
from signal_actor.store import outbox
from tests.dispatch import post
from tests.dispatch.post import OK, Desk, Vendor, reply


def names(count: int, prefix: str = "m") -> list[str]:
    return [f"{prefix}-{number}" for number in range(count)]


async def test_what_is_due_now_goes_now_in_batches(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    desk.accept(*names(250))
    nursery.start_soon(desk.actor().run)
    await desk.settled()
    assert sorted(vendor.sizes) == [50, 100, 100]
    assert vendor.times == [0.0] * 3
    assert desk.counted() == {"done": 250}
    assert set(desk.attempts().values()) == {1}


async def test_batches_form_by_themselves_while_the_vendor_is_busy(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    vendor.takes = 1.03
    actor = desk.actor(of=post.integration(policy={"max_in_flight": 1}))
    nursery.start_soon(actor.run)
    for number in range(30):
        desk.accept(f"m-{number}")
        actor.bell.ring()
        await trio.sleep(0.1)
    await desk.settled()
    assert vendor.sizes == [1, 10, 10, 9]
    assert vendor.times[:3] == pytest.approx([0, 1.03, 2.06], abs=0.01)


async def test_a_single_event_is_not_delayed(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    actor = desk.actor()
    nursery.start_soon(actor.run)
    await trio.sleep(100)
    desk.accept("m-1")
    actor.bell.ring()
    await trio.sleep(0.001)
    assert vendor.times == [100]


@pytest.mark.parametrize("most", [1, 3, 8])
async def test_no_more_requests_at_once_than_allowed(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock, most: int
) -> None:
    vendor.takes = 1
    desk.accept(*names(100))
    made = post.destination(limits=Limits(items=5))
    nursery.start_soon(desk.actor(made, post.integration(policy={"max_in_flight": most})).run)
    await desk.settled()
    assert vendor.most_at_once == most
    assert len(vendor.requests) == 20


async def test_a_visitors_events_wait_for_each_other_and_others_do_not(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    failing = {"ann-0"}
    vendor.answer = lambda ids: Retry("no") if failing & set(ids) else OK
    desk.accept("ann-0", "ann-1", "bob-0", "ann-2", "bob-1", visitors=["ann", "ann", "bob", "ann", "bob"])
    nursery.start_soon(desk.actor(post.destination(limits=Limits(items=1))).run)
    await trio.sleep(0.2)
    assert vendor.delivered == ["bob-0", "bob-1"]
    await trio.sleep(3)
    assert desk.counted() == {"done": 2, "pending": 3}
    assert desk.attempts()["ann-1"] == desk.attempts()["ann-2"] == 0, "a snooze costs nothing"
    failing.clear()
    await desk.settled()
    assert vendor.delivered == ["bob-0", "bob-1", "ann-0", "ann-1", "ann-2"]


async def test_retry_after_holds_the_visitor_that_met_it_and_all_others_go_on(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    vendor.answer = lambda ids: reply(429, retry_after="40") if len(vendor.requests) == 1 else OK
    actor = desk.actor()
    desk.accept("a-0")
    nursery.start_soon(actor.run)
    await trio.sleep(1)
    desk.accept("b-0")
    actor.bell.ring()
    await desk.settled()
    assert vendor.delivered == ["b-0", "a-0"]
    assert vendor.times[1] < 2
    assert 40 <= vendor.times[2] < 41


async def test_a_vendor_that_asks_twice_in_a_row_is_left_alone_by_all(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    vendor.answer = lambda ids: reply(429, retry_after="40") if len(vendor.requests) <= 2 else OK
    actor = desk.actor()
    desk.accept("a-0")
    nursery.start_soon(actor.run)
    await trio.sleep(1)
    desk.accept("b-0")
    actor.bell.ring()
    await trio.sleep(1)
    desk.accept("c-0")
    actor.bell.ring()
    await desk.settled()
    assert sorted(vendor.delivered) == ["a-0", "b-0", "c-0"]
    assert all(at >= 40 for at in vendor.times[2:])


async def test_a_vendor_in_trouble_gets_one_request_at_a_time_further_and_further_apart(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    vendor.answer = lambda ids: reply(503)
    desk.accept(*names(500))
    policy = {"retry_base_seconds": 1, "retry_cap_seconds": 2, "probe_seconds": 30}
    nursery.start_soon(desk.actor(post.destination(limits=Limits(items=10)), post.integration(policy=policy)).run)
    await trio.sleep(300)
    assert desk.health() == ("retrying", "HTTP 503.")
    gaps = [b - a for a, b in zip(vendor.times, vendor.times[1:], strict=False)]
    assert max(gaps) < 31
    assert min(gaps[-5:]) > 15
    assert len(vendor.requests) < 30
    vendor.answer = lambda ids: OK
    await desk.settled(120)
    assert desk.health() == ("ok", None)


async def test_a_misconfigured_integration_probes_with_one_delivery_and_resumes(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    vendor.answer = lambda ids: reply(401)
    desk.accept(*names(50))
    nursery.start_soon(desk.actor(post.destination(limits=Limits(items=50))).run)
    await trio.sleep(100)
    assert vendor.sizes == [50, 1, 1, 1]
    assert vendor.times == pytest.approx([0, 30, 60, 90], abs=0.1)
    assert desk.health()[0] == "misconfigured"
    assert set(desk.attempts().values()) == {0}, "no attempt is spent"
    assert desk.counted() == {"pending": 50}
    vendor.answer = lambda ids: OK
    await desk.settled(60)
    assert vendor.times[4] == pytest.approx(120, abs=0.1)
    assert vendor.sizes[4:] == [1, 49]
    assert desk.health() == ("ok", None)


@pytest.mark.parametrize("offenders", [{"m-37"}, {"m-0"}, {"m-99"}, {"m-1", "m-2", "m-77"}, set(names(100))])
async def test_a_batch_that_is_refused_whole_is_split_until_the_offenders_stand_alone(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock, offenders: set[str]
) -> None:
    vendor.answer = lambda ids: reply(400) if offenders & set(ids) else OK
    desk.accept(*names(100))
    nursery.start_soon(desk.actor().run)
    await desk.settled()
    assert {name for name, state in desk.states().items() if state == "dead"} == offenders
    assert sorted(vendor.delivered) == sorted(set(names(100)) - offenders)
    assert len(vendor.requests) <= (2 * 100 if len(offenders) == 100 else 1 + 14 * len(offenders))
    attempts, recorded = desk.attempts(), recorded_attempts(desk)
    assert all(attempts[name] <= recorded[name] for name in attempts)


def recorded_attempts(desk: Desk) -> dict[str, int]:
    found = desk.rows(
        "select e.message_id, (select count(*) from attempt_event x where x.event_id = e.id) as n from event e"
    )
    return {row["message_id"]: row["n"] for row in found}


async def test_a_visitors_order_is_kept_while_a_batch_is_split(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    vendor.answer = lambda ids: reply(400) if {"ann-3", "bob-5"} & set(ids) else OK
    order = [f"{visitor}-{number}" for number in range(10) for visitor in ("ann", "bob")]
    desk.accept(*order, visitors=["ann", "bob"])
    nursery.start_soon(desk.actor().run)
    await desk.settled()
    assert post.by_visitor(vendor.delivered) == {
        "ann": [0, 1, 2, 4, 5, 6, 7, 8, 9],
        "bob": [0, 1, 2, 3, 4, 6, 7, 8, 9],
    }


async def test_only_the_events_a_vendor_names_become_dead(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    vendor.answer = lambda ids: Reply(200, {}, b'{"refused": ["m-3", "m-4"]}')
    desk.accept(*names(10))
    nursery.start_soon(desk.actor().run)
    await desk.settled()
    assert desk.counted() == {"done": 8, "dead": 2}
    assert len(vendor.requests) == 1


async def test_an_event_that_failed_three_times_in_company_goes_alone(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """The vendor falls over at one event, and would never get to the others."""
    vendor.answer = lambda ids: reply(500) if "m-5" in ids else OK
    desk.accept(*names(20))
    policy = {"retry_window_seconds": 3600, "retry_cap_seconds": 60}
    nursery.start_soon(desk.actor(of=post.integration(policy=policy)).run)
    await trio.sleep(600)
    assert desk.counted() == {"done": 19, "pending": 1}
    assert [ids for _, ids in vendor.requests if "m-5" in ids][-1] == ["m-5"]
    await desk.settled()
    assert desk.states()["m-5"] == "dead"
    row = desk.rows("select last_error from delivery where state = 'dead'")[0]
    assert row["last_error"].startswith("given up after 1 h: HTTP 500")


async def test_cancelled_in_mid_request_the_attempt_is_given_back_and_all_is_settled(
    desk: Desk, vendor: Vendor, autojump_clock: MockClock
) -> None:
    vendor.takes = 5
    desk.accept(*names(30), visitors=["ann", "bob", "cy"])
    async with trio.open_nursery() as running:
        running.start_soon(desk.actor(post.destination(limits=Limits(items=10))).run)
        await trio.sleep(2)
        assert desk.counted()["leased"] > 0
        running.cancel_scope.cancel()
    assert desk.counted() == {"pending": 30}
    assert set(desk.attempts().values()) == {0}
    assert {row["outcome"] for row in desk.rows("select outcome from attempt")} == {"interrupted"}
    async with trio.open_nursery() as running:
        running.start_soon(desk.actor().run)
        await desk.settled()
        running.cancel_scope.cancel()
    assert {visitor: sorted(n) for visitor, n in post.by_visitor(vendor.delivered).items()} == {"m": list(range(30))}


async def test_stopped_it_finishes_the_request_and_leaves_the_rest(
    desk: Desk, vendor: Vendor, autojump_clock: MockClock
) -> None:
    vendor.takes = 3
    desk.accept(*names(30))
    actor = desk.actor(post.destination(limits=Limits(items=10)), post.integration(policy={"max_in_flight": 1}))
    async with trio.open_nursery() as running:
        running.start_soon(actor.run)
        await trio.sleep(1)
        actor.stop()
    assert trio.current_time() == pytest.approx(3, abs=0.1)
    assert desk.counted() == {"done": 10, "pending": 20}


SMALL = Limits(items=100, body_bytes=800)  # several requests for one lease


async def test_stopped_in_the_middle_of_a_lease_it_sends_no_more_of_it(
    desk: Desk, vendor: Vendor, autojump_clock: MockClock
) -> None:
    vendor.takes = 3
    desk.accept(*names(50))
    actor = desk.actor(post.destination(limits=SMALL), post.integration(policy={"max_in_flight": 1}))
    async with trio.open_nursery() as running:
        running.start_soon(actor.run)
        await trio.sleep(4)
        actor.stop()
    assert len(vendor.requests) == 2
    assert desk.counted() == {"done": len(vendor.delivered), "pending": 50 - len(vendor.delivered)}


async def test_a_vendor_in_trouble_is_not_asked_with_the_rest_of_a_lease(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    vendor.answer = lambda ids: reply(500)
    desk.accept(*names(50))
    nursery.start_soon(desk.actor(post.destination(limits=SMALL), post.integration(policy={"max_in_flight": 1})).run)
    await trio.sleep(0.4)
    assert len(vendor.requests) == 2
    assert sum(desk.attempts().values()) == sum(vendor.sizes), "the others' attempts are given back"


async def test_events_at_which_the_vendor_falls_over_starve_nobody(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    poison = set(names(5))
    vendor.answer = lambda ids: reply(500) if poison & set(ids) else OK
    desk.accept(*names(40))
    nursery.start_soon(desk.actor(post.destination(limits=Limits(items=40)), post.integration()).run)
    await trio.sleep(400)
    assert sorted(vendor.delivered) == sorted(set(names(40)) - poison)


async def test_no_answer_in_time_is_a_retry(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    vendor.takes = 60
    desk.accept("m-0")
    policy = {"request_timeout_seconds": 7, "retry_base_seconds": 4}
    nursery.start_soon(desk.actor(of=post.integration(policy=policy)).run)
    await trio.sleep(8)
    assert desk.rows("select last_error from delivery")[0]["last_error"] == "no answer within 7 s"
    vendor.takes = 0
    await desk.settled()
    assert vendor.times[1] == pytest.approx(7 + 0.5 * 4, abs=0.1)  # half of the base, by its jitter


@pytest.mark.parametrize("which", ["build", "classify", "too few verdicts"])
async def test_a_vendors_module_that_is_broken_costs_a_retry(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock, which: str
) -> None:
    broken = [True]

    def sometimes(function: Any) -> Any:
        def replaced(*args: Any) -> Any:
            if broken:
                raise ZeroDivisionError("a bug")
            return function(*args)

        return replaced

    def too_few(payloads: Sequence[Any], answer: Reply) -> Any:
        return post.classify(payloads, answer)[: -1 if broken else None]

    changes: dict[str, Any] = {
        "build": {"build": sometimes(post.build)},
        "classify": {"classify": sometimes(post.classify)},
        "too few verdicts": {"classify": too_few},
    }[which]
    desk.accept(*names(3))
    nursery.start_soon(desk.actor(post.destination(**changes)).run)
    await trio.sleep(0.1)
    assert desk.counted() == {"pending": 3}
    error = desk.rows("select last_error from delivery")[0]["last_error"]
    assert ("2 verdicts for 3 events" if which == "too few verdicts" else "ZeroDivisionError: a bug") in error
    broken.clear()
    await desk.settled()
    assert desk.counted() == {"done": 3}


async def test_what_is_decided_before_sending_is_settled_without_an_attempt(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    def prepare(settings: Any, mapper: Any, event: dict[str, Any]) -> Prepared | Skipped:
        match event["messageId"]:
            case "m-1":
                return Skipped("not for us")
            case "m-2":
                raise MappingError("no email")
            case "m-3":
                raise RuntimeError("a bug")
        return post.prepare(settings, mapper, event)

    desk.accept(*names(5))
    nursery.start_soon(desk.actor(post.destination(prepare=prepare)).run)
    await desk.settled()
    assert desk.states() == {"m-0": "done", "m-1": "skipped", "m-2": "dead", "m-3": "dead", "m-4": "done"}
    assert vendor.requests == [(0.0, ["m-0", "m-4"])]
    attempts, recorded = desk.attempts(), recorded_attempts(desk)
    assert attempts == recorded == {"m-0": 1, "m-1": 0, "m-2": 0, "m-3": 0, "m-4": 1}


async def test_a_skipped_event_does_not_overtake_the_one_before_it(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    def prepare(settings: Any, mapper: Any, event: dict[str, Any]) -> Prepared | Skipped:
        return Skipped("no") if event["messageId"] == "ann-1" else post.prepare(settings, mapper, event)

    failing = [True]
    vendor.answer = lambda ids: Retry("no") if failing else OK
    desk.accept("ann-0", "ann-1", "ann-2", visitors=["ann"])
    nursery.start_soon(desk.actor(post.destination(prepare=prepare)).run)
    await trio.sleep(20)
    assert set(desk.states().values()) == {"pending"}
    failing.clear()
    await desk.settled()
    finished = desk.rows("select finished_at from delivery order by event_id")
    assert [row["finished_at"] for row in finished] == sorted(row["finished_at"] for row in finished)


async def test_no_room_for_a_receipt_is_waited_for(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, full = outbox.settle, [True]

    def settle(connection: sqlite3.Connection, *args: Any, **kwargs: Any) -> Any:
        if full:
            raise StorageFull("no room")
        return real(connection, *args, **kwargs)

    monkeypatch.setattr(outbox, "settle", settle)
    desk.accept(*names(3))
    nursery.start_soon(desk.actor().run)
    await trio.sleep(30)
    assert desk.counted() == {"leased": 3}
    full.clear()
    await desk.settled(5)
    assert vendor.delivered == names(3), "sent once, whatever the disk did"


async def test_no_room_for_a_lease_is_waited_for(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = outbox.lease

    def lease(*args: Any, **kwargs: Any) -> Any:
        if trio.current_time() < 20:
            raise StorageFull("no room")
        return real(*args, **kwargs)

    monkeypatch.setattr(outbox, "lease", lease)
    desk.accept(*names(3))
    nursery.start_soon(desk.actor().run)
    await desk.settled(30)
    assert len(vendor.requests) == 1


async def test_a_stopping_actor_does_not_wait_for_room_for_ever(
    desk: Desk, vendor: Vendor, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def settle(*args: Any, **kwargs: Any) -> Any:
        raise StorageFull("no room")

    monkeypatch.setattr(outbox, "settle", settle)
    desk.accept(*names(3))
    actor = desk.actor()
    with pytest.raises(ExceptionGroup) as raised, trio.fail_after(60):
        async with trio.open_nursery() as running:
            running.start_soon(actor.run)
            await trio.sleep(5)
            actor.stop()
    assert raised.group_contains(StorageFull)
    assert desk.counted() == {"leased": 3}
    connection = desk.database.writer.connection
    assert outbox.recover(connection, now=post.wall()) == 3, "the next one takes them up"


async def test_a_lost_database_ends_the_actor(
    desk: Desk, vendor: Vendor, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def settle(*args: Any, **kwargs: Any) -> Any:
        raise StorageLost("gone")

    monkeypatch.setattr(outbox, "settle", settle)
    desk.accept("m-0")
    with pytest.raises(ExceptionGroup) as raised:
        await desk.actor().run()
    assert raised.group_contains(StorageLost)


async def test_no_lease_is_older_than_its_time_out_however_slow_the_vendor_is(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    vendor.takes = 9
    vendor.answer = lambda ids: reply(400) if "m-63" in ids else OK
    desk.accept(*names(64))
    nursery.start_soon(desk.actor().run)
    while desk.counted() != {"done": 63, "dead": 1}:
        await trio.sleep(1)
        late = desk.rows(f"select * from delivery where state = 'leased' and due_at < {post.wall()}")
        assert not late
        assert trio.current_time() < 500
    assert trio.current_time() > 100, "or this shows nothing"


async def test_a_paused_integration_sends_nothing(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    desk.accept(*names(3))
    nursery.start_soon(desk.actor(of=post.integration(health=post.Health.PAUSED)).run)
    await trio.sleep(80_000)
    assert vendor.requests == []
    assert desk.counted() == {"pending": 3}


async def test_removed_or_disabled_means_skipped(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    desk.accept(*names(3))
    nursery.start_soon(desk.actor(of=post.integration(removed=True)).run)
    await desk.settled()
    assert desk.counted() == {"skipped": 3}
    assert vendor.requests == []


async def test_an_unknown_host_is_our_fault_and_health_says_so(
    desk: Desk, vendor: Vendor, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    vendor.answer = lambda ids: Misconfigured("the endpoint's host name is not known")
    desk.accept("m-0")
    nursery.start_soon(desk.actor().run)
    await trio.sleep(1)
    assert desk.health() == ("misconfigured", "the endpoint's host name is not known")


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_a_vendor_does_all_arrive_in_order_or_die_for_a_reason(
    desk: Desk, vendor: Vendor, autojump_clock: MockClock, seed: int
) -> None:
    """A vendor with moods, visitors with many events, limits of all kinds, an actor that is stopped and cancelled."""
    dice = random.Random(seed)
    poison = {f"v{dice.randrange(12)}-{dice.randrange(25)}" for _ in range(6)}
    moods = [OK, OK, OK, OK, reply(500), reply(503, retry_after="3"), Retry("reset"), reply(401), reply(429)]

    def answer(ids: list[str]) -> post.Answer:
        mood = dice.choice(moods) if trio.current_time() < 3_000 else OK
        return reply(400) if mood is OK and poison & set(ids) else mood

    vendor.answer = answer
    vendor.takes = lambda: dice.choice([0, 0.1, 2, 20 if trio.current_time() < 3_000 else 0])
    sent = [f"v{number % 12}-{number // 12}" for number in range(300)]
    limits = Limits(items=dice.choice([1, 7, 100]), visitors=dice.choice([None, 3]))
    policy = {"retry_cap_seconds": 20, "max_in_flight": dice.choice([1, 4])}
    mine = post.integration(policy=policy)
    accepted = 0
    while accepted < len(sent):
        async with trio.open_nursery() as running:
            actor = desk.actor(post.destination(limits=limits), mine, jitter=dice.random)
            running.start_soon(actor.run)
            for _ in range(dice.randrange(1, 60)):
                if accepted < len(sent):
                    desk.accept(sent[accepted], visitors=[sent[accepted].split("-")[0]])
                    accepted += 1
                    actor.bell.ring()
                await trio.sleep(dice.choice([0, 0.1, 1]))
            if dice.random() < 0.5:
                running.cancel_scope.cancel()
            actor.stop()
        assert "leased" not in desk.counted(), "who stops leaves nothing behind"
    async with trio.open_nursery() as running:
        running.start_soon(desk.actor(post.destination(limits=limits), mine, jitter=dice.random).run)
        await desk.settled(100_000)
        running.cancel_scope.cancel()
    states = desk.states()
    assert {name for name, state in states.items() if state == "dead"} == poison
    assert sorted(set(vendor.delivered)) == sorted(set(sent) - poison)
    for numbers in post.by_visitor(list(dict.fromkeys(vendor.delivered))).values():
        assert numbers == sorted(numbers), "a visitor's events arrived out of order"
