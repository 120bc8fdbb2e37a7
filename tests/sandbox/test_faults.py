"""Faults over real sockets: what the client meets, and what the vendor kept."""

from typing import Any

import httpx
import pytest
import trio
from pydantic import ValidationError

from signal_actor.sandbox import Fault, Faults
from tests.sandbox.conftest import Sender
from tests.sandbox.examples import EVENTS, call, record, track, user


def batch(*ids: str) -> dict[str, Any]:
    return {"events": [track(name) for name in ids]}


async def test_a_status_strikes_as_often_as_it_says(ninetailed: Sender) -> None:
    ninetailed.fake.faults.add(status=503, times=2)
    answers = [await ninetailed.post(batch("m-1")) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert [entry.status for entry in ninetailed.fake.ledger.requests] == [503, 503, 200]
    assert ninetailed.fake.ledger.ids == ["m-1"]


async def test_faults_are_taken_in_order(ninetailed: Sender) -> None:
    ninetailed.fake.faults.add(status=500)
    ninetailed.fake.faults.add(status=429, headers={"Retry-After": "7"})
    first, second = await ninetailed.post(batch("m-1")), await ninetailed.post(batch("m-1"))
    assert (first.status_code, first.json()["error"]) == (500, {"code": "ERR_INTERNAL_SERVER_ERROR"})
    assert (second.status_code, second.headers["retry-after"]) == (429, "7")


async def test_a_sticky_fault_lasts_until_it_is_cleared(insider: Sender) -> None:
    insider.fake.faults.add(status=403, times=None)
    for _ in range(3):
        assert (await insider.post({"users": [user()]})).json()["message"].startswith("Access Denied")
    insider.fake.faults.clear()
    assert (await insider.post({"users": [user()]})).status_code == 200


async def test_bodies_are_sent_as_given(webhook: Sender) -> None:
    webhook.fake.faults.add(status=502, body="<html>Bad Gateway</html>")
    webhook.fake.faults.add(status=410, body={"gone": True})
    webhook.fake.faults.add(status=204)
    page, gone, empty = [await webhook.post(batch("m-1")) for _ in range(3)]
    assert (page.text, page.headers["content-type"]) == ("<html>Bad Gateway</html>", "text/plain; charset=utf-8")
    assert (gone.json(), empty.status_code, empty.content) == ({"gone": True}, 204, b"")


async def test_after_keeps_what_before_does_not(ometria: Sender) -> None:
    ometria.fake.faults.add(status=500, when="before")
    ometria.fake.faults.add(status=500, when="after")
    assert (await ometria.post([record("r-1")])).status_code == 500
    assert ometria.fake.ledger.ids == []
    assert (await ometria.post([record("r-1")])).status_code == 500
    assert ometria.fake.ledger.ids == ["r-1"]
    assert (await ometria.post([record("r-1")])).status_code == 202
    assert ometria.fake.ledger.duplicates == {"r-1": 2}


@pytest.mark.parametrize("cut", ["silent", "midway"])
@pytest.mark.parametrize(("when", "kept"), [("before", []), ("after", ["m-1"])])
async def test_a_cut_connection(ninetailed: Sender, cut: str, when: str, kept: list[str]) -> None:
    ninetailed.fake.faults.add(cut=cut, when=when)
    with pytest.raises(httpx.RemoteProtocolError):
        await ninetailed.post(batch("m-1"))
    assert ninetailed.fake.ledger.ids == kept
    assert ninetailed.fake.ledger.requests[0].status is None
    assert (await ninetailed.post(batch("m-2"))).status_code == 200


@pytest.mark.parametrize(("when", "kept"), [("before", []), ("after", ["m-1"])])
async def test_a_hang_ends_with_the_clients_patience(ninetailed: Sender, when: str, kept: list[str]) -> None:
    ninetailed.fake.faults.add(hang=True, when=when)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ninetailed.post, batch("m-1"))
        await ninetailed.fake.ledger.wait_for_requests(1)
        await trio.testing.wait_all_tasks_blocked(0.05)
        nursery.cancel_scope.cancel()
    await ninetailed.fake.ledger.wait_until_idle()
    assert (ninetailed.fake.ledger.ids, ninetailed.fake.ledger.requests[0].status) == (kept, None)
    assert (await ninetailed.post(batch("m-2"))).status_code == 200
    assert ninetailed.fake.ledger.ids == [*kept, "m-2"]


async def test_a_delay_before_is_answered_late(ninetailed: Sender) -> None:
    ninetailed.fake.faults.add(delay=0.1)
    started = trio.current_time()
    assert (await ninetailed.post(batch("m-1"))).status_code == 200
    assert trio.current_time() - started >= 0.1


async def test_a_client_that_leaves_during_a_delay_before_is_not_heard(ninetailed: Sender) -> None:
    ninetailed.fake.faults.add(delay=0.2)
    with pytest.raises(httpx.ReadTimeout):
        await ninetailed.client.post(ninetailed.fake.url + EVENTS, json=batch("m-1"), timeout=0.05)
    await ninetailed.fake.ledger.wait_until_idle()
    assert ninetailed.fake.ledger.ids == []
    assert ninetailed.fake.ledger.requests[0].status is None


async def test_a_fault_that_waits_for_a_text_or_an_id(ninetailed: Sender) -> None:
    ninetailed.fake.faults.add(status=500, contains="poison")
    ninetailed.fake.faults.add(status=400, id="m-2", times=None)
    assert (await ninetailed.post(batch("m-1"))).status_code == 200
    assert (await ninetailed.post({"events": [track(event="poison")]})).status_code == 500
    assert [(await ninetailed.post(batch(*ids))).status_code for ids in (["m-1", "m-2"], ["m-2"], ["m-20"])] == [
        *(400, 400, 200)
    ]


async def test_rejected_items_are_refused_in_each_vendors_own_way(
    ninetailed: Sender, insider: Sender, ometria: Sender, webhook: Sender
) -> None:
    for vendor in (ninetailed, insider, ometria, webhook):
        vendor.fake.faults.add(reject=True, contains="bad", times=None)
    assert (await ninetailed.post(batch("m-1", "bad"))).json()["error"] == {"code": "ERR_INVALID_DATA"}
    assert (await webhook.post(batch("m-1", "bad"))).status_code == 400
    data = (await insider.post({"users": [user("u-1"), user("bad"), user("u-2")]})).json()["data"]
    assert (data["successful"], data["fail"]["count"]) == ({"count": 2}, 1)
    assert next(iter(data["fail"]["errors"])).startswith("users.1.")
    body = (await ometria.post([record("r-1"), record("bad")])).json()
    assert (body["accepted"], body["rejected"]) == (1, 1)
    assert ometria.fake.ledger.ids == ["r-1"]
    assert insider.fake.ledger.ids[0].startswith("u-1/")


async def test_one_vendors_fault_is_no_others(ninetailed: Sender, insider: Sender) -> None:
    ninetailed.fake.faults.add(status=503, times=None)
    assert (await insider.post({"users": [user()]})).status_code == 200


def test_the_script_shows_what_is_left() -> None:
    faults = Faults()
    faults.add(status=503, times=3)
    faults.add(hang=True, times=None)
    request = call("/", {})
    assert faults.take(request, []) == Fault(status=503, times=3)
    assert faults.pending == [Fault(status=503, times=2), Fault(hang=True, times=None)]


@pytest.mark.parametrize(
    "fields",
    [
        {"status": 99},
        {"times": 0},
        {"delay": -1},
        {"cut": "off"},
        {"when": "during"},
        {"statuss": 503},
        {"headers": {"Content-Length": "3"}},
        {"headers": {"Retry-After": "1\r\nX: y"}},
        {"headers": {"Retry After": "1"}},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Faults().add(**fields)
