"""Pace: how an integration is doing, and when it may send."""

from collections.abc import Callable, Sequence

import trio

from signal_actor.delivery import rules
from signal_actor.delivery.rules import Health, Outcome, Policy, Retry, Snooze

LONGEST_REST = 3600.0  # seconds: an actor looks again at least this often


class Pace:
    """One integration's health, its failures in a row, and the rest that follows from them. Trio's clock."""

    def __init__(self, health: Health, policy: Policy, max_in_flight: int, jitter: Callable[[], float]) -> None:
        self.health = health
        self.in_flight = 0  # leases
        self._policy = policy
        self._max_in_flight = max_in_flight
        self._jitter = jitter
        self._failures = 0  # requests in a row that the vendor or the network failed
        self._resting_until = 0.0

    @property
    def probing(self) -> bool:
        """Whether a single delivery is tried now and then to see if the configuration has been mended."""
        return self.health is Health.MISCONFIGURED

    @property
    def resting(self) -> bool:
        """Whether nothing may be sent right now."""
        return self._resting_until > trio.current_time()

    def held_back(self) -> float:
        """Seconds until the next lease may be taken; 0 is now."""
        most = 1 if self.probing or self._failures >= 2 else self._max_in_flight
        if self.in_flight >= most or self.health is Health.PAUSED:
            return LONGEST_REST
        return max(self._resting_until - trio.current_time(), 0.0)

    def take_stock(self, outcomes: Sequence[Outcome]) -> tuple[Health, str | None] | None:
        """What an attempt says about the integration: its health and the cause, or None if that is no news."""
        if all(isinstance(outcome, Snooze) for outcome in outcomes):
            return None
        before = self.health
        health, cause = rules.health_after(outcomes)
        self._failures = self._failures + 1 if health is not Health.OK else 0
        self._resting_until = trio.current_time() + self._rest(health, outcomes)
        if before is not Health.PAUSED:
            self.health = health
        return None if health is before is Health.OK else (health, cause)

    def _rest(self, health: Health, outcomes: Sequence[Outcome]) -> float:
        if health is Health.MISCONFIGURED:
            return self._policy.probe_seconds
        wishes = [outcome.after for outcome in outcomes if isinstance(outcome, Retry) and outcome.after is not None]
        return rules.rest(self._policy, self._failures, max(wishes, default=None), jitter=self._jitter())
