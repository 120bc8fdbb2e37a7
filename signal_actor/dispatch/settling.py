"""Settling: the outcomes of an attempt become what the outbox says, whatever happens to the actor meanwhile."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec, TypeVar

import trio

from signal_actor.database import Database
from signal_actor.delivery import rules
from signal_actor.delivery.rules import Health, Outcome
from signal_actor.dispatch.record import Recorder
from signal_actor.errors import StorageFull
from signal_actor.live import Integration
from signal_actor.observations import Observations
from signal_actor.store import outbox
from signal_actor.store.outbox import Attempt, Leased, Settlement

P = ParamSpec("P")
T = TypeVar("T")

Row = tuple[Leased, Outcome]
News = tuple[Health, str | None] | None

ROOM_SECONDS = 1.0  # between two looks whether the disk has room again
LONGEST_PARTING = 10.0  # seconds that a stopping actor waits for room before it leaves its leases to the next one
ERROR_KEPT = 1_000  # characters


class Desk:
    """Where one integration's outcomes are written down."""

    def __init__(
        self,
        database: Database,
        integration: Integration,
        recorder: Recorder,
        observations: Observations,
        *,
        now: Callable[[], int],
        jitter: Callable[[], float],
    ) -> None:
        self.stopping = False
        self._database = database
        self._integration = integration
        self._recorder = recorder
        self._observations = observations
        self._now = now
        self._jitter = jitter

    async def settle(
        self,
        lease: int,
        rows: Sequence[Row],
        *,
        status: int | None = None,
        attempt: Attempt | None = None,
        news: News = None,
    ) -> None:
        """Ends a lease or a part of it. Without an attempt, none was made, and none is counted."""
        if not rows:
            return
        now = self._now()
        settled = await self._store(
            outbox.settle,
            self._integration.id,
            lease=lease,
            settlements=[self._settlement(row, outcome, status, now, attempt) for row, outcome in rows],
            attempt=attempt,
            health=news and (news[0], self._kept(news[1])),
            now=now,
        )
        self._observations.settled(self._integration, settled)

    async def record(self, attempt: Attempt) -> None:
        """Writes an attempt down that decided nothing."""
        await self._store(outbox.record, self._integration.id, attempt)

    async def extend(self, lease: int, until: int) -> None:
        """Gives a lease more time."""
        await self._store(outbox.extend, self._integration.id, lease=lease, until=until)

    async def _store(
        self, verb: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Runs a verb, waiting for room on the disk: what the vendor has must not be sent again."""
        patience = LONGEST_PARTING
        while True:
            try:
                return await self._database.run(verb, *args, **kwargs)
            except StorageFull:
                if self.stopping and (patience := patience - ROOM_SECONDS) < 0:
                    raise
                await trio.sleep(ROOM_SECONDS)

    def _settlement(
        self, row: Leased, outcome: Outcome, status: int | None, now: int, attempt: Attempt | None
    ) -> Settlement:
        step = rules.step(
            outcome,
            policy=self._integration.policy,
            attempts=row.attempts,
            window_from=row.window_from,
            now=now,
            jitter=self._jitter(),
        )
        return Settlement(
            event_id=row.event_id,
            visitor=row.visitor,
            state=step.state,
            due_at=step.due_at,
            finished_at=step.finished_at,
            give_back=step.give_back or attempt is None,
            status=status,
            error=self._kept(step.error),
        )

    def _kept(self, text: str | None) -> str | None:
        return None if text is None else self._recorder.redacted(text)[:ERROR_KEPT]
