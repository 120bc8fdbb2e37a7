"""Trials: stored events mapped as things are and with a draft, side by side. Nothing is sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import trio

from signal_actor.management.api.mappings import Preview, PreviewOf, preview
from signal_actor.management.office import Office
from signal_actor.management.pages import rules
from signal_actor.management.pages.sight import Sight
from signal_actor.store import search
from signal_actor.store.search import Wanted

SAMPLES = 100
SHOWN = 5  # differences of many


@dataclass(frozen=True, slots=True)
class Trial:
    """One event: what it becomes now, and what it would become."""

    event_id: int
    now: Preview
    then: Preview

    @property
    def same(self) -> bool:
        return self.now.payload == self.then.payload and self.now.outcome == self.then.outcome


@dataclass(frozen=True, slots=True)
class Trials:
    """Many events: how many would change or get no payload, and the first of those that differ."""

    count: int
    changed: int
    without: int
    shown: Sequence[Trial]


async def samples(office: Office, found: Sight, document: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Stored events that a rule is about, newest first."""
    wanted = Wanted(
        pipeline=found.pipeline,
        type="track" if key == "other" else key.partition(":")[0],
        event=key.removeprefix(rules.TRACK) if key.startswith(rules.TRACK) else None,
    )
    events, _ = await office.database.search(search.events, wanted, before=None, limit=SAMPLES)
    named = document.get("track") or {}
    return [event for event in events if key != "other" or event["name"] not in named]


async def one(office: Office, integration_id: int, event_id: int, changes: dict[str, Any]) -> Trial:
    """One event. Raises ConfigurationError if the changes cannot be compiled."""
    now = await preview(office, integration_id, PreviewOf(event_id=event_id))
    then = await preview(office, integration_id, PreviewOf(event_id=event_id, mappings=changes))
    return Trial(event_id, now, then)


async def many(office: Office, integration_id: int, event_ids: Sequence[int], changes: dict[str, Any]) -> Trials:
    """Many events, giving way to others between them. Raises as `one` does."""
    found = []
    for event_id in event_ids:
        found.append(await one(office, integration_id, event_id, changes))
        await trio.lowlevel.checkpoint()
    differing = [trial for trial in found if not trial.same]
    without = [trial for trial in found if trial.then.payload is None]
    return Trials(len(found), len(differing), len(without), differing[:SHOWN])
