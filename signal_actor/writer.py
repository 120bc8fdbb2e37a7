"""Writer: one connection that writes, and transactions that are committed in groups.

The statements of a group run on the event loop, its COMMIT runs in a thread. `benchmarks/writer.py` is the reason:
a thread that runs many small statements beside a busy loop starves, because it gives the GIL up at every statement
and does not get it back; a COMMIT on the loop holds every request up while a slow disk syncs. This way the thread
needs the GIL once a group, and `GilYield` sees that it gets it.

Measured against COMMIT on the loop: 0.9 of its events a second with an idle loop, 0.7 beside a loop that never rests
(0.01 without the rest, 0.004 with everything in a thread), with half its loop lag, which no slow disk adds to.
"""

import sqlite3
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from typing import Any

import trio

from signal_actor.errors import StorageError, StorageFull, StorageLost

GROUP_SECONDS = 0.005  # a group stops taking jobs after this long, so that the loop stays responsive
MAX_WAITING = 10_000  # jobs; more than that is overload, and said so
CHECKPOINT_ROWS = 8_000  # changed rows after which a group is followed by a checkpoint: some 16 MiB of WAL
LOCKED_SECONDS = 5.0  # how long waiting jobs bear with another program's write lock
LOCKED_PAUSE = 0.02  # seconds between two looks at it


class Job:
    """One transaction that waits for its turn, and then its outcome."""

    __slots__ = ("_settled", "_task", "error", "value", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], Any]) -> None:
        self.work = work
        self.value: Any = None
        self.error: Exception | None = None
        self._settled = False
        self._task: trio.lowlevel.Task | None = None

    def run(self, connection: sqlite3.Connection) -> None:
        self.value = self.work(connection)

    def settle(self, failure: StorageError | None) -> None:
        if failure is not None:
            self.error = copy(failure)  # each waiter raises its own: raising one again and again makes it grow
        self._settled = True
        if self._task is not None:
            trio.lowlevel.reschedule(self._task)

    async def outcome(self) -> Any:
        if not self._settled:
            self._task = trio.lowlevel.current_task()
            # A transaction cannot be taken back, so waiting for it cannot be cancelled: a matter of milliseconds.
            await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)
        if self.error is not None:
            raise self.error
        return self.value


class GilYield(trio.abc.Instrument):
    """Lets the committing thread have the GIL when the loop never rests.

    A thread that waits for the GIL gets it only if it is not woken early again and again, which a busy loop's system
    calls do to it. So the loop rests for a moment each time round, from when the disk can be expected to be done.
    """

    def __init__(self) -> None:
        self._handed_over: float | None = None
        self._usual = (
            0.0  # seconds that the disk needs, smoothed; the wait for the GIL is in it, so a part of it counts
        )

    def hand_over(self) -> None:
        self._handed_over = time.perf_counter()

    def take_back(self) -> None:
        assert self._handed_over is not None
        self._usual += (time.perf_counter() - self._handed_over - self._usual) / 8
        self._handed_over = None

    def before_io_wait(self, timeout: float) -> None:
        if self._handed_over is None or timeout > 0:
            return
        if time.perf_counter() - self._handed_over >= self._usual / 2:
            time.sleep(50e-6)


class Writer:
    """Commits what waits, group after group. `serve()` must run for anything to be committed."""

    def __init__(self, connection: sqlite3.Connection, *, commit_in_thread: bool = True) -> None:
        self.connection = connection
        self.on_commit: Callable[[float, int], None] = lambda seconds, jobs: None
        self._jobs: deque[Job] = deque()
        self._bell = trio.Event()
        self._yield = GilYield()
        self._in_thread = commit_in_thread
        self._lost: StorageLost | None = None
        self._checkpointed_at = 0
        self._chores: deque[str] = deque()

    @property
    def waiting(self) -> int:
        """Transactions in the queue."""
        return len(self._jobs)

    async def submit(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        """Runs `work` in a transaction and returns its value once that is on the disk.

        Raises:
            StorageFull: no room, or too many transactions wait; nothing was stored.
            StorageLost: the disk failed; the process is about to end.
        """
        if self._lost is not None:
            raise copy(self._lost)
        if len(self._jobs) >= MAX_WAITING:
            raise StorageFull("too many transactions are waiting")
        job = Job(work)
        self._jobs.append(job)
        self._bell.set()
        return await job.outcome()

    def between_groups(self, script: str) -> None:
        """Asks for a pragma to run outside of any transaction, after the next group or at once if none waits."""
        if script not in self._chores:
            self._chores.append(script)
            self._bell.set()

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commits until cancelled; what still waits then is refused.

        Raises:
            StorageLost: a write or fsync failed; what reached the disk is unknown.
        """
        trio.lowlevel.add_instrument(self._yield)
        # SQLite would wait for other programs' locks on the loop, or hold commits up until a reader is done.
        self.connection.execute("pragma busy_timeout = 0")
        try:
            task_status.started()
            while True:
                await self._bell.wait()
                self._bell = trio.Event()
                while self._jobs:
                    await trio.lowlevel.checkpoint_if_cancelled()  # or callers that never rest would keep it going
                    await self._commit_group()
                await self._look_after_file()
        finally:
            trio.lowlevel.remove_instrument(self._yield)
            self._lost = self._lost or StorageLost("the database is closed")
            while self._jobs:
                self._jobs.popleft().settle(self._lost)

    async def _commit_group(self) -> None:
        started = time.perf_counter()
        group: list[Job] = []
        failure: StorageError | None = StorageError("the transaction was not committed")
        try:
            await self._begin()
            self._gather(group, started + GROUP_SECONDS)
            await self._hand_over(lambda: self.connection.execute("commit"))
            failure = None
        except sqlite3.Error as error:
            failure = translated(error)
            if not group:  # not even begun: then none of those that wait has a better chance
                group.extend(self._jobs)
                self._jobs.clear()
            with suppress(sqlite3.Error):
                if self.connection.in_transaction:  # SQLite may have rolled back already
                    self.connection.execute("rollback")
            self._end_if_lost(failure, error)
        finally:
            for job in group:
                job.settle(failure)
        self.on_commit(time.perf_counter() - started, len(group))
        await self._look_after_file()

    async def _begin(self) -> None:
        """Opens a transaction, as soon as no other program holds the write lock."""
        deadline = trio.current_time() + LOCKED_SECONDS
        while True:
            try:
                self.connection.execute("begin immediate")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname != "SQLITE_BUSY" or trio.current_time() >= deadline:
                    raise
            else:
                return
            await trio.sleep(LOCKED_PAUSE)

    def _gather(self, group: list[Job], deadline: float) -> None:
        """Runs waiting jobs inside the open transaction. A job that raises is undone by itself and told so."""
        while self._jobs:
            job = self._jobs.popleft()
            group.append(job)
            self.connection.execute("savepoint job")
            try:
                job.run(self.connection)
            except sqlite3.Error as error:
                job.error = translated(error)
                if isinstance(job.error, StorageFull | StorageLost):
                    raise  # the whole group is affected
            except Exception as error:
                job.error = error
            if job.error is not None:
                self.connection.execute("rollback to job")
            self.connection.execute("release job")
            if time.perf_counter() >= deadline:
                break

    async def _hand_over(self, work: Callable[[], object]) -> None:
        """Runs what waits for the disk in a thread. It cannot be interrupted half way."""
        if not self._in_thread:
            work()
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        self._yield.hand_over()
        try:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(work)
        finally:
            self._yield.take_back()

    async def _look_after_file(self) -> None:
        """Chores, and the checkpoint that moves the WAL into the file: between groups, so that no commit pays.

        What fails because there is no room, or another program is in the way, is left: it is asked for again soon.
        """
        try:
            while self._chores:
                script = self._chores.popleft()
                await self._hand_over(lambda: self.connection.executescript(script))  # noqa: B023 (awaited right here)
            changes = self.connection.total_changes
            if changes - self._checkpointed_at >= CHECKPOINT_ROWS:
                self._checkpointed_at = changes
                await self._hand_over(lambda: self.connection.execute("pragma wal_checkpoint(passive)").fetchall())
        except sqlite3.Error as error:
            self._end_if_lost(translated(error), error)

    def _end_if_lost(self, failure: StorageError, cause: sqlite3.Error) -> None:
        if isinstance(failure, StorageLost):
            self._lost = failure
            raise failure from cause


def translated(error: sqlite3.Error) -> StorageError:
    """SQLite's error in our words, sorted by whether it passes by itself."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name in {"SQLITE_FULL", "SQLITE_NOMEM"}:
        return StorageFull(f"the disk is full ({error})")
    if name.startswith(("SQLITE_IOERR", "SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_CANTOPEN")):
        return StorageLost(f"the disk failed: {error} ({name})")
    return StorageError(f"the database refused the transaction: {error}")
