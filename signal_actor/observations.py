"""Observations: what the rooms tell about their work, for metrics and for those who watch live. Cheap where it is said.

What SQL knows is not counted here a second time: events, deliveries and attempts are counted in `store/tally.py`.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from signal_actor.live import Integration
from signal_actor.store.ids import accepted_at
from signal_actor.store.outbox import Settlement

# Seconds. Delivering takes from a tenth of a second up to the whole retry window, committing a disk's moment.
LATENCY = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 21_600.0, 86_400.0, 259_200.0)
COMMIT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Histogram:
    """How many values fell below which bound, and their sum."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def cumulative(self) -> list[tuple[str, float]]:
        """(bound, how many were at most that), as Prometheus wants it."""
        total, rows = 0, []
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            total += count
            rows.append(("+Inf" if bound == float("inf") else repr(bound), float(total)))
        return rows


class Watcher(Protocol):
    """Whoever wants to know at once. Called after the commit, on the loop; must be quick and not raise."""

    def accepted(self, count: int) -> None: ...

    def settled(self, integration: Integration, settlements: Sequence[Settlement]) -> None: ...


class Observations:
    """`watcher` is called only while there is one."""

    def __init__(self) -> None:
        self.refused = Counter[str]()
        self.latency = Histogram(LATENCY)
        self.commits = Histogram(COMMIT)
        self.watcher: Watcher | None = None

    def accepted(self, count: int) -> None:
        """So many events were committed, repeats included."""
        if self.watcher is not None:
            self.watcher.accepted(count)

    def refuse(self, code: str) -> None:
        """A request at the public door was answered with an error."""
        self.refused[code] += 1

    def settled(self, integration: Integration, settlements: Sequence[Settlement]) -> None:
        """Deliveries got their outcome."""
        for each in settlements:
            if each.state == "done" and each.finished_at is not None:
                self.latency.observe(max(each.finished_at - accepted_at(each.event_id), 0) / 1000)
        if self.watcher is not None:
            self.watcher.settled(integration, settlements)

    def committed(self, seconds: float, transactions: int) -> None:
        """A group of transactions reached the disk, or failed to."""
        self.commits.observe(seconds)
