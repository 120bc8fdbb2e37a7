"""A real Chromium, and the demo that it looks at."""

from collections.abc import Iterator

import pytest
from selenium import webdriver

from tests.datafly.conftest import chromium
from tests.management.pages.house import House, open_house
from tests.management.pages.person import DESKTOP, PHONE, Person

__all__ = ["chromium"]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("demo")) as house:
        yield house


@pytest.fixture
def person(chromium: webdriver.Chrome, house: House) -> Iterator[Person]:
    """Somebody who is logged in as an admin, at a desk."""
    person = Person(chromium, house)
    person.size(DESKTOP)
    person.log_in()
    yield person
    assert person.complaints() == []


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    width, height = request.param
    return width, height
