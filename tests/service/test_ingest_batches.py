"""Batches, the SDKs' endpoints, and messages that come twice."""

import time
from typing import Any

import pytest

from signal_actor.sandbox import Sandbox
from tests.service.conftest import OpenHouse
from tests.service.house import BROWSER, ORIGIN, SERVER, House, numbered, tables


@pytest.fixture
async def door(open_house: OpenHouse, sandbox: Sandbox) -> House:
    return await open_house(tables())


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/b", "/beacon/v1/batch"])
async def test_valid_events_of_a_batch_are_stored_and_the_others_named(door: House, path: str) -> None:
    batch: list[Any] = [numbered(1), {"type": "track"}, 7, None, numbered(2), {**numbered(3), "context": []}]
    batch += [{**numbered(4), "context": "x"}, {"type": "track", "event": "x"}, {"type": "nonsense"}]
    response = await door.request("POST", path, {"batch": batch}, headers=SERVER)
    assert response.status_code == 200
    answer = response.json()
    assert (answer["success"], answer["accepted"]) == (True, 2)
    assert [item["index"] for item in answer["rejected"]] == [1, 2, 3, 5, 6, 7, 8]
    assert {item["error"] for item in answer["rejected"]} == {"invalid_payload"}
    assert "anonymousId" in answer["rejected"][5]["message"]
    assert [event["message_id"] for event in door.stored()] == ["m-1", "m-2"]


async def test_a_batch_in_which_nothing_is_valid_is_still_heard(door: House) -> None:
    response = await door.request("POST", "/v1/batch", {"batch": [{"type": "track"}]}, headers=SERVER)
    assert response.status_code == 200
    assert response.json()["accepted"] == 0


@pytest.mark.parametrize("body", [{}, {"batch": []}, {"batch": {}}, {"batch": "x"}, [], "x", 1])
async def test_what_is_no_batch_is_a_400(door: House, body: Any) -> None:
    response = await door.request("POST", "/v1/batch", body, headers=SERVER)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_payload")


async def test_more_than_500_events_are_a_413(door: House) -> None:
    body = {"batch": [numbered(n) for n in range(501)]}
    response = await door.request("POST", "/v1/batch", body, headers=SERVER)
    assert (response.status_code, response.json()["code"]) == (413, "payload_too_large")
    assert door.stored() == []
    body["batch"].pop()
    assert (await door.request("POST", "/v1/batch", body, headers=SERVER)).json()["accepted"] == 500


async def test_the_envelopes_context_and_sent_at_are_for_all(door: House) -> None:
    now = time.time()
    sent, said = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - back)) for back in (3600, 3660))
    event = {**numbered(1), "timestamp": said, "context": {"locale": "de"}}
    body = {"batch": [event], "sentAt": sent, "context": {"locale": "en", "library": {"name": "x"}}}
    assert (await door.request("POST", "/v1/batch", body, headers=SERVER)).status_code == 200
    context, corrected, received = (
        door.value(f"select payload ->> '$.{path}' from v_events") for path in ("context", "timestamp", "receivedAt")
    )
    assert context == '{"locale":"de","library":{"name":"x"}}'
    # The client's clock is an hour late, its event a minute old: about a minute before it was received.
    age = door.value("select unixepoch(?) - unixepoch(?)", received, corrected)
    assert 59 <= age <= 61


@pytest.mark.parametrize("prefix", ["/v1", "/api/s"])
@pytest.mark.parametrize(
    ("path", "event"),
    [
        ("track", {"event": "x"}),
        ("page", {"name": "x"}),
        ("identify", {"userId": "u"}),
        ("group", {"groupId": "g"}),
        ("alias", {"userId": "u", "previousId": "v"}),
        ("screen", {"name": "x"}),
    ],
)
async def test_each_type_has_an_endpoint_for_sdks(door: House, prefix: str, path: str, event: Any) -> None:
    body = {"type": path, "anonymousId": "a", **event}
    assert (await door.request("POST", f"{prefix}/{path}", body, headers=SERVER)).status_code == 200
    if path in ("alias", "screen"):
        assert (await door.request("POST", f"/v1/{path[0]}", body, headers=SERVER)).status_code == 200
    assert {event["type"] for event in door.stored()} == {path}


async def test_a_server_must_say_whom_it_means(door: House) -> None:
    nobody = {"type": "track", "event": "x"}
    response = await door.request("POST", "/v1/t", nobody, headers=SERVER)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_payload")
    for known in ({"userId": "u"}, {"anonymousId": "a"}):
        assert (await door.request("POST", "/v1/t", nobody | known, headers=SERVER)).status_code == 200
    cookie = SERVER | {"Cookie": "_dfid=from-the-cookie"}
    assert (await door.request("POST", "/v1/t", nobody, headers=cookie)).status_code == 200
    assert [event["anonymous_id"] for event in door.stored()] == [None, "a", "from-the-cookie"]


async def test_a_repeated_message_is_stored_once(door: House) -> None:
    for _ in range(3):
        response = await door.post("/v1/t", numbered(1))
        assert (response.status_code, response.json()) == (200, {"success": True})
    batch = {"batch": [numbered(1), numbered(2), numbered(2), numbered(3)]}
    response = await door.request("POST", "/v1/batch", batch, headers=SERVER)
    assert response.json() == {"success": True, "accepted": 4, "rejected": []}
    assert [event["message_id"] for event in door.stored()] == ["m-1", "m-2", "m-3"]


async def test_a_repeat_is_recognised_across_a_restart(open_house: OpenHouse, sandbox: Sandbox) -> None:
    door = await open_house(tables())
    await door.track(1, 2)
    await door.leave()
    door = await open_house(None)
    await door.track(2, 3)
    assert [event["message_id"] for event in door.stored()] == ["m-1", "m-2", "m-3"]


async def test_the_same_message_may_be_in_two_pipelines(open_house: OpenHouse, sandbox: Sandbox) -> None:
    wanted = tables()
    wanted["pipelines"]["other"] = {"pipeline_keys": ["dk_other"], "allowed_origins": [ORIGIN]}
    door = await open_house(wanted)
    await door.track(1)
    assert (await door.post("/v1/t", numbered(1), Authorization="Bearer dk_other")).status_code == 200
    assert sorted(event["pipeline"] for event in door.stored()) == ["other", "shop"]


async def test_events_without_a_message_id_get_one_of_their_own(door: House) -> None:
    event = {"type": "track", "event": "x", "messageId": ""}
    for _ in range(2):
        assert (await door.request("POST", "/v1/t", event, headers=BROWSER)).status_code == 200
    ids = [event["message_id"] for event in door.stored()]
    assert len(set(ids)) == 2
    assert all(len(text) == 36 for text in ids)
