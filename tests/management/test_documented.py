"""docs/management.md names every call of the API and every metric."""

import re
from pathlib import Path

from signal_actor.management.api import NOUNS
from signal_actor.management.routes import PREFIX
from tests.service.house import House

TEXT = (Path(__file__).parents[2] / "docs/management.md").read_text()
NAMED = set(re.findall(r"`([\w/{}-]+)`", TEXT))


def test_every_call() -> None:
    for route in (route for noun in NOUNS for route in noun.routes):
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.path.removeprefix(PREFIX))
        below = re.sub(r"^/(integrations|pipelines)/\{id\}(?=/)", "", path)
        assert {path, below, path.rpartition("/{")[0], below.rpartition("/{")[0]} & NAMED, path


async def test_every_metric(house: House) -> None:
    await house.track(1)
    await house.settled()
    text = (await house.client.get(house.ready.admin + "/metrics")).text
    assert set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE)) == {name for name in NAMED if name[:7] == "signal_"}
