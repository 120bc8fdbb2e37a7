"""Metrics: what Prometheus scrapes. Counters are read from the tally, so they are what SQL says, and never go down."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from signal_actor.management.office import Office
from signal_actor.observations import Histogram
from signal_actor.store import figures, tally
from signal_actor.store.figures import Open, Who
from signal_actor.store.tally import OUTCOMES

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
NOTHING = Open(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Read:
    """What was read for a scrape."""

    pipelines: dict[int, str]
    who: dict[int, Who]
    counts: list[tally.Count]
    owed: dict[int, Open]


async def scrape(office: Office) -> bytes:
    """The text of all metrics."""
    found = await office.figures("metrics", _read)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector(list(_metrics(office, found))))
    return bytes(generate_latest(registry))


class Collector:
    """Hands metrics over."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def _read(connection: Any) -> Read:
    return Read(
        pipelines=figures.pipelines(connection),
        who={each.id: each for each in figures.integrations(connection)},
        counts=tally.counts(connection),
        owed=figures.owed(connection),
    )


def _metrics(office: Office, found: Read) -> Iterator[Metric]:
    yield _accepted(found)
    refused = CounterMetricFamily("signal_requests_refused", "Requests answered with an error.", labels=["reason"])
    for reason, count in office.observations.refused.items():
        refused.add_metric([reason], count)
    yield refused
    yield _of_integrations(
        found, "signal_deliveries", "Deliveries that got a final outcome.", "delivery", "outcome", OUTCOMES
    )
    yield _of_integrations(found, "signal_attempts", "Requests to vendors by HTTP status.", "attempt", "status", {})
    yield from _backlog(found, office.now())
    yield _histogram("signal_delivery_latency_seconds", "From acceptance to delivery.", office.observations.latency)
    yield _histogram("signal_commit_seconds", "One group of transactions.", office.observations.commits)
    size = GaugeMetricFamily("signal_database_bytes", "Bytes on the disk.", labels=["file"])
    for file in ("", "-wal"):
        path = office.database.path.with_name(office.database.path.name + file)
        size.add_metric([path.name], _size(path))
    yield size
    yield GaugeMetricFamily("signal_loop_lag_seconds", "How late the event loop is.", value=office.lateness())


def _accepted(found: Read) -> Metric:
    family = CounterMetricFamily("signal_events_accepted", "Events stored.", labels=["pipeline", "type"])
    sums: dict[tuple[str, str], int] = {}
    for count in found.counts:
        if count.noun == "event":  # a deleted pipeline and its successor may share a slug
            key = (found.pipelines[count.owner], count.label)
            sums[key] = sums.get(key, 0) + count.total
    for labels, total in sums.items():
        family.add_metric(list(labels), total)
    return family


def _of_integrations(found: Read, name: str, help_: str, noun: str, label: str, words: dict[str, str]) -> Metric:
    family = CounterMetricFamily(name, help_, labels=["pipeline", "integration", label])
    sums: dict[tuple[str, str, str], int] = {}
    for count in found.counts:
        if count.noun == noun and count.total:
            who = found.who[count.owner]
            key = (who.pipeline, who.slug, words.get(count.label, count.label or "none"))
            sums[key] = sums.get(key, 0) + count.total
    for labels, total in sums.items():
        family.add_metric(list(labels), total)
    return family


def _backlog(found: Read, now: int) -> Iterator[Metric]:
    """Deliveries by state, as `v_backlog` counts them; series of what was removed end when its rows are gone."""
    backlog = GaugeMetricFamily("signal_backlog", "Deliveries by state.", labels=["pipeline", "integration", "state"])
    oldest = GaugeMetricFamily(
        "signal_oldest_pending_seconds", "Age of the oldest open delivery.", labels=["pipeline", "integration"]
    )
    final: dict[int, dict[str, int]] = {}
    for count in found.counts:
        if count.noun == "delivery":
            final.setdefault(count.owner, {})[count.label] = count.rows
    sums: dict[tuple[str, str, str], int] = {}
    ages: dict[tuple[str, str], float] = {}
    for who in found.who.values():
        owed, rows = found.owed.get(who.id, NOTHING), final.get(who.id, {})
        states = {"pending": owed.pending, "leased": owed.leased}
        states |= {state: rows.get(state, 0) for state in OUTCOMES}
        if who.removed and not any(states.values()):
            continue
        for state, number in states.items():
            key = (who.pipeline, who.slug, state)
            sums[key] = sums.get(key, 0) + number
        age = max(now - owed.oldest, 0) / 1000 if owed.oldest else 0.0
        ages[who.pipeline, who.slug] = max(age, ages.get((who.pipeline, who.slug), 0.0))
    for labels, number in sums.items():
        backlog.add_metric(list(labels), number)
    for pair, age in ages.items():
        oldest.add_metric(list(pair), age)
    yield backlog
    yield oldest


def _histogram(name: str, help_: str, histogram: Histogram) -> Metric:
    return HistogramMetricFamily(name, help_, buckets=histogram.cumulative(), sum_value=histogram.sum)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
