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
    "/integrations/library?q=nobody",
    "/integrations/library/insider",
    "/integrations/library/ninetailed",
    "/integrations/library/ometria",
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
    "/pipelines/1/revisions?old=1&new=1",
    "/pipelines/2",
    "/settings",
    "/settings/alarms",
    "/settings/retention",
    "/settings/delivery",
    "/settings/tokens",
    "/settings/audit",
    "/settings/forget",
)
ERRORS = ("/integrations/999", "/nowhere")
OTHER_SITES = "return performance.getEntries().map((each) => each.name).filter((name) => /^https?:/.test(name))"
IN_SIGHT = """
const box = document.querySelector("details[open] .sheet").getBoundingClientRect();
return box.top >= 0 && box.bottom <= document.documentElement.clientHeight + 1;
"""
TAB, ESCAPE = "\ue004", "\ue00c"
# Where the focus is: what it is, whether it is marked, and whether all of it can be seen.
FOCUS = """
const here = document.activeElement, style = getComputedStyle(here), box = here.getBoundingClientRect();
const seen = document.elementFromPoint(box.x + box.width / 2, box.y + Math.min(box.height, 40) / 2);
const marked = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
const clear = seen !== null && (here.contains(seen) || seen.contains(here));
return [here.tagName, here.outerHTML.slice(0, 120), marked, clear];
"""


@pytest.fixture(scope="module")
def house(house: House) -> House:
    """Something has happened here."""
    house.viewed()
    house.send("page", name="Home")
    house.send("track", event="Checkout Started" * 8, properties={"long": "x" * 300})
    eventually(lambda: len(house.received("webhook")) == 4)
    with house.api() as api:
        assert api.post("/pipelines", json={"slug": "empty", "name": "Nothing yet"}).status_code == 201
        assert api.patch("/pipelines/2", json={"rate_limit_rps": 7, "publish": False}).status_code == 200
    return house


@pytest.fixture(scope="module")
def places(house: House) -> dict[str, int]:
    (event,) = house.rows("select max(event_id) as id from v_events")
    (ometria,) = house.rows("select id from integration where slug = 'ometria'")
    return {"event": event["id"], "ometria": ometria["id"]}


def test_no_page_has_a_barrier(person: Person, house: House, places: dict[str, int], size: tuple[int, int]) -> None:
    person.size(size, dark=size == PHONE)
    found = {}
    for path in PATHS:
        person.go(path.format(**places))
        assert person.text("h1"), path
        strangers = [name for name in person.driver.execute_script(OTHER_SITES) if not name.startswith(house.admin)]
        if barriers := person.barriers() + strangers:
            found[path] = barriers
    assert found == {}


def test_pages_about_errors_have_none(person: Person, size: tuple[int, int]) -> None:
    person.size(size, dark=size == DESKTOP)
    for path in ERRORS:
        person.go(path)
        assert person.text("h1") == "Not found"
        assert person.barriers() == []
    assert len(person.complaints()) == len(ERRORS)


def test_what_comes_of_a_form_has_none(person: Person, places: dict[str, int], size: tuple[int, int]) -> None:
    """A test event, a preview, a form with mistakes, and a token that is shown once."""
    person.size(size, dark=size == DESKTOP)
    person.go("/integrations/{ometria}".format(**places))
    person.press("Send a test event")
    person.sees("Test event: delivered")
    assert person.barriers() == []
    person.go("/integrations/{ometria}/mappings/rule?key=track:Product%20Viewed".format(**places))
    person.fill("Name at Ometria", "other")
    person.press("Preview")
    person.sees("Lines with + are new")
    assert person.barriers() == []
    person.go("/settings/delivery")
    person.fill("Requests at a time", "99")
    person.press("Save")
    person.sees("Must be at most 32", ".field.wrong")
    assert person.barriers() == []
    person.go("/pipelines/1")
    person.fill("Address of this service, as browsers know it", "https://*.shop.example\n")
    person.sees("A script tag cannot hold a *", ".field.wrong")
    assert person.barriers() == []
    person.go("/settings/tokens")
    person.fill("Name", "somebody")
    person.press("Make the token")
    person.sees("shown this once")
    assert person.barriers() == []
    assert [line for line in person.complaints() if "400" not in line] == []


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
    person.driver.switch_to.active_element.send_keys(ESCAPE)
    assert not person.all("details[data-ask][open]")
    if size != DESKTOP:
        person.ask("Menu")
        assert person.barriers() == []
        person.follow("Pipelines")
        assert person.text("h1") == "Pipelines"


def test_questions_are_asked_where_they_can_be_seen(
    person: Person, house: House, places: dict[str, int], size: tuple[int, int]
) -> None:
    person.size(size)
    rule = "/integrations/{ometria}/mappings/rule?key=track:Product%20Viewed".format(**places)
    person.go(rule)
    person.fill("Name at Ometria", "changed")
    person.press("Save and publish")
    person.sees("saved and live", ".said")
    for path, question in ((rule, "Revert to the preset"), ("/pipelines/1", "Delete this pipeline")):
        person.go(path)
        person.ask(question)
        eventually(lambda: person.driver.execute_script(IN_SIGHT), words=lambda path=path: path)
        assert person.barriers() == []
    person.go(rule)
    person.ask("Revert to the preset")
    person.press("Revert")
    person.sees("as in the preset again", ".said")


def test_everything_can_be_reached_by_keyboard(person: Person) -> None:
    person.go("/integrations")
    person.one("body").send_keys(TAB)
    assert person.driver.switch_to.active_element.text == "Skip to the content"
    reached = []
    for _ in range(40):
        person.driver.switch_to.active_element.send_keys(TAB)
        reached.append(person.driver.switch_to.active_element.get_attribute("textContent").strip())
    for name in ("Overview", "Settings", "Log out", "Add Integration", "Integration Library", "Ometria"):
        assert any(name in text for text in reached), (name, reached)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/events/{event}",
        "/integrations/{ometria}/settings",
        "/integrations/{ometria}/mappings/rule?key=track:Product%20Viewed",
        "/pipelines/1",
        "/settings/tokens",
    ],
)
def test_the_focus_is_seen_everywhere_and_caught_nowhere(
    person: Person, places: dict[str, int], size: tuple[int, int], path: str
) -> None:
    person.size(size)
    person.go(path.format(**places))
    person.one("body").send_keys(TAB)
    assert person.driver.switch_to.active_element.text == "Skip to the content"
    for _ in range(150):
        person.driver.switch_to.active_element.send_keys(TAB)
        tag, html, marked, seen = person.driver.execute_script(FOCUS)
        if tag == "BODY" or "Skip to the content" in html:
            return
        assert marked, f"no outline: {html}"
        assert seen, f"hidden behind something: {html}"
    raise AssertionError("the end is never reached")
