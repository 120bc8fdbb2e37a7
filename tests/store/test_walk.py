"""Walk: every event is in exactly one step, whatever the steps' widths."""

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signal_actor.store import figures, walk
from tests import stage

IDS = st.lists(st.integers(1, 2**53), unique=True, max_size=30)


@given(ids=IDS, low=st.integers(0, 2**53), high=st.integers(0, 2**53), seconds=st.sampled_from([0.0, 1.0]))
def test_steps_go_down_and_cover_everything(ids: list[int], low: int, high: int, seconds: float) -> None:
    with closing(sqlite3.connect(":memory:")) as connection, pytest.MonkeyPatch.context() as patch:
        patch.setattr(walk, "STEP_SECONDS", seconds)
        patch.setattr(walk, "LEAST", 2**46)  # of 2**53: a step that is never made wider ends within the test
        connection.execute("create table event (id integer primary key)")
        connection.executemany("insert into event values (?)", [(each,) for each in ids])
        walked: list[int] = []
        edge = None
        for below, above in walk.down(connection, low, high):
            assert low <= below < above <= high
            assert edge is None or above == edge, "the next one begins where this one ended"
            walked += [each for each in ids if below <= each < above]
            edge = below
        assert sorted(walked) == sorted(each for each in ids if low <= each < high)


def test_what_is_counted_in_steps_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(stage.in_memory()) as connection:
        stage.add_pipeline(connection)
        stage.add_integration(connection, 1)
        stage.accept(connection, *[stage.track(f"m{n}", f"v{n}") for n in range(25)])
        whole = figures.fates(connection, [1], since=0, until=stage.NOW * 2)
        monkeypatch.setattr(walk, "LEAST", 1)
        monkeypatch.setattr(walk, "STEP_SECONDS", 0.0)
        assert figures.fates(connection, [1], since=0, until=stage.NOW * 2) == whole
        assert whole[1].pending == 25


class Clock:
    """Every step takes a twentieth of a second of this thread, while the others work for `others` seconds."""

    def __init__(self, others: float) -> None:
        self.others, self.own, self.slept = others, 0.0, list[float]()

    def thread_time(self) -> float:
        return self.own

    def process_time(self) -> float:
        return self.own * (1 + self.others / 0.05)

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))


@pytest.mark.parametrize(("others", "rest"), [(0.0, 0.0), (0.01, 0.06), (0.05, 0.3), (0.5, 0.3)])
def test_a_walk_rests_while_others_work(monkeypatch: pytest.MonkeyPatch, others: float, rest: float) -> None:
    clock = Clock(others)
    monkeypatch.setattr(walk, "time", clock)
    with closing(stage.in_memory()) as connection:
        stage.add_pipeline(connection)
        for number in range(3):
            stage.accept(connection, stage.track(f"m{number}", "v"), now=stage.NOW + number * 1_000)
        for _ in walk.down(connection, 0, 2**53):
            clock.own += 0.05
    assert clock.slept == [rest] * 3
