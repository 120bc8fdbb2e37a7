"""Limits: how many events a pipeline accepts a second, and how many bytes of requests the process holds at once."""

from collections.abc import Callable
from math import ceil

from signal_actor.errors import Refusal

HELD_BYTES = 128 * 1024 * 1024  # of bodies being read or waiting for their commit; beyond it new ones are refused


class Allowance:
    """A token bucket that holds one second's worth. A batch is admitted while anything is left, and owes the rest."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock  # seconds, monotonic
        self._left: dict[int, tuple[float, float]] = {}  # pipeline -> (allowance, when)

    def spend(self, pipeline_id: int, events: int, *, rate: float) -> None:
        """Takes the allowance of so many events.

        Raises:
            Refusal: 429 with the seconds until there is an allowance again.
        """
        now = self._clock()
        left, when = self._left.get(pipeline_id, (rate, now))
        left = min(left + (now - when) * rate, rate)
        if left < 1:
            self._left[pipeline_id] = (left, now)
            message = f"More than {rate:g} events a second; slow down."
            raise Refusal(429, "rate_limited", message, retry_after=max(ceil((1 - left) / rate), 1))
        self._left[pipeline_id] = (left - events, now)


class Room:
    """Memory for request bodies. Whoever takes some gives it back."""

    def __init__(self, limit: int = HELD_BYTES) -> None:
        self._limit = limit
        self._held = 0

    def take(self, size: int) -> None:
        """Raises `Refusal` 503 if there is no room for `size` more bytes."""
        if self._held + size > self._limit:
            raise Refusal(503, "overloaded", "Too many requests are waiting; try again shortly.", retry_after=1)
        self._held += size

    def give_back(self, size: int) -> None:
        self._held -= size
