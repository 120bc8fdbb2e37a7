"""Limits: the rate of a pipeline, a full disk, a file at its bound, and how each of them passes."""

import os
from typing import Any

import pytest
import trio

from signal_actor import janitor
from signal_actor.sandbox import Sandbox
from tests.service.conftest import OpenHouse
from tests.service.house import ORIGIN, PATIENCE, SERVER, House, eventually, numbered, tables


def limited(response: Any) -> bool:
    """Whether the pipeline's rate is used up; checks the answer that says so."""
    if response.status_code == 200:
        return False
    assert (response.status_code, response.json()["code"]) == (429, "rate_limited")
    assert int(response.headers["retry-after"]) >= 1
    assert response.headers.get("access-control-allow-origin") in (ORIGIN, None)
    return True


async def test_a_burst_of_one_seconds_worth_and_then_429(open_house: OpenHouse, sandbox: Sandbox) -> None:
    door = await open_house(tables(pipeline={"rate_limit_rps": 5}))
    answers = [limited(await door.post("/v1/t", numbered(n))) for n in range(60)]
    assert not any(answers[:5])
    assert any(answers[5:])
    assert len(door.stored()) == answers.count(False)


async def test_a_batch_is_admitted_while_any_is_left_and_owes_the_rest(open_house: OpenHouse, sandbox: Sandbox) -> None:
    door = await open_house(tables(pipeline={"rate_limit_rps": 10}))
    batch = {"batch": [numbered(n) for n in range(500)]}
    assert (await door.request("POST", "/v1/batch", batch, headers=SERVER)).status_code == 200
    response = await door.post("/v1/t", numbered(1000))
    assert limited(response)
    assert int(response.headers["retry-after"]) >= 40  # 490 events are owed, ten a second
    assert (await door.request("OPTIONS", "/v1/t", headers={"Origin": ORIGIN})).status_code == 204


async def test_the_limit_is_each_pipelines_own(open_house: OpenHouse, sandbox: Sandbox) -> None:
    wanted = tables(pipeline={"rate_limit_rps": 1})
    wanted["pipelines"]["other"] = {"pipeline_keys": ["dk_other"], "allowed_origins": [ORIGIN]}
    door = await open_house(wanted)
    await door.track(*range(50))
    assert limited(await door.post("/v1/t", numbered(100)))
    assert not limited(await door.post("/v1/t", numbered(100), Authorization="Bearer dk_other"))


async def overloaded(door: House) -> None:
    for headers in ({}, {"Origin": "https://a.shop.example.com"}):
        response = await door.post("/v1/t", numbered(1), **headers)
        assert (response.status_code, response.json()["code"]) == (503, "overloaded")
        assert int(response.headers["retry-after"]) >= 1
        assert response.headers["access-control-allow-origin"].endswith("shop.example.com")
        assert "set-cookie" not in response.headers
    ready = await door.request("GET", "/readyz")
    assert (ready.status_code, ready.json()["code"]) == (503, "overloaded")
    assert (await door.request("GET", "/healthz")).status_code == 200


async def accepts_again(door: House, n: int) -> None:
    with trio.fail_after(PATIENCE):
        while (await door.post("/v1/t", numbered(n))).status_code != 200:
            await trio.sleep(0.02)
    assert (await door.request("GET", "/readyz")).status_code == 200


async def test_a_full_disk_is_a_503_until_there_is_room_again(
    open_house: OpenHouse, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(janitor, "LOOK_SECONDS", 0.02)
    free = [10**9]
    monkeypatch.setattr(janitor, "_free", lambda folder: free[0])
    door = await open_house(tables(sandbox, only=("webhook",), retention={"min_free_bytes": 1_000_000}))
    await accepts_again(door, 1)
    free[0] = 999_999
    await eventually(lambda: door.service.janitor.refusing)
    await overloaded(door)
    await door.settled()  # what was accepted goes on being delivered
    free[0] = 10**9
    await accepts_again(door, 2)
    await door.settled()
    assert door.states("webhook") == ["done", "done"]


async def test_a_file_at_max_bytes_is_a_503_until_history_has_made_room(
    open_house: OpenHouse, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(janitor, "LOOK_SECONDS", 0.02)
    sandbox.webhook.faults.add(status=503, times=None)
    bound = 3_000_000
    door = await open_house(tables(sandbox, only=("webhook",), retention={"max_bytes": bound}))
    n, refused = 0, None
    while refused is None and n < 2_000:
        response = await door.post("/v1/t", {**numbered(n), "context": {"x": "x" * 20_000}})
        if response.status_code == 503:
            refused = response
        n += 1
    assert refused is not None
    assert refused.json()["code"] == "overloaded"
    await overloaded(door)
    assert os.stat(door.path).st_size <= bound
    sandbox.webhook.faults.clear()  # now the backlog can leave, and its history with it
    await accepts_again(door, 10_000)
    await door.settled()
    assert len(sandbox.webhook.ledger.counts) == n  # all that were accepted, and the last one


async def test_a_commit_that_fails_is_a_503_and_stores_nothing(
    open_house: OpenHouse, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own bound on the file's pages gives the very error that a full disk gives."""
    door = await open_house(tables())
    await door.track(1)
    writer = door.service.database.writer.connection
    pages = writer.execute("pragma page_count").fetchone()[0]
    writer.execute(f"pragma max_page_count = {pages}")
    large = {**numbered(2), "properties": {"x": "x" * 200_000}}
    response = await door.post("/v1/t", large)
    assert (response.status_code, response.json()["code"]) == (503, "overloaded")
    assert int(response.headers["retry-after"]) >= 1
    assert len(door.stored()) == 1
    writer.execute("pragma max_page_count = 1000000")
    assert (await door.post("/v1/t", large)).status_code == 200
    assert [event["message_id"] for event in door.stored()] == ["m-1", "m-2"]
