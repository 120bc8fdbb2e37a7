"""Writer: four ways to commit from a Trio process, with an idle loop, a busy loop and a slow disk.

    python -m benchmarks.writer            the table below, measured again
    python -m benchmarks.writer --json     the same for programs

inline   statements and COMMIT on the loop
ours     statements on the loop, COMMIT in a thread, and the loop rests for a moment when it keeps the GIL from it
no rest  the same without the rest
thread   the whole transaction in a thread of its own, which is given a group at a time

A hundred tasks store one event each, again and again, owed to three integrations, `synchronous=FULL`. A busy loop has
one more task that burns CPU in slices, so that the loop never waits. A slow disk takes so much longer for each COMMIT,
without the GIL. Lag is how late a sleeping task wakes up, which is what every other request would feel.
"""

import itertools
import json
import math
import sqlite3
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import click
import trio

from signal_actor import database
from signal_actor.errors import StorageLost
from signal_actor.store import events
from signal_actor.store.events import Incoming
from signal_actor.writer import Job, Writer

TASKS = 100
LOADS = {"idle": 0.0, "200 us": 200e-6, "2 ms": 2e-3}
DISKS = {"as it is": 0.0, "+5 ms": 5e-3, "+20 ms": 20e-3}


@dataclass(frozen=True, slots=True)
class Result:
    """Times in milliseconds."""

    design: str
    loop: str
    disk: str
    events_per_second: float
    commit_p50: float
    commit_p99: float
    lag_p99: float
    burnt: float
    """Share of the time that the busy task got."""


class SlowDisk(sqlite3.Connection):
    """A connection whose COMMIT takes longer."""

    delay = 0.0

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if sql == "commit" and self.delay:
            time.sleep(self.delay)
        return super().execute(sql, *parameters)


class NoRest(trio.abc.Instrument):
    """In the place of `GilYield`."""

    def hand_over(self) -> None:
        pass

    def take_back(self) -> None:
        pass


class Threaded:
    """A writer whose transactions run in a thread of its own, statements and all."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.on_commit: Callable[[float, int], None] = lambda seconds, jobs: None
        self._jobs: deque[Job] = deque()
        self._bell = trio.Event()

    async def submit(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        job = Job(work)
        self._jobs.append(job)
        self._bell.set()
        return await job.outcome()

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        groups: SimpleQueue[tuple[list[Job], trio.Event] | None] = SimpleQueue()
        thread = threading.Thread(target=self._work, args=(groups, trio.lowlevel.current_trio_token()))
        thread.start()
        task_status.started()
        try:
            while True:
                await self._bell.wait()
                self._bell = trio.Event()
                while self._jobs:
                    await trio.lowlevel.checkpoint_if_cancelled()
                    group, done = [self._jobs.popleft() for _ in range(len(self._jobs))], trio.Event()
                    started = time.perf_counter()
                    groups.put((group, done))
                    with trio.CancelScope(shield=True):
                        await done.wait()
                    for job in group:
                        job.settle(None)
                    self.on_commit(time.perf_counter() - started, len(group))
        finally:
            groups.put(None)
            thread.join()
            for job in self._jobs:
                job.settle(StorageLost("the end"))

    def _work(self, groups: "SimpleQueue[tuple[list[Job], trio.Event] | None]", token: trio.lowlevel.TrioToken) -> None:
        while (handed := groups.get()) is not None:
            group, done = handed
            self.connection.execute("begin immediate")
            for job in group:
                self.connection.execute("savepoint job")
                job.run(self.connection)
                self.connection.execute("release job")
            self.connection.execute("commit")
            token.run_sync_soon(done.set)


def ours(connection: sqlite3.Connection, *, rest: bool = True, in_thread: bool = True) -> Writer:
    writer = Writer(connection, commit_in_thread=in_thread)
    if not rest:
        writer._yield = NoRest()  # type: ignore[assignment]
    return writer


DESIGNS: dict[str, Callable[[sqlite3.Connection], Any]] = {
    "inline": partial(ours, in_thread=False),
    "ours": ours,
    "no rest": partial(ours, rest=False),
    "thread": Threaded,
}


def store_one(connection: sqlite3.Connection, number: int) -> int:
    """What the doors do for one event."""
    event = {
        "type": "track",
        "event": "Product Viewed",
        "messageId": f"{number:036}",
        "anonymousId": f"visitor-{number % 5_000}",
        "properties": {"description": "x" * 500},
        "context": {"page": {"url": "https://shop.example/products/1"}},
    }
    return events.accept(connection, 1, [Incoming(event, None)], now=database.now_ms(), dedupe_hours=48)


@contextmanager
def opened(delay: float) -> Iterator[SlowDisk]:
    """A database with one pipeline and three integrations, on the file system of the working directory."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path = Path(folder) / database.FILE
        with closing(database.open_writer(path)) as connection:
            database.migrate(connection)
        with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=SlowDisk)) as slow:
            for pragma in (
                "synchronous = full",
                "secure_delete = off",
                "wal_autocheckpoint = 0",
                "cache_size = -32768",
            ):
                slow.execute(f"pragma {pragma}")
            slow.execute("insert into pipeline (id, slug, name, settings, created_at) values (1, 'p', 'p', '{}', 0)")
            for key in (1, 2, 3):
                slow.execute(
                    "insert into integration (id, pipeline_id, slug, name, vendor, variant, consent_categories, config,"
                    " managed_by, health_since, created_at, updated_at)"
                    " values (?, 1, ?, 'n', 'webhook', 'default', '[]', '{}', 'api', 0, 0, 0)",
                    (key, f"i{key}"),
                )
            slow.delay = delay
            yield slow


async def measured(design: str, loop: str, disk: str, seconds: float) -> Result:
    """One design under one load on one disk."""
    numbers = itertools.count()
    commits: list[float] = []
    lags: list[float] = []
    stored, burnt = 0, 0.0

    async def submit_again_and_again(writer: Any) -> None:
        nonlocal stored
        with suppress(StorageLost):  # what still waits at the end
            for number in numbers:
                await writer.submit(partial(store_one, number=number))
                stored += 1

    async def burn(slice_seconds: float) -> None:
        nonlocal burnt
        while True:
            started = time.perf_counter()
            while time.perf_counter() - started < slice_seconds:
                pass
            burnt += time.perf_counter() - started
            await trio.lowlevel.checkpoint()

    async def look_at_the_clock() -> None:
        while True:
            started = time.perf_counter()
            await trio.sleep(0.002)
            lags.append(time.perf_counter() - started - 0.002)

    with opened(DISKS[disk]) as connection:
        writer = DESIGNS[design](connection)
        writer.on_commit = lambda duration, jobs: commits.append(duration)
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:
                await nursery.start(writer.serve)
                nursery.start_soon(look_at_the_clock)
                if LOADS[loop]:
                    nursery.start_soon(burn, LOADS[loop])
                for _ in range(TASKS):
                    nursery.start_soon(submit_again_and_again, writer)
    return Result(
        design=design,
        loop=loop,
        disk=disk,
        events_per_second=round(stored / seconds, 1),
        commit_p50=quantile(commits, 0.5),
        commit_p99=quantile(commits, 0.99),
        lag_p99=quantile(lags, 0.99),
        burnt=round(burnt / seconds, 3),
    )


def quantile(values: list[float], share: float) -> float:
    """In milliseconds; NaN if there is nothing to judge by."""
    ordered = sorted(values)
    return round(ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000, 2) if ordered else math.nan


@click.command()
@click.option("--seconds", default=2.0, show_default=True, help="For each of the 36 measurements.")
@click.option("--json", "as_json", is_flag=True, help="A list for programs.")
def main(seconds: float, as_json: bool) -> None:
    """Measure every design under every load on every disk."""
    results = []
    for disk, loop, design in itertools.product(DISKS, LOADS, DESIGNS):
        result = trio.run(measured, design, loop, disk, seconds)
        results.append(asdict(result))
        if not as_json:
            if design == "inline":
                click.echo(f"\ndisk {disk}, loop {loop}\n{'':9}events/s  commit p50    p99  lag p99 ms  burnt")
            click.echo(
                f"{design:8}{result.events_per_second:9,.0f}{result.commit_p50:12.2f}{result.commit_p99:7.1f}"
                f"{result.lag_p99:12.1f}{result.burnt:7.0%}"
            )
    if as_json:
        click.echo(json.dumps(results))


if __name__ == "__main__":
    main()
