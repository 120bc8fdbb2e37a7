"""Actor: delivers what is owed to one integration. Leases, prepares, sends, settles; rests until something is due.

    run      lease what is due ──▶ deliver, up to max_in_flight at a time ──▶ rest until the bell or the next due time
    deliver  prepare: consent, mapping, limits; what that decides is settled at once
             per batch, in order: the verdicts are Snooze until the vendor has answered, and settled whatever happens

A batch that is refused whole comes back in halves. A visitor whose event has to wait keeps its later events back.
"""

import secrets
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from random import random
from typing import Any, Concatenate, ParamSpec, TypeVar

import httpx
import structlog
import trio

from signal_actor.database import Database, now_ms
from signal_actor.delivery import rules
from signal_actor.delivery.batching import batches, halves
from signal_actor.delivery.rules import Health, Misconfigured, Outcome, RefusedWhole, Rejected, Retry, Skipped, Snooze
from signal_actor.destinations.base import Destination, Reply, Request, Settings
from signal_actor.dispatch import transport
from signal_actor.dispatch.preparation import Package, Preparation
from signal_actor.dispatch.pressure import Pressure
from signal_actor.dispatch.record import Recorder
from signal_actor.errors import StorageFull
from signal_actor.live import Integration
from signal_actor.observations import Observations
from signal_actor.store import outbox
from signal_actor.store.outbox import Attempt, Leased, Settlement

P = ParamSpec("P")
T = TypeVar("T")

LEASE_SLACK = 60.0  # seconds that a lease outlives one request's time-out: later batches of it wait for earlier ones
LONGEST_REST = 3600.0  # seconds: an actor looks again at least this often
ROOM_SECONDS = 1.0  # between two looks whether the disk has room again
LONGEST_PARTING = 10.0  # seconds that a stopping actor waits for room before it leaves its leases to the next one
PREPARED_AT_ONCE = 50  # events between two looks at the rest of the process: about 2 ms


class Bell:
    """Tells an actor that there may be something to do. A ring that nobody waited for is not lost."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def ring(self) -> None:
        self._event.set()

    async def wait(self, at_most: float) -> None:
        with trio.move_on_after(min(at_most, LONGEST_REST)):
            await self._event.wait()
        self._event = trio.Event()


class Actor:
    """One integration's actor. When `run()` has returned, nothing of it is in flight."""

    def __init__(
        self,
        database: Database,
        integration: Integration,
        settings: Settings,
        destination: Destination[Any],
        *,
        default_consent: bool,
        pressure: Pressure | None = None,
        observations: Observations | None = None,
        now: Callable[[], int] = now_ms,
        jitter: Callable[[], float] = random,
    ) -> None:
        self.integration = integration
        self.health = integration.health
        self.bell = Bell()
        self._database = database
        self._settings = settings
        self._destination = destination
        self._policy = integration.policy
        self._prepare = Preparation(integration, settings, destination, default_consent=default_consent)
        self._recorder = Recorder(settings)
        self._pressure = pressure or Pressure()
        self._observations = observations or Observations()
        self._now = now
        self._jitter = jitter
        self._stopping = False
        self._in_flight = 0
        self._failures = 0  # requests in a row that the vendor or the network failed
        self._resting_until = 0.0  # Trio's clock; nothing of this integration is sent before
        limits = destination.limits
        self._heads = min(limits.items, limits.visitors or limits.items)  # visitors in one lease
        self._client: httpx.AsyncClient
        self._log = structlog.get_logger().bind(pipeline=integration.pipeline, integration=integration.slug)

    def stop(self) -> None:
        """Nothing more is leased; `run()` returns when what is in flight has been settled."""
        self._stopping = True
        self.bell.ring()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Delivers until stopped or cancelled."""
        async with transport.client(self._policy.max_in_flight) as self._client, trio.open_nursery() as nursery:
            task_status.started()
            while not self._stopping:
                wait = self._held_back()
                if wait > 0:
                    await self.bell.wait(wait)
                    continue
                lease = secrets.randbits(62)
                try:
                    leased = await self._lease(lease)
                except StorageFull:
                    await self.bell.wait(ROOM_SECONDS)
                    continue
                if not leased:
                    await self.bell.wait(self._until_next_due())
                    continue
                self._in_flight += 1
                nursery.start_soon(self._deliver, lease, leased)
                await trio.sleep(self._pressure.rest(full=len(leased) >= self._heads))

    # When to send ------------------------------------------------------------------------------------------------

    def _held_back(self) -> float:
        """Seconds until the next lease may be taken; 0 is now. Whatever ends the wait early rings the bell."""
        in_trouble = self._failures >= 2 or self.health is Health.MISCONFIGURED
        if self._in_flight >= (1 if in_trouble else self._policy.max_in_flight) or self.health is Health.PAUSED:
            return LONGEST_REST
        return max(self._resting_until - trio.current_time(), 0.0)

    def _until_next_due(self) -> float:
        due = self._database.read(outbox.next_due, self.integration.id)
        return LONGEST_REST if due is None else max(due - self._now(), 1) / 1000

    async def _lease(self, lease: int) -> list[Leased]:
        probing = self.health is Health.MISCONFIGURED
        # Waiting for a transaction cannot be cancelled, so no lease is ever without a holder.
        return await self._database.run(
            outbox.lease,
            self.integration.id,
            lease=lease,
            now=self._now(),
            until=self._lease_end(),
            heads=1 if probing else self._heads,
            items=1 if probing else self._destination.limits.items,
        )

    def _lease_end(self) -> int:
        return self._now() + round((self._policy.request_timeout_seconds + LEASE_SLACK) * 1000)

    # Delivering --------------------------------------------------------------------------------------------------

    async def _deliver(self, lease: int, leased: Sequence[Leased]) -> None:
        """Brings one lease to its end: every row of it is settled, whatever happens on the way."""
        work: deque[list[Package]] = deque()
        waiting: set[int] = set()  # visitors whose event has to wait, so that their later ones wait too
        slack_ends = trio.current_time() + LEASE_SLACK
        try:
            work.extend(await self._prepared(lease, _least_tried_first(leased)))
            while work and not self._must_pause():
                batch = [parcel for parcel in work[0] if parcel.visitor not in waiting]
                held = [parcel for parcel in work.popleft() if parcel.visitor in waiting]
                await self._settle(lease, held, [Snooze("an earlier event of the visitor waits")] * len(held))
                if batch:
                    if trio.current_time() >= slack_ends:
                        await self._store(outbox.extend, self.integration.id, lease=lease, until=self._lease_end())
                        slack_ends = trio.current_time() + LEASE_SLACK
                    outcomes = await self._attempt(lease, batch)
                    if outcomes is None:
                        work.extendleft(reversed(halves(batch)))
                    else:
                        waiting |= {p.visitor for p, o in zip(batch, outcomes, strict=True) if _waits(o)}
        finally:
            with trio.CancelScope(shield=True):
                left = [parcel for batch in work for parcel in batch]
                await self._settle(lease, left, [Snooze("the integration rests")] * len(left))
            self._in_flight -= 1
            self.bell.ring()

    def _must_pause(self) -> bool:
        return self._stopping or self._resting_until > trio.current_time()

    async def _prepared(self, lease: int, leased: Sequence[Leased]) -> list[list[Package]]:
        parcels: list[Package] = []
        decided: list[tuple[Leased, Outcome]] = []
        last: dict[int, Package] = {}  # of each visitor
        for index, row in enumerate(leased):
            if index % PREPARED_AT_ONCE == PREPARED_AT_ONCE - 1:
                await trio.lowlevel.cancel_shielded_checkpoint()
            result = self._prepare(row)
            if not isinstance(result, Skipped | Rejected):
                parcels.append(result)
                last[row.visitor] = result
            elif row.visitor in last:
                last[row.visitor].key.trailing.append((row, result))
            else:
                decided.append((row, result))
        await self._write(lease, decided, status=None, attempt=None, health=None)
        return batches(parcels, self._destination.limits)

    async def _attempt(self, lease: int, batch: list[Package]) -> list[Outcome] | None:
        """One request. None if the batch was refused whole and has to be tried in halves."""
        outcomes: list[Outcome] = [Snooze("interrupted")] * len(batch)
        request: Request | None = None
        answer: Reply | Retry | Misconfigured | None = None
        started_at, started = self._now(), trio.current_time()
        try:
            payloads = [parcel.payload for parcel in batch]
            request = self._destination.build(self._settings, payloads, started_at / 1000)
            answer = await transport.exchange(self._client, request, within=self._policy.request_timeout_seconds)
            outcomes = self._read(payloads, answer)
        except Exception as error:  # a vendor module's bug costs only its own events
            self._log.exception("delivery.failed")
            outcomes = [Retry(f"{type(error).__name__}: {error}")] * len(batch)
        finally:
            with trio.CancelScope(shield=True):
                reply = answer if isinstance(answer, Reply) else None
                attempt = self._recorder(
                    batch,
                    request,
                    reply,
                    outcomes,
                    started_at=started_at,
                    duration_ms=round((trio.current_time() - started) * 1000),
                )
                split = len(batch) > 1 and all(isinstance(outcome, RefusedWhole) for outcome in outcomes)
                if split:
                    await self._store(outbox.record, self.integration.id, attempt)
                else:
                    await self._settle(lease, batch, outcomes, attempt, reply)
        return None if split else outcomes

    def _read(self, payloads: list[Any], answer: Reply | Retry | Misconfigured) -> list[Outcome]:
        if not isinstance(answer, Reply):
            return [answer] * len(payloads)
        outcomes = self._destination.classify(payloads, answer)
        if len(outcomes) != len(payloads):
            raise ValueError(f"{self._destination.slug} gave {len(outcomes)} verdicts for {len(payloads)} events")
        return outcomes

    # Settling ----------------------------------------------------------------------------------------------------

    async def _settle(
        self,
        lease: int,
        batch: Sequence[Package],
        outcomes: Sequence[Outcome],
        attempt: Attempt | None = None,
        reply: Reply | None = None,
    ) -> None:
        rows: list[tuple[Leased, Outcome]] = []
        for parcel, outcome in zip(batch, outcomes, strict=True):
            rows.append((parcel.key.row, outcome))
            wait = Snooze("an earlier event of the visitor waits") if _waits(outcome) else None
            rows += [(row, wait or decided) for row, decided in parcel.key.trailing]
        health = None if attempt is None else self._take_stock(outcomes)
        await self._write(lease, rows, status=reply.status if reply else None, attempt=attempt, health=health)
        if attempt is not None and attempt.outcome != "delivered":
            self._log.warning(
                "delivery.attempted",
                events=len(batch),
                status=attempt.status,
                outcome=attempt.outcome,
                duration_ms=attempt.duration_ms,
                error=attempt.error,
            )

    async def _write(
        self,
        lease: int,
        rows: Sequence[tuple[Leased, Outcome]],
        *,
        status: int | None,
        attempt: Attempt | None,
        health: tuple[str, str | None] | None,
    ) -> None:
        if not rows:
            return
        now = self._now()
        settlements = [self._settlement(row, outcome, status, now, asked=attempt is not None) for row, outcome in rows]
        settled = await self._store(
            outbox.settle,
            self.integration.id,
            lease=lease,
            settlements=settlements,
            attempt=attempt,
            health=health,
            now=now,
        )
        self._observations.settled(self.integration, settled)

    async def _store(
        self, verb: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Runs a verb, waiting for room on the disk: what the vendor has must not be sent again."""
        patience = LONGEST_PARTING
        while True:
            try:
                return await self._database.run(verb, *args, **kwargs)
            except StorageFull:
                if self._stopping and (patience := patience - ROOM_SECONDS) < 0:
                    raise
                await trio.sleep(ROOM_SECONDS)

    def _settlement(self, row: Leased, outcome: Outcome, status: int | None, now: int, *, asked: bool) -> Settlement:
        step = rules.step(
            outcome,
            policy=self._policy,
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
            give_back=step.give_back or not asked,
            status=status,
            error=None if step.error is None else self._recorder.redacted(step.error)[:1000],
        )

    def _take_stock(self, outcomes: Sequence[Outcome]) -> tuple[str, str | None] | None:
        """What the attempt says about the integration: its health, and whether and how long it rests."""
        if all(isinstance(outcome, Snooze) for outcome in outcomes):
            return None
        health, cause = rules.health_after(outcomes)
        wishes = [outcome.after for outcome in outcomes if isinstance(outcome, Retry) and outcome.after is not None]
        self._failures = self._failures + 1 if health is not Health.OK else 0
        if health is Health.MISCONFIGURED:
            rest = self._policy.probe_seconds
        else:
            rest = rules.rest(self._policy, self._failures, max(wishes, default=None), jitter=self._jitter())
        self._resting_until = trio.current_time() + rest
        if health is self.health and health is Health.OK:
            return None
        if self.health is not Health.PAUSED:
            self.health = health
        return health, None if cause is None else self._recorder.redacted(cause)[:1000]


def _least_tried_first(leased: Sequence[Leased]) -> list[Leased]:
    """Each visitor's events in order, and last the visitors whose events failed most.

    One event at which the vendor falls over would else be the first of every round, and nobody would come after it.
    """
    tries: dict[int, int] = {}
    for row in leased:
        tries[row.visitor] = max(row.attempts, tries.get(row.visitor, 0))
    return sorted(leased, key=lambda row: (tries[row.visitor], row.event_id))


def _waits(outcome: Outcome) -> bool:
    return isinstance(outcome, Retry | Misconfigured | Snooze)
