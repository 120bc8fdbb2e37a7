"""Upkeep: what is old enough goes with all that belongs to it, what is owed never does."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from signal_actor.live import Retention
from signal_actor.store import outbox, tally, upkeep
from signal_actor.store.ids import DAY
from tests import stage
from tests.stage import NOW

RETENTION = Retention(done_days=7, dead_days=30)


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(stage.in_memory()) as opened:
        stage.add_pipeline(opened)
        stage.add_integration(opened, 1)
        stage.add_integration(opened, 2)
        yield opened


def accept(connection: sqlite3.Connection, name: str, *states: str, now: int = NOW) -> None:
    """An event whose deliveries, one for each integration, come to these states at once."""
    stage.accept(connection, stage.track(name, name), now=now)
    for key, state in enumerate(states, 1):
        if state == "pending":
            continue
        [row] = outbox.lease(connection, key, lease=now, now=now, until=now + 1, heads=1, items=1)
        attempt = outbox.Attempt(now, 1, 200, "delivered", "{}", "{}", None, [row.event_id])
        outbox.settle(
            connection,
            key,
            lease=now,
            settlements=[stage.settlement(row, state, now=now)],
            attempt=attempt,
            health=None,
            now=now,
        )


def forget(connection: sqlite3.Connection, now: int, retention: Retention = RETENTION, *, early: bool = False) -> int:
    total = after = 0
    while True:
        gone, after = upkeep.forget_finished(connection, retention, after=after, now=now, early=early)
        total += gone
        if after == 0:
            return total


def names(connection: sqlite3.Connection) -> set[str]:
    return {row[0] for row in connection.execute("select message_id from event")}


@pytest.mark.parametrize(
    ("states", "days"),
    [
        (("done", "done"), 7),
        (("skipped", "done"), 7),
        (("dead", "done"), 30),
        (("dead", "dead"), 30),
    ],
    ids=str,
)
def test_an_event_goes_when_its_last_delivery_is_old_enough(
    connection: sqlite3.Connection, states: tuple[str, ...], days: int
) -> None:
    accept(connection, "m1", *states)
    assert forget(connection, NOW + days * DAY - 1) == 0
    assert forget(connection, NOW + days * DAY + 1) == 1
    for table in ("event", "delivery", "attempt", "attempt_event"):
        assert connection.execute(f"select count(*) from {table}").fetchone() == (0,), table


@pytest.mark.parametrize("early", [False, True])
def test_what_is_owed_never_goes(connection: sqlite3.Connection, early: bool) -> None:
    accept(connection, "m2", "done", "done")
    accept(connection, "m1", "done", "pending", now=NOW + 1)
    assert forget(connection, NOW + 1_000 * DAY, early=early) == 1
    assert names(connection) == {"m1"}
    assert connection.execute("select count(*) from attempt").fetchone() == (1,)


def test_an_event_that_nobody_was_owed_goes_too(connection: sqlite3.Connection) -> None:
    connection.execute("update integration set enabled = 0")
    accept(connection, "m1")
    assert forget(connection, NOW + 7 * DAY - 1) == 0
    assert forget(connection, NOW + 7 * DAY + 1) == 1


def test_the_days_count_from_the_end_not_from_acceptance(connection: sqlite3.Connection) -> None:
    accept(connection, "m1", "done", "pending")
    [row] = outbox.lease(connection, 2, lease=9, now=NOW + 3 * DAY, until=NOW + 4 * DAY, heads=1, items=1)
    outbox.settle(
        connection,
        2,
        lease=9,
        settlements=[stage.settlement(row, "done", now=NOW + 3 * DAY)],
        attempt=None,
        health=None,
        now=NOW + 3 * DAY,
    )
    assert forget(connection, NOW + 9 * DAY) == 0
    assert forget(connection, NOW + 11 * DAY) == 1


def test_early_takes_what_is_finished_and_leaves_dead_letters_their_days(connection: sqlite3.Connection) -> None:
    accept(connection, "m1", "done", "done")
    accept(connection, "m2", "done", "dead", now=NOW + 1)
    assert forget(connection, NOW + 1_000, early=True) == 1
    assert names(connection) == {"m2"}
    assert forget(connection, NOW + 31 * DAY, early=True) == 1


def test_an_attempt_that_was_about_others_too_stays_for_them(connection: sqlite3.Connection) -> None:
    stage.accept(connection, stage.track("m1", "ann"), stage.track("m2", "bob"))
    connection.execute("delete from delivery where integration_id = 2")
    first, second = outbox.lease(connection, 1, lease=1, now=NOW, until=NOW + 1, heads=2, items=2)
    attempt = outbox.Attempt(NOW, 1, 200, "partial", "{}", "{}", None, [first.event_id, second.event_id])
    settlements = [stage.settlement(first), stage.settlement(second, "dead")]
    outbox.settle(connection, 1, lease=1, settlements=settlements, attempt=attempt, health=None, now=NOW)
    assert forget(connection, NOW + 8 * DAY) == 1
    assert connection.execute("select event_id from attempt_event").fetchall() == [(second.event_id,)]
    assert connection.execute("select count(*) from attempt").fetchone() == (1,)
    assert forget(connection, NOW + 31 * DAY) == 1
    assert connection.execute("select count(*) from attempt").fetchone() == (0,)


def test_a_long_history_goes_bite_by_bite_past_what_stays(connection: sqlite3.Connection) -> None:
    connection.execute("update integration set enabled = 0 where id = 2")
    for number in range(3):
        accept(connection, f"stays {number}", "pending")
    connection.execute("update integration set enabled = 0")
    many = [stage.track(f"m{number}", "ann") for number in range(1_700)]
    stage.accept(connection, *many, now=NOW + 1)
    bites, after = [], 0
    while True:
        gone, after = upkeep.forget_finished(connection, RETENTION, after=after, now=NOW + 8 * DAY)
        bites.append(gone)
        if after == 0:
            break
    assert bites == [497, 500, 500, 203]
    assert names(connection) == {"stays 0", "stays 1", "stays 2"}


def test_counts_go_along_and_totals_do_not(connection: sqlite3.Connection) -> None:
    accept(connection, "m1", "done", "dead")
    forget(connection, NOW + 31 * DAY)
    found = {(count.noun, count.owner, count.label): (count.total, count.rows) for count in tally.counts(connection)}
    assert found == {
        ("event", 1, "track"): (1, 0),
        ("delivery", 1, "done"): (1, 0),
        ("delivery", 2, "dead"): (1, 0),
        ("attempt", 1, "200"): (1, 0),
        ("attempt", 2, "200"): (1, 0),
    }


def test_used_bytes_shrink_when_history_goes_although_the_file_does_not(connection: sqlite3.Connection) -> None:
    connection.execute("update integration set enabled = 0")
    for number in range(200):
        stage.accept(connection, stage.track(f"m{number}", "ann", properties={"x": "y" * 4_000}))
    full = upkeep.used_bytes(connection)
    forget(connection, NOW + 8 * DAY)
    assert upkeep.used_bytes(connection) < full / 3
    assert connection.execute("pragma freelist_count").fetchone()[0] > 50
