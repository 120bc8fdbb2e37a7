"""Pipeline: the whole service over HTTP: single events, batches, draining a backlog, memory."""

import json
import time
from collections.abc import Iterator

from benchmarks import http_limit
from benchmarks.http_limit import EVENT
from benchmarks.load import TOKEN, Result, load
from benchmarks.report import Figure
from benchmarks.service import Running, configuration, service
from benchmarks.sink import sink

SECONDS = 8.0
BATCH = 100
VENDORS = 3
ONE = json.dumps({**EVENT, "anonymousId": TOKEN.decode()}).encode()
MANY = json.dumps(
    {"batch": [{**EVENT, "messageId": f"{TOKEN.decode()}-{n}", "anonymousId": f"{TOKEN.decode()}-{n}"}
               for n in range(BATCH)]}
).encode()  # fmt: skip


def baseline() -> Result:
    """hypercorn with a quart-trio handler that only parses the body."""
    with http_limit.running() as url:
        return load(url, ONE, seconds=SECONDS, headers=["Content-Type: application/json"])


def singles(running: Running) -> Result:
    return clean(load(f"{running.ingest}/v1/t", ONE, seconds=SECONDS, headers=running.headers))


def batches(running: Running) -> Result:
    return clean(load(f"{running.ingest}/v1/batch", MANY, seconds=SECONDS, connections=16, headers=running.headers))


def clean(result: Result) -> Result:
    """A figure counts only if every request was answered 200."""
    if set(result.statuses) != {"200"}:
        raise RuntimeError(f"not everything was accepted: {result.statuses}")
    return result


def waiting(running: Running) -> int:
    count: int = running.ask("select count(*) from delivery where finished_at is null")[0][0]
    return count


def drained(running: Running) -> float:
    """Deliveries a second, from a backlog until it is gone."""
    before, started = waiting(running), time.perf_counter()
    while waiting(running):
        time.sleep(0.2)
    return before / (time.perf_counter() - started)


def latency_p95(running: Running, integration: str) -> float:
    """Milliseconds from acceptance to delivery, at the 95th percentile."""
    rows = running.ask(
        "select d.finished_at - e.received_at from delivery d join event e on e.id = d.event_id"
        f" join integration i on i.id = d.integration_id where i.slug = '{integration}' and d.state = 'done' order by 1"
    )
    found: float = rows[int(len(rows) * 0.95)][0]
    return found


def figures() -> Iterator[Figure]:
    """The figures of the whole."""
    name = "quart-trio on hypercorn, body parsed only"
    with sink() as vendors:
        limit = baseline().per_second
        with service(configuration(vendors, VENDORS)) as running:
            idle = running.resident_mb()
            single = singles(running)
            yield Figure(
                "POST /v1/t, three integrations delivering", single.per_second, "events/s", limit, name, target=1.2
            )
            yield Figure("the same, p99 of the POST", single.p99, "ms")
            drained(running)
            many = batches(running)
            yield Figure("POST /v1/batch of 100, three integrations delivering", many.per_second * BATCH, "events/s")
            yield Figure("draining the backlog of it", drained(running), "deliveries/s", target=10_000)
            yield Figure("idle memory", idle, "MB", target=90, higher=False)
        with service(configuration(vendors, 0)) as running:
            many = batches(running)
            yield Figure("POST /v1/batch of 100, no integration", many.per_second * BATCH, "events/s", target=12_000)
            yield Figure("the same, p99 of the POST", many.p99, "ms")
