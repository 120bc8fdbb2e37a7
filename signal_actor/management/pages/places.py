"""Places: where an event went, chosen as pipeline and integration together: a slug is unique in its pipeline only.

shop/insider   the integration insider of the pipeline shop
shop/          all of the pipeline shop
insider        every integration of this name, as an address that somebody typed may ask for
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from signal_actor.live import Live


@dataclass(frozen=True, slots=True)
class Group:
    """A pipeline and its integrations, as (place, name)."""

    pipeline: str
    name: str
    places: Sequence[tuple[str, str]]

    @property
    def values(self) -> list[str]:
        """What may be chosen here."""
        return [f"{self.pipeline}/", *(place for place, _ in self.places)]


def groups(live: Live) -> list[Group]:
    """All places that there are; those that are removed too, as long as something is open."""
    found = []
    for pipeline in live.pipelines.values():
        own = [each for each in live.integrations.values() if each.pipeline_id == pipeline.id]
        names = [each.name for each in own]
        places = [
            (f"{pipeline.slug}/{each.slug}", each.name if names.count(each.name) == 1 else f"{each.name}, {each.slug}")
            for each in sorted(own, key=lambda each: (each.name, each.slug))
        ]
        found.append(Group(pipeline.slug, pipeline.name, places))
    return found


def meant(given: Mapping[str, str]) -> dict[str, Any]:
    """The same search with the place as `pipeline` and `integration`."""
    pipeline, slash, integration = given.get("integration", "").partition("/")
    if not slash:
        return dict(given)
    rest = {name: text for name, text in given.items() if name not in ("pipeline", "integration")}
    return rest | {"pipeline": pipeline} | ({"integration": integration} if integration else {})


def place(given: Mapping[str, str]) -> str:
    """The place that a search is about, "" for any."""
    pipeline, integration = given.get("pipeline", ""), given.get("integration", "")
    return f"{pipeline}/{integration}" if pipeline else integration
