"""Sight: what several pages show of an integration, gathered once."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from signal_actor.destinations.base import Advice, Destination
from signal_actor.destinations.registry import destinations
from signal_actor.errors import Refusal
from signal_actor.management.office import Office
from signal_actor.store import figures, integrations, tally
from signal_actor.store.integrations import Shown

NOTHING = {"pending": 0, "leased": 0, "done": 0, "skipped": 0, "dead": 0, "oldest": 0}


@dataclass(frozen=True, slots=True)
class Sight:
    """An integration with its surroundings. `backlog` counts deliveries by state; `oldest` is when the earliest of
    those that are open was accepted, 0 if none is."""

    shown: Shown
    pipeline: str
    pipeline_name: str
    vendor: Destination[Any]
    backlog: dict[str, int]

    @property
    def name(self) -> str:
        return str(self.shown.table["name"])

    @property
    def health(self) -> str:
        """One word for how it is doing."""
        return self.shown.health if self.shown.table["enabled"] else "disabled"

    @property
    def cause(self) -> str:
        return split_reason(self.vendor, self.shown.health_reason)[0]

    @property
    def remedy(self) -> str:
        return split_reason(self.vendor, self.shown.health_reason)[1]

    @property
    def open(self) -> int:
        """Deliveries that are still owed."""
        return self.backlog["pending"] + self.backlog["leased"]


async def everything(office: Office) -> list[Sight]:
    """All integrations, those of drafts too, by pipeline and name."""
    names = {pipeline.id: (pipeline.slug, pipeline.name) for pipeline in office.live().pipelines.values()}
    found = office.database.read(integrations.listed, office.box)
    backlog = await office.figures("backlog", _backlog)
    sights = [
        Sight(
            shown,
            *names[shown.pipeline_id],
            destinations()[shown.table["vendor"]],
            {**NOTHING, **backlog.get(shown.id, {})},
        )
        for shown in found
        if shown.table["vendor"] in destinations() and shown.pipeline_id in names
    ]
    return sorted(sights, key=lambda sight: (sight.pipeline_name, sight.name))


async def one(office: Office, integration_id: int) -> Sight:
    """An integration. Raises Refusal (404)."""
    for sight in await everything(office):
        if sight.shown.id == integration_id:
            return sight
    raise Refusal(404, "not_found", f"There is no integration {integration_id}. It may have been removed.")


def split_reason(vendor: Destination[Any], reason: str | None) -> tuple[str, str]:
    """A reason as cause and remedy: the remedy is the part that the document's troubleshooting table gives."""
    text = reason or ""
    for advice in vendor.troubleshooting:
        if advice.remedy and advice.remedy in text:
            return text.replace(advice.remedy, "").strip(), advice.remedy
    return text, ""


def advised(vendor: Destination[Any], status: int | None, said: str) -> Advice | None:
    """The row of the troubleshooting table whose symptom this answer is."""
    for advice in vendor.troubleshooting:
        if advice.status is not None and advice.status == status and (advice.mark is None or advice.mark in said):
            return advice
    return None


def silent(vendor: Destination[Any]) -> Sequence[Advice]:
    """Rows about what no answer shows: the vendor took the event, and yet it is not where it should be."""
    return [advice for advice in vendor.troubleshooting if advice.status is None or advice.status < 300]


def _backlog(connection: sqlite3.Connection) -> dict[int, dict[str, int]]:
    """What became of every integration's deliveries, as far as retention has not taken them, and what it is owed."""
    found: dict[int, dict[str, int]] = {}
    for count in tally.counts(connection):
        if count.noun == "delivery":
            found.setdefault(count.owner, {})[count.label] = count.rows
    for key, owed in figures.owed(connection).items():
        found.setdefault(key, {}).update(pending=owed.pending, leased=owed.leased, oldest=owed.oldest)
    return found
