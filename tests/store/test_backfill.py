"""Backfill: a file of events is stored once, however often it is interrupted or comes again."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from signal_actor.errors import UsageError
from signal_actor.store import backfill
from tests import stage
from tests.stage import NOW


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(stage.in_memory()) as opened:
        stage.add_pipeline(opened)
        stage.add_integration(opened, 1)
        yield opened


def store(connection: sqlite3.Connection, first: int, *lines: Any, file: str = "f", now: int = NOW) -> dict[str, Any]:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    return backfill.store(connection, file=file, pipeline="shop", first=first, lines=texts, dedupe_hours=48, now=now)


def line(number: int, **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Viewed", "userId": f"u{number}"} | more


def test_lines_are_stored_and_counted(connection: sqlite3.Connection) -> None:
    found = store(connection, 1, line(1), line(2, messageId="m2"), line(3, messageId="m2"), "", "  ")
    assert found == {"accepted": 2, "duplicates": 1, "refused": []}
    assert backfill.done(connection, "f", "shop") == 5
    assert connection.execute("select count(*) from delivery").fetchone() == (2,)


def test_what_is_wrong_is_refused_by_its_line_and_the_rest_goes_on(connection: sqlite3.Connection) -> None:
    found = store(
        connection,
        11,
        line(1),
        "{",
        line(2, type="nonsense"),
        {"type": "track", "event": "E"},
        "[]",
        line(3, event=None),
    )
    assert found["accepted"] == 1
    assert [number for number, _ in found["refused"]] == [12, 13, 14, 15, 16]
    assert all(isinstance(message, str) and message for _, message in found["refused"])
    assert "anonymousId" in found["refused"][2][1]


def test_an_import_goes_on_where_it_stopped(connection: sqlite3.Connection) -> None:
    assert backfill.done(connection, "f", "shop") == 0
    store(connection, 1, line(1), line(2))
    assert backfill.done(connection, "f", "shop") == 2
    store(connection, 3, line(3))
    assert backfill.done(connection, "f", "shop") == 3
    assert backfill.done(connection, "another", "shop") == 0


def test_how_far_it_got_and_what_was_stored_are_one_transaction(connection: sqlite3.Connection) -> None:
    connection.execute("begin immediate")
    store(connection, 1, line(1), line(2))
    connection.execute("rollback")
    assert backfill.done(connection, "f", "shop") == 0
    assert connection.execute("select count(*) from event").fetchone() == (0,)


def test_the_same_lines_again_are_duplicates_even_without_a_message_id(connection: sqlite3.Connection) -> None:
    assert store(connection, 1, line(1), line(1))["accepted"] == 2, "two lines are two events"
    assert store(connection, 1, line(1), line(1)) == {"accepted": 0, "duplicates": 2, "refused": []}
    assert store(connection, 1, line(1), file="another")["accepted"] == 1


def test_an_unknown_pipeline_is_said(connection: sqlite3.Connection) -> None:
    with pytest.raises(UsageError, match="no pipeline 'nobody'"):
        backfill.done(connection, "f", "nobody")
