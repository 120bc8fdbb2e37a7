"""Query plans: no hot statement walks through a table or sorts, however much lies in the file.

The statements are caught while the verbs run, so this cannot fall behind the code.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from signal_actor.live import Retention
from signal_actor.store import events, letters, messages, outbox, upkeep
from signal_actor.store.letters import Filter
from tests import stage

SMALL = {"integration", "i", "pipeline", "p", "json_each", "each", "head", "days"}  # walking through these is no walk


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(stage.in_memory()) as opened:
        stage.add_pipeline(opened)
        for key in (1, 2, 3):
            stage.add_integration(opened, key)
        for number in range(60):
            event = stage.track(f"m{number}", f"v{number % 7}", context={"consent": {"marketing": True}})
            stage.accept(opened, event, now=stage.NOW + number)
        yield opened


def lease(connection: sqlite3.Connection) -> list[outbox.Leased]:
    return outbox.lease(connection, 1, lease=7, now=stage.NOW + 100, until=stage.NOW + 200, heads=5, items=20)


def settle(connection: sqlite3.Connection, state: str) -> None:
    held = lease(connection)
    attempt = outbox.Attempt(stage.NOW, 1, 200, "delivered", "{}", "{}", None, [row.event_id for row in held])
    outbox.settle(
        connection,
        1,
        lease=7,
        settlements=[stage.settlement(row, state, due_at=stage.NOW) for row in held],
        attempt=attempt,
        health=("ok", None),
        now=stage.NOW,
    )


def accept_each_type(connection: sqlite3.Connection) -> None:
    about: dict[str, Any] = {"userId": "u1", "traits": {"email": "a@b.example"}}
    stage.accept(
        connection,
        stage.track("x1", "v1", context={"consent": {"marketing": False}}),
        stage.track("x2", "v1", type="identify", **about),
        stage.track("x3", type="identify", **about),
        stage.track("x4", "v1", type="alias", previousId="v2", userId="u1"),
        stage.track("x5", None, userId="u9", context={"consent": {"marketing": False}}),
    )


def dead_ones(connection: sqlite3.Connection) -> None:
    settle(connection, "dead")


HOT: dict[str, Callable[[sqlite3.Connection], object]] = {
    "accept": accept_each_type,
    "lease": lease,
    "settle done": lambda c: settle(c, "done"),
    "settle pending": lambda c: settle(c, "pending"),
    "extend": lambda c: (lease(c), outbox.extend(c, 1, lease=7, until=stage.NOW)),
    "next due": lambda c: outbox.next_due(c, 1),
    "recover": lambda c: (lease(c), outbox.recover(c, now=stage.NOW, integration_id=1)),
    "pull in": lambda c: outbox.pull_in(c, latest_due=stage.NOW),
    "forget finished": lambda c: upkeep.forget_finished(c, Retention(), after=0, now=stage.NOW + 10**9),
    "forget seen": lambda c: messages.forget(c, Retention(), now=stage.NOW + 10**9),
    "story": lambda c: events.story(c, c.execute("select max(id) from event").fetchone()[0]),
    "find a message": lambda c: messages.find(c, "m1"),
    "replay the dead": lambda c: (
        dead_ones(c),
        letters.replay(c, Filter(state="dead"), author="ann", now=stage.NOW),
    ),
    "discard one integration's dead": lambda c: (
        dead_ones(c),
        letters.discard(c, Filter(state="dead", integration="i1"), author="ann", now=stage.NOW),
    ),
    "list the dead": lambda c: letters.listed(c, Filter(state="dead"), limit=50),
    "list": lambda c: letters.listed(c, Filter(), limit=50),
    "list on": lambda c: letters.listed(c, Filter(), limit=50, after=(stage.NOW, "i1")),
    "list a time": lambda c: letters.listed(c, Filter(since="2023-11-14T00:00:00Z"), limit=50),
}
PARTIAL = {"delivery_letters", "delivery_leased"}
# Few rows are sorted here: one event's integrations, the leases there are, the attempts of a chunk.
SORTING = {"recover", "list", "list on", "list a time", "list the dead", "story", "forget finished"}


@pytest.mark.parametrize("name", HOT)
def test_hot_statements_use_indexes(connection: sqlite3.Connection, name: str) -> None:
    statements: set[str] = set()
    connection.set_trace_callback(statements.add)
    HOT[name](connection)
    connection.set_trace_callback(None)
    assert statements
    for statement in statements:
        if statement.startswith("--"):  # what a trigger did
            continue
        for plan in planned(connection, statement):
            said = f"{plan}\n  in {statement}"
            if plan.startswith("SCAN"):
                # An index that holds only some rows, such as the dead ones, is walked on purpose.
                assert plan.split()[1] in SMALL or plan.split()[-1] in PARTIAL or "CONSTANT" in plan, said
            if "TEMP B-TREE" in plan and name not in SORTING:
                pytest.fail(said)


def planned(connection: sqlite3.Connection, statement: str) -> list[str]:
    return [row[3] for row in connection.execute(f"explain query plan {statement}")]


def test_a_lease_reads_no_more_than_it_takes() -> None:
    """However long the backlog: counted in SQLite's own instructions, in steps of a hundred."""

    def cost(backlog: int, visitors: int) -> int:
        with closing(stage.in_memory()) as connection:
            stage.add_pipeline(connection)
            stage.add_integration(connection, 1)
            for first in range(0, backlog, 500):
                batch = [stage.track(f"m{n}", f"v{n % visitors}") for n in range(first, first + 500)]
                stage.accept(connection, *batch)
            steps = 0

            def count() -> None:
                nonlocal steps
                steps += 1

            connection.set_progress_handler(count, 100)
            leased = outbox.lease(connection, 1, lease=1, now=stage.NOW, until=stage.NOW, heads=100, items=100)
            outbox.settle(
                connection,
                1,
                lease=1,
                settlements=[stage.settlement(row) for row in leased],
                attempt=None,
                health=None,
                now=stage.NOW,
            )
            connection.set_progress_handler(None, 0)
            assert len(leased) == 100
            return steps

    for visitors in (1, 10, 500):
        assert cost(4_000, visitors) <= cost(1_000, visitors) * 1.3 + 5
