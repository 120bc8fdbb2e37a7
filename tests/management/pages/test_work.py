"""The everyday work: watching, searching, dead letters, keys, drafts and revisions, with and without scripts."""

from collections.abc import Iterator

import pytest

from tests.management.pages.house import House
from tests.management.pages.person import Person, eventually


@pytest.fixture
def scriptless(person: Person) -> Iterator[Person]:
    person.cdp("Emulation.setScriptExecutionDisabled", value=True)
    yield person
    person.cdp("Emulation.setScriptExecutionDisabled", value=False)


def test_a_stranger_starts_with_the_next_step(person: Person) -> None:
    person.go("/")
    person.sees("No events in this time")
    person.follow("To the script tag")
    assert "/datafly.js" in person.text("main pre")
    person.go("/live")
    person.sees("Waiting for the first event")


def test_live_events_pause_and_go_on(person: Person, house: House) -> None:
    person.go("/live")
    person.sees("live", "#pulse")
    house.send("track", event="First")
    person.sees("First", "#stream")
    person.sees("ninetailed 200", "#stream")
    person.press("Pause")
    house.send("track", event="Second")
    person.sees("wait until you go on", "#counts")
    assert "Second" not in person.text("#stream")
    person.press("Go on")
    person.sees("Second", "#stream")
    person.fill("Event name", "first")
    eventually(lambda: "Second" not in person.text("#stream"))
    assert "First" in person.text("#stream")
    person.sees("ninetailed 200", "#stream")
    person.go("/live")  # who comes later sees the answers too
    assert "ninetailed 200" in person.text("#stream")


def test_what_a_configuration_file_decides_is_told_where_it_is_edited(person: Person, house: House) -> None:
    (ometria,) = house.rows("select id from integration where slug = 'ometria'")
    words = "A configuration file names this integration"
    for page in ("settings", "mappings"):
        person.go(f"/integrations/{ometria['id']}/{page}")
        person.sees(words)
    person.go(f"/integrations/{ometria['id']}")
    assert words not in person.text("main")


def test_a_healthy_one_with_a_backlog_does_not_speak_of_answers(person: Person, house: House) -> None:
    house.send("track", event="Done")
    (webhook,) = house.rows("select id from integration where slug = 'webhook'")
    eventually(lambda: house.rows("select 1 from v_backlog where integration = 'webhook' and done > 0 and pending = 0"))
    faults = house.demo.sandbox.vendors["webhook"].faults
    house.ask(lambda: faults.add(delay=4.0))
    house.send("track", event="Slow")
    person.go(f"/integrations/{webhook['id']}")
    person.sees("What waits is on its way")
    house.ask(faults.clear)
    eventually(lambda: house.rows("select 1 from v_backlog where integration = 'webhook' and pending + leased = 0"))
    person.go(f"/integrations/{webhook['id']}")
    person.sees("The newest request was answered as it should be")


def test_dead_letters_are_found_mended_and_replayed(person: Person, house: House) -> None:
    (ometria,) = house.rows("select id from integration where slug = 'ometria'")
    rule = f"/integrations/{ometria['id']}/mappings/rule?key=track:Order%20Completed"
    person.go(rule)
    person.press("Add a field")
    person.driver.switch_to.active_element.send_keys("properties.coupon")
    person.all("input[name^='source-']")[-1].send_keys("properties.coupon")
    person.click(person.all("input[name^='required-']")[-1])
    person.press("Save and publish")
    person.sees("saved and live", ".said")
    house.send("track", event="Order Completed", properties={"order_id": "O-0"})
    eventually(lambda: house.rows("select 1 from v_dead where integration = 'ometria'"))
    person.go(f"/integrations/{ometria['id']}/letters")
    person.ask("Discard the ticked")
    person.press("Discard")
    person.sees("Nothing was ticked", ".said")
    person.click(person.one("input[name='event_id']"))
    person.ask("Discard the ticked")
    person.press("Discard")
    person.sees("1 event discarded", ".said")
    assert not house.rows("select 1 from v_dead where integration = 'ometria'")
    house.send("track", event="Order Completed", properties={"order_id": "O-1"})
    person.go(f"/integrations/{ometria['id']}/letters")
    person.sees("properties.coupon: required", again=True)
    person.follow("Order Completed")
    person.sees("Mend the field mapping, then replay")
    person.go(rule)
    person.ask("Revert to the preset")
    person.press("Revert")
    person.sees("as in the preset again", ".said")
    person.go(f"/integrations/{ometria['id']}/letters")
    person.ask("Replay all")
    person.press("Replay 1")
    person.sees("1 event will be sent again", ".said")
    eventually(lambda: any(r["event_type"] == "order_completed" for r in house.received("ometria")))


def test_a_field_goes_back_to_the_preset(person: Person, house: House) -> None:
    (ometria,) = house.rows("select id from integration where slug = 'ometria'")
    rule = f"/integrations/{ometria['id']}/mappings/rule?key=track:Product%20Viewed"
    person.go(rule)
    source = person.one("input[name='source-1']")
    before = source.get_attribute("value")
    source.clear()
    source.send_keys("properties.address")
    person.press("Save and publish")
    person.sees("saved and live", ".said")
    person.go(rule)
    person.sees("changed preset: properties.page_url, context.page.url")
    person.press("Use the preset's")
    assert person.one("input[name='source-1']").get_attribute("value") == before
    person.press("Save and publish")
    person.sees("saved and live", ".said")
    assert "changed" not in person.text("table")
    assert house.rows(f"select mappings from integration where id = {ometria['id']}") == [{"mappings": "{}"}]


def test_a_field_goes_back_to_the_preset_without_scripts(scriptless: Person, house: House) -> None:
    (ometria,) = house.rows("select id from integration where slug = 'ometria'")
    scriptless.go(f"/integrations/{ometria['id']}/mappings/rule?key=track:Product%20Viewed")
    source = scriptless.one("input[name='source-1']")
    before = source.get_attribute("value")
    source.clear()
    source.send_keys("properties.address")
    scriptless.click(scriptless.one("input[name='drop-2']"))
    scriptless.field("Name at Ometria").send_keys("_x\n")  # Enter tries, and does not save
    for marks, target in ((["changed", "removed"], "properties.page_url"), (["removed"], "properties.*")):
        eventually(lambda marks=marks: [item.text for item in scriptless.all(".was .badge")] == marks)
        scriptless.click(scriptless.one(f"button[name='restore'][value='{target}']"))
    eventually(lambda: scriptless.all(".was") == [])
    assert scriptless.one("input[name='source-1']").get_attribute("value") == before
    assert scriptless.field("Name at Ometria").get_attribute("value") == "product_viewed_x"
    assert house.rows(f"select mappings from integration where id = {ometria['id']}") == [{"mappings": "{}"}]


def test_a_hundred_events_are_tried_at_once(person: Person, house: House) -> None:
    for number in range(3):
        house.send("track", event="Tried", properties={"number": number})
    person.go("/integrations/4/mappings/rule?key=track:Tried")
    person.fill("Name at Webhook", "tried_out")
    person.click(person.one("option[value='all']"))
    person.press("Preview")
    person.sees("3 of 3 payloads would be different")


def test_an_event_tells_its_story(person: Person, house: House) -> None:
    house.send("track", "quiet", event="Product Viewed", properties={}, context={"consent": {"marketing": False}})
    house.send("track", "unknown", event="Product Viewed", properties={"product_id": "1"})
    eventually(lambda: not house.rows("select 1 from v_deliveries where state in ('pending', 'leased')"))
    person.go("/events?anonymous_id=quiet")
    person.click(person.all("a.what")[0])
    person.sees("Not sent: consent: marketing is not granted.")
    person.sees("marketing denied")
    person.go("/events?anonymous_id=unknown")
    person.click(person.all("a.what")[0])
    person.sees("Event delivered but not linked to a customer. identity_email is missing.")
    person.sees("Insider took it with HTTP 200")


def test_times_to_search_between_are_the_readers_own(person: Person, house: House) -> None:
    person.cdp("Emulation.setTimezoneOverride", timezoneId="Asia/Kolkata")
    person.go("/events?since=2020-06-01T10:00&until=2020-06-01T12:15")
    assert person.field("Since").get_attribute("value") == "2020-06-01T15:30"
    person.press("Search")
    eventually(lambda: "since=2020-06-01T10%3A00&until=2020-06-01T12%3A15" in person.driver.current_url)
    assert person.field("Until").get_attribute("value") == "2020-06-01T17:45"
    person.cdp("Emulation.setTimezoneOverride", timezoneId="")


def test_figures_are_those_of_the_database(person: Person, house: House) -> None:
    eventually(lambda: not house.rows("select 1 from v_deliveries where state in ('pending', 'leased')"))
    (fates,) = house.rows("select sum(done) as delivered, sum(skipped) as skipped, sum(dead) as dead from v_backlog")
    (events,) = house.rows("select count(*) as accepted from v_events")
    person.go("/")
    shown = dict(
        zip(
            [item.text.strip() for item in person.all("#overview section:first-of-type dt")],
            [item.text.split("\n")[0] for item in person.all("#overview section:first-of-type dd")],
            strict=True,
        )
    )
    assert {name: int(shown[name]) for name in ("accepted", "delivered", "skipped", "dead")} == {**events, **fates}
    for row in house.rows("select i.id, b.* from v_backlog b join integration i on i.slug = b.integration"):
        person.go(f"/integrations/{row['id']}")
        figures = [item.text.split("\n")[0] for item in person.all("#status .figures dd")]
        assert figures[:4] == [str(row["done"]), str(row["pending"]), str(row["skipped"]), str(row["dead"])]


def test_a_key_is_copied(person: Person) -> None:
    origin = {"origin": person.house.admin, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    person.cdp("Browser.grantPermissions", **origin)
    person.go("/pipelines/1")
    button = person.one(".keys [data-copy]")
    before = button.get_attribute("innerHTML")
    person.click(button)
    eventually(lambda: button.text == "Copied")
    person.click(button)  # once more, while it says so
    eventually(lambda: button.get_attribute("innerHTML") == before)
    read = person.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert read == person.text(".keys code")


def test_a_key_is_issued_and_revoked(person: Person, house: House) -> None:
    person.go("/pipelines/1")
    person.press("Issue a key")
    person.sees("A new key is in force", ".said")
    fresh = person.all(".keys code")[-1].text
    person.click(person.all(".keys summary")[-1])
    person.click(person.one("details[open] form button"))
    person.sees("The key is revoked", ".said")
    answer = house.client.post(
        "/v1/t", json={"type": "track", "event": "x"}, headers={"Authorization": f"Bearer {fresh}"}
    )
    assert answer.status_code == 401


def test_the_script_tag_has_the_address_that_browsers_know(person: Person, house: House) -> None:
    person.go("/pipelines/1")
    assert f'src="{house.demo.ready.ingest}/datafly.js"' in person.text("main pre")
    person.sees("Behind a proxy, browsers ask for another address")
    person.fill("Address of this service, as browsers know it", "Data.Shop.example\n")
    person.sees('src="https://data.shop.example/datafly.js"', "main pre")
    person.fill("Address of this service, as browsers know it", "https://*.shop.example\n")
    person.sees("A script tag cannot hold a *", ".field.wrong")
    person.go("/pipelines/1?at=https://elsewhere.example")  # a link decides nothing
    assert "elsewhere" not in person.text("main")
    person.go("/pipelines/1/settings")
    person.fill("Cookie domain", ".shop.example")
    person.press("Save and publish")
    person.sees('src="https://data.shop.example/datafly.js"', "main pre")
    person.sees("A guess, from the cookie domain .shop.example.")


def test_a_draft_is_compared_published_and_rolled_back(person: Person, house: House) -> None:
    person.go("/pipelines/1/settings")
    person.fill("Rate limit", "77")
    person.press("Save as draft")
    person.follow("Review and publish")
    person.sees("rate_limit_rps 1000 -> 77")
    person.press("Publish")
    person.sees("is live", ".said")
    revision = int(person.text(".said").split()[1])
    person.press("Compare")
    person.sees("rate_limit_rps")
    person.ask("Roll back to it")
    person.press("Roll back")
    person.sees(f"is live again, as revision {revision + 1}", ".said")
    assert "77" not in house.rows("select settings from pipeline")[0]["settings"]


def test_what_is_wrong_is_said_beside_the_field(person: Person) -> None:
    person.go("/pipelines/1/settings")
    person.fill("Rate limit", "0")
    person.press("Save and publish")
    person.sees("Must be at least 1", ".field.wrong")
    assert person.field("Rate limit").get_attribute("aria-invalid") == "true"
    person.go("/integrations/library/webhook")
    person.driver.execute_script("document.querySelectorAll('form').forEach((form) => { form.noValidate = true; })")
    person.fill("URL", "ftp://example.com")
    person.press("Install Integration")
    person.sees("https://", ".field.wrong")
    assert len([line for line in person.complaints() if "400" in line]) == 2


def test_forms_work_without_scripts(scriptless: Person, house: House) -> None:
    scriptless.go("/live")
    scriptless.go("/integrations/1/mappings/rule?key=page")
    assert len(scriptless.all("input[name^='drop-']")) > 2
    scriptless.go("/integrations/1")
    scriptless.named("summary", "Pause").click()
    scriptless.one("details[open] form button").click()
    eventually(lambda: "Paused. Events wait" in "".join(item.text for item in scriptless.all(".said")))
    scriptless.named("button", "Resume").click()
    eventually(lambda: "Resumed" in "".join(item.text for item in scriptless.all(".said")))


def test_who_is_lost_finds_the_way_back(person: Person) -> None:
    for path in ("/nowhere", "/integrations/999", "/events/999", "/pipelines/999", "/integrations/library/nobody"):
        person.go(path)
        person.sees("To the Overview")
    assert len(person.complaints()) == 5
