"""Sight: what several pages show of an integration, gathered once."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from signal_actor.destinations.base import Advice, Destination
from signal_actor.destinations.registry import destinations
from signal_actor.errors import Refusal
from signal_actor.management.office import Office
from signal_actor.secrets import Box
from signal_actor.store import integrations, letters, revisions
from signal_actor.store.integrations import Shown


@dataclass(frozen=True, slots=True)
class Sight:
    """An integration with its surroundings. `backlog` is its row of `v_backlog`, {} if it was never published."""

    shown: Shown
    pipeline: str
    pipeline_name: str
    vendor: Destination[Any]
    backlog: dict[str, Any]

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
        return int(self.backlog.get("pending", 0)) + int(self.backlog.get("leased", 0))


async def everything(office: Office) -> list[Sight]:
    """All integrations, those of drafts too, by pipeline and name."""
    names = {pipeline.id: (pipeline.slug, pipeline.name) for pipeline in office.live().pipelines.values()}
    found = office.database.read(_shown, list(names), office.box)
    backlog = {(row["pipeline"], row["integration"]): row for row in await office.database.search(letters.backlog)}
    sights = [
        Sight(
            shown,
            *names[shown.pipeline_id],
            destinations()[shown.table["vendor"]],
            backlog.get((names[shown.pipeline_id][0], shown.slug), {}),
        )
        for shown in found
        if shown.table["vendor"] in destinations()
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


def _shown(connection: sqlite3.Connection, pipeline_ids: list[int], box: Box) -> list[Shown]:
    found = []
    for pipeline_id in pipeline_ids:
        document = revisions.draft(connection, pipeline_id) or revisions.published(connection, pipeline_id)
        ids = [item.id for item in document.integrations.values() if item.id is not None]
        found += [integrations.shown(connection, key, box) for key in ids]
    return found
