"""Statistics: the funnel of a time span, what happened in it step by step, and how long deliveries took."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from signal_actor.errors import Refusal
from signal_actor.management.office import Office
from signal_actor.management.routes import Noun
from signal_actor.store import figures, tally
from signal_actor.store.figures import Fate, Who
from signal_actor.store.ids import DAY, HOUR, MINUTE, time_of
from signal_actor.wire import iso

stats = Noun("stats")

STEPS = [MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 7 * DAY]
POINTS = 150  # at most, in a time series whose step nobody chose
MOST_POINTS = 2_000
DEFAULT_SPAN = DAY


class Span(BaseModel):
    """Of what to tell. Without `since` it is the last day; times are ISO 8601, brought to full minutes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pipeline: str | None = None
    integration: str | None = None
    since: str | None = None
    until: str | None = None
    step_seconds: Annotated[int | None, Field(ge=60, le=30 * 86_400)] = None


class Latency(BaseModel):
    """Milliseconds from acceptance to delivery, of the newest `sample` deliveries in the span."""

    p50_ms: int | None
    p95_ms: int | None
    p99_ms: int | None
    sample: int


class Fates(BaseModel):
    """Where deliveries of the span's events stand now. `retrying` are those of `pending` that met a failure."""

    delivered: int = 0
    skipped: int = 0
    pending: int = 0
    retrying: int = 0
    dead: int = 0


class IntegrationStats(Fates):
    """One integration."""

    integration: str
    integration_id: int
    pipeline: str
    vendor: str
    name: str
    health: str
    health_reason: str | None
    removed: bool
    success_rate: float | None
    oldest_pending_seconds: float | None
    latency: Latency


class PipelineStats(Fates):
    """One pipeline. One that was deleted is told of while something of it is in the span."""

    pipeline: str
    pipeline_id: int
    removed: bool
    accepted: int
    by_type: dict[str, int]


class Funnel(Fates):
    """All of it."""

    accepted: int


class Point(BaseModel):
    """What happened in one step, by the time when it happened. `integration` is null where events were accepted."""

    at: str
    pipeline: str
    integration: str | None
    accepted: int = 0
    delivered: int = 0
    skipped: int = 0
    dead: int = 0


class Stats(BaseModel):
    """Figures of the events accepted in the span; the series is of what happened in it."""

    since: str
    until: str
    step_seconds: int
    funnel: Funnel
    latency: Latency
    pipelines: list[PipelineStats]
    integrations: list[IntegrationStats]
    series: list[Point]


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read for an answer."""

    pipelines: dict[int, str]
    who: list[Who]
    fates: dict[int, Fate]
    latencies: list[tuple[int, int, int]]
    owed: dict[int, figures.Open]
    series: list[tuple[Any, ...]]


@stats.get("/stats")
async def read(office: Office, query: Span) -> Stats:
    """Funnel, time series and latency, by pipeline and integration."""
    since, until, step = _span(query, office.now())
    found = await office.figures(("stats", query, since, step), _read, query, since, until, step)
    return _told(found, since, until, step, office.now(), office.live().pipelines.keys())


def _span(query: Span, now: int) -> tuple[int, int, int]:
    """From, up to but without, and the step, in ms. As fine as the tally is for such old times."""
    until = now + 1 if query.until is None else time_of("until", query.until)
    since = until - DEFAULT_SPAN if query.since is None else time_of("since", query.since)
    if since >= until:
        raise Refusal(400, "invalid_payload", "since: must be before until.")
    grain = next((width for age, width in reversed(tally.FOLDS) if now - since >= age - width), MINUTE)
    since = since // grain * grain
    if query.until is not None:
        until = -(-until // grain) * grain
    wished = query.step_seconds * 1000 if query.step_seconds else None
    step = wished or next((each for each in STEPS if (until - since) / each <= POINTS), STEPS[-1])
    step = -(-max(step, grain) // grain) * grain
    if (until - since) / step > MOST_POINTS:
        raise Refusal(400, "invalid_payload", f"step_seconds: would make more than {MOST_POINTS} points.")
    return since, until, step


def _read(connection: Any, query: Span, since: int, until: int, step: int) -> _Read:
    pipelines = {
        key: slug for key, slug in figures.pipelines(connection).items() if query.pipeline in (None, slug, str(key))
    }
    who = [
        each
        for each in figures.integrations(connection)
        if each.pipeline_id in pipelines and query.integration in (None, each.slug, str(each.id))
    ]
    if query.integration is not None:  # the events of other pipelines never were for it
        of_it = {each.pipeline_id for each in who}
        pipelines = {key: slug for key, slug in pipelines.items() if key in of_it}
    ids = [each.id for each in who]
    return _Read(
        pipelines=pipelines,
        who=who,
        fates=figures.fates(connection, ids, since=since, until=until),
        latencies=figures.latencies(connection, ids, since=since, until=until),
        owed=figures.owed(connection),
        series=tally.series(connection, since=since, until=until, step=step),
    )


def _told(found: _Read, since: int, until: int, step: int, now: int, live: Collection[int]) -> Stats:
    slugs = {each.id: each for each in found.who}
    accepted: dict[int, dict[str, int]] = {key: {} for key in found.pipelines}
    for _, noun, owner, label, count in found.series:
        if noun == "event" and owner in accepted:
            accepted[owner][label] = accepted[owner].get(label, 0) + count
    pipelines = [
        PipelineStats(
            pipeline=slug,
            pipeline_id=key,
            removed=key not in live,
            accepted=sum(accepted[key].values()),
            by_type=accepted[key],
            **_sum(found.fates[each.id] for each in found.who if each.pipeline_id == key),
        )
        for key, slug in found.pipelines.items()
    ]
    return Stats(
        since=iso(since),
        until=iso(until),
        step_seconds=step // 1000,
        funnel=Funnel(accepted=sum(item.accepted for item in pipelines), **_sum(found.fates.values())),
        latency=_latency(found.latencies, None),
        pipelines=[item for item in pipelines if not item.removed or item.accepted or any(_sum([item]).values())],
        integrations=[_integration(found, each, now) for each in found.who if _matters(found, each)],
        series=_series(found, slugs),
    )


def _matters(found: _Read, each: Who) -> bool:
    """A removed integration is shown as long as there is something to show."""
    return not each.removed or found.fates[each.id] != Fate(0, 0, 0, 0, 0)


def _integration(found: _Read, each: Who, now: int) -> IntegrationStats:
    fate, owed = found.fates[each.id], found.owed.get(each.id)
    tried = fate.delivered + fate.dead + fate.retrying
    return IntegrationStats(
        integration=each.slug,
        integration_id=each.id,
        pipeline=each.pipeline,
        vendor=each.vendor,
        name=each.name,
        health=each.health,
        health_reason=each.health_reason,
        removed=each.removed,
        success_rate=round(fate.delivered / tried, 6) if tried else None,
        oldest_pending_seconds=max(now - owed.oldest, 0) / 1000 if owed else None,
        latency=_latency(found.latencies, each.id),
        **_sum([fate]),
    )


def _series(found: _Read, slugs: dict[int, Who]) -> list[Point]:
    points: dict[tuple[int, str, int], Point] = {}
    for at, noun, owner, label, count in found.series:
        if noun == "event" and owner in found.pipelines:
            fresh = Point(at=iso(at), pipeline=found.pipelines[owner], integration=None)
            points.setdefault((at, noun, owner), fresh).accepted += count
        elif noun == "delivery" and owner in slugs:
            fresh = Point(at=iso(at), pipeline=slugs[owner].pipeline, integration=slugs[owner].slug)
            point = points.setdefault((at, noun, owner), fresh)
            outcome = tally.OUTCOMES[label]
            setattr(point, outcome, getattr(point, outcome) + count)
    return list(points.values())


def _latency(rows: list[tuple[int, int, int]], integration_id: int | None) -> Latency:
    own = [(ms, count) for owner, ms, count in rows if integration_id in (None, owner)]
    total = sum(count for _, count in own)

    def percentile(share: float) -> int | None:
        left = share * total
        for ms, count in own:
            left -= count
            if left <= 0:
                return ms
        return None

    return Latency(p50_ms=percentile(0.5), p95_ms=percentile(0.95), p99_ms=percentile(0.99), sample=total)


def _sum(fates: Iterable[Fate | Fates]) -> dict[str, int]:
    listed = list(fates)
    return {name: sum(getattr(fate, name) for fate in listed) for name in Fates.model_fields}
