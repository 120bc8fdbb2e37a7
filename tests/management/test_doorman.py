"""What pages of other sites make an operator's browser send here."""

from ipaddress import ip_network

import httpx
import pytest
from quart.formparser import FormDataParser

from signal_actor.management.app import MAX_LOGIN
from signal_actor.management.auth import COOKIE, FAILURES
from tests.management.desk import ADMIN, API, Desk
from tests.service.conftest import OpenHouse
from tests.service.house import House, tables

CROSS = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
OTHER_PORT = {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:9"}


async def ask(house: House, method: str, path: str, **more: object) -> httpx.Response:
    return await house.client.request(method, house.ready.admin + path, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("headers", [CROSS, OTHER_PORT], ids=["cross-site", "other port"])
async def test_no_other_page_guesses_at_tokens_until_the_operator_is_locked_out(
    house: House, headers: dict[str, str]
) -> None:
    for _ in range(FAILURES + 5):
        guess = await ask(house, "POST", "/login", data={"token": "guess"}, headers=headers)
        assert (guess.status_code, guess.json()["code"]) == (403, "cross_site")
    mine = await ask(house, "POST", "/login", data={"token": ADMIN}, headers={"Sec-Fetch-Site": "same-origin"})
    assert mine.status_code == 303


async def test_no_other_page_logs_a_browser_in_or_out(house: House) -> None:
    answer = await ask(house, "POST", "/login", data={"token": ADMIN}, headers=CROSS)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert (await ask(house, "POST", "/logout", headers=CROSS)).status_code == 403


async def test_no_page_on_another_port_times_a_search_or_holds_a_stream(house: House, admin: Desk) -> None:
    await ask(house, "POST", "/login", data={"token": ADMIN})
    assert (await ask(house, "GET", f"{API}/events")).status_code == 200
    for path in (f"{API}/events", f"{API}/events/", f"{API}/events/live", f"/{API}/events"):
        assert (await ask(house, "GET", path, headers=OTHER_PORT)).status_code in (403, 404), path


async def test_a_link_on_another_site_may_lead_here(house: House) -> None:
    assert (await ask(house, "GET", "/login", headers=CROSS)).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8084", "127.0.0.1.evil.example", "EVIL.example."])
async def test_a_name_that_was_made_to_mean_this_machine_is_refused(house: House, host: str) -> None:
    for path in ("/metrics", "/login", f"{API}/me"):
        answer = await ask(house, "GET", path, headers={"Host": host})
        assert answer.status_code == 421, path
        assert "SIGNAL_TRUSTED_PROXIES" in answer.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8084", "[::1]:8084", "a.localhost", "box"])
async def test_names_that_nobody_else_can_own_are_not(house: House, host: str) -> None:
    assert (await ask(house, "GET", "/metrics", headers={"Host": host})).status_code == 200


async def test_a_trusted_proxy_may_pass_any_name_on(open_house: OpenHouse) -> None:
    house = await open_house(tables(only=()), admin_token=ADMIN, trusted_proxies=(ip_network("127.0.0.0/8"),))
    assert (await ask(house, "GET", "/metrics", headers={"Host": "signal.example.com"})).status_code == 200


async def test_who_is_not_logged_in_cannot_make_us_read_long_forms(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("/login", "/login/", "/logout"):
        assert (await ask(house, "POST", path, data={"token": "x" * MAX_LOGIN})).status_code == 413, path
    form = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": f"{COOKIE}=none"}
    parsed: list[bytes] = []
    monkeypatch.setattr(FormDataParser, "parse", lambda *_: parsed.append(b"form"))
    answer = await ask(house, "POST", "/pipelines", content=b"a&" * 400_000, headers=form)
    assert answer.headers["location"] == "/login"
    assert parsed == []


@pytest.mark.parametrize("path", ["/", "/login", "/metrics", "/nothing", f"{API}/me", "/healthz"])
async def test_no_cache_keeps_what_is_not_public(house: House, path: str) -> None:
    assert (await ask(house, "GET", path)).headers["cache-control"] == "no-store"


async def test_style_and_scripts_are_kept(house: House) -> None:
    assert (await ask(house, "GET", "/static/app.css")).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["//metrics", "///healthz", f"/{API}/me", f"{API}//me"])
async def test_a_path_has_one_form_that_a_proxy_can_know(house: House, path: str) -> None:
    assert (await ask(house, "GET", path)).status_code == 404
