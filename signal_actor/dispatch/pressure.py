"""Pressure: how late the event loop is. When it is overloaded, delivering steps back and accepting goes first.

What is not accepted is lost to a browser that closes; what is not delivered yet waits safely in the outbox.
"""

import trio

LOOK_SECONDS = 0.02
BUSY = 0.01  # seconds of lateness from which small batches are not worth their requests
LATE = 0.06  # seconds of lateness from which there is overload
BUSY_SHARE, LATE_SHARE = 2.0, 3.0  # rest between two leases, as a multiple of the lateness
LONGEST = 1.0  # seconds; however busy the door is, something is delivered


class Pressure:
    """`lateness` in seconds, smoothed over half a second or so."""

    def __init__(self) -> None:
        self.lateness = 0.0

    async def run(self) -> None:
        """Looks again and again, until cancelled."""
        while True:
            due = trio.current_time() + LOOK_SECONDS
            await trio.sleep_until(due)
            self.lateness += (trio.current_time() - due - self.lateness) / 8

    def rest(self, *, full: bool) -> float:
        """Seconds that an actor leaves to the door before it leases again, after a lease that was filled or not."""
        if self.lateness < BUSY:
            return 0.0
        share = BUSY_SHARE if full and self.lateness < LATE else LATE_SHARE
        return min(self.lateness * share, LONGEST)
