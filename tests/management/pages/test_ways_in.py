"""Ways in: whoever has to log in first arrives at the page that they asked for, and never at somebody else's."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest

from signal_actor.management.sessions import own_path
from tests.management.pages.house import House
from tests.management.pages.person import Person, eventually

ASKED = "/events?event=Product%20Viewed&integration=shop%2Fometria"


@pytest.fixture
def elsewhere(house: House) -> Iterator[str]:
    """A page on another site with a link to ours, such as a chat that an alarm was posted to."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f'<link rel="icon" href="data:,"><a href="{house.admin}{ASKED}">See it</a>'.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://elsewhere.localhost:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_logging_in_leads_to_what_was_asked_for(person: Person, house: House) -> None:
    person.driver.delete_all_cookies()
    person.go(ASKED)
    person.fill("Token", "wrong")
    person.press("Log in")
    person.sees("unknown or revoked")
    person.fill("Token", house.secret())
    person.press("Log in")
    eventually(lambda: person.driver.current_url == house.admin + ASKED)
    person.complaints()


def test_a_link_on_another_site_finds_the_session(person: Person, house: House, elsewhere: str) -> None:
    person.go(elsewhere)
    person.follow("See it")
    person.sees("Event Debugger", "h1")
    eventually(lambda: person.driver.current_url == house.admin + ASKED)


def test_who_has_no_session_logs_in_after_such_a_link(person: Person, house: House, elsewhere: str) -> None:
    person.driver.delete_all_cookies()
    person.go(elsewhere)
    person.follow("See it")
    person.sees("Log in to see where yours are")
    person.fill("Token", house.secret())
    person.press("Log in")
    eventually(lambda: person.driver.current_url == house.admin + ASKED)


def test_a_page_whose_session_has_ended_leads_to_the_login(person: Person, house: House) -> None:
    person.go("/integrations")
    person.driver.delete_all_cookies()
    eventually(lambda: person.driver.current_url == house.admin + "/login?next=/integrations")


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/a\tb",
        "/a\nb",
        "/ä",
        "javascript:x",
        "/login",
        "/logout",
        "",
        None,
        "/" + "a" * 3000,
    ],
)
def test_no_other_site_is_led_to(path: str | None) -> None:
    assert own_path(path) == "/"


@pytest.mark.parametrize("path", ["/", "/events/7", ASKED, "/integrations/1/mappings/rule?key=track:Product%20Viewed"])
def test_own_pages_are_led_to(path: str) -> None:
    assert own_path(path) == path


def test_a_form_that_names_another_site_leads_home(house: House) -> None:
    with httpx.Client(base_url=house.admin, trust_env=False) as client:
        page = client.get("/login", params={"next": 'https://evil.example/"><b>'})
        assert "evil" not in page.text
        answer = client.post("/login", data={"token": house.secret(), "next": "//evil.example"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        answer = client.get(house.ask(house.demo.login) + "&next=/live")
        assert (answer.status_code, answer.headers["location"]) == (303, "/live")
