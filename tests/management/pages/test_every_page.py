"""Every page, on a desk in light and on a phone in dark: no barriers, nothing hangs over, the console is silent."""

import pytest

from tests.management.pages.house import House
from tests.management.pages.person import DESKTOP, PHONE, Person, eventually

PATHS = (
    "/",
    "/?range=7d",
    "/live",
    "/events",
    "/events?event=nothing-like-it",
    "/events/{event}",
    "/integrations",
    "/integrations/library",
    "/integrations/library/insider",
    "/integrations/library/webhook",
    "/integrations/{ometria}",
    "/integrations/{ometria}/settings",
    "/integrations/{ometria}/mappings",
    "/integrations/{ometria}/mappings/rule?key=track:Product%20Viewed",
    "/integrations/{ometria}/letters",
    "/integrations/{ometria}/letters?state=skipped",
    "/mappings",
    "/pipelines",
    "/pipelines/1",
    "/pipelines/1/settings",
    "/pipelines/1/revisions",
    "/settings",
    "/settings/alarms",
    "/settings/retention",
    "/settings/delivery",
    "/settings/tokens",
    "/settings/audit",
    "/settings/forget",
)


@pytest.fixture(scope="module")
def house(house: House) -> House:
    """Something has happened here."""
    house.viewed()
    house.send("page", name="Home")
    house.send("track", event="Checkout Started" * 8, properties={"long": "x" * 300})
    eventually(lambda: len(house.received("webhook")) == 4)
    return house


@pytest.fixture(scope="module")
def places(house: House) -> dict[str, int]:
    (event,) = house.rows("select max(event_id) as id from v_events")
    (ometria,) = house.rows("select id from integration where slug = 'ometria'")
    return {"event": event["id"], "ometria": ometria["id"]}


def test_no_page_has_a_barrier(person: Person, places: dict[str, int], size: tuple[int, int]) -> None:
    person.size(size, dark=size == PHONE)
    found = {}
    for path in PATHS:
        person.go(path.format(**places))
        assert person.text("h1"), path
        if barriers := person.barriers():
            found[path] = barriers
    assert found == {}


def test_neither_has_the_login(person: Person, size: tuple[int, int]) -> None:
    person.size(size)
    person.driver.delete_all_cookies()
    person.go("/integrations")
    assert person.driver.current_url.endswith("/login?next=/integrations")
    assert person.barriers() == []
    person.fill("Token", "wrong")
    person.press("Log in")
    person.sees("unknown or revoked")
    assert person.barriers() == []
    assert any("401" in line for line in person.complaints())


def test_open_questions_and_the_menu_have_none_either(
    person: Person, places: dict[str, int], size: tuple[int, int]
) -> None:
    person.size(size)
    person.go("/integrations/{ometria}".format(**places))
    person.ask("Pause")
    assert person.barriers() == []
    person.driver.switch_to.active_element.send_keys("\ue00c")  # Escape
    assert not person.all("details[data-ask][open]")
    if size != DESKTOP:
        person.ask("Menu")
        assert person.barriers() == []
        person.follow("Pipelines")
        assert person.text("h1") == "Pipelines"


def test_everything_can_be_reached_by_keyboard(person: Person) -> None:
    person.go("/integrations")
    tab = "\ue004"
    person.one("body").send_keys(tab)
    assert person.driver.switch_to.active_element.text == "Skip to the content"
    reached = []
    for _ in range(40):
        person.driver.switch_to.active_element.send_keys(tab)
        reached.append(person.driver.switch_to.active_element.get_attribute("textContent").strip())
    for name in ("Overview", "Settings", "Log out", "Add Integration", "Integration Library", "Ometria"):
        assert any(name in text for text in reached), (name, reached)
