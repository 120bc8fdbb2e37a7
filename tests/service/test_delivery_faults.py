"""Faults of vendors and networks: what fails is tried again in time, and nobody else notices."""

import math
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import trio

from signal_actor.sandbox import Sandbox
from tests.service.conftest import OpenHouse
from tests.service.house import House, arrived, numbers, tables
from tests.service.invariants import check


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 425, 429])
async def test_what_passes_is_tried_again_with_the_same_id(
    open_house: OpenHouse, sandbox: Sandbox, status: int
) -> None:
    for fake in sandbox.vendors.values():
        fake.faults.add(status=status, when="after", times=2)  # kept twice, though we are told otherwise
    house = await open_house(tables(sandbox))
    await house.track(1)
    await house.settled()
    for slug, fake in sandbox.vendors.items():
        assert list(fake.ledger.counts.values()) == [3], slug
        (row,) = house.rows("select attempts, last_status from v_deliveries where integration = ?", slug)
        assert row["attempts"] == 3
    assert house.value("select group_concat(distinct outcome) from v_attempts") in (
        "retry,delivered",
        "delivered,retry",
    )
    check(house.path)


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_is_honoured(open_house: OpenHouse, sandbox: Sandbox, form: str) -> None:
    told = "1800" if form == "seconds" else format_datetime(datetime.now(UTC) + timedelta(seconds=1800), usegmt=True)
    sandbox.webhook.faults.add(status=429, headers={"Retry-After": told})
    house = await open_house(tables(sandbox, only=("webhook",)))
    await house.track(1)
    await house.until("select count(*) from v_attempts")
    wait = house.value("select unixepoch(due_at) - ? from v_deliveries", math.floor(time.time()))
    assert 1780 <= wait <= 1802
    assert house.backlog("webhook")["health"] == "retrying"


async def test_retry_after_is_bounded_to_an_hour(open_house: OpenHouse, sandbox: Sandbox) -> None:
    sandbox.webhook.faults.add(status=503, headers={"Retry-After": "999999"})
    house = await open_house(tables(sandbox, only=("webhook",)))
    await house.track(1)
    await house.until("select count(*) from v_attempts")
    wait = house.value("select unixepoch(due_at) - ? from v_deliveries", math.floor(time.time()))
    assert 3580 <= wait <= 3602


@pytest.mark.parametrize("fault", [{"cut": "silent"}, {"cut": "midway"}, {"cut": "midway", "when": "after"}])
async def test_cut_connections_cost_an_attempt(open_house: OpenHouse, sandbox: Sandbox, fault: Any) -> None:
    sandbox.webhook.faults.add(**fault)
    house = await open_house(tables(sandbox, only=("webhook",)))
    await house.track(1)
    await house.settled()
    assert set(numbers(sandbox.webhook)) == {1}
    first, second = house.rows("select outcome, status, error from v_attempts order by attempt_id")
    assert first["outcome"] == "retry"
    assert "no answer" in first["error"]
    assert (second["outcome"], second["status"]) == ("delivered", 200)


async def test_a_hanging_vendor_is_given_up_after_the_timeout(open_house: OpenHouse, sandbox: Sandbox) -> None:
    sandbox.webhook.faults.add(hang=True)
    house = await open_house(tables(sandbox, only=("webhook",), delivery={"request_timeout_seconds": 0.2}))
    await house.track(1)
    await house.settled()
    assert numbers(sandbox.webhook) == [1]
    assert "within 0.2 s" in house.rows("select error from v_attempts order by attempt_id")[0]["error"]


async def test_one_vendor_hangs_and_the_others_do_not_notice(house: House, sandbox: Sandbox) -> None:
    sandbox.ometria.faults.add(hang=True, times=None)
    for n in range(40):
        await house.track(n)
    for fake in (sandbox.ninetailed, sandbox.insider, sandbox.webhook):
        await arrived(fake, 40)
    await house.until("select min(done) = 40 from v_backlog where integration <> 'ometria'")
    assert numbers(sandbox.ometria) == []
    assert len(sandbox.ometria.ledger.requests) <= 4  # no more than max_in_flight are stuck with it
    backlog = house.backlog("ometria")
    assert (backlog["done"], backlog["dead"]) == (0, 0)
    assert backlog["pending"] + backlog["leased"] == 40
    assert backlog["oldest_pending_at"] is not None


async def test_after_the_retry_window_a_delivery_is_dead_and_a_replay_opens_a_new_one(
    open_house: OpenHouse, sandbox: Sandbox
) -> None:
    sandbox.webhook.faults.add(status=503, times=None)
    house = await open_house(tables(sandbox, only=("webhook",), delivery={"retry_window_seconds": 0.5}))
    await house.track(1)
    await house.settled()
    (dead,) = house.rows("select reason from v_dead")
    assert "given up after 0.5 s" in dead["reason"]
    assert "503" in dead["reason"]
    sandbox.webhook.faults.clear()
    assert await house.service.execute("replay", {"letters_wanted": {"state": "dead"}}) == 1
    await house.settled()
    assert numbers(sandbox.webhook) == [1]


async def test_a_vendor_in_trouble_is_asked_with_little_and_the_backlog_drains_when_it_is_well(
    open_house: OpenHouse, sandbox: Sandbox
) -> None:
    sandbox.webhook.faults.add(status=503, times=6)
    house = await open_house(tables(sandbox, only=("webhook",)))
    await house.track(*range(1000))
    await house.settled()
    assert sorted(numbers(sandbox.webhook)) == list(range(1000))
    assert house.value("select max(attempts) from v_deliveries") <= 7
    assert house.backlog("webhook")["health"] == "ok"
    check(house.path)


async def test_an_event_that_fails_again_and_again_in_company_is_tried_alone(
    open_house: OpenHouse, sandbox: Sandbox
) -> None:
    """A poisonous event that makes the vendor fall over takes nobody with it."""
    sandbox.webhook.faults.add(status=500, contains='"poison"', times=None)
    house = await open_house(
        tables(sandbox, only=("webhook",), delivery={"retry_window_seconds": 3, "retry_cap_seconds": 0.05})
    )
    await house.track(0, properties={"n": 0, "mark": "poison"})
    await house.track(*range(1, 50))
    await house.settled()
    assert sorted(numbers(sandbox.webhook)) == list(range(1, 50))
    assert house.states("webhook") == ["dead"] + ["done"] * 49


async def test_stopping_while_a_vendor_is_down_is_quick(open_house: OpenHouse, sandbox: Sandbox) -> None:
    sandbox.webhook.faults.add(status=503, times=None)
    house = await open_house(tables(sandbox, only=("webhook",), delivery={"retry_cap_seconds": 300}))
    await house.track(1)
    await house.until("select count(*) from v_attempts")
    with trio.fail_after(8):
        await house.leave()
    assert house.states("webhook") == ["pending"]
    check(house.path)


async def test_due_times_and_health_survive_a_restart(open_house: OpenHouse, sandbox: Sandbox) -> None:
    sandbox.webhook.faults.add(status=429, headers={"Retry-After": "1800"})
    house = await open_house(tables(sandbox, only=("webhook", "ometria"), delivery={"probe_seconds": 60}))
    sandbox.ometria.configure(api_key="rotated")
    await house.track(1)
    await house.until("select count(*) = 2 from v_attempts")
    await house.until("select count(*) = 2 from v_backlog where health <> 'ok'")
    before = house.value("select due_at from v_deliveries where integration = 'webhook'")
    await house.leave()
    house = await open_house(None)
    await sandbox.ometria.ledger.wait_for_requests(2)  # the first thing that a new process does is a probe
    await house.until("select count(*) = 3 from v_attempts")
    await house.track(2)
    await arrived(sandbox.webhook, 1)
    assert numbers(sandbox.webhook) == [2]
    assert house.value("select due_at from v_deliveries where message_id = 'm-1' and integration = 'webhook'") == before
    backlog = house.backlog("ometria")
    assert (backlog["health"], backlog["pending"]) == ("misconfigured", 2)
    await house.leave()
    house = await open_house(tables(sandbox, only=("webhook", "ometria")))  # with the key of today
    await arrived(sandbox.ometria, 2)
    await house.until("select health = 'ok' from v_backlog where integration = 'ometria'")
    check(house.path)
