"""Ledger: what reached a fake vendor, what it kept, and whose events met each other in flight."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import trio

from signal_actor.sandbox.vendor import Call, Item


@dataclass(slots=True)
class Entry:
    """One request. `status` is None until it is answered, and for ever when the vendor never answers.

    `at` is Unix time; `overlaps` are the visitors of this request who were in flight in another one when it arrived.
    """

    serial: int
    at: float
    method: str
    path: str
    headers: dict[str, str]
    items: Sequence[Item]
    overlaps: tuple[str, ...] = ()
    status: int | None = None
    reason: str = ""


class Ledger:
    """A vendor's memory. Accepted items are listed in order of acceptance, a repeated one each time."""

    def __init__(self, *, window: float) -> None:
        self.requests: list[Entry] = []
        self.accepted: list[Item] = []
        self.counts: Counter[str] = Counter()  # how often each id was accepted
        self.errors: deque[Mapping[str, str]] = deque(maxlen=100)  # newest first
        self.recent = 0  # requests within the vendor's rate window
        self._window = window
        self._arrivals: deque[float] = deque()
        self._in_flight: dict[int, frozenset[str]] = {}  # visitors of each request, by its serial
        self._busy: Counter[str] = Counter()
        self._serial = 0
        self._changed: trio.Event | None = None

    @property
    def ids(self) -> list[str]:
        """Ids of the accepted items in order, a repeated one each time."""
        return [item.id for item in self.accepted]

    @property
    def duplicates(self) -> dict[str, int]:
        """How often each id was accepted that was accepted more than once."""
        return {name: count for name, count in self.counts.items() if count > 1}

    @property
    def overlaps(self) -> list[str]:
        """Visitors of whom two requests were in flight at once, in order of discovery."""
        return list(dict.fromkeys(visitor for entry in self.requests for visitor in entry.overlaps))

    def of(self, visitor: str) -> list[str]:
        """Ids of a visitor's accepted items, in order."""
        return [item.id for item in self.accepted if item.visitor == visitor]

    async def wait_for(self, n: int) -> None:
        """Return once `n` different items are accepted."""
        while len(self.counts) < n:
            await self._change()

    async def wait_for_requests(self, n: int) -> None:
        """Return once `n` requests have arrived; they need not be answered."""
        while len(self.requests) < n:
            await self._change()

    async def wait_until_idle(self) -> None:
        """Return once no request is in flight."""
        while self._in_flight:
            await self._change()

    def arrive(self, call: Call, items: Sequence[Item], *, at: float, clock: float, lean: bool) -> Entry:
        """Note a request that is in flight from now on. `clock` is monotonic; `lean` keeps no contents."""
        self._serial += 1
        self._arrivals.append(clock)
        while self._arrivals[0] <= clock - self._window:
            self._arrivals.popleft()
        self.recent = len(self._arrivals)
        visitors = frozenset([item.visitor for item in items if item.visitor])
        overlaps = tuple(sorted(visitors & self._busy.keys()))
        self._in_flight[self._serial] = visitors
        self._busy.update(visitors)
        entry = Entry(
            serial=self._serial,
            at=at,
            method=call.method,
            path=call.path + (f"?{call.query}" if call.query else ""),
            headers={} if lean else dict(call.headers),
            items=() if lean else items,
            overlaps=overlaps,
        )
        self.requests.append(entry)
        self._ring()
        return entry

    def accept(self, items: Sequence[Item], *, errors: Sequence[Mapping[str, str]], lean: bool) -> None:
        """Note what the vendor keeps, and what it finds wrong later."""
        self.errors.extendleft(errors)
        self.accepted.extend([Item(item.id, item.visitor, None) for item in items] if lean else items)
        self.counts.update([item.id for item in items])
        self._ring()

    def leave(self, entry: Entry) -> None:
        """Note that a request is not in flight any more. A second time does nothing."""
        for visitor in self._in_flight.pop(entry.serial, ()):
            if self._busy[visitor] == 1:
                del self._busy[visitor]
            else:
                self._busy[visitor] -= 1
        self._ring()

    def clear(self) -> None:
        """Forget everything but what is in flight."""
        self.requests.clear()
        self.accepted.clear()
        self.counts.clear()
        self.errors.clear()

    def _ring(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    async def _change(self) -> None:
        self._changed = self._changed or trio.Event()
        await self._changed.wait()


def as_json(entry: Entry) -> dict[str, Any]:
    """An entry as the control interface shows it."""
    return {
        "serial": entry.serial,
        "at": entry.at,
        "method": entry.method,
        "path": entry.path,
        "headers": entry.headers,
        "items": [item._asdict() for item in entry.items],
        "overlaps": list(entry.overlaps),
        "status": entry.status,
        "reason": entry.reason,
    }
