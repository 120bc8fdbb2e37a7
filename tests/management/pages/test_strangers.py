"""What strangers write is shown, and is nothing more than text."""

import httpx

from tests.management.pages.house import House
from tests.management.pages.person import Person, eventually

EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
CLOSING = "</code></pre></textarea></title><svg onload=\"document.title='owned'\">"


def test_events_cannot_reach_into_a_page(person: Person, house: House) -> None:
    house.send("identify", "evil\"'><b>", userId=EVIL, traits={"email": "e@example.com", "name": EVIL, EVIL: CLOSING})
    context = {"page": {"url": f"javascript:alert(1)//{EVIL}", "path": EVIL, "title": CLOSING}}
    house.send("track", "evil\"'><b>", event=EVIL, properties={EVIL: CLOSING, "price": "javascript:x"}, context=context)
    eventually(lambda: len(house.received("webhook")) == 2)
    (event,) = house.rows("select max(event_id) as id from v_events")
    (ometria,) = house.rows("select id from integration where slug = 'ometria'")
    key = f"track:{EVIL}".replace("<", "%3C").replace("'", "%27").replace('"', "%22").replace(" ", "%20")
    for path in (
        "/live",
        "/events",
        f"/events/{event['id']}",
        f"/integrations/{ometria['id']}",
        f"/integrations/{ometria['id']}/letters?state=skipped&event={EVIL}",
        f"/integrations/{ometria['id']}/mappings/rule?key={key}",
        f"/events?event={EVIL}&user_id={CLOSING}",
        f"/integrations/library?q={CLOSING}",
    ):
        person.go(path)
        person.driver.execute_script("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        assert person.driver.title != "owned", path
        inline = person.all("main script, main img, main svg[onload], main b b")
        assert inline == [], path
    person.go(f"/events/{event['id']}")
    assert EVIL in person.text("h1")


def test_a_stream_of_them_cannot_either(person: Person, house: House) -> None:
    person.go("/live")
    person.sees("live", "#pulse")
    house.send("track", "evil-2", event=EVIL, properties={})
    person.sees(EVIL, "#stream")
    person.sees("webhook 200", "#stream")
    assert person.driver.title != "owned"
    assert person.all("#stream script, #stream img") == []


def test_nobody_else_can_post_a_form(house: House) -> None:
    with httpx.Client(base_url=house.admin, trust_env=False) as client:
        assert client.get(house.ask(house.demo.login)).status_code == 303
        page = client.get("/pipelines/1")
        assert page.status_code == 200
        assert page.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert "unsafe" not in page.headers["content-security-policy"]
        assert "no-store" in page.headers["cache-control"]
        assert client.post("/pipelines/1/keys").status_code == 403
        assert client.post("/pipelines/1/keys", data={"csrf_token": "guess"}).status_code == 403
    assert house.rows("select count(*) as n from pipeline_key") == [{"n": 1}]


def test_no_page_holds_a_script_or_a_style_of_its_own(house: House) -> None:
    with httpx.Client(base_url=house.admin, trust_env=False) as client:
        client.get(house.ask(house.demo.login))
        for path in ("/", "/live", "/events", "/integrations", "/pipelines/1", "/settings/tokens"):
            text = client.get(path).text
            assert "<style" not in text
            assert " style=" not in text
            assert "http://" not in text.replace(house.demo.ready.ingest, "")
            assert "https://" not in text.replace("https://shop.example.com", "").replace("https://*.shop", "")
            assert text.count("<script") == text.count('<script type="module" src="/static/')
