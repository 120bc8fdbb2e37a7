"""Delivery rules: the states of a delivery, the outcomes of an attempt, and what follows from them.

Everything that decides a delivery's fate is in this file, as functions of values, `now` and `jitter`.

              lease                  Delivered
    pending ─────────▶ leased ──────────────────▶ done
       ▲  ▲              │ │ └── Skipped ───────▶ skipped ──┐
       │  └── Retry ─────┘ └──── Rejected ──────▶ dead ─────┤
       │      Snooze, Misconfigured (attempt given back)    │
       └──────────────────────── replay ────────────────────┘

Laws:
1. A lease counts an attempt. It is given back by what is nobody's attempt (Snooze, Misconfigured), and by what was
   decided without asking the vendor.
2. Retry ends in `dead` once the retry window, counted from acceptance, is over.
3. A final state is left by a replay only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol, assert_never


class State(StrEnum):
    """Where a delivery stands. The comment says who moves it on."""

    PENDING = "pending"  # due at `due_at`; the integration's actor leases it
    LEASED = "leased"  # in an actor's hands until `due_at`; settled, or released at the next start
    DONE = "done"  # the vendor has it; final
    SKIPPED = "skipped"  # not wanted (consent, mapping, disabled, discarded); a replay makes it pending
    DEAD = "dead"  # refused by the vendor or out of time; a replay makes it pending


class Health(StrEnum):
    """How an integration is doing."""

    OK = "ok"
    RETRYING = "retrying"  # the newest attempt failed in a way that passes
    PAUSED = "paused"  # by a person, until a person resumes it
    MISCONFIGURED = "misconfigured"  # by itself, until a probe succeeds or its configuration changes


@dataclass(frozen=True, slots=True)
class Delivered:
    """The vendor has the event. `note` is a warning worth keeping, such as "1 of 20 records rejected"."""

    note: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """The event is not for this integration: consent, not mapped, disabled, unsendable."""

    reason: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The vendor refuses this event for what it is; sending it again cannot help."""

    reason: str


@dataclass(frozen=True, slots=True)
class RefusedWhole:
    """The vendor refuses the batch without saying which event is at fault; halves are tried, then single events."""

    reason: str


@dataclass(frozen=True, slots=True)
class Retry:
    """The vendor's fault or the network's; costs an attempt. `after` is the vendor's own wish, in seconds."""

    reason: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """Our configuration is at fault (key, organisation, host); costs no attempt and pauses the integration."""

    cause: str


@dataclass(frozen=True, slots=True)
class Snooze:
    """Nobody's fault: the process is stopping, or an earlier event of the visitor has to go first."""

    reason: str


Outcome = Delivered | Skipped | Rejected | RefusedWhole | Retry | Misconfigured | Snooze


class Policy(Protocol):
    """How patient an integration is, in seconds. `live.DeliveryPolicy` is one."""

    @property
    def retry_base_seconds(self) -> float: ...
    @property
    def retry_cap_seconds(self) -> float: ...
    @property
    def retry_window_seconds(self) -> float: ...
    @property
    def probe_seconds(self) -> float: ...


class Step(NamedTuple):
    """What becomes of one leased delivery. Times in milliseconds since 1970."""

    state: State
    due_at: int | None = None
    finished_at: int | None = None
    give_back: bool = False  # the attempt that the lease counted
    error: str | None = None


LONGEST_WISH = 3600.0  # seconds: a vendor's Retry-After is honoured up to here
TRIES_IN_COMPANY = 3  # an event that failed this often in a batch is tried alone


def step(outcome: Outcome, *, policy: Policy, attempts: int, window_from: int, now: int, jitter: float) -> Step:
    """What follows from an outcome.

    Args:
        attempts: including the one just made.
        window_from: when the retry window began: acceptance, or the last replay.
        jitter: in [0, 1).
    """
    match outcome:
        case Delivered(note):
            return Step(State.DONE, finished_at=now, error=note or None)
        case Skipped(reason):
            return Step(State.SKIPPED, finished_at=now, error=reason)
        case Rejected(reason) | RefusedWhole(reason):
            return Step(State.DEAD, finished_at=now, error=reason)
        case Retry(reason, after):
            end = window_from + _ms(policy.retry_window_seconds)
            if now >= end:
                return Step(State.DEAD, finished_at=now, error=f"given up after {_span(end - window_from)}: {reason}")
            wait = max(backoff(policy, attempts, jitter=jitter), min(after or 0.0, LONGEST_WISH))
            return Step(State.PENDING, due_at=min(now + _ms(wait), end), error=reason)
        case Misconfigured(reason) | Snooze(reason):
            return Step(State.PENDING, due_at=now, give_back=True, error=reason)
        case _:
            assert_never(outcome)


def backoff(policy: Policy, attempts: int, *, jitter: float) -> float:
    """Seconds to wait after the given number of failures: exponential with full jitter, so that retries spread out."""
    ceiling = policy.retry_base_seconds * 2.0 ** min(max(attempts - 1, 0), 60)
    return jitter * min(ceiling, policy.retry_cap_seconds)


def rest(policy: Policy, failures: int, after: float | None, *, jitter: float) -> float:
    """Seconds that a whole integration rests after so many failed requests in a row.

    After the first failure nobody rests but the events that met it: it may have been theirs. From the second on the
    vendor is in trouble, and asking it with the rest of the backlog would only burn attempts.
    """
    if failures < 2:
        return 0.0
    ceiling = min(policy.retry_base_seconds * 2.0 ** min(failures - 2, 60), policy.probe_seconds)
    return max(ceiling * (0.5 + jitter / 2), min(after or 0.0, LONGEST_WISH))


def health_after(outcomes: Sequence[Outcome]) -> tuple[Health, str | None]:
    """What one attempt says about the integration, with the cause. A vendor that answers some events is well."""
    cause = None
    for outcome in outcomes:
        match outcome:
            case Misconfigured(reason):
                return Health.MISCONFIGURED, reason
            case Retry(reason):
                cause = reason
            case _:
                return Health.OK, None
    return (Health.RETRYING, cause) if cause else (Health.OK, None)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _span(ms: int) -> str:
    return f"{ms / 3_600_000:g} h" if ms >= 3_600_000 else f"{ms / 1000:g} s"
