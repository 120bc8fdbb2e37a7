"""The views: what people's SQL depends on, by name, form and content."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from signal_actor.store import outbox
from signal_actor.wire import LATEST, iso
from tests import stage

COLUMNS = {
    "v_events": "event_id, received_at, pipeline, type, name, message_id, anonymous_id, user_id, payload",
    "v_deliveries": "event_id, message_id, pipeline, integration, vendor, state, attempts, due_at, leased_until,"
    " last_status, last_error, accepted_at, finished_at",
    "v_attempts": "attempt_id, pipeline, integration, started_at, duration_ms, events, status, outcome, request_body,"
    " response_body, error",
    "v_backlog": "pipeline, integration, vendor, health, pending, leased, done, skipped, dead, oldest_pending_at,"
    " cause",
    "v_dead": "event_id, message_id, pipeline, integration, reason, dead_at, payload",
    "v_identities": "pipeline, anonymous_id, user_id, traits, consent, updated_at",
}


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(stage.in_memory()) as opened:
        stage.add_pipeline(opened)
        stage.add_integration(opened, 1)
        stage.add_integration(opened, 2)
        yield opened


def settle_next(connection: sqlite3.Connection, state: str, *, key: int = 1, now: int = stage.NOW) -> None:
    leased = outbox.lease(connection, key, lease=now, now=now, until=now + 70_000, heads=1, items=1)
    assert leased
    outbox.settle(
        connection,
        key,
        lease=now,
        settlements=[stage.settlement(leased[0], state, now=now, due_at=now + 1_500, status=503, error="because")],
        attempt=outbox.Attempt(now - 12, 12, 503, "retry", "{}", "busy", "because", [leased[0].event_id]),
        health=("retrying", "because"),
        now=now,
    )


@pytest.mark.parametrize("view", COLUMNS)
def test_columns_are_the_contracts_in_its_order(connection: sqlite3.Connection, view: str) -> None:
    found = [row[1] for row in connection.execute(f"pragma table_info({view})")]
    assert ", ".join(found) == COLUMNS[view]


@given(st.integers(0, LATEST))
@example(0)
@example(1)
@example(999)
@example(59_999)
@example(1_700_000_059_999)
@example(1_699_999_999_999)
@example(LATEST)
def test_times_are_what_the_wire_says_to_the_millisecond(ms: int) -> None:
    with closing(template_connection()) as connection:
        connection.execute("update event set received_at = ?", (ms,))
        connection.execute("update delivery set due_at = ?", (ms,))
        row = connection.execute("select e.received_at, d.due_at from v_events e join v_deliveries d using (event_id)")
        assert row.fetchone() == (iso(ms), iso(ms))


def template_connection() -> sqlite3.Connection:
    if not PREPARED:
        opened = stage.in_memory()
        stage.add_pipeline(opened)
        stage.add_integration(opened, 1)
        stage.accept(opened, stage.track("m1", "ann"))
        PREPARED.append(opened.serialize())
    connection = sqlite3.connect(":memory:")
    connection.deserialize(PREPARED[0])
    return connection


PREPARED: list[bytes] = []


def test_an_events_story_in_all_its_views(connection: sqlite3.Connection) -> None:
    stage.accept(connection, stage.track("m1", "ann", userId="u1", properties={"price": 9.5, "x": "ö"}))
    event_id = connection.execute("select id from event").fetchone()[0]
    settle_next(connection, "pending")
    accepted = iso(stage.NOW)
    [event] = stage.rows(connection, "select * from v_events")
    assert json.loads(event.pop("payload"))["properties"] == {"price": 9.5, "x": "ö"}
    assert event == {
        "event_id": event_id,
        "received_at": accepted,
        "pipeline": "shop",
        "type": "track",
        "name": "Viewed",
        "message_id": "m1",
        "anonymous_id": "ann",
        "user_id": "u1",
    }
    waiting, other = stage.rows(connection, "select * from v_deliveries order by integration")
    assert waiting == {
        "event_id": event_id,
        "message_id": "m1",
        "pipeline": "shop",
        "integration": "i1",
        "vendor": "webhook",
        "state": "pending",
        "attempts": 1,
        "due_at": iso(stage.NOW + 1_500),
        "leased_until": None,
        "last_status": 503,
        "last_error": "because",
        "accepted_at": accepted,
        "finished_at": None,
    }
    assert other["integration"] == "i2" and other["attempts"] == 0
    assert stage.rows(connection, "select * from v_attempts") == [
        {
            "attempt_id": 1,
            "pipeline": "shop",
            "integration": "i1",
            "started_at": iso(stage.NOW - 12),
            "duration_ms": 12,
            "events": 1,
            "status": 503,
            "outcome": "retry",
            "request_body": "{}",
            "response_body": "busy",
            "error": "because",
        }
    ]


def test_a_lease_has_an_end_and_no_due_time(connection: sqlite3.Connection) -> None:
    stage.accept(connection, stage.track("m1", "ann"))
    outbox.lease(connection, 1, lease=5, now=stage.NOW, until=stage.NOW + 70_000, heads=1, items=1)
    [row] = stage.rows(connection, "select * from v_deliveries where integration = 'i1'")
    assert (row["state"], row["due_at"], row["leased_until"]) == ("leased", None, iso(stage.NOW + 70_000))


def test_what_is_final_has_neither(connection: sqlite3.Connection) -> None:
    for number, state in enumerate(("done", "skipped", "dead")):
        stage.accept(connection, stage.track(f"m{number}", f"v{number}"))
        settle_next(connection, state)
    found = stage.rows(connection, "select * from v_deliveries where integration = 'i1' order by event_id")
    assert [row["state"] for row in found] == ["done", "skipped", "dead"]
    assert {(row["due_at"], row["leased_until"], row["finished_at"]) for row in found} == {(None, None, iso(stage.NOW))}


def test_the_backlog_counts_every_state_and_knows_the_oldest(connection: sqlite3.Connection) -> None:
    for number in range(6):
        stage.accept(connection, stage.track(f"m{number}", f"v{number}"), now=stage.NOW + number)
    for state in ("done", "skipped", "dead"):
        settle_next(connection, state, now=stage.NOW + 10)
    outbox.lease(connection, 1, lease=5, now=stage.NOW + 10, until=stage.NOW + 99, heads=1, items=1)
    first, second = stage.rows(connection, "select * from v_backlog order by integration")
    assert first == {
        "pipeline": "shop",
        "integration": "i1",
        "vendor": "webhook",
        "health": "retrying",
        "pending": 2,
        "leased": 1,
        "done": 1,
        "skipped": 1,
        "dead": 1,
        "oldest_pending_at": iso(stage.NOW + 3),
        "cause": "because",
    }
    assert (second["pending"], second["oldest_pending_at"], second["cause"]) == (6, iso(stage.NOW), None)


def test_an_integration_without_deliveries_is_in_the_backlog_until_it_is_removed(
    connection: sqlite3.Connection,
) -> None:
    assert [row["pending"] for row in stage.rows(connection, "select * from v_backlog")] == [0, 0]
    stage.accept(connection, stage.track("m1", "ann"))
    stage.add_integration(connection, 3)
    connection.execute("update integration set deleted_at = 1 where id in (2, 3)")
    found = stage.rows(connection, "select * from v_backlog order by integration")
    assert [row["integration"] for row in found] == ["i1", "i2"], "removed, but still owed something"


def test_the_dead_say_why_since_when_and_what(connection: sqlite3.Connection) -> None:
    stage.accept(connection, stage.track("m1", "ann"))
    settle_next(connection, "dead")
    [row] = stage.rows(connection, "select * from v_dead")
    assert json.loads(row.pop("payload"))["messageId"] == "m1"
    assert {name: row[name] for name in ("message_id", "integration", "reason", "dead_at")} == {
        "message_id": "m1",
        "integration": "i1",
        "reason": "because",
        "dead_at": iso(stage.NOW),
    }


def test_identities_of_visitors_and_of_users_without_one(connection: sqlite3.Connection) -> None:
    stage.accept(
        connection,
        stage.track("m1", "ann", type="identify", userId="u1", traits={"email": "a@b.example"}),
        stage.track("m2", "bob", context={"consent": {"marketing": False}}),
        stage.track("m3", None, type="identify", userId="u2", traits={"plan": "pro"}),
    )
    found = stage.rows(connection, "select * from v_identities order by anonymous_id is null, anonymous_id")
    assert [(row["anonymous_id"], row["user_id"]) for row in found] == [("ann", "u1"), ("bob", None), (None, "u2")]
    assert [json.loads(row["traits"]) for row in found] == [{"email": "a@b.example"}, {}, {"plan": "pro"}]
    assert json.loads(found[1]["consent"]) == {"marketing": False}
    assert {row["updated_at"] for row in found} == {iso(stage.NOW)}
    assert {row["pipeline"] for row in found} == {"shop"}


def test_rows_of_what_was_deleted_stay_under_their_slugs(connection: sqlite3.Connection) -> None:
    stage.accept(connection, stage.track("m1", "ann"))
    settle_next(connection, "dead")
    connection.execute("update integration set deleted_at = 1")
    connection.execute("update pipeline set deleted_at = 1")
    for view in ("v_events", "v_deliveries", "v_attempts", "v_dead"):
        assert {row["pipeline"] for row in stage.rows(connection, f"select * from {view}")} == {"shop"}, view
