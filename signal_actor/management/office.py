"""Office: what the management side can reach of the service, in one value that its handlers are given."""

import sqlite3
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from signal_actor.alarms import Alarms
from signal_actor.database import Database, now_ms
from signal_actor.errors import Refusal
from signal_actor.event import Event
from signal_actor.live import Integration, Live
from signal_actor.management.auth import Guard
from signal_actor.management.cache import Cache
from signal_actor.management.feed import Feed
from signal_actor.management.login import Links
from signal_actor.observations import Observations
from signal_actor.secrets import Box
from signal_actor.store import names, pipelines
from signal_actor.store.ids import whole

P = ParamSpec("P")
T = TypeVar("T")
E = TypeVar("E", covariant=True)


class Rehearsed(Protocol):
    """What an integration would make of an event; `dispatch.rehearsal.Rehearsed` is one."""

    @property
    def outcome(self) -> str: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def payload(self) -> object: ...
    @property
    def request(self) -> dict[str, object] | None: ...


class Tested(Protocol):
    """What came of sending an event; `dispatch.rehearsal.Tested` is one."""

    @property
    def request(self) -> dict[str, object] | None: ...
    @property
    def response(self) -> dict[str, object] | None: ...
    @property
    def verdict(self) -> str: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def duration_ms(self) -> int: ...


class Rehearsal(Protocol):
    """Tries an integration out; `dispatch.rehearsal.Rehearsal` is one, on the same floor as this room."""

    def preview(
        self, integration: Integration, event: Event, consent: str | None, *, default_consent: bool, now: int
    ) -> Rehearsed: ...

    async def test(self, integration: Integration, event: Event, *, now: int) -> Tested: ...


@dataclass(frozen=True, slots=True)
class Office:
    """`reload` makes what is published the truth of every room; `ring` tells the actors that something is due."""

    database: Database
    box: Box
    guard: Guard
    links: Links
    observations: Observations
    feed: Feed
    alarms: Alarms
    rehearsal: Rehearsal
    live: Callable[[], Live]
    ingest: Callable[[], str]  # where the ingest listener is
    reload: Callable[[], None]
    ring: Callable[[], None]
    lateness: Callable[[], float]  # of the event loop, in seconds
    now: Callable[[], int] = now_ms
    cache: Cache[Any] = field(default_factory=Cache)

    async def change(
        self, verb: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Runs a verb that changes what is published, and makes it live at once."""
        value = await self.database.run(verb, *args, **kwargs)
        self.reload()
        return value

    async def figures(
        self, key: Hashable, verb: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Runs a verb that may have to read much; see `cache.py` for how new what it returns is."""

        def timed(connection: sqlite3.Connection) -> tuple[T, float]:
            started = time.thread_time()
            return verb(connection, *args, **kwargs), time.thread_time() - started

        value: T = await self.cache.get(key, lambda: self.database.search(timed))
        return value

    def pipeline(self, name: str) -> int:
        """The id of the pipeline that goes by a slug or an id. Raises Refusal (404)."""
        found = self.database.read(pipelines.identified, name) or whole(name)
        if found is None:
            raise Refusal(404, "not_found", f"There is no pipeline {name[:80]!r}.")
        return found

    def integration(self, name: str) -> int:
        """The id that is meant by an id or a slug. Raises Refusal (404; 400 if several pipelines have the slug)."""
        number = whole(name)
        if number is not None:
            return number
        found = self.database.read(names.integrations, name)
        if len(found) > 1:
            which = ", ".join(f"{key} ({pipeline})" for pipeline, key in found.items())
            raise Refusal(400, "invalid_payload", f"{name!r} is in several pipelines; say which by its id: {which}.")
        if not found:
            raise Refusal(404, "not_found", f"There is no integration {name[:80]!r}.")
        return next(iter(found.values()))

    def only_pipeline(self) -> int:
        """The id of the only pipeline there is. Raises Refusal (400) if it would have to be chosen."""
        known = self.database.read(pipelines.ids)
        if len(known) != 1:
            slugs = ", ".join(pipeline.slug for pipeline in self.live().pipelines.values()) or "none yet"
            raise Refusal(400, "invalid_payload", f"pipeline: say which; there are {slugs}.")
        return known[0]
