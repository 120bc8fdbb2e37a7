"""Control over HTTP: what a script in another process can see and do."""

from typing import Any

import pytest
import trio

from tests.sandbox.conftest import Sender
from tests.sandbox.examples import record, track


async def test_requests_and_accepted_items_are_shown_and_forgotten(ninetailed: Sender) -> None:
    control = f"{ninetailed.fake.url}/_sandbox"
    await ninetailed.post({"events": [track("m-1"), track("m-2")]})
    await ninetailed.post({"events": [track("m-1")]})
    first, second = (await ninetailed.client.get(f"{control}/requests")).json()
    assert (first["method"], first["status"], second["serial"]) == ("POST", 200, 2)
    assert first["items"][0] == {"id": "m-1", "visitor": "a-1", "payload": track("m-1")}
    assert (await ninetailed.client.get(f"{control}/accepted")).json() == {
        "different": 2,
        "ids": ["m-1", "m-2", "m-1"],
        "duplicates": {"m-1": 2},
        "overlaps": [],
    }
    assert (await ninetailed.client.delete(f"{control}/requests")).status_code == 204
    assert (await ninetailed.client.get(f"{control}/requests")).json() == []
    assert (await ninetailed.client.get(f"{control}/accepted")).json()["ids"] == []


async def test_waiting_over_http(ometria: Sender) -> None:
    answers = []

    async def wait() -> None:
        url = f"{ometria.fake.url}/_sandbox/accepted?wait_for=2&timeout=5"
        answers.append((await ometria.client.get(url)).json()["ids"])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await ometria.post([record("r-1")])
        await ometria.post([record("r-2")])
    assert answers == [["r-1", "r-2"]]


async def test_waiting_gives_up(ometria: Sender) -> None:
    url = f"{ometria.fake.url}/_sandbox/accepted?wait_for=1&timeout=0.01"
    assert (await ometria.client.get(url)).json()["different"] == 0


async def test_faults_are_added_listed_and_removed(ninetailed: Sender) -> None:
    control = f"{ninetailed.fake.url}/_sandbox/faults"
    script = [{"status": 503, "times": 2}, {"hang": True, "times": None}]
    listed = (await ninetailed.client.post(control, json=script)).json()
    assert [(fault["status"], fault["hang"], fault["times"]) for fault in listed] == [
        (503, False, 2),
        (None, True, None),
    ]
    assert (await ninetailed.post({"events": [track()]})).status_code == 503
    assert (await ninetailed.client.get(control)).json()[0]["times"] == 1
    assert (await ninetailed.client.delete(control)).status_code == 204
    assert (await ninetailed.post({"events": [track()]})).status_code == 200


async def test_settings_are_shown_and_changed(ninetailed: Sender) -> None:
    control = f"{ninetailed.fake.url}/_sandbox/settings"
    assert (await ninetailed.client.get(control)).json()["organization_id"] == "demo-org"
    changed = (await ninetailed.client.post(control, json={"organization_id": "other"})).json()
    assert (changed["organization_id"], changed["environment_slug"]) == ("other", "main")
    assert (await ninetailed.post({"events": [track()]})).status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("faults", b"{", "the body is not JSON"),
        ("faults", b'{"statuss": 503}', "statuss: Extra inputs are not permitted"),
        ("faults", b'[{"status": 503}, {"times": 0}]', "times: Input should be greater than or equal to 1"),
        ("settings", b"[]", "settings are an object"),
        ("settings", b'{"strict": "perhaps"}', "strict: Input should be a valid boolean"),
    ],
)
async def test_nonsense_changes_nothing(ninetailed: Sender, path: str, body: bytes, error: str) -> None:
    answer = await ninetailed.client.post(f"{ninetailed.fake.url}/_sandbox/{path}", content=body)
    assert (answer.status_code, answer.json()["error"].startswith(error)) == (400, True)
    assert ninetailed.fake.faults.pending == []


async def test_a_nonsense_wait(ninetailed: Sender) -> None:
    for query in ("wait_for=many", "wait_for=inf", "timeout=soon", "timeout=nan"):
        answer = await ninetailed.client.get(f"{ninetailed.fake.url}/_sandbox/accepted?{query}")
        assert answer.status_code == 400


async def test_unknown_paths_and_control_itself_leave_no_trace(ninetailed: Sender) -> None:
    answer: Any = await ninetailed.client.get(f"{ninetailed.fake.url}/_sandbox/nothing")
    assert answer.status_code == 404
    assert ninetailed.fake.ledger.requests == []
