"""A canary in every page: with the policy against scripts switched off, what strangers write is still only text."""

from collections.abc import Iterator

import pytest

from tests.management.pages.house import House
from tests.management.pages.person import Person, eventually

BREAKING = "\"'>--></code></pre></title></textarea></script></style>"
EVIL = f"{BREAKING}<script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>{{{{7*7}}}}"
LINK = "javascript:alert(4)//"
CANARY = "window.sang = []; window.alert = (what) => { window.sang.push(what); };"
OPEN = "document.querySelectorAll('details').forEach((each) => { each.open = true; }); return window.sang;"
FOLLOWED = "return [...document.querySelectorAll('a, area, form, img, script, link, iframe')].filter((each) =>" + (
    " /^(javascript|data|vbscript):/i.test(each.href || each.action || each.src || '')).map((each) => each.outerHTML);"
)
PATHS = (
    "/",
    "/live",
    "/events",
    "/events/{event}",
    "/events/{dead}",
    "/integrations",
    "/integrations/{webhook}",
    "/integrations/{webhook}/settings",
    "/integrations/{webhook}/mappings",
    "/integrations/{webhook}/letters",
    "/integrations/{webhook}/mappings/rule?key=page",
    "/mappings",
    "/pipelines",
    "/pipelines/1",
    "/pipelines/1/settings",
    "/pipelines/1/revisions",
    "/settings/tokens",
    "/settings/audit",
)


@pytest.fixture
def bird(person: Person) -> Iterator[Person]:
    """Somebody whose browser runs whatever script gets into a page, and says so."""
    person.cdp("Page.enable")
    person.cdp("Page.setBypassCSP", enabled=True)
    made = person.cdp("Page.addScriptToEvaluateOnNewDocument", source=CANARY)
    yield person
    person.cdp("Page.removeScriptToEvaluateOnNewDocument", identifier=made["identifier"])
    person.cdp("Page.setBypassCSP", enabled=False)
    person.go("/")
    person.complaints()  # forms that were refused on the way


def test_the_canary_sings(bird: Person) -> None:
    bird.go("/")
    bird.driver.execute_script("document.querySelector('main').insertAdjacentHTML('beforeend', arguments[0])", EVIL)
    eventually(lambda: 2 in bird.driver.execute_script(OPEN))


def everything_evil(bird: Person, house: House) -> dict[str, int]:
    """Every field that a stranger, a vendor or a colleague can write; ids of where it shows."""
    (webhook,) = house.rows("select id from integration where slug = 'webhook'")
    context = {
        "page": {"url": LINK, "referrer": LINK, "path": EVIL, "title": EVIL, "search": EVIL},
        "consent": {EVIL: True, "marketing": True, "personalization": True},
        "locale": EVIL,
        "userAgent": EVIL,
        "library": {"name": EVIL, "version": EVIL},
        "traits": {EVIL: EVIL, "email": f"{EVIL}@example.com", "phone": EVIL},
        EVIL: {EVIL: [EVIL, {EVIL: EVIL}]},
    }
    short = EVIL[:250]
    house.send(
        "identify", short, userId=short, traits={EVIL: LINK, "email": EVIL}, context=context, messageId="a" + EVIL
    )
    house.send(
        "page", short, name=EVIL, properties={EVIL: EVIL, "url": LINK}, context=context, messageId="b" + short[:200]
    )
    fault = {"status": 400, "body": {"error": EVIL, EVIL: [LINK]}, "headers": {"X-Evil": "<script>alert(5)</script>"}}
    house.ask(lambda: house.demo.sandbox.vendors["webhook"].faults.add(**fault, times=None))
    house.send("track", short, event=EVIL, properties={EVIL: EVIL}, context=context, messageId=short[:200])
    (event,) = house.rows("select max(event_id) as id from v_events where type = 'page'")
    eventually(lambda: house.rows("select * from v_dead where integration = 'webhook'"))
    (dead,) = house.rows("select max(event_id) as id from v_dead")
    return {"webhook": webhook["id"], "event": event["id"], "dead": dead["id"]}


def rename_everything(bird: Person, webhook: int) -> None:
    """What colleagues can name."""
    for path, button, answer in (
        (f"/integrations/{webhook}/settings", "Save", "Saved and live"),
        ("/pipelines/1/settings", "Save and publish", "Saved and live"),
        ("/settings/tokens", "Make the token", "It is shown this once"),
    ):
        bird.go(path)
        eventually(lambda: bird.all("#field-name"))
        bird.fill("Name", EVIL)
        bird.press(button)
        bird.sees(answer, "body")


def test_nothing_makes_it_sing(bird: Person, house: House) -> None:
    places = everything_evil(bird, house)
    rename_everything(bird, places["webhook"])
    sang = {}
    for path in PATHS:
        bird.go(path.format(**places))
        heard = bird.driver.execute_script(OPEN)
        links = bird.driver.execute_script(FOLLOWED)
        if heard or links:
            sang[path] = heard, links
        assert "&lt;script&gt;" not in bird.text("main"), f"{path} escapes twice"
    assert sang == {}
    assert EVIL in bird.driver.execute_script("return document.body.textContent")
