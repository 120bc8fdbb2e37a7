"""Room: who is connected, how many may be, and who can be sent away."""

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from signal_actor.server.limits import Limits


class Room:
    """The connections of one listener. `limits` are theirs, `closing` tells them to come to an end."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.closing = False
        self.size = 0
        self._capacity = limits.capacity()
        self._full = trio.lowlevel.ParkingLot()
        self._idle: dict[trio.CancelScope, None] = {}  # a dict because it keeps their order: longest idle first

    @contextmanager
    def idle(self, seconds: float) -> Iterator[trio.CancelScope]:
        """Wait inside for a peer that nobody owes anything: for so long, and only while its place is not needed."""
        with trio.CancelScope(deadline=trio.current_time() + seconds) as scope:
            self._idle[scope] = None
            self._full.unpark_all()
            try:
                yield scope
            finally:
                self._idle.pop(scope, None)

    def dismiss_one(self) -> bool:
        """Send away the connection that has been idle longest; false when all of them are at work."""
        scope = next(iter(self._idle), None)
        if scope is None:
            return False
        del self._idle[scope]
        scope.cancel()
        return True

    async def admit_one(self) -> None:
        """Count one more in and make room for it. While all are at work, the next ones wait in the kernel's queue."""
        self.size += 1
        while self.size > self._capacity and not self.dismiss_one():
            await self._full.park()

    def leave(self) -> None:
        """The counterpart of `admit_one`."""
        self.size -= 1
        self._full.unpark_all()

    def close(self) -> None:
        """Idle connections end now, the others after the answer that they are at."""
        self.closing = True
        while self.dismiss_one():
            pass
