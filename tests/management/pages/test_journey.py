"""The journey of a person who has the printed link and nothing else."""

from tests.management.pages.house import House
from tests.management.pages.person import Person, eventually

KEY_REMEDY = "Generate a Data API key under Settings > API keys."


def test_from_the_library_to_a_mended_key(person: Person, house: House) -> None:
    person.sees("Overview")
    number = install(person, house)
    change_a_mapping(person, house, number)
    the_next_event_arrives_changed(person, house)
    break_the_key(person, house, number)
    mend_it(person, house, number)


def install(person: Person, house: House) -> int:
    """A second Ometria, pointed at the sandbox."""
    hint = house.demo.sandbox.vendors["ometria"].hint
    person.follow("Integrations")
    person.follow("Integration Library")
    person.follow("Install another Ometria")
    person.fill("Name", "Ometria EU")
    person.fill("API key", hint["api_key"])
    person.fill("Endpoint", hint["endpoint"])
    person.choose("variant", "retail")
    person.press("Install Integration")
    person.sees("Ometria EU is installed", ".said")
    person.sees("Ready")
    person.press("Send a test event")
    person.sees("Test event: delivered, HTTP 202")
    assert house.rows("select mappings from integration where name = 'Ometria EU'") == [{"mappings": "{}"}]
    return int(person.driver.current_url.split("/")[-2])


def change_a_mapping(person: Person, house: House, number: int) -> None:
    """The preview shows the difference, and nothing is sent by it."""
    house.viewed()
    eventually(lambda: any(record["event_type"] == "product_viewed" for record in house.received("ometria")))
    person.follow("Field Mappings")
    person.click(person.one(f"a[href='/integrations/{number}/mappings']"))
    person.follow("Product Viewed")
    person.fill("Name at Ometria", "product_seen")
    person.press("Add a field")
    person.driver.switch_to.active_element.send_keys("properties.shop")
    person.all("input[name^='default-']")[-1].send_keys("eu")
    before = len(house.received("ometria"))
    person.press("Preview")
    person.sees('+ "event_type": "product_seen"', "#preview")
    assert '+ "shop": "eu"' in person.text("#preview")
    assert len(house.received("ometria")) == before
    assert person.field("Name at Ometria").get_attribute("value") == "product_seen"
    person.press("Save as draft")
    person.sees("has changes that are not live yet", ".draft")
    person.follow("Review and publish")
    person.sees("product_seen")
    person.press("Publish")
    person.sees("Revision 3 is live", ".said")


def the_next_event_arrives_changed(person: Person, house: House) -> None:
    house.viewed()
    eventually(lambda: [r for r in house.received("ometria") if r["event_type"] == "product_seen"])
    changed = next(r for r in house.received("ometria") if r["event_type"] == "product_seen")
    assert changed["properties"]["shop"] == "eu"
    person.go("/events?event=Product+Viewed")
    person.click(person.all("a.what")[0])
    person.sees("Ometria EU took it with HTTP 202")


def break_the_key(person: Person, house: House, number: int) -> None:
    """The integration pauses by itself, says why and what to do, and nothing is lost."""
    person.go(f"/integrations/{number}/settings")
    person.fill("API key", "not-the-key")
    person.press("Save")
    person.sees("Saved and live", ".said")
    house.viewed()
    person.sees("Paused by itself: it needs you", again=True)
    person.sees("HTTP 403")
    person.sees(KEY_REMEDY)
    person.sees("1 event waits")
    person.go("/")
    person.sees("Ometria EU needs you")
    person.go("/events?event=Product+Viewed")
    person.click(person.all("a.what")[0])
    person.sees("Waits, because Ometria EU is paused by itself. It is not lost.")
    assert person.text(".notice").count(KEY_REMEDY) == 1


def mend_it(person: Person, house: House, number: int) -> None:
    person.go(f"/integrations/{number}/settings")
    assert person.field("API key").get_attribute("value") == ""
    person.fill("API key", house.demo.sandbox.vendors["ometria"].hint["api_key"])
    person.press("Save")
    person.sees("Healthy")
    person.sees("oldest waiting none")
    assert len([r for r in house.received("ometria") if r["event_type"] == "product_seen"]) == 2
