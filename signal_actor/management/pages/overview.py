"""Overview: how much came in, what became of it, how long it took, and who needs attention."""

from typing import Any

from quart import Response

from signal_actor.management.api.stats import Span, Stats
from signal_actor.management.api.stats import read as statistics
from signal_actor.management.pages import charts, sight
from signal_actor.management.pages.desk import Room, Visit
from signal_actor.store.ids import DAY, HOUR
from signal_actor.wire import iso, milliseconds

room = Room("overview")

RANGES = {
    "1h": ("1 hour", HOUR),
    "24h": ("24 hours", 24 * HOUR),
    "7d": ("7 days", 7 * DAY),
    "30d": ("30 days", 30 * DAY),
}
PARTS = (("good", "delivered"), ("calm", "skipped"), ("bad", "dead"))
HEIGHT = 110.0


@room.get("/")
async def overview(visit: Visit) -> Response:
    span = visit.args.get("range", "1h")
    if span not in RANGES:
        span = "1h"
    pipelines = visit.office.live().pipelines
    chosen = visit.args.get("pipeline", "")
    chosen = chosen if chosen in {pipeline.slug for pipeline in pipelines.values()} else ""
    since = iso(visit.office.now() - RANGES[span][1])
    told = await statistics(visit.office, Span(pipeline=chosen or None, since=since))
    sights = {each.shown.id: each for each in await sight.everything(visit.office)}
    return visit.show(
        "overview.html",
        stats=told,
        span=span,
        ranges={key: label for key, (label, _) in RANGES.items()},
        pipelines=[(pipeline.slug, pipeline.name) for pipeline in pipelines.values()],
        chosen=chosen,
        sights=sights,
        troubled=[each for each in sights.values() if each.health == "misconfigured" and each.shown.published],
        funnel=charts.share(_parts(told)),
        width=charts.WIDTH,
        plots=_plots(told),
        lines=_lines(told),
        alarms=visit.office.alarms.firing,
        backlog_age=max((item.oldest_pending_seconds or 0 for item in told.integrations), default=0) * 1000,
        started=bool(told.funnel.accepted),
    )


def _parts(told: Stats) -> list[tuple[str, int]]:
    funnel = told.funnel
    return [("good", funnel.delivered), ("calm", funnel.skipped), ("warn", funnel.pending), ("bad", funnel.dead)]


def _slots(told: Stats) -> tuple[list[int], int]:
    step = told.step_seconds * 1000
    return list(range(milliseconds(told.since), milliseconds(told.until), step)), step


def _plots(told: Stats) -> dict[str, Any]:
    """Accepted events, and what became of deliveries, by the time when it happened."""
    slots, step = _slots(told)
    accepted: dict[int, dict[str, int]] = {}
    finished: dict[int, dict[str, int]] = {}
    for point in told.series:
        at = milliseconds(point.at)
        if point.integration is None:
            accepted.setdefault(at, {"ink": 0})["ink"] += point.accepted
        else:
            stack = finished.setdefault(at, {tone: 0 for tone, _ in PARTS})
            for tone, name in PARTS:
                stack[tone] += getattr(point, name)
    rows = [(charts.stamp(slot, step), accepted.get(slot, {}), finished.get(slot, {})) for slot in slots]
    return {
        "accepted": charts.bars(slots, accepted, step=step, height=HEIGHT),
        "finished": charts.bars(slots, finished, step=step, height=HEIGHT),
        "rows": [row for row in rows if any(row[1].values()) or any(row[2].values())],
    }


def _lines(told: Stats) -> dict[int, str]:
    """A sparkline of deliveries for each integration."""
    slots, _ = _slots(told)
    places = {slot: index for index, slot in enumerate(slots)}
    found: dict[int, str] = {}
    for item in told.integrations:
        values = [0.0] * len(slots)
        for point in told.series:
            if point.integration == item.integration and point.pipeline == item.pipeline:
                values[places[milliseconds(point.at)]] += point.delivered
        found[item.integration_id] = charts.line(values)
    return found
