"""Two pipelines with integrations of the same slug are told apart, in the debugger, in the stream and in figures."""

import httpx
import pytest

from tests.management.pages.house import House
from tests.management.pages.person import Person, eventually

OTHER = "dk_other_0123456789"


@pytest.fixture(scope="module")
def house(house: House) -> House:
    """A second shop, whose Ometria goes by the same slug as the first one's."""
    hint = house.demo.sandbox.vendors["ometria"].hint
    with house.api() as api:
        made = api.post("/pipelines", json={"slug": "other", "name": "Other", "pipeline_keys": [OTHER]})
        assert made.status_code == 201, made.text
        body = {"pipeline": "other", "name": "Ometria there", "config": hint}
        assert api.post("/integration-catalog/ometria/install", json=body).status_code == 201
    house.send("track", event="Here")
    event = {"type": "track", "event": "There", "anonymousId": "v", "context": {"consent": {"marketing": True}}}
    with httpx.Client(base_url=house.demo.ready.ingest, trust_env=False) as server:
        assert server.post("/v1/t", json=event, headers={"Authorization": f"Bearer {OTHER}"}).status_code == 200
    eventually(lambda: not house.rows("select 1 from v_deliveries where state in ('pending', 'leased')"))
    return house


def pick(person: Person, place: str) -> None:
    person.click(person.one(f"#integration option[value='{place}']"))


def seen(person: Person) -> list[str]:
    return [item.text for item in person.all("ul.events a.what") if item.is_displayed()]


def test_a_search_is_about_one_of_the_two(person: Person) -> None:
    for place, names in (("shop/ometria", ["Here"]), ("other/ometria", ["There"]), ("other/", ["There"])):
        person.go("/events")
        pick(person, place)
        person.press("Search")
        assert seen(person) == names
        assert person.field("Integration").get_attribute("value") == place
    person.go("/events?integration=ometria")
    assert seen(person) == ["There", "Here"]
    person.go("/events?integration=ometria&pipeline=other")
    assert person.field("Integration").get_attribute("value") == "other/ometria"
    assert seen(person) == ["There"]


def test_an_integration_leads_to_its_own_events(person: Person, house: House) -> None:
    (other,) = house.rows("select id from integration where name = 'Ometria there'")
    person.go(f"/integrations/{other['id']}")
    person.follow("All of them")
    assert seen(person) == ["There"]


def test_the_stream_is_about_one_of_the_two(person: Person, house: House) -> None:
    person.go("/live")
    person.sees("live", "#pulse")
    assert seen(person) == ["There", "Here"]
    pick(person, "other/ometria")
    eventually(lambda: seen(person) == ["There"])
    pick(person, "shop/ometria")
    eventually(lambda: seen(person) == ["Here"])
    house.send("track", event="Here again")
    eventually(lambda: seen(person) == ["Here again", "Here"])
    person.fill("Event name", "nothing like it")
    person.sees("Nothing that is here fits this filter")
