"""Sight: what several pages show of an integration, gathered once."""

import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from signal_actor.destinations.base import Advice, Destination, Limits, Settings
from signal_actor.destinations.registry import destinations
from signal_actor.errors import ConfigurationError, Refusal
from signal_actor.live import Pipeline
from signal_actor.management.office import Office
from signal_actor.store import figures, installed, tally
from signal_actor.store.installed import Shown

MISSING = "Install the package again where Signal Actor runs and start it anew, or remove the integration. All waits."
UNFIT = "Go through its settings and save them."
NOTHING = {"pending": 0, "leased": 0, "done": 0, "skipped": 0, "dead": 0, "oldest": 0}


@dataclass(frozen=True, slots=True)
class Sight:
    """An integration with its surroundings. `backlog` counts deliveries by state; `oldest` is when the earliest of
    those that are open was accepted, 0 if none is."""

    shown: Shown
    pipeline: str
    pipeline_name: str
    vendor: Destination[Any]  # a stand-in that knows nothing if the vendor's package is not installed
    backlog: dict[str, int]
    unfit: str | None = None  # why it cannot be served at all: what is stored does not fit the vendor's code of today

    @property
    def name(self) -> str:
        return str(self.shown.table["name"])

    @property
    def missing(self) -> bool:
        """Whether the vendor's package is not installed."""
        return self.shown.table["vendor"] not in destinations()

    @property
    def health(self) -> str:
        """One word for how it is doing."""
        if not self.shown.table["enabled"]:
            return "disabled"
        return "misconfigured" if self.unfit and self.shown.health != "paused" else self.shown.health

    @property
    def cause(self) -> str:
        if self.missing:
            return f"There is no vendor “{self.vendor.slug}” here: the package that brought it is not installed."
        return self.unfit or split_reason(self.vendor, self.shown.health_reason)[0]

    @property
    def remedy(self) -> str:
        if self.missing:
            return MISSING
        return UNFIT if self.unfit else split_reason(self.vendor, self.shown.health_reason)[1]

    @property
    def open(self) -> int:
        """Deliveries that are still owed."""
        return self.backlog["pending"] + self.backlog["leased"]


async def everything(office: Office) -> list[Sight]:
    """All integrations, those of drafts too, by pipeline and name."""
    pipelines = office.live().pipelines
    found = [shown for shown in office.database.read(installed.listed, office.box) if shown.pipeline_id in pipelines]
    backlog = await office.figures("backlog", _backlog)
    sights = [_sight(office, shown, pipelines[shown.pipeline_id], backlog) for shown in found]
    return sorted(sights, key=lambda sight: (sight.pipeline_name, _natural(sight.name)))


async def one(office: Office, integration_id: int) -> Sight:
    """An integration. Raises Refusal (404)."""
    shown = office.database.read(installed.shown, integration_id, office.box)
    pipeline = office.live().pipelines[shown.pipeline_id]
    return _sight(office, shown, pipeline, await office.figures("backlog", _backlog))


async def served(office: Office, integration_id: int) -> Sight:
    """An integration whose vendor's code is there. Raises Refusal (404, 409)."""
    found = await one(office, integration_id)
    if found.missing:
        raise Refusal(409, "vendor_missing", f"{found.cause} {MISSING}")
    return found


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


def _sight(office: Office, shown: Shown, pipeline: Pipeline, backlog: Mapping[int, dict[str, int]]) -> Sight:
    vendor = shown.table["vendor"]
    return Sight(
        shown,
        pipeline.slug,
        pipeline.name,
        destinations().get(vendor) or _stand_in(vendor),
        {**NOTHING, **backlog.get(shown.id, {})},
        _unfit(office, shown.id),
    )


def _natural(name: str) -> list[str]:
    """Shop 2 comes before Shop 10, as people count."""
    return [part.zfill(9) if part.isdecimal() else part.lower() for part in re.split(r"(\d+)", name)]


def _stand_in(slug: str) -> Destination[Any]:
    """A vendor of which nothing is known but its name."""
    return Destination(slug, slug, "", "", Settings, {}, (), Limits(), _absent, _absent, _absent)


def _absent(*_: Any) -> NoReturn:
    raise ConfigurationError("The vendor's package is not installed.")


def _unfit(office: Office, integration_id: int) -> str | None:
    live = office.live().integrations.get(integration_id)
    return live.health_reason if live is not None and live.settings is None else None


def _backlog(connection: sqlite3.Connection) -> dict[int, dict[str, int]]:
    """What became of every integration's deliveries, as far as retention has not taken them, and what it is owed."""
    found: dict[int, dict[str, int]] = {}
    for count in tally.counts(connection):
        if count.noun == "delivery":
            found.setdefault(count.owner, {})[count.label] = count.rows
    for key, owed in figures.owed(connection).items():
        found.setdefault(key, {}).update(pending=owed.pending, leased=owed.leased, oldest=owed.oldest)
    return found
