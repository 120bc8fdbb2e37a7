"""Identity and consent: who an event is about, what it carries because of earlier ones, and what its visitor allows."""

import base64
import json
from typing import Any
from uuid import UUID

import pytest

from signal_actor.sandbox import Sandbox
from tests.service.conftest import OpenHouse
from tests.service.house import SERVER, House, tables

TRACK = {"type": "track", "event": "x"}


@pytest.fixture
async def door(open_house: OpenHouse, sandbox: Sandbox) -> House:
    return await open_house(tables())


def payloads(door: House) -> list[dict[str, Any]]:
    return [json.loads(event["payload"]) for event in door.stored()]


def cookie(response: Any) -> str:
    return str(response.headers["set-cookie"]).partition(";")[0]


async def test_a_new_browser_gets_an_id_and_keeps_it(door: House) -> None:
    first = await door.post("/v1/t", TRACK)
    name, _, visitor = cookie(first).partition("=")
    assert name == "_dfid"
    assert UUID(visitor).version == 4
    second = await door.post("/v1/p", {"type": "page", "name": "x"}, Cookie=f"a=b; {cookie(first)}; c=d")
    assert cookie(second) == cookie(first)
    assert [event["anonymous_id"] for event in door.stored()] == [visitor, visitor]


async def test_the_body_goes_before_the_header_and_the_header_before_the_cookie(door: House) -> None:
    told = base64.b64encode(b"from-header").decode()
    headers = {"Cookie": "_dfid=from-cookie", "AnonymousId": told}
    response = await door.post("/v1/t", TRACK | {"anonymousId": "from-body"}, **headers)
    assert cookie(response) == "_dfid=from-body"
    assert cookie(await door.post("/v1/t", TRACK, **headers)) == "_dfid=from-header"
    assert cookie(await door.post("/v1/t", TRACK, Cookie="_dfid=from-cookie")) == "_dfid=from-cookie"


@pytest.mark.parametrize("value", ["", "%00", "a%0d%0aSet-Cookie: x", "x" * 300, "%ff%fe"])
async def test_a_cookie_that_we_did_not_set_is_not_believed(door: House, value: str) -> None:
    response = await door.post("/v1/t", TRACK, Cookie=f"_dfid={value}")
    assert response.status_code == 200
    (stored,) = door.stored()
    assert "\x00" not in stored["anonymous_id"]
    assert "\r" not in stored["anonymous_id"]
    assert len(response.headers.get_list("set-cookie")) == 1


@pytest.mark.parametrize("told", [b"a\x00b", b"a\r\nb", b"\xff", b"", b"x" * 400])
async def test_a_told_visitor_is_checked_like_a_cookie(door: House, told: bytes) -> None:
    response = await door.post("/v1/t", TRACK, AnonymousId=base64.b64encode(told).decode())
    assert response.status_code == 200
    (stored,) = door.stored()
    assert stored["anonymous_id"].isprintable()
    assert len(stored["anonymous_id"]) <= 255


async def test_a_browsers_batch_is_one_visitors(door: House) -> None:
    response = await door.post("/v1/batch", {"batch": [TRACK, TRACK, {"type": "page", "name": "x"}]})
    assert response.json()["accepted"] == 3
    assert {event["anonymous_id"] for event in door.stored()} == {cookie(response).partition("=")[2]}


async def test_after_an_identify_events_carry_user_and_traits_also_after_a_restart(
    open_house: OpenHouse, sandbox: Sandbox
) -> None:
    door = await open_house(tables())
    traits = {"email": "jane@example.com", "phone": "+447700900123", "plan": "pro"}
    seen = TRACK | {"anonymousId": "a"}
    await door.post("/v1/t", seen)
    await door.post("/v1/i", {"type": "identify", "userId": "u", "anonymousId": "a", "traits": traits})
    await door.post("/v1/t", seen)
    await door.leave()
    door = await open_house(None)
    await door.post("/v1/t", seen)
    await door.post("/v1/t", TRACK | {"anonymousId": "b"})
    more = {"type": "identify", "userId": "u", "anonymousId": "b", "traits": {"plan": None, "city": "Bath"}}
    await door.post("/v1/i", more)
    await door.post("/v1/t", seen)
    before, _, after, restarted, other, _, last = payloads(door)
    assert "userId" not in before
    assert "userId" not in other
    for event in (after, restarted):
        assert (event["userId"], event["context"]["traits"]) == ("u", traits)
    assert last["context"]["traits"] == {"email": "jane@example.com", "phone": "+447700900123", "city": "Bath"}
    (identity,) = door.rows("select * from v_identities where anonymous_id = 'a'")
    assert (identity["pipeline"], identity["user_id"]) == ("shop", "u")
    assert json.loads(identity["traits"]) == last["context"]["traits"]


async def test_an_identify_in_a_batch_counts_for_what_comes_behind_it(door: House) -> None:
    identify = {"type": "identify", "userId": "u", "anonymousId": "a", "traits": {"email": "a@example.com"}}
    seen = TRACK | {"anonymousId": "a"}
    await door.request("POST", "/v1/batch", {"batch": [seen, identify, seen]}, headers=SERVER)
    assert [event["user_id"] for event in door.stored()] == [None, "u", "u"]


async def test_another_user_of_the_same_browser_does_not_inherit(door: House) -> None:
    for user in ("u", "v"):
        traits = {"email": f"{user}@example.com"}
        await door.post("/v1/i", {"type": "identify", "userId": user, "anonymousId": "a", "traits": traits})
        await door.post("/v1/t", TRACK | {"anonymousId": "a"})
    _, first, _, second = payloads(door)
    assert first["context"]["traits"] == {"email": "u@example.com"}
    assert (second["userId"], second["context"]["traits"]) == ("v", {"email": "v@example.com"})


async def test_an_alias_links_the_previous_id(door: House) -> None:
    alias = {"type": "alias", "previousId": "a", "userId": "u"}
    assert (await door.request("POST", "/v1/alias", alias, headers=SERVER)).status_code == 200
    await door.post("/v1/t", TRACK | {"anonymousId": "a"})
    assert door.stored()[1]["user_id"] == "u"


FORMS: list[tuple[Any, dict[str, bool]]] = [
    ({"analytics": True, "marketing": False}, {"analytics": True, "marketing": False}),
    ({"categories": {"analytics": True}}, {"analytics": True}),
    ({"canonical": {"marketing": True}, "source": "x"}, {"marketing": True}),
    ({"categoryPreferences": {"Advertising": False, "Analytics": True}}, {"marketing": False, "analytics": True}),
    ({"marketing": "granted", "functional": "denied"}, {"marketing": True, "functional": False}),
]


@pytest.mark.parametrize(("form", "meant"), FORMS)
async def test_forms_of_consent(door: House, form: Any, meant: dict[str, bool]) -> None:
    seen = TRACK | {"anonymousId": "a"}
    assert (await door.post("/v1/t", seen | {"context": {"consent": form}})).status_code == 200
    await door.post("/v1/t", seen)
    assert [event["context"]["consent"] for event in payloads(door)] == [meant, meant]
    assert json.loads(door.value("select consent from v_identities where anonymous_id = 'a'")) == meant


async def test_the_newest_word_of_each_category_counts(door: House) -> None:
    for consent in ({"marketing": True, "analytics": True}, {"marketing": False}, None):
        context = {} if consent is None else {"consent": consent}
        await door.post("/v1/t", TRACK | {"anonymousId": "a", "context": context})
    assert payloads(door)[2]["context"]["consent"] == {"marketing": False, "analytics": True}


async def test_global_privacy_control_denies_marketing(door: House) -> None:
    seen = TRACK | {"anonymousId": "a", "context": {"consent": {"marketing": True}}}
    await door.post("/v1/t", seen, **{"Sec-GPC": "1"})
    await door.post("/v1/t", TRACK | {"anonymousId": "b"}, **{"Sec-GPC": "1"})
    await door.post("/v1/t", TRACK | {"anonymousId": "c"}, **{"Sec-GPC": "0"})
    assert [event["context"].get("consent") for event in payloads(door)] == [
        {"marketing": False},
        {"marketing": False},
        None,
    ]


async def test_the_clients_clock_is_corrected(door: House) -> None:
    times = {"timestamp": "2020-01-01T10:00:00+01:00", "sentAt": "2020-01-01T09:00:07Z"}
    await door.post("/v1/t", TRACK | times)
    await door.post("/v1/t", TRACK | {"timestamp": "2026-02-25T14:30:00.000Z"})
    await door.post("/v1/t", TRACK)
    corrected, kept, missing = payloads(door)
    assert corrected["originalTimestamp"] == "2020-01-01T09:00:00.000Z"
    assert door.value("select unixepoch(?) - unixepoch(?)", corrected["receivedAt"], corrected["timestamp"]) == 7
    assert kept["timestamp"] == kept["originalTimestamp"] == "2026-02-25T14:30:00.000Z"
    assert missing["timestamp"] == missing["receivedAt"]
    assert "originalTimestamp" not in missing
