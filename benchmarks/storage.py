"""Storage: accepting, leasing and settling without HTTP, beside what SQLite does at best with the same rows."""

import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from benchmarks.http_limit import EVENT
from benchmarks.report import Figure
from signal_actor import event
from signal_actor.database import migrate, now_ms, open_writer
from signal_actor.store import events, outbox
from signal_actor.store.events import Incoming
from signal_actor.wire import dumps

GROUP = 200  # events in a transaction
LEASE = 100  # deliveries in a lease
INTEGRATIONS = 3
FEW, MANY = 100_000, 2_000_000  # waiting deliveries


@contextmanager
def database() -> Iterator[sqlite3.Connection]:
    """A migrated file on disk with a pipeline and three integrations."""
    with tempfile.TemporaryDirectory(prefix="signal-bench-") as folder:
        connection = open_writer(Path(folder) / "signal.db")
        migrate(connection)
        connection.execute("insert into pipeline values (1, 'bench', 'Bench', '{}', null, 1, 0, null)")
        connection.executemany(
            "insert into integration (id, pipeline_id, slug, name, vendor, variant, consent_categories, config,"
            " managed_by, health_since, created_at, updated_at)"
            " values (?, 1, 'v' || ?1, 'v', 'webhook', 'default', '[]', '{}', 'file', 0, 0, 0)",
            [(number + 1,) for number in range(INTEGRATIONS)],
        )
        yield connection
        connection.close()


def transaction(connection: sqlite3.Connection, work: Callable[[], None]) -> None:
    connection.execute("begin immediate")
    work()
    connection.execute("commit")


def incoming(count: int) -> list[Incoming]:
    """Parsed events of different visitors."""
    raws = ({**EVENT, "messageId": str(uuid4()), "anonymousId": str(uuid4())} for _ in range(count))
    parse = event.parse
    return [Incoming(parse(raw, expected="track", received_at=now_ms(), make_id=str), None) for raw in raws]


def accepting(total: int = 20_000) -> float:
    """Events a second through `events.accept`, checkpoints included."""
    with database() as connection:
        groups = [incoming(GROUP) for _ in range(total // GROUP)]
        started = time.perf_counter()
        for number, group in enumerate(groups):
            transaction(
                connection,
                lambda: void(events.accept(connection, 1, group, now=now_ms(), dedupe_hours=48)),  # noqa: B023
            )
            if number % 10 == 9:
                connection.execute("pragma wal_checkpoint(passive)").fetchall()
        return total / (time.perf_counter() - started)


def inserting(total: int = 20_000) -> float:
    """Events a second at best: one row an event and one a delivery, no identity, no de-duplication, no order."""
    with database() as connection:
        connection.execute("create table plain (id integer primary key, body text not null) strict")
        connection.execute("create table owed (event_id integer, integration_id integer, primary key (event_id,"
                           " integration_id)) strict, without rowid")  # fmt: skip
        body = dumps(EVENT)
        started = time.perf_counter()
        for first in range(0, total, GROUP):
            connection.execute("begin immediate")
            ids = range(first, first + GROUP)
            connection.executemany("insert into plain values (?, ?)", [(number, body) for number in ids])
            connection.executemany("insert into owed values (?, ?)", [(n, v) for n in ids for v in range(INTEGRATIONS)])
            connection.execute("commit")
            if first // GROUP % 10 == 9:
                connection.execute("pragma wal_checkpoint(passive)").fetchall()
        return total / (time.perf_counter() - started)


def fill(connection: sqlite3.Connection, upto: int) -> None:
    """Makes waiting deliveries, quickly: rows like those that `accept` makes."""
    there: int = connection.execute("select count(*) from delivery").fetchone()[0]
    first = connection.execute("select coalesce(max(id), 0) from event").fetchone()[0] + 1
    body = dumps({**EVENT, "messageId": "m", "context": {}})
    for start in range(first, first + (upto - there) // INTEGRATIONS, 10_000):
        ids = range(start, min(start + 10_000, first + (upto - there) // INTEGRATIONS))
        connection.execute("begin immediate")
        connection.executemany(
            "insert into event values (?, 1, 0, 'track', 'x', 'm', 'a', null, ?)", [(number, body) for number in ids]
        )
        connection.executemany(
            "insert into delivery (event_id, integration_id, visitor, due_at, window_from) values (?, ?, ?, ?, 0)",
            [(n, v + 1, n * 2_654_435_761 % 2**62, n) for n in ids for v in range(INTEGRATIONS)],
        )
        connection.execute("commit")
        connection.execute("pragma wal_checkpoint(passive)").fetchall()


def leasing(connection: sqlite3.Connection, rounds: int = 100) -> tuple[float, float]:
    """Milliseconds of a lease, and deliveries a second through lease and settle together."""
    in_lease, started = 0.0, time.perf_counter()
    for number in range(1, rounds + 1):
        integration, now = number % INTEGRATIONS + 1, now_ms()
        leased: list[outbox.Leased] = []
        begun = time.perf_counter()
        transaction(
            connection,
            lambda: leased.extend(  # noqa: B023
                outbox.lease(connection, integration, lease=number, now=now, until=now, heads=LEASE, items=LEASE)  # noqa: B023
            ),
        )
        in_lease += time.perf_counter() - begun
        transaction(connection, lambda: settle(connection, integration, number, leased, now))  # noqa: B023
    seconds = time.perf_counter() - started
    return in_lease / rounds * 1000, rounds * LEASE / seconds


def settle(connection: sqlite3.Connection, integration: int, lease: int, leased: list[outbox.Leased], now: int) -> None:
    ids = [row.event_id for row in leased]
    outbox.settle(
        connection,
        integration,
        lease=lease,
        settlements=[outbox.Settlement(r.event_id, r.visitor, "done", None, now, False, 200, None) for r in leased],
        attempt=outbox.Attempt(now, 1, 200, "delivered", "x" * 30_000, "{}", None, ids),
        health=None,
        now=now,
    )


def void(_: object) -> None:
    return


def figures() -> Iterator[Figure]:
    """The figures of storage."""
    yield Figure(f"accept, {GROUP} events a transaction", accepting(), "events/s", inserting(), "bare inserts")
    with database() as connection:
        fill(connection, FEW)
        few, rate = leasing(connection)
        yield Figure("lease and settle, 100 at a time", rate, "deliveries/s")
        fill(connection, MANY)
        many, _ = leasing(connection)
    yield Figure("lease with 2 million waiting", many, "ms", few, "with 100 thousand", target=1.5, higher=False)
