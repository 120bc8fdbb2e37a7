"""Alarms: simple rules about how the service is doing, looked at again and again, and told to those who should know.

What fires is shown by the API and by /readyz, as degraded and not as unready: a vendor who is down is no reason to
refuse events. Beginning and end of each alarm are posted to a webhook.
"""

import os
from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated, Any, NamedTuple

import httpx
import structlog
import trio
from pydantic import Field

from signal_actor.database import Database, now_ms
from signal_actor.live import Strict
from signal_actor.store import figures, notes, settings
from signal_actor.store.figures import Health
from signal_actor.store.ids import MINUTE
from signal_actor.wire import iso

RULES = "alarms"  # the note that holds the rules
FIRING = "alarms_firing"  # the note that holds since when what fires
LOOK_SECONDS = 15.0
POST_SECONDS = 10.0


class Rules(Strict):
    """When to raise an alarm; 0 turns a rule off. `webhook` gets {"text", "state", "alarm"} when one begins or ends."""

    success_rate: Annotated[float, Field(ge=0, le=1)] = 0.9  # share of requests that the vendor took, below is bad
    success_rate_minutes: Annotated[int, Field(ge=1, le=1440)] = 15
    success_rate_requests: Annotated[int, Field(ge=1)] = 20  # fewer say nothing
    backlog_seconds: Annotated[int, Field(ge=0)] = 900  # age of what is owed
    dead_letters: Annotated[int, Field(ge=0)] = 10  # of one integration, in an hour
    no_traffic_minutes: Annotated[int, Field(ge=0)] = 0  # a pipeline that had events once has none
    disk_free_bytes: Annotated[int, Field(ge=0)] = 1_073_741_824
    webhook: Annotated[str, Field(pattern=r"^$|^https?://[^\s/?#]+[^\s]*$")] = ""


class Alarm(NamedTuple):
    """Something is wrong. `since` is when it was first seen, in ms."""

    kind: str
    pipeline: str | None
    integration: str | None
    text: str
    since: int

    @property
    def name(self) -> str:
        return "/".join(part for part in (self.kind, self.pipeline, self.integration) if part)

    def told(self) -> dict[str, Any]:
        return {**self._asdict(), "since": iso(self.since)}


def judge(rules: Rules, health: Health, free_bytes: int, *, now: int) -> Iterator[Alarm]:
    """What is wrong."""
    for each in health.integrations:
        place = (each.pipeline, each.integration)
        if rules.success_rate and each.requests >= rules.success_rate_requests:
            rate = each.successes / each.requests
            if rate < rules.success_rate:
                said = f"{rate:.0%} of {each.requests} requests succeeded in {rules.success_rate_minutes} minutes"
                yield Alarm("success_rate", *place, f"{said}; wanted are {rules.success_rate:.0%}.", now)
        if rules.backlog_seconds and each.oldest is not None:
            age = (now - each.oldest) // 1000
            if age > rules.backlog_seconds:
                said = f"The oldest of {each.owed} open deliveries has waited for {_span(age)}"
                cause = each.health_reason or f"health is {each.health}"
                yield Alarm("backlog_age", *place, f"{said}; {cause.rstrip('.')}.", now)
        if rules.dead_letters and each.dead >= rules.dead_letters:
            yield Alarm("dead_letters", *place, f"{each.dead} deliveries were given up on in the last hour.", now)
    for pipeline, last in health.last_event.items():
        if rules.no_traffic_minutes and now - last > rules.no_traffic_minutes * MINUTE:
            text = f"No event for {_span((now - last) // 1000)}."
            yield Alarm("no_traffic", pipeline, None, text, now)
    if free_bytes < rules.disk_free_bytes:
        yield Alarm("disk", None, None, f"The disk has {free_bytes // 2**20} MiB left.", now)


class Alarms:
    """`firing` is what is wrong now."""

    def __init__(self, database: Database, *, now: Callable[[], int] = now_ms, post: "Post | None" = None) -> None:
        self.firing: list[Alarm] = []
        self._database = database
        self._now = now
        self._post = post or _post
        self._told: set[str] = set()

    def causes(self) -> list[str]:
        """What is wrong, in words for /readyz."""
        return [f"{alarm.name}: {alarm.text}".removesuffix(": ") for alarm in self.firing]

    async def run(self) -> None:
        """Looks again and again, until cancelled."""
        since = self._database.read(notes.get, FIRING) or {}
        self._told = set(since)
        self.firing = [_recalled(name, at) for name, at in since.items()]
        while True:
            await self.look()
            await trio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """One look: what began, what ended, and telling so."""
        now = self._now()
        rules = self._database.read(settings.get, RULES, Rules)
        health = await self._database.search(figures.health, now=now, window=rules.success_rate_minutes * MINUTE)
        status = os.statvfs(self._database.path.parent)
        before = {alarm.name: alarm for alarm in self.firing}
        found = {alarm.name: alarm for alarm in judge(rules, health, status.f_bavail * status.f_frsize, now=now)}
        self.firing = [
            alarm._replace(since=before[name].since) if name in before else alarm for name, alarm in found.items()
        ]
        if found.keys() != before.keys():
            await self._database.run(notes.put, FIRING, {alarm.name: alarm.since for alarm in self.firing})
        for alarm in self.firing:
            if alarm.name not in self._told and await self._tell(rules, "firing", alarm):
                self._told.add(alarm.name)
        for name in self._told - found.keys():
            ended = before.get(name) or _recalled(name, now)
            if await self._tell(rules, "resolved", ended):
                self._told.discard(name)

    async def _tell(self, rules: Rules, state: str, alarm: Alarm) -> bool:
        """Whether it was told; what was not is told at the next look."""
        structlog.get_logger().warning("alarm", state=state, alarm=alarm.name, text=alarm.text)
        if not rules.webhook:
            return True
        text = f"Signal Actor: {alarm.name} {state}. {alarm.text}".strip()
        return await self._post(rules.webhook, {"text": text, "state": state, "alarm": alarm.told()})


Post = Callable[[str, dict[str, Any]], Awaitable[bool]]


async def _post(url: str, body: dict[str, Any]) -> bool:
    """Whether it was told, or refused for good, which is not told again and again. What is answered is not read."""
    try:
        with trio.fail_after(POST_SECONDS):  # httpx's own time-outs are for each piece of an answer
            async with (
                httpx.AsyncClient(timeout=None, trust_env=False) as client,  # noqa: S113
                client.stream("POST", url, json=body) as response,
            ):
                status = response.status_code
    except (httpx.HTTPError, httpx.InvalidURL, OSError, trio.TooSlowError) as error:
        structlog.get_logger().warning("alarm.untold", error=str(error) or type(error).__name__)
        return False
    if status >= 300:
        structlog.get_logger().warning("alarm.untold", status=status)
    return status < 500


def _recalled(name: str, since: int) -> Alarm:
    """An alarm of which only its name is remembered, from before a restart."""
    kind, pipeline, integration = (*name.split("/"), None, None)[:3]
    return Alarm(str(kind), pipeline, integration, "", since)


def _span(seconds: int) -> str:
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} seconds"
