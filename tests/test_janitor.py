"""The janitor in virtual time: bounds are kept, in small bites, and it outlives what goes wrong."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import trio
from trio.testing import MockClock

from signal_actor import janitor as janitor_module
from signal_actor.database import Database, open_writer
from signal_actor.errors import StorageError, StorageFull, StorageLost
from signal_actor.janitor import Janitor
from signal_actor.live import Retention
from signal_actor.store import upkeep
from signal_actor.store.ids import DAY
from tests import stage

MIB = 2**20


def wall() -> int:
    return stage.NOW + round(trio.current_time() * 1000)


@pytest.fixture
async def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    database = Database(path := stage.on_disk(tmp_path), open_writer(path), commit_in_thread=False)
    connection = database.writer.connection
    connection.execute("pragma synchronous = off")
    stage.add_pipeline(connection)
    monkeypatch.setattr(janitor_module, "_free", lambda folder: 10**12)
    async with trio.open_nursery() as nursery:
        await nursery.start(database.writer.serve)
        yield database
        nursery.cancel_scope.cancel()
    database.close()


@pytest.fixture
async def running(base: Database, nursery: trio.Nursery) -> Callable[[Retention], Janitor]:
    def start(retention: Retention) -> Janitor:
        made = Janitor(base, lambda: retention, now=wall)
        nursery.start_soon(made.run)
        return made

    return start


def fill(base: Database, count: int, *, size: int = 10_000, now: int | None = None) -> None:
    """Events that nobody is owed, or somebody for ever."""
    many = [stage.track(str(uuid4()), f"v{number}", properties={"x": "y" * size}) for number in range(count)]
    stage.accept(base.writer.connection, *many, now=wall() if now is None else now)


def count(base: Database, table: str = "event") -> int:
    return base.read(lambda connection: connection.execute(f"select count(*) from {table}").fetchone()[0])


async def test_history_and_keys_go_when_they_are_old(
    base: Database, running: Any, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(janitor_module, "LOOK_SECONDS", 3_600)  # a week of seconds takes its time
    monkeypatch.setattr(janitor_module, "TIDY_SECONDS", 3_600)
    fill(base, 700, size=10)
    running(Retention(done_days=7))
    await trio.sleep(6.9 * 86_400)
    assert (count(base), count(base, "seen")) == (700, 700)
    await trio.sleep(0.2 * 86_400)
    assert count(base) == 0
    await trio.sleep(2 * 86_400)
    assert count(base, "seen") == 0


async def test_keys_make_room_as_soon_as_they_recognise_no_repeats(
    base: Database, running: Any, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(janitor_module, "LOOK_SECONDS", 3_600)
    monkeypatch.setattr(janitor_module, "TIDY_SECONDS", 3_600)
    fill(base, 700, size=10)
    running(Retention(done_days=30, dedupe_hours=48, max_bytes=100_000))
    await trio.sleep(1.9 * 86_400)
    assert count(base, "seen") == 700
    await trio.sleep(3 * 86_400)
    assert count(base, "seen") == 0


async def test_the_file_shrinks_when_history_goes(base: Database, running: Any, autojump_clock: MockClock) -> None:
    fill(base, 500, now=stage.NOW - 8 * DAY)
    base.writer.connection.execute("pragma wal_checkpoint(truncate)").fetchall()
    before = base.path.stat().st_size
    running(Retention(done_days=7))
    await trio.sleep(130)
    assert before > 5 * MIB
    assert base.path.stat().st_size < before / 4
    assert base.path.with_name(base.path.name + "-wal").stat().st_size < MIB


async def test_a_full_file_refuses_before_its_bound_and_recovers_by_forgetting(
    base: Database, running: Any, autojump_clock: MockClock
) -> None:
    """Finished history makes room before its time."""
    bound = 8 * MIB
    made = running(Retention(max_bytes=bound))
    for _ in range(300):
        await trio.sleep(1)
        if made.refusing is None:
            fill(base, 50)
        assert base.read(upkeep.used_bytes) < bound
    assert made.refusing is None
    assert count(base) > 100


async def test_what_is_owed_is_not_forgotten_for_room(base: Database, running: Any, autojump_clock: MockClock) -> None:
    stage.add_integration(base.writer.connection, 1)
    made = running(Retention(max_bytes=8 * MIB))
    stored = 0
    for _ in range(100):
        await trio.sleep(1)
        if made.refusing is None:
            fill(base, 50)
            stored += 50
        assert base.read(upkeep.used_bytes) < 8 * MIB
    assert made.refusing == "The database has reached max_bytes."
    assert count(base) == stored


async def test_it_goes_on_looking_while_it_forgets(
    base: Database, running: Any, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long history takes minutes to walk through; the door must hear of a full disk within a second or so."""
    monkeypatch.setattr(upkeep, "CHUNK", 1)
    stage.add_integration(base.writer.connection, 1)
    fill(base, 1_000, size=6_000)
    made = running(Retention(max_bytes=round(base.read(upkeep.used_bytes) * 1.13)))
    await trio.sleep(3)
    assert made.refusing is None
    monkeypatch.setattr(janitor_module, "_free", lambda folder: 5 * MIB)
    await trio.sleep(1.5)
    assert made.refusing == "The disk has 5 MiB left, less than min_free_bytes."


async def test_a_disk_that_fills_up_is_noticed_within_a_second_and_forgiven(
    base: Database, running: Any, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = running(Retention())
    await trio.sleep(10)
    assert made.refusing is None
    monkeypatch.setattr(janitor_module, "_free", lambda folder: 255 * MIB)
    await trio.sleep(1.1)
    assert made.refusing == "The disk has 255 MiB left, less than min_free_bytes."
    monkeypatch.setattr(janitor_module, "_free", lambda folder: 10**12)
    await trio.sleep(1.1)
    assert made.refusing is None


@pytest.mark.parametrize("error", [StorageFull("no room"), StorageError("locked")])
async def test_it_outlives_a_round_that_fails(
    base: Database, running: Any, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    real, broken = upkeep.forget_finished, [True]

    def forget(connection: sqlite3.Connection, *args: Any, **kwargs: Any) -> Any:
        if broken:
            raise error
        return real(connection, *args, **kwargs)

    monkeypatch.setattr(upkeep, "forget_finished", forget)
    fill(base, 10, now=stage.NOW - 8 * DAY)
    running(Retention(done_days=7))
    await trio.sleep(200)
    assert count(base) == 10
    broken.clear()
    await trio.sleep(61)
    assert count(base) == 0


async def test_the_loss_of_the_database_goes_through(
    base: Database, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forget(*args: Any, **kwargs: Any) -> Any:
        raise StorageLost("gone")

    monkeypatch.setattr(upkeep, "forget_finished", forget)
    with pytest.raises(ExceptionGroup) as raised:
        await Janitor(base, Retention, now=wall).run()
    assert raised.group_contains(StorageLost)


async def test_a_clock_that_is_set_back_leaves_nobody_waiting_for_days(
    base: Database, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    stage.add_integration(base.writer.connection, 1)
    offset = 0
    made = Janitor(base, Retention, now=lambda: wall() + offset)
    nursery.start_soon(made.run)
    await trio.sleep(100)
    fill(base, 3, size=10)
    offset = -5 * DAY
    await trio.sleep(61)
    latest = base.read(lambda connection: connection.execute("select max(due_at) from delivery").fetchone()[0])
    assert latest <= wall() + offset + 3_600_000


async def test_due_times_are_left_alone_while_the_clock_goes_on(
    base: Database, running: Any, autojump_clock: MockClock
) -> None:
    stage.add_integration(base.writer.connection, 1)
    fill(base, 1, size=10)
    far = stage.NOW + 20 * DAY
    base.writer.connection.execute("update delivery set due_at = ?", (far,))
    running(Retention())
    await trio.sleep(1_000)
    assert base.read(lambda connection: connection.execute("select due_at from delivery").fetchone()) == (far,)


async def test_a_wal_that_grew_is_cut_off_without_waiting_for_the_minute(
    base: Database, running: Any, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(janitor_module, "WAL_BYTES", MIB)
    running(Retention())
    await trio.sleep(10)
    fill(base, 300)
    wal = base.path.with_name(base.path.name + "-wal")
    assert wal.stat().st_size > MIB
    await trio.sleep(1.1)
    assert wal.stat().st_size == 0
