"""Actor: delivers what is owed to one integration. Leases, prepares, sends, settles; rests until something is due.

    run      lease what is due ──▶ deliver, up to max_in_flight at a time ──▶ rest until the bell or the next due time
    deliver  prepare: consent, mapping, limits; what that decides is settled at once
             per batch, in order: the verdicts are Snooze until the vendor has answered, and settled whatever happens

A batch that is refused whole comes back in halves. A visitor whose event has to wait keeps its later events back.
"""

import secrets
from collections import deque
from collections.abc import Callable, Sequence
from random import random
from typing import Any

import httpx
import structlog
import trio

from signal_actor.database import Database, now_ms
from signal_actor.delivery.batching import batches, halves
from signal_actor.delivery.rules import Health, Misconfigured, Outcome, RefusedWhole, Rejected, Retry, Skipped, Snooze
from signal_actor.destinations.base import Destination, Reply, Request, Settings
from signal_actor.dispatch import transport
from signal_actor.dispatch.pace import LONGEST_REST, Pace
from signal_actor.dispatch.preparation import Package, Preparation
from signal_actor.dispatch.pressure import Pressure
from signal_actor.dispatch.record import Recorder
from signal_actor.dispatch.settling import ROOM_SECONDS, Desk, Row
from signal_actor.errors import StorageFull
from signal_actor.live import Integration
from signal_actor.observations import Observations
from signal_actor.store import outbox
from signal_actor.store.outbox import Attempt, Leased

LEASE_SLACK = 60.0  # seconds that a lease outlives one request's time-out: later batches of it wait for earlier ones
PREPARED_AT_ONCE = 50  # events between two looks at the rest of the process: about 2 ms
ITS_TURN = Snooze("an earlier event of the visitor waits")


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
        self.bell = Bell()
        self._database = database
        self._settings = settings
        self._destination = destination
        self._policy = integration.policy
        self._prepare = Preparation(integration, settings, destination, default_consent=default_consent)
        self._recorder = Recorder(settings)
        self._desk = Desk(database, integration, self._recorder, observations or Observations(), now=now, jitter=jitter)
        self._pace = Pace(integration.health, self._policy, self._policy.max_in_flight, jitter)
        self._pressure = pressure or Pressure()
        self._now = now
        limits = destination.limits
        self._heads = min(limits.items, limits.visitors or limits.items)  # visitors in one lease
        self._client: httpx.AsyncClient
        self._log = structlog.get_logger().bind(pipeline=integration.pipeline, integration=integration.slug)

    @property
    def health(self) -> Health:
        """How the integration is doing, as far as its actor knows."""
        return self._pace.health

    def stop(self) -> None:
        """Nothing more is leased; `run()` returns when what is in flight has been settled."""
        self._desk.stopping = True
        self.bell.ring()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Delivers until stopped or cancelled."""
        async with transport.client(self._policy.max_in_flight) as self._client, trio.open_nursery() as nursery:
            task_status.started()
            while not self._desk.stopping:
                wait = self._pace.held_back()
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
                self._pace.in_flight += 1
                nursery.start_soon(self._deliver, lease, leased)
                await trio.sleep(self._pressure.rest(full=len(leased) >= self._heads))

    def _until_next_due(self) -> float:
        due = self._database.read(outbox.next_due, self.integration.id)
        return LONGEST_REST if due is None else max(due - self._now(), 1) / 1000

    async def _lease(self, lease: int) -> list[Leased]:
        # Waiting for a transaction cannot be cancelled, so no lease is ever without a holder.
        return await self._database.run(
            outbox.lease,
            self.integration.id,
            lease=lease,
            now=self._now(),
            until=self._lease_end(),
            heads=1 if self._pace.probing else self._heads,
            items=1 if self._pace.probing else self._destination.limits.items,
        )

    def _lease_end(self) -> int:
        return self._now() + round((self._policy.request_timeout_seconds + LEASE_SLACK) * 1000)

    async def _deliver(self, lease: int, leased: Sequence[Leased]) -> None:
        """Brings one lease to its end: every row of it is settled, whatever happens on the way."""
        work: deque[list[Package]] = deque()
        waiting: set[int] = set()  # visitors whose event has to wait, so that their later ones wait too
        slack_ends = trio.current_time() + LEASE_SLACK
        try:
            work.extend(await self._prepared(lease, _least_tried_first(leased)))
            while work and not (self._desk.stopping or self._pace.resting):
                batch = [parcel for parcel in work[0] if parcel.visitor not in waiting]
                held = [parcel for parcel in work.popleft() if parcel.visitor in waiting]
                await self._desk.settle(lease, _rows(held, [ITS_TURN] * len(held)))
                if batch:
                    if trio.current_time() >= slack_ends:
                        await self._desk.extend(lease, self._lease_end())
                        slack_ends = trio.current_time() + LEASE_SLACK
                    outcomes = await self._attempt(lease, batch)
                    if outcomes is None:
                        work.extendleft(reversed(halves(batch)))
                    else:
                        waiting |= {p.visitor for p, o in zip(batch, outcomes, strict=True) if _waits(o)}
        finally:
            with trio.CancelScope(shield=True):
                left = [parcel for batch in work for parcel in batch]
                await self._desk.settle(lease, _rows(left, [Snooze("the integration rests")] * len(left)))
            self._pace.in_flight -= 1
            self.bell.ring()

    async def _prepared(self, lease: int, leased: Sequence[Leased]) -> list[list[Package]]:
        """Batches of what is to be sent; what is decided without the vendor is settled, or trails what goes before."""
        parcels: list[Package] = []
        decided: list[Row] = []
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
        await self._desk.settle(lease, decided)
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
                took = round((trio.current_time() - started) * 1000)
                attempt = self._recorder(batch, request, reply, outcomes, started_at=started_at, duration_ms=took)
                split = len(batch) > 1 and all(isinstance(outcome, RefusedWhole) for outcome in outcomes)
                if split:
                    await self._desk.record(attempt)
                else:
                    news = self._pace.take_stock(outcomes)
                    rows = _rows(batch, outcomes)
                    await self._desk.settle(lease, rows, status=attempt.status, attempt=attempt, news=news)
                self._tell(attempt)
        return None if split else outcomes

    def _read(self, payloads: list[Any], answer: Reply | Retry | Misconfigured) -> list[Outcome]:
        if not isinstance(answer, Reply):
            return [answer] * len(payloads)
        outcomes = self._destination.classify(payloads, answer)
        if len(outcomes) != len(payloads):
            raise ValueError(f"{self._destination.slug} gave {len(outcomes)} verdicts for {len(payloads)} events")
        return outcomes

    def _tell(self, attempt: Attempt) -> None:
        """One line in the log for every attempt that did not simply succeed."""
        if attempt.outcome == "delivered":
            return
        self._log.warning(
            "delivery.attempted",
            events=len(attempt.event_ids),
            status=attempt.status,
            outcome=attempt.outcome,
            duration_ms=attempt.duration_ms,
            error=attempt.error,
        )


def _rows(batch: Sequence[Package], outcomes: Sequence[Outcome]) -> list[Row]:
    """What to settle: each parcel's row, and what trails it, which waits if the parcel waits."""
    rows: list[Row] = []
    for parcel, outcome in zip(batch, outcomes, strict=True):
        rows.append((parcel.key.row, outcome))
        rows += [(row, ITS_TURN if _waits(outcome) else decided) for row, decided in parcel.key.trailing]
    return rows


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
