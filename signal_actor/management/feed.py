"""Feed: what happens, told live to all who watch. However many they are, accepting events does not feel it.

The rooms that do the work only say that something happened, and only while somebody watches. One task then reads what
it was, at most twice a second, and makes the text of each item once, for everybody; viewers who look through the same
filter share even the text of a whole round. A round shows a viewer no more than a person could follow, and what it
leaves out it counts. A viewer who does not read loses the oldest, and is told so.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

import trio

from signal_actor.database import Database, now_ms
from signal_actor.live import Integration, Live
from signal_actor.management.viewer import Filter, Viewer
from signal_actor.observations import Observations
from signal_actor.store import tail, tally
from signal_actor.store.outbox import Settlement
from signal_actor.store.tail import Seen
from signal_actor.wire import dumps, iso

ROUND_SECONDS = 0.5  # between two rounds; the first after a quiet time comes at once
READ = 1_000  # newest events, and newest outcomes, that a round looks at
SHOWN = 100  # newest items that a round shows to a viewer
VIEWERS = 200

OUTCOMES = {**tally.OUTCOMES, "pending": "retry"}


@dataclass
class Item:
    """Something that happened. `text` is made when the first viewer is shown it."""

    kind: str
    data: dict[str, Any]

    @cached_property
    def text(self) -> bytes:
        return f"event: {self.kind}\ndata: {dumps(self.data)}\n\n".encode()


@dataclass
class _Heard:
    """What was said since the last round."""

    outcomes: deque[tuple[Integration, Settlement]] = field(default_factory=lambda: deque(maxlen=READ))
    settled: int = 0


class Feed:
    """Tells viewers. It is the `watcher` of the observations while there are any."""

    def __init__(self, database: Database, live: Callable[[], Live], observations: Observations) -> None:
        self._database = database
        self._live = live
        self._observations = observations
        self._viewers: set[Viewer] = set()
        self._heard = _Heard()
        self._bell = trio.Event()
        self._last = 0
        self._closed = False

    def accepted(self, count: int) -> None:
        """So many events were committed."""
        self._bell.set()

    def settled(self, integration: Integration, settlements: Sequence[Settlement]) -> None:
        """Deliveries got an outcome. What nobody attempted is no outcome."""
        told = [s for s in settlements if s.finished_at is not None or not s.give_back or s.status is not None]
        if told:
            self._heard.settled += len(told)
            self._heard.outcomes.extend((integration, settlement) for settlement in islice(told, READ))
            self._bell.set()

    @property
    def has_room(self) -> bool:
        """Whether one more may watch."""
        return not self._closed and len(self._viewers) < VIEWERS

    def join(self, viewer: Viewer) -> None:
        """Lets somebody watch from now on."""
        if self._closed:
            viewer.end()
        if not self._viewers:
            self._last = self._database.read(tail.newest_id)
            self._heard = _Heard()
        self._viewers.add(viewer)
        self._observations.watcher = self

    def leave(self, viewer: Viewer) -> None:
        self._viewers.discard(viewer)
        if not self._viewers:
            self._observations.watcher = None

    async def run(self) -> None:
        """Tells until cancelled; then the viewers' streams end."""
        try:
            while True:
                await self._bell.wait()
                self._bell = trio.Event()
                if self._viewers:
                    self._tell()
                await trio.sleep(ROUND_SECONDS)
        finally:
            self._closed = True
            for viewer in list(self._viewers):
                viewer.end()

    def _tell(self) -> None:
        heard, self._heard = self._heard, _Heard()
        seen, passed = self._database.read(tail.since, self._last, limit=READ)
        self._last = seen[-1].event_id if seen else self._last
        items = [self._accepted(each) for each in seen]
        items += self._delivered(list(heard.outcomes), {each.event_id: each for each in seen})
        passed += heard.settled - len(heard.outcomes)
        groups: dict[Filter, list[Viewer]] = {}
        for viewer in self._viewers:
            groups.setdefault(viewer.filter, []).append(viewer)
        for wanted, viewers in groups.items():
            found = [item for item in items if wanted.admits(item.kind, item.data)]
            shown = found[-SHOWN:]
            text = b"".join(item.text for item in shown)
            missed = len(found) - len(shown) + passed
            for viewer in viewers:
                viewer.push(text, len(shown), missed)

    def _accepted(self, seen: Seen) -> Item:
        return Item("accepted", {"at": iso(seen.received_at), **self._about(seen)})

    def _delivered(self, outcomes: list[tuple[Integration, Settlement]], seen: dict[int, Seen]) -> Iterator[Item]:
        missing = {settlement.event_id for _, settlement in outcomes} - seen.keys()
        known = seen | (self._database.read(tail.named, list(missing)) if missing else {})
        now = now_ms()
        for integration, settlement in outcomes:
            if settlement.event_id in known:
                data = {
                    "at": iso(settlement.finished_at or now),
                    **self._about(known[settlement.event_id]),
                    "integration": integration.slug,
                    "integration_id": integration.id,
                    "vendor": integration.vendor,
                    "outcome": OUTCOMES[settlement.state],
                    "state": settlement.state,
                    "status": settlement.status,
                    "error": settlement.error,
                }
                yield Item("delivery", data)

    def _about(self, seen: Seen) -> dict[str, Any]:
        pipeline = self._live().pipelines.get(seen.pipeline_id)
        return {
            "event_id": seen.event_id,
            "pipeline": pipeline.slug if pipeline else None,
            "type": seen.type,
            "name": seen.name,
            "message_id": seen.message_id,
            "anonymous_id": seen.anonymous_id,
            "user_id": seen.user_id,
        }
