"""Order and exclusion: a visitor's events arrive as they were accepted, never two at once, whatever the vendor does."""

import random
from typing import Any

import pytest
import trio

from signal_actor.sandbox import Sandbox
from tests.service.conftest import OpenHouse
from tests.service.house import House, arrived, numbered, numbers, tables
from tests.service.invariants import check

VISITORS = 12
EVENTS = 240


def by_visitor(found: list[int]) -> dict[int, list[int]]:
    """Numbers in order of arrival, first arrivals only."""
    seen: dict[int, list[int]] = {}
    for n in dict.fromkeys(found):
        seen.setdefault(n % VISITORS, []).append(n)
    return seen


@pytest.mark.parametrize("seed", range(3))
async def test_order_and_exclusion_hold_under_faults(open_house: OpenHouse, sandbox: Sandbox, seed: int) -> None:
    dice = random.Random(seed)
    house = await open_house(tables(sandbox, delivery={"request_timeout_seconds": 0.4, "retry_cap_seconds": 0.1}))
    for fake in sandbox.vendors.values():
        for _ in range(12):
            fake.faults.add(**dice.choice(FAULTS), contains=f"visitor-{dice.randrange(VISITORS)}")
    start = 0
    while start < EVENTS:
        size = dice.randrange(1, 60)
        batch = [numbered(n, visitor=f"visitor-{n % VISITORS}") for n in range(start, min(start + size, EVENTS))]
        assert (await house.post("/v1/batch", {"batch": batch})).status_code == 200
        await trio.sleep(dice.random() * 0.05)
        start += size
    await house.settled()
    for slug, fake in sandbox.vendors.items():
        assert house.backlog(slug)["done"] == EVENTS
        assert fake.ledger.overlaps == []
        assert by_visitor(numbers(fake)) == {v: list(range(v, EVENTS, VISITORS)) for v in range(VISITORS)}
    check(house.path)


FAULTS: list[dict[str, Any]] = [
    {"status": 503},
    {"status": 500, "body": "<html><title>oops</title></html>"},
    {"status": 429, "headers": {"Retry-After": "0"}},
    {"status": 408},
    {"cut": "silent"},
    {"cut": "midway"},
    {"cut": "silent", "when": "after"},
    {"delay": 0.05},
    {"delay": 0.05, "when": "after"},
    {"hang": True},
]


async def test_a_visitor_whose_event_waits_waits_and_all_others_go_on(open_house: OpenHouse, sandbox: Sandbox) -> None:
    """Also where all of them failed in company before, and the one that still fails is the first of each round."""
    sandbox.webhook.faults.add(status=503, times=8)
    sandbox.webhook.faults.add(status=503, contains='"slow"', times=None)
    house = await open_house(tables(sandbox, only=("webhook",), delivery={"retry_cap_seconds": 0.05}))
    batch = [numbered(n, visitor="slow" if n < 3 else None) for n in range(30)]
    assert (await house.post("/v1/batch", {"batch": batch})).status_code == 200
    await arrived(sandbox.webhook, 27)
    assert sorted(numbers(sandbox.webhook)) == list(range(3, 30))
    sandbox.webhook.faults.clear()
    await house.settled()
    assert [n for n in numbers(sandbox.webhook) if n < 3] == [0, 1, 2]
    check(house.path)


async def test_a_visitor_known_by_user_id_alone_keeps_the_order_too(house: House, sandbox: Sandbox) -> None:
    sandbox.webhook.faults.add(status=503, times=2)
    for n in range(6):
        event = numbered(n, userId="u")
        del event["anonymousId"]
        response = await house.request("POST", "/v1/t", event, headers={"X-Write-Key": "dk_test_0123456789"})
        assert response.status_code == 200
    await house.settled()
    assert numbers(sandbox.webhook) == list(range(6))
    assert sandbox.webhook.ledger.overlaps == []


async def test_a_replayed_event_does_not_meet_the_one_in_flight(open_house: OpenHouse, sandbox: Sandbox) -> None:
    sandbox.webhook.faults.add(status=400, times=1)
    house = await open_house(tables(sandbox, only=("webhook",)))
    await house.track(0, visitor="a")
    await house.settled()
    assert house.states("webhook") == ["dead"]
    sandbox.webhook.faults.add(delay=0.5)
    await house.track(1, visitor="a")
    await sandbox.webhook.ledger.wait_for_requests(2)
    assert await house.service.execute("replay", {"letters_wanted": {"state": "dead"}}) == 1
    await house.settled()
    assert numbers(sandbox.webhook) == [1, 0]
    assert sandbox.webhook.ledger.overlaps == []


async def test_a_replayed_event_waits_for_the_end_of_a_lease_that_takes_several_requests(
    open_house: OpenHouse, sandbox: Sandbox
) -> None:
    sandbox.webhook.faults.add(status=400, times=1)
    house = await open_house(tables(sandbox, only=("webhook",)))
    await house.track(0, visitor="a")
    await house.settled()
    sandbox.webhook.faults.add(delay=0.2, times=None)
    large = [numbered(n, visitor="a", properties={"n": n, "x": "x" * 500_000}) for n in range(1, 10)]
    assert (await house.post("/v1/batch", {"batch": large})).json()["accepted"] == 9  # three at a time fit
    await sandbox.webhook.ledger.wait_for_requests(2)
    assert await house.service.execute("replay", {"letters_wanted": {"state": "dead"}}) == 1
    await sandbox.webhook.ledger.wait_for_requests(3)
    await house.track(10)  # makes the actor look for more
    await house.settled()
    assert [n for n in numbers(sandbox.webhook) if n != 10] == [*range(1, 10), 0]
    assert sandbox.webhook.ledger.overlaps == []


async def test_ninetaileds_limits_hold_for_a_crowd(open_house: OpenHouse, sandbox: Sandbox) -> None:
    """At most 200 events, 50 identifies and 50 profiles a call, which the sandbox refuses beyond."""
    house = await open_house(tables(sandbox, only=("ninetailed",)))
    sandbox.ninetailed.faults.add(delay=0.2, times=4)  # so that there is something to batch
    batch: list[dict[str, Any]] = []
    for n in range(480):
        visitor = f"visitor-{n % 120}"
        if n % 3:
            batch.append(numbered(n, visitor=visitor))
        else:
            traits = {"n": n}
            batch.append({"type": "identify", "userId": visitor, "anonymousId": visitor, "traits": traits})
    assert (await house.post("/v1/batch", {"batch": batch})).json()["accepted"] == 480
    await house.settled()
    assert set(house.states("ninetailed")) == {"done"}
    assert {entry.status for entry in sandbox.ninetailed.ledger.requests} == {200}
    assert sandbox.ninetailed.ledger.overlaps == []
    assert max(len(entry.items) for entry in sandbox.ninetailed.ledger.requests) > 50


async def test_ometria_gets_at_most_100_records_a_request(open_house: OpenHouse, sandbox: Sandbox) -> None:
    house = await open_house(tables(sandbox, only=("ometria",)))
    await house.track(*range(450))
    await house.settled()
    assert sorted(numbers(sandbox.ometria)) == list(range(450))
    assert {entry.status for entry in sandbox.ometria.ledger.requests} == {202}
    assert max(len(entry.items) for entry in sandbox.ometria.ledger.requests) == 100
