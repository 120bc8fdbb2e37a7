"""Letters: finding, replaying and discarding deliveries, by everything one may filter them by."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from signal_actor.errors import UsageError
from signal_actor.store import letters, outbox
from signal_actor.store.letters import Filter
from signal_actor.wire import iso
from tests import stage
from tests.stage import NOW

STATES = ("pending", "leased", "done", "skipped", "dead")


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """For each state ten events, of two pipelines with an integration of the same slug."""
    with closing(stage.in_memory()) as opened:
        for pipeline in (1, 2):
            stage.add_pipeline(opened, pipeline, f"shop{pipeline}")
            stage.add_integration(opened, pipeline, "insider", pipeline=pipeline)
        for number in range(100):
            state = STATES[number % 5]
            pipeline = 1 + number % 2
            event = stage.track(f"m{number}", f"v{number}", event=f"Event {number % 3}")
            stage.accept(opened, event, now=NOW + number * 1000, pipeline=pipeline)
            if state != "pending":
                deliver(opened, pipeline, state, NOW + number * 1000)
        yield opened


def deliver(connection: sqlite3.Connection, key: int, state: str, now: int) -> None:
    newest = connection.execute("select max(event_id) from delivery where integration_id = ?", (key,)).fetchone()[0]
    connection.execute(
        "update delivery set due_at = due_at + 10000000 where event_id < ? and state = 'pending'", (newest,)
    )
    leased = outbox.lease(connection, key, lease=now, now=now, until=now + 70_000, heads=1, items=1)
    connection.execute(
        "update delivery set due_at = due_at - 10000000 where event_id < ? and state = 'pending'", (newest,)
    )
    assert [row.event_id for row in leased] == [newest]
    if state != "leased":
        outbox.settle(
            connection,
            key,
            lease=now,
            settlements=[stage.settlement(leased[0], state, now=now)],
            attempt=None,
            health=None,
            now=now,
        )


def numbers(connection: sqlite3.Connection, **wanted: Any) -> list[int]:
    found = letters.listed(connection, Filter(**wanted), limit=1_000)
    assert len(found) == letters.count(connection, Filter(**wanted))
    return [int(row["message_id"][1:]) for row in found]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, lambda n: True),
        *[({"state": state}, lambda n, at=at: n % 5 == at) for at, state in enumerate(STATES)],
        ({"pipeline": "shop1"}, lambda n: n % 2 == 0),
        ({"pipeline": "shop2", "state": "dead"}, lambda n: n % 2 == 1 and n % 5 == 4),
        ({"integration": "insider"}, lambda n: True),
        ({"integration": "nobody"}, lambda n: False),
        ({"event": "Event 2"}, lambda n: n % 3 == 2),
        ({"since": iso(NOW + 50_000)}, lambda n: n >= 50),
        ({"until": iso(NOW + 50_000)}, lambda n: n < 50),
        ({"since": iso(NOW + 10_000), "until": iso(NOW + 20_000), "state": "done"}, lambda n: n in (12, 17)),
        ({"event_ids": ()}, lambda n: False),
    ],
    ids=str,
)
def test_filters(connection: sqlite3.Connection, wanted: dict[str, Any], expected: Any) -> None:
    assert numbers(connection, **wanted) == [n for n in range(100) if expected(n)]


def test_a_list_is_what_the_view_says(connection: sqlite3.Connection) -> None:
    listed = letters.listed(connection, Filter(), limit=1_000)
    assert listed == stage.rows(connection, "select * from v_deliveries order by event_id, integration")


def test_page_after_page_shows_each_once_also_where_one_event_is_owed_to_several() -> None:
    with closing(stage.in_memory()) as connection:
        stage.add_pipeline(connection)
        for key in (1, 2, 3):
            stage.add_integration(connection, key)
        stage.accept(connection, *[stage.track(f"m{number}", "ann") for number in range(5)])
        found: list[dict[str, Any]] = []
        while page := letters.listed(
            connection, Filter(), limit=2, after=(found[-1]["event_id"], found[-1]["integration"]) if found else (0, "")
        ):
            found += page
        assert found == letters.listed(connection, Filter(), limit=100)
        assert len(found) == 15


def test_an_integration_and_the_one_that_had_its_slug_before_are_not_mixed() -> None:
    with closing(stage.in_memory()) as connection:
        stage.add_pipeline(connection)
        stage.add_integration(connection, 1, "crm", vendor="insider")
        stage.accept(connection, stage.track("old", "ann"))
        connection.execute("update integration set deleted_at = 1")
        stage.add_integration(connection, 2, "crm", vendor="ometria")
        stage.accept(connection, stage.track("new", "ann"))
        found = letters.listed(connection, Filter(integration="crm"), limit=10)
        assert [(row["message_id"], row["vendor"]) for row in found] == [("old", "insider"), ("new", "ometria")]


def test_replay_starts_anew(connection: sqlite3.Connection) -> None:
    later = NOW + 10**9
    assert letters.replay(connection, Filter(state="dead", pipeline="shop1"), author="ann", now=later) == 10
    found = stage.rows(connection, "select * from delivery where due_at = ?", (later,))
    assert len(found) == 10
    for row in found:
        assert (row["state"], row["attempts"], row["window_from"], row["behind"]) == ("pending", 0, later, 0)
        assert (row["last_error"], row["last_status"], row["finished_at"], row["lease"]) == (None,) * 4
    [line] = stage.rows(connection, "select actor, action, target from audit")
    assert line == {"actor": "ann", "action": "replay", "target": "10 deliveries"}
    assert letters.count(connection, Filter(state="dead")) == 10


def test_discarding_says_who(connection: sqlite3.Connection) -> None:
    assert letters.discard(connection, Filter(state="pending"), author="ann", now=NOW) == 20
    found = stage.rows(connection, "select * from delivery where last_error = 'discarded by ann'")
    assert {(row["state"], row["due_at"], row["finished_at"]) for row in found} == {("skipped", None, NOW)}
    assert len(found) == 20


def test_a_long_list_is_changed_in_chunks_until_none_is_left(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters, "CHUNK", 8)
    found = [letters.replay(connection, Filter(state="dead"), author="ann", now=NOW) for _ in range(4)]
    assert found == [8, 8, 4, 0]


@pytest.mark.parametrize("state", [None, "done", "leased", "pending", "nonsense"])
def test_only_what_is_given_up_can_be_replayed(connection: sqlite3.Connection, state: str | None) -> None:
    with pytest.raises(UsageError, match="state"):
        letters.replay(connection, Filter(state=state), author="ann", now=NOW)


@pytest.mark.parametrize("state", [None, "done", "leased", "skipped", "nonsense"])
def test_only_what_is_not_done_can_be_discarded(connection: sqlite3.Connection, state: str | None) -> None:
    with pytest.raises(UsageError, match="state"):
        letters.discard(connection, Filter(state=state), author="ann", now=NOW)


@pytest.mark.parametrize("wanted", [{"since": "yesterday"}, {"until": "1"}, {"state": "'; drop table event; --"}])
def test_nonsense_is_said(connection: sqlite3.Connection, wanted: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wanted))):
        letters.listed(connection, Filter(**wanted), limit=1)
