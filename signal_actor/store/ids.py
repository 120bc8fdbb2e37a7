"""Ids: the numbers of rows. Those of events grow with time, so a span of time is a span of ids, and both are one range
of the table."""

from signal_actor.errors import Refusal
from signal_actor.wire import milliseconds

MINUTE = 60_000  # ms, like all times here
HOUR = 60 * MINUTE
DAY = 24 * HOUR

EPOCH = 1_577_836_800_000  # 2020-01-01: keeps ids below 2**53, so that JavaScript can hold them
BITS = 12  # 4,096 events a millisecond before ids run ahead of the clock

LARGEST = 2**63 - 1  # number that SQLite holds
DIGITS = 18  # of the longest number that SQLite holds, whatever its digits are


def time_of(name: str, text: str) -> int:
    """A time in ms that somebody wrote in the field `name`. Raises Refusal (400)."""
    try:
        return milliseconds(text)
    except ValueError:
        message = f"{name}: {text[:40]!r} is no ISO 8601 time, such as 2026-02-25T14:30:00Z."
        raise Refusal(400, "invalid_payload", message) from None


def first_id(ms: int) -> int:
    """The smallest id of an event that is accepted at `ms`."""
    return max(ms - EPOCH, 0) << BITS


def accepted_at(event_id: int) -> int:
    """About when an event was accepted; a burst makes ids run ahead of the clock by milliseconds."""
    return (event_id >> BITS) + EPOCH


def whole(text: str) -> int | None:
    """The number that somebody wrote, if it can be that of a row. (To Python "²" is a digit, and no number.)"""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS else None
