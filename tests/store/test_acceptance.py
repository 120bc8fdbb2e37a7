"""Acceptance in the store: once each, in order, with what is known about the visitor, owed to whom it may concern."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from signal_actor.live import Retention
from signal_actor.store import events, identities, messages
from signal_actor.store.ids import DAY, HOUR, accepted_at, first_id
from tests import stage
from tests.stage import NOW, accept, track

MIDNIGHT = NOW - NOW % DAY + DAY


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(stage.in_memory()) as opened:
        stage.add_pipeline(opened)
        stage.add_pipeline(opened, 2, "other")
        stage.add_integration(opened, 1)
        stage.add_integration(opened, 2)
        stage.add_integration(opened, 3, pipeline=2)
        yield opened


def ids(connection: sqlite3.Connection) -> list[int]:
    return [row[0] for row in connection.execute("select id from event order by rowid")]


def payload(connection: sqlite3.Connection, message_id: str) -> dict[str, Any]:
    found = connection.execute("select payload from event where message_id = ?", (message_id,)).fetchone()
    return json.loads(found[0])  # type: ignore[no-any-return]


# De-duplication ------------------------------------------------------------------------------------------------------


def test_a_message_is_stored_once_per_pipeline(connection: sqlite3.Connection) -> None:
    assert accept(connection, track("m1", "ann"), track("m1", "bob"), track("m2", "ann")) == 2
    assert accept(connection, track("m1", "ann"), track("m2", "ann")) == 0
    assert accept(connection, track("m1", "ann"), pipeline=2) == 1
    assert len(ids(connection)) == 3
    assert connection.execute("select count(*) from delivery").fetchone() == (5,)


@pytest.mark.parametrize("hours", [0.001, 1, 23.9, 24, 25, 48, 47.5, 100])
@pytest.mark.parametrize("first", [MIDNIGHT - 1, MIDNIGHT, MIDNIGHT + 1, MIDNIGHT + 12 * HOUR, MIDNIGHT + DAY - 1])
def test_a_repeat_is_known_for_at_least_the_window_over_any_midnight(
    connection: sqlite3.Connection, hours: float, first: int
) -> None:
    assert accept(connection, track("m1", "ann"), now=first, dedupe_hours=hours) == 1
    for share in (0, 0.3, 0.7, 1):
        later = first + round(hours * HOUR * share)
        while messages.forget(connection, Retention(dedupe_hours=hours), now=later, early=True):
            pass
        assert accept(connection, track("m1", "ann"), now=later, dedupe_hours=hours) == 0
    after = first + round(hours * HOUR) + 2 * DAY
    assert accept(connection, track("m1", "ann"), now=after, dedupe_hours=hours) == 1, (
        "the table must not grow for ever"
    )


def test_keys_that_nobody_asks_for_any_more_go_in_chunks(connection: sqlite3.Connection) -> None:
    accept(connection, *[track(f"m{number}", "ann") for number in range(1_200)])
    retention = Retention(dedupe_hours=48, done_days=7)
    assert messages.forget(connection, retention, now=NOW + 3 * DAY, early=True) == 0, "repeats are to be recognised"
    assert messages.forget(connection, retention, now=NOW + 7 * DAY) == 0, "their events are there, and looked for"
    for late, early in ((NOW + 5 * DAY, True), (NOW + 9 * DAY, False)):
        connection.execute("savepoint test")
        gone = [messages.forget(connection, retention, now=late, early=early) for _ in range(4)]
        assert gone == [500, 500, 200, 0]
        connection.execute("rollback to test")


def test_a_clock_that_is_set_back_over_midnight_lets_no_repeat_through(connection: sqlite3.Connection) -> None:
    assert accept(connection, track("m1", "ann"), now=MIDNIGHT + 5) == 1
    assert accept(connection, track("m1", "ann"), now=MIDNIGHT - 5) == 0


def test_the_longest_window_that_may_be_configured_works(connection: sqlite3.Connection) -> None:
    assert accept(connection, track("m1", "ann"), dedupe_hours=8784) == 1
    assert accept(connection, track("m1", "ann"), now=NOW + 366 * DAY, dedupe_hours=8784) == 0


def test_a_repeat_changes_nothing_about_its_visitor(connection: sqlite3.Connection) -> None:
    accept(connection, track("m1", "ann", type="identify", userId="u1", traits={"plan": "free"}))
    accept(connection, track("m2", "ann", type="identify", userId="u1", traits={"plan": "pro"}))
    accept(connection, track("m1", "ann", type="identify", userId="u1", traits={"plan": "free"}))
    accept(connection, track("m3", "ann"))
    assert payload(connection, "m3")["context"]["traits"] == {"plan": "pro"}


# Ids -----------------------------------------------------------------------------------------------------------------


def test_ids_grow_with_every_event_whatever_the_clock_does(connection: sqlite3.Connection) -> None:
    for number, now in enumerate([NOW, NOW, NOW - 90 * DAY, NOW + 1, NOW - 5, NOW + 10_000, NOW]):
        accept(connection, track(f"a{number}", "ann"), track(f"b{number}", "ann"), now=now)
    found = ids(connection)
    in_order = connection.execute("select id from event order by id").fetchall()
    assert found == [row[0] for row in in_order]
    names = [row[0] for row in connection.execute("select message_id from event order by id")]
    assert names == [f"{letter}{number}" for number in range(7) for letter in "ab"]
    assert len(set(found)) == 14


def test_ids_are_a_time_and_safe_for_javascript(connection: sqlite3.Connection) -> None:
    accept(connection, track("m1", "ann"))
    [event_id] = ids(connection)
    assert event_id == first_id(NOW)
    assert accepted_at(event_id) == NOW
    assert first_id(3_770_000_000_000) < 2**53, "until the year 2089"
    assert first_id(0) == 0


# Who is owed ---------------------------------------------------------------------------------------------------------


def test_one_delivery_for_each_integration_that_is_live(connection: sqlite3.Connection) -> None:
    stage.add_integration(connection, 4)
    connection.execute("update integration set enabled = 0 where id = 2")
    connection.execute("update integration set deleted_at = 1 where id = 4")
    accept(connection, track("m1", "ann"))
    connection.execute("update integration set enabled = 1, deleted_at = null")
    accept(connection, track("m2", "ann"))
    found = connection.execute(
        "select e.message_id, d.integration_id, d.state, d.due_at, d.window_from, d.attempts"
        " from delivery d join event e on e.id = d.event_id order by 1, 2"
    ).fetchall()
    assert found == [
        ("m1", 1, "pending", NOW, NOW, 0),
        *[("m2", key, "pending", NOW, NOW, 0) for key in (1, 2, 4)],
    ]


def test_a_visitors_later_events_are_behind_its_first(connection: sqlite3.Connection) -> None:
    accept(connection, track("m1", "ann"), track("m2", "bob"), track("m3", "ann"))
    accept(connection, track("m4", "bob"), track("m5", None, userId="ann"), track("m6", None, userId="ann"))
    found = connection.execute(
        "select e.message_id, d.behind from delivery d join event e on e.id = d.event_id"
        " where d.integration_id = 1 order by e.id"
    ).fetchall()
    assert found == [("m1", 0), ("m2", 0), ("m3", 1), ("m4", 1), ("m5", 0), ("m6", 1)]


# Identity and consent, in order --------------------------------------------------------------------------------------


def test_what_an_identify_says_is_carried_by_what_comes_after_it_in_the_same_batch(
    connection: sqlite3.Connection,
) -> None:
    accept(
        connection,
        track("before", "ann"),
        track("identify", "ann", type="identify", userId="u1", traits={"email": "a@b.example"}),
        track("after", "ann"),
        track("somebody else", "bob"),
        track("server", None, userId="u1"),
    )
    assert "userId" not in payload(connection, "before")
    for name in ("after", "server"):
        assert payload(connection, name)["userId"] == "u1"
        assert payload(connection, name)["context"]["traits"] == {"email": "a@b.example"}
    assert "userId" not in payload(connection, "somebody else")


def test_traits_are_merged_key_by_key_and_a_null_forgets(connection: sqlite3.Connection) -> None:
    accept(connection, track("1", "ann", type="identify", userId="u1", traits={"a": 1, "b": 2}))
    accept(connection, track("2", "bob", type="identify", userId="u1", traits={"b": None, "c": 3}))
    accept(connection, track("3", "ann", context={"traits": {"a": "own"}}))
    assert payload(connection, "3")["context"]["traits"] == {"a": "own", "c": 3}
    accept(connection, track("4", "ann"))
    assert payload(connection, "4")["context"]["traits"] == {"a": 1, "c": 3}, "only an identify is remembered"


def test_a_visitor_that_becomes_another_user_carries_the_new_one(connection: sqlite3.Connection) -> None:
    accept(connection, track("1", "ann", type="identify", userId="u1", traits={"name": "one"}))
    accept(connection, track("2", "ann", type="identify", userId="u2", traits={}))
    accept(connection, track("3", "ann"))
    assert payload(connection, "3")["userId"] == "u2"
    assert "traits" not in payload(connection, "3")["context"]


def test_a_user_named_by_the_event_itself_goes_first_and_is_not_remembered(connection: sqlite3.Connection) -> None:
    accept(connection, track("1", "ann", type="identify", userId="u1", traits={}))
    accept(connection, track("2", "ann", userId="u9"))
    accept(connection, track("3", "ann"))
    assert payload(connection, "2")["userId"] == "u9"
    assert payload(connection, "3")["userId"] == "u1"


def test_an_alias_links_what_was_known_to_the_user(connection: sqlite3.Connection) -> None:
    accept(connection, track("1", None, type="identify", userId="old", traits={"email": "a@b.example", "plan": "free"}))
    accept(connection, track("2", None, type="identify", userId="new", traits={"plan": "pro"}))
    accept(connection, track("3", None, type="alias", previousId="old", userId="new"))
    accept(connection, track("4", None, userId="new"))
    assert payload(connection, "4")["context"]["traits"] == {"email": "a@b.example", "plan": "pro"}
    accept(connection, track("5", None, type="alias", previousId="ann", userId="new"))
    accept(connection, track("6", "ann"))
    assert payload(connection, "6")["userId"] == "new"


def test_pipelines_know_nothing_of_each_others_visitors(connection: sqlite3.Connection) -> None:
    accept(connection, track("1", "ann", type="identify", userId="u1", traits={"a": 1}))
    accept(connection, track("2", "ann"), pipeline=2)
    assert "userId" not in payload(connection, "2")


def test_the_newest_consent_is_kept_and_carried(connection: sqlite3.Connection) -> None:
    accept(connection, track("1", "ann", context={"consent": {"marketing": True, "analytics": True}}))
    accept(connection, track("2", "ann"))
    accept(connection, track("3", "ann", context={"consent": {"marketing": False}}))
    accept(connection, track("4", "ann"))
    accept(connection, track("5", "bob"))
    found = [payload(connection, str(number))["context"].get("consent") for number in range(1, 6)]
    given, denied = {"marketing": True, "analytics": True}, {"marketing": False, "analytics": True}
    assert found == [given, given, denied, denied, None]
    newest = identities.consent_now(connection, ids(connection)[0])
    assert newest == denied, "also for events that were accepted before it"


def test_consent_of_a_user_without_a_visitor_is_kept_too(connection: sqlite3.Connection) -> None:
    accept(connection, track("1", None, userId="u1", context={"consent": {"marketing": False}}))
    accept(connection, track("2", None, userId="u1"))
    accept(connection, track("3", None, userId="u2"))
    assert payload(connection, "2")["context"]["consent"] == {"marketing": False}
    assert "consent" not in payload(connection, "3")["context"]


def test_an_identify_does_not_forget_consent(connection: sqlite3.Connection) -> None:
    accept(connection, track("1", "ann", context={"consent": {"marketing": False}}))
    accept(connection, track("2", "ann", type="identify", userId="u1", traits={}))
    accept(connection, track("3", "ann"))
    assert payload(connection, "3")["context"]["consent"] == {"marketing": False}


def test_events_are_found_by_id_and_by_message(connection: sqlite3.Connection) -> None:
    accept(connection, track("m1", "ann"), track("123", "ann"))
    accept(connection, track("m1", "ann"), pipeline=2)
    first, second, third = ids(connection)
    assert events.find(connection, "m1") == [first, third]
    assert events.find(connection, str(second)) == [second]
    assert events.find(connection, "123") == [second]
    assert events.find(connection, "nobody") == events.find(connection, "9" * 30) == []


def test_events_are_found_by_message_on_any_day_with_or_without_keys(connection: sqlite3.Connection) -> None:
    for day in (0, 3, 6, 9):
        accept(connection, track("m1", "ann"), track(f"m-{day}", "ann"), now=NOW + day * DAY)
    everything = ids(connection)[::2]
    assert len(everything) == 4
    assert events.find(connection, "m1") == everything
    for day in (0, 3, 6, 9):  # keys go from the oldest day on
        connection.execute("delete from seen where day = ?", ((NOW + day * DAY) // DAY,))
        assert events.find(connection, "m1") == everything
    connection.execute("delete from event where id = ?", (everything[0],))
    assert events.find(connection, "m1") == everything[1:]
