"""Integrations whose vendor's package is gone, or whose settings fit no more: seen, with the cause and the remedy."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from signal_actor.destinations import registry
from tests.management.pages.house import House, open_house
from tests.management.pages.person import Person

CAUSE = "There is no vendor “acme” here"
REMEDY = "Install the package again where Signal Actor runs"


def catalogue(*, acme: bool) -> None:
    """What is installed from now on."""
    found = dict(registry.load())
    if acme:
        found["acme"] = replace(found["webhook"], slug="acme", name="Acme")
    registry.destinations.cache_clear()
    registry.load = lambda entries=None: found  # type: ignore[assignment]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The demo, with an integration whose vendor was there at its first start and is not at the second."""
    folder, load = tmp_path_factory.mktemp("demo"), registry.load
    try:
        catalogue(acme=True)
        with open_house(folder) as house:
            install(house)
        registry.load = load
        registry.destinations.cache_clear()
        with open_house(folder) as house:
            yield house
    finally:
        registry.load = load
        registry.destinations.cache_clear()


def install(house: House) -> None:
    config: Mapping[str, Any] = {"url": f"{house.demo.sandbox.vendors['webhook'].url}/events"}
    with house.api() as api:
        answer = api.post("/integration-catalog/acme/install", json={"name": "Acme", "config": config})
    assert answer.status_code == 201, answer.text


def test_it_is_in_every_list_with_cause_and_remedy(person: Person, house: House) -> None:
    house.send("track", event="Waits")
    person.go("/")
    person.sees("Acme needs you")
    for path in ("/", "/integrations"):
        person.go(path)
        person.sees(CAUSE)
        person.sees(REMEDY)
    person.go("/pipelines/1")
    person.sees("Acme needs you")


def test_its_page_says_what_to_do(person: Person, house: House, size: tuple[int, int]) -> None:
    (acme,) = house.rows("select id from integration where slug = 'acme'")
    person.size(size)
    person.go(f"/integrations/{acme['id']}")
    person.sees("Paused by itself: it needs you")
    person.sees(CAUSE)
    person.sees(REMEDY)
    person.sees("event waits.")
    assert person.barriers() == []
    assert person.text(".tabs") == "Status Dead Letters"
    assert "Send a test event" not in person.text()
    person.go("/events?event=Waits")
    person.click(person.all("a.what")[0])
    person.sees("Waits, because Acme is paused by itself")
    person.sees(REMEDY)


def test_what_needs_its_code_says_so(person: Person, house: House) -> None:
    (acme,) = house.rows("select id from integration where slug = 'acme'")
    for path in ("/settings", "/mappings", "/mappings/rule?key=page"):
        person.go(f"/integrations/{acme['id']}{path}")
        person.sees(CAUSE)
    assert len(person.complaints()) == 3


def test_it_can_be_removed(person: Person, house: House) -> None:
    (acme,) = house.rows("select id from integration where slug = 'acme'")
    person.go(f"/integrations/{acme['id']}")
    person.ask("Remove this integration")
    person.press("Remove")
    person.sees("Acme is removed", ".said")
    assert "Acme" not in person.text("#mine")
