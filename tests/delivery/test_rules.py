"""What follows from an attempt: every outcome, every policy, and how long who waits."""

from dataclasses import dataclass
from typing import get_args

import hypothesis.strategies as st
import pytest
from hypothesis import given

from signal_actor.delivery import rules
from signal_actor.delivery.rules import (
    Delivered,
    Health,
    Misconfigured,
    Outcome,
    RefusedWhole,
    Rejected,
    Retry,
    Skipped,
    Snooze,
    State,
    Step,
    backoff,
    health_after,
    rest,
    step,
)

NOW = 1_700_000_000_000
HOUR = 3_600_000


@dataclass(frozen=True)
class Policy:
    retry_base_seconds: float = 1
    retry_cap_seconds: float = 300
    retry_window_seconds: float = 72 * 3600
    probe_seconds: float = 30


EVERY: list[Outcome] = [
    Delivered(),
    Delivered("1 of 20 rejected"),
    Skipped("consent"),
    Rejected("bad email"),
    RefusedWhole("bad"),
    Retry("503"),
    Retry("429", 7.0),
    Misconfigured("401"),
    Snooze("stopping"),
]

LATE = "given up after 72 h: {}"

# outcome, within the retry window, after it
TABLE: list[tuple[Outcome, Step, Step]] = [
    (Delivered(), Step(State.DONE, None, NOW, False, None), Step(State.DONE, None, NOW, False, None)),
    (Delivered("note"), Step(State.DONE, None, NOW, False, "note"), Step(State.DONE, None, NOW, False, "note")),
    (Skipped("no"), Step(State.SKIPPED, None, NOW, False, "no"), Step(State.SKIPPED, None, NOW, False, "no")),
    (Rejected("bad"), Step(State.DEAD, None, NOW, False, "bad"), Step(State.DEAD, None, NOW, False, "bad")),
    (RefusedWhole("bad"), Step(State.DEAD, None, NOW, False, "bad"), Step(State.DEAD, None, NOW, False, "bad")),
    (
        Retry("503"),
        Step(State.PENDING, NOW + 2000, None, False, "503"),
        Step(State.DEAD, None, NOW, False, LATE.format("503")),
    ),
    (
        Retry("429", 60.0),
        Step(State.PENDING, NOW + 60_000, None, False, "429"),
        Step(State.DEAD, None, NOW, False, LATE.format("429")),
    ),
    (
        Retry("429", 1e9),
        Step(State.PENDING, NOW + HOUR, None, False, "429"),
        Step(State.DEAD, None, NOW, False, LATE.format("429")),
    ),
    (Misconfigured("401"), Step(State.PENDING, NOW, None, True, "401"), Step(State.PENDING, NOW, None, True, "401")),
    (Snooze("stop"), Step(State.PENDING, NOW, None, True, "stop"), Step(State.PENDING, NOW, None, True, "stop")),
]


@pytest.mark.parametrize(("outcome", "within", "after"), TABLE, ids=[str(row[0]) for row in TABLE])
def test_every_outcome_within_the_window_and_after_it(outcome: Outcome, within: Step, after: Step) -> None:
    def stepped(window_from: int) -> Step:
        return step(outcome, policy=Policy(), attempts=3, window_from=window_from, now=NOW, jitter=0.5)

    assert stepped(NOW - HOUR) == within
    assert stepped(NOW - 72 * HOUR) == after
    assert stepped(NOW - 1000 * HOUR) == after


def test_the_table_has_every_outcome() -> None:
    assert {type(row[0]) for row in TABLE} == set(get_args(Outcome)) == {type(outcome) for outcome in EVERY}


outcomes = st.sampled_from(EVERY)
jitters = st.floats(0, 1, exclude_max=True)
policies = st.builds(
    Policy,
    st.floats(1e-3, 1e6),
    st.floats(1e-3, 31_622_400),
    st.floats(1e-3, 31_622_400),
    st.floats(1e-3, 31_622_400),
)


@given(outcomes, policies, st.integers(1, 10_000), st.integers(0, NOW), jitters)
def test_a_step_is_final_or_due_never_both(
    outcome: Outcome, policy: Policy, attempts: int, window_from: int, jitter: float
) -> None:
    after = step(outcome, policy=policy, attempts=attempts, window_from=window_from, now=NOW, jitter=jitter)
    if after.state is State.PENDING:
        assert after.due_at is not None and after.finished_at is None
        assert NOW <= after.due_at < 2**53
        assert after.due_at <= max(window_from + policy.retry_window_seconds * 1000 + 1, NOW)
    else:
        assert after.state in {State.DONE, State.SKIPPED, State.DEAD}
        assert after.due_at is None and after.finished_at == NOW
    assert after.give_back == isinstance(outcome, Snooze | Misconfigured)
    assert after.error or isinstance(outcome, Delivered), "who is not delivered has a reason"


@given(policies, st.integers(0, 10**9), jitters)
def test_back_off_is_bounded_by_cap_and_ceiling(policy: Policy, attempts: int, jitter: float) -> None:
    waited = backoff(policy, attempts, jitter=jitter)
    assert 0 <= waited <= policy.retry_cap_seconds
    if attempts < 50:
        assert waited <= policy.retry_base_seconds * 2 ** max(attempts - 1, 0)


@given(policies, st.integers(1, 100), jitters)
def test_back_off_never_shrinks_with_attempts_and_spreads_over_all_of_its_range(
    policy: Policy, attempts: int, jitter: float
) -> None:
    assert backoff(policy, attempts, jitter=jitter) <= backoff(policy, attempts + 1, jitter=jitter)
    assert backoff(policy, attempts, jitter=0) == 0


def test_back_off_doubles() -> None:
    assert [backoff(Policy(), n, jitter=0.5) for n in range(1, 12)] == [0.5, 1, 2, 4, 8, 16, 32, 64, 128, 150, 150]


def test_a_vendors_wish_is_a_floor_and_bounded() -> None:
    def wait(after: float | None) -> int:
        due = step(Retry("r", after), policy=Policy(), attempts=5, window_from=NOW, now=NOW, jitter=0.5).due_at
        assert due is not None
        return due - NOW

    assert [wait(after) for after in (None, 0.0, 3.0, 8.0, 9.0, 3600.0, 3601.0, 1e12)] == [
        *[8_000] * 4,
        9_000,
        *[3_600_000] * 3,
    ]


def test_no_retry_is_planned_beyond_the_window() -> None:
    window_from = NOW - 72 * HOUR + 5_000
    after = step(Retry("r", 600.0), policy=Policy(), attempts=5, window_from=window_from, now=NOW, jitter=0.9)
    assert after.due_at == NOW + 5_000


@pytest.mark.parametrize(
    ("seconds", "words"), [(3600, "1 h"), (5400, "1.5 h"), (72 * 3600, "72 h"), (60, "60 s"), (0.5, "0.5 s")]
)
def test_giving_up_says_after_how_long(seconds: float, words: str) -> None:
    after = step(Retry("r"), policy=Policy(retry_window_seconds=seconds), attempts=1, window_from=0, now=NOW, jitter=0)
    assert after.error == f"given up after {words}: r"


@given(policies, st.integers(2, 10**6), st.none() | st.floats(0, 1e12), jitters)
def test_an_integration_in_trouble_rests_as_long_as_the_vendor_asks_and_at_most_a_probe_without(
    policy: Policy, failures: int, after: float | None, jitter: float
) -> None:
    seconds = rest(policy, failures, after, jitter=jitter)
    wish = min(after or 0.0, rules.LONGEST_WISH)
    assert wish <= seconds <= max(policy.probe_seconds, wish)


@given(policies, st.none() | st.floats(0, 1e12), jitters)
def test_one_failure_may_be_the_events_own(policy: Policy, after: float | None, jitter: float) -> None:
    assert rest(policy, 0, after, jitter=jitter) == rest(policy, 1, after, jitter=jitter) == 0


def test_an_integration_rests_longer_and_longer() -> None:
    assert [rest(Policy(), n, None, jitter=0) for n in range(9)] == [0, 0, 0.5, 1, 2, 4, 8, 15, 15]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], (Health.OK, None)),
        ([Delivered()], (Health.OK, None)),
        ([Rejected("bad")], (Health.OK, None)),
        ([Skipped("no")], (Health.OK, None)),
        ([RefusedWhole("bad")], (Health.OK, None)),
        ([Retry("503")], (Health.RETRYING, "503")),
        ([Retry("503"), Retry("504")], (Health.RETRYING, "504")),
        ([Retry("503"), Delivered()], (Health.OK, None)),
        ([Misconfigured("401"), Misconfigured("401")], (Health.MISCONFIGURED, "401")),
    ],
)
def test_health_is_what_the_vendor_showed(found: list[Outcome], expected: tuple[Health, str | None]) -> None:
    assert health_after(found) == expected
