"""Power cuts at every point of our own transactions: with synchronous=FULL nothing that was acknowledged is lost."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw

from signal_actor.database import open_writer
from signal_actor.store import outbox
from tests import stage
from tests.store.disk import Acknowledged, Adapted, Entry, Recording, State, lay_out, power_cuts

INTEGRATIONS = (1, 2)


class Ledger:
    """What was acknowledged, by the number of the acknowledgement."""

    def __init__(self) -> None:
        self.accepted: list[set[str]] = [set()]
        self.finished: list[set[tuple[str, int]]] = [set()]

    def add(self, accepted: set[str], finished: set[tuple[str, int]]) -> int:
        self.accepted.append(self.accepted[-1] | accepted)
        self.finished.append(self.finished[-1] | finished)
        return len(self.accepted) - 1


def recorded(folder: Path, synchronous: str) -> tuple[bytes, list[Entry], Ledger]:
    """Accepting, leasing, settling and checkpointing as the writer does, on a disk that is watched."""
    path = stage.on_disk(folder)
    with closing(open_writer(path)) as connection:
        stage.add_pipeline(connection)
        for key in INTEGRATIONS:
            stage.add_integration(connection, key)
    before = path.read_bytes()
    name = f"recording-{synchronous}"
    vfs = Recording(name)
    raw = apsw.Connection(str(path), vfs=name)
    for pragma in (f"synchronous = {synchronous}", "wal_autocheckpoint = 0", "cache_size = -32768"):
        raw.execute(f"pragma {pragma}").fetchall()
    connection: Any = Adapted(raw)
    ledger, dice = Ledger(), random.Random(1)

    def transaction(work: Any) -> None:
        raw.execute("begin immediate")
        accepted, finished = work()
        raw.execute("commit")
        vfs.log.append(Acknowledged(ledger.add(accepted, finished)))

    def accept(number: int) -> Any:
        names = [f"m{number}-{index}" for index in range(dice.randrange(1, 4))]
        events = [
            stage.track(name, f"v{dice.randrange(5)}", properties={"x": "y" * dice.randrange(600)}) for name in names
        ]
        stage.accept(connection, *events, now=stage.NOW + number)
        return set(names), set()

    def deliver(number: int) -> Any:
        key = dice.choice(INTEGRATIONS)
        now = stage.NOW + number
        leased = outbox.lease(connection, key, lease=number, now=now, until=now + 1, heads=3, items=5)
        return leased, key

    for number in range(1, 45):
        transaction(lambda number=number: accept(number))
        if number % 2 == 0:
            held: list[Any] = []

            def take(number: int = number, held: list[Any] = held) -> Any:
                held.extend(deliver(number))
                return set(), set()

            def give(number: int = number, held: list[Any] = held) -> Any:
                leased, key = held
                outbox.settle(
                    connection,
                    key,
                    lease=number,
                    settlements=[stage.settlement(row, now=stage.NOW + number) for row in leased],
                    attempt=outbox.Attempt(
                        stage.NOW, 1, 200, "delivered", "{}", "{}", None, [r.event_id for r in leased]
                    ),
                    health=None,
                    now=stage.NOW + number,
                )
                names = raw.execute(
                    "select message_id from event where id in (select value from json_each(?))",
                    (str([row.event_id for row in leased]),),
                ).fetchall()
                return set(), {(name, key) for (name,) in names}

            transaction(take)
            transaction(give)
        if number % 10 == 0:
            raw.execute(f"pragma wal_checkpoint({'truncate' if number % 20 == 0 else 'passive'})").fetchall()
    log = list(vfs.log)
    raw.close()
    return before, log, ledger


def damage(state: State, folder: Path, ledger: Ledger) -> str | None:
    """What is wrong with what a power cut left; None if nothing is."""
    try:
        with closing(sqlite3.connect(lay_out(state, folder), isolation_level=None)) as connection:
            connection.execute("pragma synchronous = off")  # here we only look
            if connection.execute("pragma integrity_check").fetchall() != [("ok",)]:
                return "corrupt"
            there = {row[0] for row in connection.execute("select message_id from event")}
            owed, finished = set(), set()
            for name, key, is_done in connection.execute(
                "select e.message_id, d.integration_id, d.state = 'done'"
                " from delivery d join event e on e.id = d.event_id"
            ):
                owed.add((name, key))
                finished |= {(name, key)} if is_done else set()
    except sqlite3.DatabaseError:
        return "corrupt"
    if not ledger.accepted[state.acknowledged] <= there or not ledger.finished[state.acknowledged] <= finished:
        return "lost"
    if owed != {(name, key) for name in there for key in INTEGRATIONS}:
        return "torn"
    return None


def judged(folder: Path, synchronous: str, every: int) -> dict[str | None, int]:
    """How many power cuts left what."""
    recording, replay = folder / "recording", folder / "replay"
    recording.mkdir()
    replay.mkdir()
    before, log, ledger = recorded(recording, synchronous)
    assert len(ledger.accepted[-1]) > 60 and len(ledger.finished[-1]) > 30
    found: dict[str | None, int] = {}
    for state in power_cuts(log, before, random.Random(2), every=every):
        verdict = damage(state, replay, ledger)
        found[verdict] = found.get(verdict, 0) + 1
    return found


def test_full_loses_nothing_whenever_the_power_goes(tmp_path: Path) -> None:
    found = judged(tmp_path, "full", every=20)
    assert found.keys() == {None}, found
    assert found[None] > 500


def test_normal_is_seen_to_lose_what_was_acknowledged_and_nothing_worse(tmp_path: Path) -> None:
    found = judged(tmp_path, "normal", every=200)
    assert found["lost"] > 0
    assert found.keys() <= {None, "lost"}, found


def test_off_is_seen_to_lose_and_to_corrupt(tmp_path: Path) -> None:
    found = judged(tmp_path, "off", every=200)
    assert found["lost"] > 0
    assert found["corrupt"] > 0


def test_the_service_opens_its_database_with_synchronous_full(tmp_path: Path) -> None:
    with closing(open_writer(stage.on_disk(tmp_path))) as connection:
        assert connection.execute("pragma synchronous").fetchone() == (2,)
        assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
