"""Withdrawal: what a visitor says about consent without an event, and who an envelope is about."""

import json
from typing import Any

import pytest

from signal_actor.sandbox import Sandbox
from tests.service.conftest import OpenHouse
from tests.service.house import House, arrived, eventually, numbered, tables

NONE = {"functional": False, "analytics": False, "marketing": False, "personalization": False}
HEARD = {"success": True, "accepted": 0, "rejected": []}
GONE = "_dfid=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"


@pytest.fixture
async def door(open_house: OpenHouse, sandbox: Sandbox) -> House:
    return await open_house(tables())


def notice(**more: Any) -> dict[str, Any]:
    return {"batch": [], "context": {"consent": NONE}, **more}


def consents(door: House) -> dict[str, Any]:
    return {row["anonymous_id"]: json.loads(row["consent"]) for row in door.rows("select * from v_identities")}


@pytest.mark.parametrize(
    ("cookie", "header", "batch", "meant"),
    [
        ("c", "", {"fallbackAnonymousId": "f"}, "c"),
        ("", "", {"fallbackAnonymousId": "f"}, "f"),
        ("c", "aA==", {"fallbackAnonymousId": "f"}, "h"),
        ("", "", {"fallbackAnonymousId": "f", "batch": [numbered(1, visitor="body")]}, "body"),
    ],
)
async def test_the_fallback_counts_where_nothing_else_does(
    door: House, cookie: str, header: str, batch: dict[str, Any], meant: str
) -> None:
    headers = {"Cookie": f"_dfid={cookie}"} if cookie else {}
    headers |= {"AnonymousId": header} if header else {}
    response = await door.post("/v1/b", {"batch": [{"type": "page", "name": "x"}]} | batch, **headers)
    assert response.headers["set-cookie"].startswith(f"_dfid={meant};")
    assert [event["anonymous_id"] for event in door.stored()] == [meant]


@pytest.mark.parametrize("fallback", ["", 7, None, [], "x" * 256, "a\nb"])
async def test_a_fallback_that_cannot_be_is_none(door: House, fallback: Any) -> None:
    body = {"batch": [{"type": "page", "name": "x"}], "fallbackAnonymousId": fallback}
    assert (await door.post("/v1/b", body)).status_code == 200
    assert [len(event["anonymous_id"]) for event in door.stored()] == [36]


async def test_a_withdrawal_is_kept_and_takes_the_cookie(door: House) -> None:
    response = await door.post("/v1/b", notice(forget=True, fallbackAnonymousId="f"), Cookie="_dfid=c")
    assert (response.status_code, response.json()) == (200, HEARD)
    assert response.headers["set-cookie"] == GONE
    assert consents(door) == {"c": NONE}
    assert door.stored() == []


async def test_the_envelope_may_name_the_visitor(door: House) -> None:
    response = await door.post("/v1/b", notice(anonymousId="pinned", fallbackAnonymousId="f"), Cookie="_dfid=c")
    assert response.headers["set-cookie"].startswith("_dfid=pinned;")
    assert consents(door) == {"pinned": NONE}


async def test_nobody_in_particular_becomes_nobody(door: House) -> None:
    response = await door.post("/v1/b", notice(forget=True))
    assert (response.status_code, response.headers["set-cookie"]) == (200, GONE)
    response = await door.post("/v1/b", notice(forget=False))
    assert (response.status_code, "set-cookie" in response.headers) == (200, False)
    assert consents(door) == {}


async def test_the_cookie_goes_with_the_attributes_that_it_came_with(open_house: OpenHouse, sandbox: Sandbox) -> None:
    door = await open_house(tables(pipeline={"cookie_domain": ".example.com", "cookie_same_site": "Strict"}))
    response = await door.post("/v1/b", notice(forget=True))
    assert response.headers["set-cookie"] == "_dfid=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Domain=.example.com"


@pytest.mark.parametrize("context", [None, {}, {"consent": None}, {"consent": "yes"}, {"consent": {"marketing": 5}}, 7])
async def test_an_empty_batch_that_says_nothing_is_a_400(door: House, context: Any) -> None:
    response = await door.post("/v1/b", {"batch": [], "context": context, "forget": True}, Cookie="_dfid=c")
    assert (response.status_code, response.json()["code"]) == (400, "invalid_payload")
    assert "set-cookie" not in response.headers
    assert consents(door) == {}


async def test_what_still_waits_is_not_delivered_after_a_withdrawal(open_house: OpenHouse, sandbox: Sandbox) -> None:
    door = await open_house(tables(sandbox, only=("insider",)))
    sandbox.insider.faults.add(status=503, times=None)
    await door.track(1, visitor="v")
    await eventually(lambda: sandbox.insider.ledger.requests)
    await door.post("/v1/b", notice(forget=True), Cookie="_dfid=v")
    sandbox.insider.faults.clear()
    await door.track(2, visitor="somebody else")
    await arrived(sandbox.insider, 1)
    await door.settled()
    assert sorted(door.states("insider")) == ["done", "skipped"]
    reason = door.value("select last_error from v_deliveries where state = 'skipped'")
    assert "marketing" in reason
