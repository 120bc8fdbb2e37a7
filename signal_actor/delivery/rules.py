"""Delivery rules: the states of a delivery, the outcomes of an attempt, and what follows from them.

Everything that decides a delivery's fate is in this file, as functions of values, `now` and `jitter`.

              lease                  Delivered
    pending ─────────▶ leased ──────────────────▶ done
       ▲  ▲              │ │ └── Skipped ───────▶ skipped ──┐
       │  └── Retry ─────┘ └──── Rejected ──────▶ dead ─────┤
       │      Snooze, Misconfigured (attempt given back)    │
       └──────────────────────── replay ────────────────────┘

Laws:
1. A lease counts an attempt. Only what is nobody's attempt (Snooze, Misconfigured) gives it back.
2. Retry ends in `dead` once the retry window, counted from acceptance, is over.
3. A final state is left by a replay only.
"""

from dataclasses import dataclass
from enum import StrEnum


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
