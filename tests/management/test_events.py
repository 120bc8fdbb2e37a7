"""Events and deliveries: searched, told whole, replayed and discarded."""

from collections import Counter
from typing import Any

import pytest

from signal_actor.store import letters, search, walk
from tests.management.desk import ADMIN, Desk
from tests.service.conftest import OpenHouse
from tests.service.house import House, numbered, tables

SEARCHES: list[tuple[dict[str, str], list[str]]] = [
    ({}, ["m-3", "m-2", "m-1"]),
    ({"type": "identify"}, ["m-2"]),
    ({"event": "Signed Up"}, ["m-1"]),
    ({"event": "Home"}, ["m-3"]),
    ({"user_id": "u-2"}, ["m-3", "m-2"]),
    ({"anonymous_id": "visitor-1"}, ["m-1"]),
    ({"message_id": "m-3"}, ["m-3"]),
    ({"pipeline": "shop"}, ["m-3", "m-2", "m-1"]),
    ({"pipeline": "nowhere"}, []),
    ({"integration": "insider", "state": "done"}, ["m-3", "m-2", "m-1"]),
    ({"integration": "ometria", "state": "skipped"}, ["m-2"]),
    ({"integration": "nowhere"}, []),
    ({"state": "dead"}, []),
    ({"since": "2100-01-01T00:00:00Z"}, []),
    ({"until": "2020-01-01T00:00:00Z"}, []),
    ({"since": "2020-01-01T00:00:00Z", "until": "2100-01-01"}, ["m-3", "m-2", "m-1"]),
]


@pytest.fixture
async def stored(house: House) -> House:
    await house.track(1)
    identify = {"type": "identify", "userId": "u-2", "anonymousId": "v-2", "messageId": "m-2", "traits": {"plan": "x"}}
    await house.post("/v1/i", identify)
    await house.post("/v1/p", {"type": "page", "name": "Home", "anonymousId": "v-2", "messageId": "m-3"})
    await house.settled()
    return house


async def test_events_are_found_by_everything_that_the_contract_names(stored: House, viewer: Desk) -> None:
    for params, wanted in SEARCHES:
        found = await viewer.all("/events", limit=2, **params)
        assert [event["message_id"] for event in found] == wanted, params
    (newest, *_) = await viewer.all("/events", limit=10)
    assert newest["deliveries"] == {"ninetailed": "done", "insider": "done", "ometria": "done", "webhook": "done"}
    assert newest["payload"]["name"] == "Home"
    for params in ({"state": "gone"}, {"since": "yesterday"}, {"cursor": "?"}, {"limit": "0"}, {"colour": "red"}):
        await viewer.refused(400, "GET", "/events", **params)


async def test_a_message_id_may_look_like_a_path(house: House, viewer: Desk) -> None:
    await house.post("/v1/t", {**numbered(1), "messageId": "a/b c?d#e"})
    assert (await viewer.ok("GET", "/events/a%2Fb%20c%3Fd%23e"))["message_id"] == "a/b c?d#e"


@pytest.mark.parametrize(("path", "each"), [("/events", 1), ("/deliveries", 4)])
async def test_pages_stand_still_while_events_come_in(stored: House, viewer: Desk, path: str, each: int) -> None:
    found: list[str] = []
    page = await viewer.ok("GET", path, limit=1)
    while page["has_more"]:
        found += [item["message_id"] for item in page["data"]]
        await stored.track(len(found) + 10)
        page = await viewer.ok("GET", path, limit=1, cursor=page["next_cursor"])
    found += [item["message_id"] for item in page["data"]]
    assert found == [name for name in ("m-3", "m-2", "m-1") for _ in range(each)]


async def test_a_page_ends_where_its_payloads_are_large(stored: House, viewer: Desk, monkeypatch: Any) -> None:
    for room, pages in ((1, [["m-3"], ["m-2"], ["m-1"]]), (10**6, [["m-3", "m-2", "m-1"]])):
        monkeypatch.setattr(search, "PAGE_CHARS", room)
        found, after = [], None
        while not found or after:
            page = await viewer.ok("GET", "/events", limit=100, **({"cursor": after} if after else {}))
            found.append([event["message_id"] for event in page["data"]])
            after = page["next_cursor"]
        assert [page for page in found if page] == pages, room


async def test_one_event_is_told_whole(stored: House, viewer: Desk) -> None:
    story = await viewer.ok("GET", "/events/m-2")
    assert story == await viewer.ok("GET", f"/events/{story['event_id']}")
    states = {each["integration"]: each["state"] for each in story["deliveries"]}
    assert states == {"ninetailed": "done", "insider": "done", "ometria": "skipped", "webhook": "done"}
    assert {attempt["integration"] for attempt in story["attempts"]} == {"ninetailed", "insider", "webhook"}
    for attempt in story["attempts"]:
        assert (attempt["outcome"], attempt["status"]) == ("delivered", 200)
        assert "u-2" in attempt["request_body"]
        assert attempt["response_body"] is not None
    await viewer.refused(404, "GET", "/events/nothing")
    await viewer.refused(404, "GET", "/events/12")


async def test_searches_page_through_windows_and_budgets(
    house: House, viewer: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.track(*range(40))
    await house.settled()
    monkeypatch.setattr(walk, "LEAST", 1)
    monkeypatch.setattr(walk, "STEP_SECONDS", 0.0)
    monkeypatch.setattr(search, "BUDGET", 0.0)
    everything = [f"m-{n}" for n in reversed(range(40))]
    for limit in (1, 2, 3, 7, 100):
        found = await viewer.all("/events", limit=limit)
        assert [event["message_id"] for event in found] == everything, limit
        listed = await viewer.all("/deliveries", limit=limit)
        assert Counter(item["message_id"] for item in listed) == dict.fromkeys(everything, 4), limit
        assert [item["message_id"] for item in listed] == [name for name in everything for _ in range(4)]
        only = await viewer.all("/deliveries", limit=limit, integration="insider", state="done")
        assert [item["message_id"] for item in only] == everything
    assert [event["message_id"] for event in await viewer.all("/events", limit=5, anonymous_id="visitor-3")] == ["m-3"]


async def dead(house: House, editor: Desk, *numbers: int) -> int:
    """Makes the insider deliveries of new events dead, by a mapping that they cannot fulfil."""
    insider = await editor.integration("insider")
    path = f"/integrations/{insider['id']}/mappings"
    impossible = {"other": {"fields": {"x": {"source": "properties.nothing", "required": True}}}}
    await editor.ok("PUT", path, {"mappings": impossible})
    await house.track(*numbers)
    await house.settled()
    await editor.ok("PUT", path, {"mappings": {}})
    return int(insider["id"])


async def test_dead_letters_are_counted_and_then_replayed(house: House, editor: Desk) -> None:
    await dead(house, editor, 1, 2, 3)
    listed = await editor.all("/deliveries", limit=2, state="dead")
    assert [(item["integration"], item["message_id"]) for item in listed] == [("insider", f"m-{n}") for n in (3, 2, 1)]
    assert "nothing" not in listed[0]["last_error"]
    assert "required" in listed[0]["last_error"]
    everything = {
        "integration": "insider",
        "pipeline": "shop",
        "event": "Signed Up",
        "since": "2020-01-01",
        "dry_run": True,
    }
    assert await editor.ok("POST", "/deliveries/replay", everything) == {"count": 3}
    assert await editor.ok("POST", "/deliveries/replay", {"event": "Other", "dry_run": True}) == {"count": 0}
    assert house.states("insider") == ["dead"] * 3
    one = {"event_ids": [listed[0]["event_id"]]}
    assert await editor.ok("POST", "/deliveries/replay", one) == {"count": 1}
    await house.until("select count(*) = 1 from v_deliveries where integration = 'insider' and state = 'done'")
    assert await editor.ok("POST", "/deliveries/replay", {"state": "dead"}) == {"count": 2}
    await house.settled()
    assert house.states("insider") == ["done"] * 3
    assert set(house.sandbox.vendors["ometria"].ledger.counts.values()) == {1}  # the others were not sent again


async def test_discarded_deliveries_say_by_whom(house: House, editor: Desk) -> None:
    await dead(house, editor, 1, 2)
    assert await editor.ok("POST", "/deliveries/discard", {"integration": "insider", "dry_run": True}) == {"count": 2}
    assert await editor.ok("POST", "/deliveries/discard", {"integration": "insider"}) == {"count": 2}
    rows = house.rows("select state, last_error from v_deliveries where integration = 'insider'")
    assert rows == [{"state": "skipped", "last_error": "discarded by editor's"}] * 2
    for path, state in (("replay", "done"), ("replay", "pending"), ("discard", "done"), ("discard", "skipped")):
        await editor.refused(400, "POST", f"/deliveries/{path}", {"state": state})


async def test_pending_deliveries_can_be_discarded(house: House, editor: Desk) -> None:
    webhook = await editor.integration("webhook")
    await editor.ok("POST", f"/integrations/{webhook['id']}/pause")
    await house.track(1, 2)
    assert await editor.ok("POST", "/deliveries/discard", {"integration": "webhook", "state": "pending"}) == {
        "count": 2
    }
    await house.settled()
    assert house.states("webhook") == ["skipped"] * 2


async def test_a_replay_of_what_is_skipped_at_once_comes_to_an_end(
    open_house: OpenHouse, sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters, "CHUNK", 5)
    denied = {"default_consent": "denied"}
    house = await open_house(tables(sandbox, only=("insider",), pipeline=denied), admin_token=ADMIN)
    await house.track(*range(20))
    await house.settled()
    assert await Desk(house).ok("POST", "/deliveries/replay", {"state": "skipped"}) == {"count": 20}
    await house.settled()
    assert house.states("insider") == ["skipped"] * 20
