"""Janitor: keeps file, WAL and disk within their bounds, in small bites, and says when nothing more may come in.

Every second:  how full are file and disk?  -> `refusing` tells the door
Every minute:  what is old enough goes, old counts are folded, free pages are given back, the WAL is cut off

Deleting needs room too. If there is none, the round is given up, and the next one tries again.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
import trio

from signal_actor.database import Database, now_ms
from signal_actor.delivery.rules import LONGEST_WISH
from signal_actor.errors import StorageError, StorageLost
from signal_actor.live import Retention
from signal_actor.store import messages, outbox, tally, upkeep

LOOK_SECONDS = 1.0
TIDY_SECONDS = 60.0
RESERVE = 0.1  # of max_bytes, for what is already owed: attempts and outcomes need room too
LEAST_RESERVE = 1024 * 1024  # bytes
WAL_BYTES = 64 * 1024 * 1024  # beyond this the WAL is cut off without waiting for the minute
VACUUM_PAGES = 2_000  # pages given back at a time: 16 MiB
TRUNCATE = "pragma wal_checkpoint(truncate)"
BREATH = 0.02  # seconds between two bites, so that events go first


class Janitor:
    """`refusing` is why no event can be taken right now, in words; None if all is well."""

    def __init__(
        self, database: Database, retention: Callable[[], Retention], *, now: Callable[[], int] = now_ms
    ) -> None:
        self.refusing: str | None = None
        self._database = database
        self._retention = retention
        self._now = now
        self._latest = 0  # the newest time ever seen, to notice a clock that was set back

    async def run(self) -> None:
        """Looks and tidies until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look_again_and_again)
            nursery.start_soon(self._tidy_again_and_again)

    async def _look_again_and_again(self) -> None:
        while True:
            self.look()
            if _size(self._wal()) > WAL_BYTES:
                self._database.writer.between_groups(TRUNCATE)
            if self._is_crowded():
                with self._trouble():
                    await self._forget(early=True)
            await trio.sleep(LOOK_SECONDS)

    async def _tidy_again_and_again(self) -> None:
        while True:
            with self._trouble():
                await self.tidy()
            await trio.sleep(TIDY_SECONDS)

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        """What fails for want of room is left for the next round; only the loss of the database goes through."""
        try:
            yield
        except StorageLost:
            raise
        except StorageError as error:
            structlog.get_logger().warning("janitor.failed", error=str(error))

    def look(self) -> None:
        """Decides whether there is room for new events."""
        before, self.refusing = self.refusing, self._reason()
        if self.refusing != before:
            structlog.get_logger().warning("storage.room", refusing=self.refusing)

    async def tidy(self) -> None:
        """One round: forgets what is old enough, gives pages back, cuts the WAL off."""
        now = self._now()
        if now < self._latest:
            await self._database.run(outbox.pull_in, latest_due=now + round(LONGEST_WISH * 1000))
        self._latest = now
        await self._forget(early=False)
        retention = self._retention()
        forgotten = messages.CHUNK
        while forgotten == messages.CHUNK:
            early = self._is_crowded()
            forgotten = await self._database.run(messages.forget, retention, now=self._now(), early=early)
            await trio.sleep(BREATH)
        await self._database.run(tally.fold, now=self._now())
        writer = self._database.writer
        writer.between_groups(f"pragma incremental_vacuum({VACUUM_PAGES})")
        writer.between_groups(TRUNCATE)

    async def _forget(self, *, early: bool) -> None:
        after = 0
        while True:
            gone, after = await self._database.run(
                upkeep.forget_finished, self._retention(), after=after, now=self._now(), early=early
            )
            if after == 0 or (early and gone and not self._is_crowded()):
                return
            self.look()
            await trio.sleep(BREATH)

    def _reason(self) -> str | None:
        retention = self._retention()
        free = _free(self._database.path.parent)
        if free < retention.min_free_bytes:
            return f"The disk has {free // 2**20} MiB left, less than min_free_bytes."
        if retention.max_bytes and self._used() >= retention.max_bytes - _reserve(retention):
            return "The database has reached max_bytes."
        return None

    def _is_crowded(self) -> bool:
        """Whether finished history has to make room before its time."""
        retention = self._retention()
        return bool(retention.max_bytes) and self._used() >= retention.max_bytes - 2 * _reserve(retention)

    def _used(self) -> int:
        return self._database.read(upkeep.used_bytes)

    def _wal(self) -> Path:
        return self._database.path.with_name(self._database.path.name + "-wal")


def _reserve(retention: Retention) -> int:
    return max(round(retention.max_bytes * RESERVE), min(LEAST_RESERVE, retention.max_bytes // 4))


def _free(folder: Path) -> int:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
