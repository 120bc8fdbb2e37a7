"""Who gets in: tokens, roles, sessions, login links, and how often somebody may guess."""

from ipaddress import ip_network
from typing import Any

import httpx
import pytest
import trio

from signal_actor.errors import Refusal
from signal_actor.management import auth
from signal_actor.management.auth import COOKIE, FAILURES, Failures, neighbourhood
from signal_actor.store import sessions
from tests.management.desk import ADMIN, Desk
from tests.service.conftest import OpenHouse
from tests.service.house import House, tables


async def test_a_token_is_needed(house: House) -> None:
    assert "Authorization" in await Desk(house, None).refused(401, "GET", "/tokens")
    response = await Desk(house, "sat_wrong").ask("GET", "/tokens")
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"


async def test_roles_are_a_ladder(editor: Desk, viewer: Desk) -> None:
    assert "needs the role admin" in await viewer.refused(403, "GET", "/tokens")
    assert "needs the role admin" in await editor.refused(403, "POST", "/tokens", {"name": "x"})


async def test_a_revoked_token_is_refused_at_once(admin: Desk) -> None:
    made = await admin.ok("POST", "/tokens", {"name": "short", "role": "admin"}, status=201)
    other = Desk(admin.house, made["token"])
    await other.ok("GET", "/tokens")
    await admin.ok("DELETE", f"/tokens/{made['id']}", status=204)
    await other.refused(401, "GET", "/tokens")
    await admin.refused(404, "DELETE", f"/tokens/{made['id']}")
    listed = await admin.ok("GET", "/tokens")
    assert [(token["name"], bool(token["revoked_at"])) for token in listed["data"]] == [("short", True)]
    assert made["token"] not in str(listed)


async def test_guessing_is_limited_but_locks_nobody_out_who_was_in(admin: Desk) -> None:
    await admin.ok("GET", "/tokens")
    wrong = Desk(admin.house, "sat_guess")
    answers = [await wrong.ask("GET", "/tokens") for _ in range(2 * FAILURES)]
    assert [answer.status_code for answer in answers[:FAILURES]] == [401] * FAILURES
    response = next(answer for answer in answers if answer.status_code != 401)
    assert response.status_code == 429
    assert int(response.headers["retry-after"]) >= 1
    await admin.ok("GET", "/tokens")


async def logged_in(house: House, **form: str) -> httpx.Response:
    return await house.client.post(house.ready.admin + "/login", data=form, follow_redirects=False)


async def test_a_browser_logs_in_with_a_token_and_out_again(house: House) -> None:
    response = await logged_in(house, token=ADMIN)
    assert response.status_code == 303
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    tokens = f"{house.ready.admin}/v1/admin/tokens"
    assert (await house.client.get(tokens)).status_code == 200
    without = await house.client.post(tokens, json={"name": "x"})
    assert (without.status_code, without.json()["code"]) == (403, "csrf")
    csrf = house.value("select csrf from session")
    with_it = await house.client.post(tokens, json={"name": "x"}, headers={"X-CSRF-Token": csrf})
    assert with_it.status_code == 201
    out = await house.client.post(f"{house.ready.admin}/logout", headers={"X-CSRF-Token": csrf})
    assert out.status_code == 303
    house.client.cookies.set(COOKIE, response.cookies[COOKIE])
    assert (await house.client.get(tokens)).status_code == 401


async def test_a_session_ends_with_the_token_that_opened_it(admin: Desk) -> None:
    made = await admin.ok("POST", "/tokens", {"name": "ui", "role": "viewer"}, status=201)
    assert (await logged_in(admin.house, token=made["token"])).status_code == 303
    page = admin.house.ready.admin + "/"
    assert (await admin.house.client.get(page)).status_code == 200
    await admin.ok("DELETE", f"/tokens/{made['id']}", status=204)
    assert (await admin.house.client.get(page)).headers["location"] == "/login"


async def test_a_login_link_works_once(house: House) -> None:
    link = house.ready.admin + house.service.links.create()
    assert "set-cookie" not in (await house.client.head(link)).headers, "who only looks at it does not use it up"
    response = await house.client.get(link)
    assert response.status_code == 303
    assert (await house.client.get(house.ready.admin + "/")).status_code == 200
    house.client.cookies.clear()
    again = await house.client.get(link)
    assert again.status_code == 401
    assert "set-cookie" not in again.headers


async def test_cookies_and_tokens_are_stored_as_hashes(house: House) -> None:
    response = await logged_in(house, token=ADMIN)
    stored = str(house.rows("select * from session"))
    assert response.cookies[COOKIE] not in stored
    assert ADMIN not in stored


@pytest.mark.parametrize("form", [{}, {"token": ""}, {"token": "wrong"}])
async def test_a_wrong_login_says_so(house: House, form: dict[str, Any]) -> None:
    response = await logged_in(house, **form)
    assert response.status_code == 401
    assert "unknown or revoked" in response.text


async def test_every_answer_is_guarded_against_strangers(house: House) -> None:
    for path in ("/", "/login", "/healthz", "/nothing", "/v1/admin/tokens"):
        headers = (await house.client.get(house.ready.admin + path)).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"


async def test_behind_a_trusted_proxy_the_cookie_is_secure_and_guessers_are_told_apart(open_house: OpenHouse) -> None:
    trusted = (ip_network("127.0.0.0/8"),)
    house = await open_house(tables(only=()), admin_token=ADMIN, trusted_proxies=trusted)
    https = {"X-Forwarded-Proto": "https"}
    answer = await house.client.post(house.ready.admin + "/login", data={"token": ADMIN}, headers=https)
    assert "Secure" in answer.headers["set-cookie"]

    async def guess(address: str) -> int:
        headers = {"Authorization": "Bearer sat_guess", "X-Forwarded-For": f"6.6.6.6, {address}"}
        return (await house.client.get(house.ready.admin + "/v1/admin/me", headers=headers)).status_code

    assert {await guess("9.9.9.9") for _ in range(2 * FAILURES)} == {401, 429}
    assert await guess("8.8.8.8") == 401


async def test_a_proxy_that_adds_a_line_of_its_own_is_believed_and_not_the_line_before_it(
    open_house: OpenHouse,
) -> None:
    house = await open_house(tables(only=()), admin_token=ADMIN, trusted_proxies=(ip_network("127.0.0.0/8"),))

    async def guess(made_up: str) -> int:
        lines = [("X-Forwarded-For", made_up), ("X-Forwarded-For", "9.9.9.9"), ("Authorization", "Bearer sat_guess")]
        return (await house.client.get(house.ready.admin + "/v1/admin/me", headers=lines)).status_code

    assert {await guess(f"6.6.6.{number}") for number in range(2 * FAILURES)} == {401, 429}


async def test_nobody_else_may_say_where_they_come_from(house: House) -> None:
    answer = await house.client.post(
        house.ready.admin + "/login", data={"token": ADMIN}, headers={"X-Forwarded-Proto": "https"}
    )
    assert "Secure" not in answer.headers["set-cookie"]


def test_a_network_of_addresses_guesses_no_more_often_than_one() -> None:
    failures = Failures(lambda: 0.0)
    for number in range(FAILURES):
        failures.check(f"2001:db8::{number:x}")
        failures.add(f"2001:db8::{number:x}")
    with pytest.raises(Refusal):
        failures.check("2001:db8::ffff:1")
    failures.check("2001:db8:0:1::1")
    failures.check("192.0.2.1")


@pytest.mark.parametrize(
    ("address", "meant"),
    [("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::/64"), ("", "")],
)
def test_neighbourhoods(address: str, meant: str) -> None:
    assert neighbourhood(address) == meant


def test_guessers_take_no_more_memory_than_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "ADDRESSES", 10)
    failures = Failures(lambda: 0.0)
    for number in range(100):
        failures.add(f"192.0.2.{number}")
    assert len(failures._level) == 10


async def test_logging_in_again_and_again_fills_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST", 3)
    cookies = []
    for _ in range(5):
        cookies.append((await logged_in(house, token=ADMIN)).cookies[COOKIE])
        await trio.sleep(0.002)  # their order is by milliseconds
    await house.client.get(house.ready.admin + house.service.links.create())
    assert house.value("select count(*) from session where token_hash is not null") == 3
    assert house.value("select count(*) from session where token_hash is null") == 1
    house.client.cookies.clear()
    me = f"{house.ready.admin}/v1/admin/me"
    answers = [(await house.client.get(me, headers={"Cookie": f"{COOKIE}={text}"})).status_code for text in cookies]
    assert answers == [401, 401, 200, 200, 200]
