"""Cache: figures that cost something are worked out by one at a time, and may be ten times as old as they took.

So whoever asks, and however often, figures take no more than a tenth of one core; while they are cheap they are new.
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import trio

T = TypeVar("T")

CHEAP = 0.05  # seconds; what takes less is never kept
SHARE = 10.0
KEPT = 64


@dataclass
class _Place:
    lock: trio.Lock = field(default_factory=trio.Lock)
    value: Any = None
    good_until: float = 0.0


class Cache(Generic[T]):
    """Values by key, the newest KEPT of them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._places: OrderedDict[Hashable, _Place] = OrderedDict()

    async def get(self, key: Hashable, work: Callable[[], Awaitable[tuple[T, float]]]) -> T:
        """The value, worked out again if it is too old. `work` says what it cost, in seconds of one core."""
        place = self._places.setdefault(key, _Place())
        self._places.move_to_end(key)
        while len(self._places) > KEPT:
            self._places.popitem(last=False)
        async with place.lock:
            if self._clock() >= place.good_until:
                place.value, cost = await work()
                place.good_until = self._clock() + cost * SHARE if cost > CHEAP else 0.0
        value: T = place.value
        return value
