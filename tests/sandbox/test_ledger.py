"""The ledger: order, duplicates, and visitors that meet themselves in flight."""

import pytest
import trio

from signal_actor.sandbox import Item, Ledger
from tests.sandbox.conftest import Sender
from tests.sandbox.examples import OMETRIA_HEADERS, call, identify, record, track


async def test_a_request_is_noted_with_its_items(ninetailed: Sender) -> None:
    await ninetailed.post({"events": [track("m-1"), identify("m-2", "b")]})
    (entry,) = ninetailed.fake.ledger.requests
    assert (entry.method, entry.path, entry.status) == (
        "POST",
        "/v2/organizations/demo-org/environments/main/events",
        200,
    )
    assert entry.headers["content-type"] == "application/json"
    assert entry.items == [Item("m-1", "a-1", track("m-1")), Item("m-2", "b", identify("m-2", "b"))]


async def test_what_is_refused_is_noted_as_a_request_only(ninetailed: Sender) -> None:
    answer = await ninetailed.post({"events": [track(event="")]})
    (entry,) = ninetailed.fake.ledger.requests
    assert (entry.status, entry.reason) == (400, "events[0]: event is required")
    assert answer.headers["x-sandbox-reason"] == entry.reason
    assert not ninetailed.fake.ledger.accepted


async def test_order_and_duplicates(ometria: Sender) -> None:
    await ometria.post([record("r-2"), record("r-1", identity_email="other@example.com")])
    await ometria.post([record("r-2"), record("r-3")])
    ledger = ometria.fake.ledger
    assert ledger.ids == ["r-2", "r-1", "r-2", "r-3"]
    assert ledger.of("jane.doe@example.com") == ["r-2", "r-2", "r-3"]
    assert ledger.duplicates == {"r-2": 2}


async def test_a_visitor_in_flight_twice_is_discovered(ninetailed: Sender) -> None:
    ninetailed.fake.faults.add(delay=0.2, contains="m-1")
    statuses = {}

    async def send(id: str, visitor: str) -> None:
        statuses[id] = (await ninetailed.post({"events": [track(id, visitor)]})).status_code

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send, "m-1", "a")
        await ninetailed.fake.ledger.wait_for_requests(1)
        nursery.start_soon(send, "m-2", "a")
        nursery.start_soon(send, "m-3", "b")
    assert statuses == {"m-1": 200, "m-2": 429, "m-3": 200}
    assert ninetailed.fake.ledger.overlaps == ["a"]
    assert (await ninetailed.post({"events": [track("m-2", "a")]})).status_code == 200


async def test_requests_one_after_the_other_never_overlap(ninetailed: Sender) -> None:
    for n in range(100):
        assert (await ninetailed.post({"events": [track(f"m-{n}")]})).status_code == 200
    assert ninetailed.fake.ledger.overlaps == []


async def test_waiting_ends_with_the_last_different_item(ometria: Sender) -> None:
    ledger = ometria.fake.ledger
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ledger.wait_for, 2)
        await ometria.post([record("r-1")])
        await ometria.post([record("r-1")])
        await trio.testing.wait_all_tasks_blocked(0.02)
        assert len(nursery.child_tasks) == 1
        await ometria.post([record("r-2")])
    assert ledger.counts.total() == 3


async def test_lean_records_keep_ids_only(ninetailed: Sender) -> None:
    ninetailed.fake.configure(record="ids")
    await ninetailed.post({"events": [track("m-1")]})
    ledger = ninetailed.fake.ledger
    assert ledger.accepted == [Item("m-1", "a-1", None)]
    assert (ledger.requests[0].items, ledger.requests[0].headers) == ((), {})


def test_the_rate_window_slides() -> None:
    ledger = Ledger(window=1.0)
    recent = []
    for clock in (0.0, 0.5, 0.99, 1.0, 1.6, 9.0):
        ledger.arrive(call("/", {}), [], at=0, clock=clock, lean=False)
        recent.append(ledger.recent)
    assert recent == [1, 2, 3, 3, 3, 1]


@pytest.mark.parametrize("requests", [8, 9])
async def test_ometrias_rate_is_enforced_when_it_is_set(ometria: Sender, requests: int) -> None:
    ometria.fake.configure(requests_per_second=8)
    statuses = [(await ometria.post([record(f"r-{n}")])).status_code for n in range(requests)]
    assert statuses == ([202] * 8 + [429])[:requests]


async def test_what_ometria_finds_wrong_later_is_listed_newest_first(ometria: Sender) -> None:
    await ometria.post([record("r-1", timestamp="yesterday")])
    await ometria.post([record("r-2", event_type="")])
    url = f"{ometria.fake.url}/v2/push/_errors"
    listed = (await ometria.client.get(url, headers=OMETRIA_HEADERS)).json()
    assert [error["error_path"] for error in listed] == ["root > event_type", "root > timestamp"]


def test_leaving_twice_frees_nobody_else() -> None:
    ledger, request, items = Ledger(window=1.0), call("/", {}), [Item("m-1", "a", {})]
    first, second = (ledger.arrive(request, items, at=0, clock=0, lean=False) for _ in range(2))
    assert (first.overlaps, second.overlaps) == ((), ("a",))
    ledger.leave(first)
    ledger.leave(first)
    assert ledger.arrive(request, items, at=0, clock=0, lean=False).overlaps == ("a",)


async def test_clearing_forgets_all_but_what_is_in_flight() -> None:
    ledger, request, items = Ledger(window=1.0), call("/", {}), [Item("m-1", "a", {})]
    ledger.arrive(request, items, at=0, clock=0, lean=False)
    ledger.accept(items, errors=(), lean=False)
    ledger.clear()
    assert (ledger.requests, ledger.ids, ledger.duplicates) == ([], [], {})
    assert ledger.arrive(request, items, at=0, clock=0, lean=False).overlaps == ("a",)
