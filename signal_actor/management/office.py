"""Office: what the management side can reach of the service, in one value that its handlers are given."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeVar

from signal_actor.database import Database, now_ms
from signal_actor.live import Live
from signal_actor.management.auth import Guard
from signal_actor.management.login import Links
from signal_actor.secrets import Box

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Office:
    """`reload` makes what is published the truth of every room; `ring` tells the actors that something is due."""

    database: Database
    box: Box
    guard: Guard
    links: Links
    live: Callable[[], Live]
    reload: Callable[[], None]
    ring: Callable[[], None]
    now: Callable[[], int] = now_ms

    async def change(
        self, verb: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Runs a verb that changes what is published, and makes it live at once."""
        value = await self.database.run(verb, *args, **kwargs)
        self.reload()
        return value
