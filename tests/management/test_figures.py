"""Figures: what /metrics and /stats say is what SQL says, also under load, after replays, and after a restart."""

import re
from collections.abc import Mapping
from typing import Any

import trio
import trio.testing

from signal_actor.database import now_ms
from signal_actor.live import Retention
from signal_actor.management import cache
from signal_actor.store import tally, upkeep
from tests.management.desk import ADMIN, Desk
from tests.management.test_events import dead
from tests.service.conftest import OpenHouse
from tests.service.house import KEY, SERVER, House, numbered, tables

LINE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'(\w+)="([^"]*)"')
NAMES = {
    "signal_events_accepted_total": {"pipeline", "type"},
    "signal_requests_refused_total": {"reason"},
    "signal_deliveries_total": {"pipeline", "integration", "outcome"},
    "signal_attempts_total": {"pipeline", "integration", "status"},
    "signal_backlog": {"pipeline", "integration", "state"},
    "signal_oldest_pending_seconds": {"pipeline", "integration"},
    "signal_delivery_latency_seconds_bucket": {"le"},
    "signal_delivery_latency_seconds_count": set(),
    "signal_delivery_latency_seconds_sum": set(),
    "signal_commit_seconds_bucket": {"le"},
    "signal_commit_seconds_count": set(),
    "signal_commit_seconds_sum": set(),
    "signal_database_bytes": {"file"},
    "signal_loop_lag_seconds": set(),
}


class Metrics:
    """A scrape, taken apart."""

    def __init__(self, text: str) -> None:
        self.samples: list[tuple[str, dict[str, str], float]] = []
        for line in text.splitlines():
            if not line.startswith("#"):
                found = LINE.fullmatch(line)
                assert found, line
                self.samples.append((found[1], dict(LABEL.findall(found[2] or "")), float(found[3])))

    def sum(self, name: str, **labels: str) -> float:
        return sum(value for each, has, value in self.samples if each == name and labels.items() <= has.items())


async def scrape(house: House) -> Metrics:
    response = await house.client.get(house.ready.admin + "/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    return Metrics(response.text)


def sql(house: House) -> dict[str, int]:
    """What SQL says, in one look."""
    (row,) = house.rows(
        "select (select count(*) from v_events) as accepted,"
        " (select count(*) from v_deliveries where state = 'done') as delivered,"
        " (select count(*) from v_deliveries where state = 'skipped') as skipped,"
        " (select count(*) from v_deliveries where state = 'dead') as dead,"
        " (select count(*) from v_deliveries where state in ('pending', 'leased')) as pending,"
        " (select count(*) from v_attempts) as attempts"
    )
    return row


def told(metrics: Metrics) -> dict[str, float]:
    found = {"accepted": metrics.sum("signal_events_accepted_total"), "attempts": metrics.sum("signal_attempts_total")}
    for outcome in ("delivered", "skipped", "dead"):
        found[outcome] = metrics.sum("signal_deliveries_total", outcome=outcome)
    found["pending"] = sum(metrics.sum("signal_backlog", state=state) for state in ("pending", "leased"))
    return found


async def mixture(house: House, editor: Desk) -> None:
    """Events of all fates."""
    await dead(house, editor, 100, 101)
    await house.track(1, 2, 3)
    await house.post("/v1/i", {"type": "identify", "userId": "u", "messageId": "i-1"})
    await house.post("/v1/t", {"type": "track"})
    await house.settled()


async def test_the_names_and_labels_are_the_contracts(house: House, editor: Desk) -> None:
    await mixture(house, editor)
    found: dict[str, set[str]] = {}
    for name, labels, _ in (await scrape(house)).samples:
        assert found.setdefault(name, set(labels)) == set(labels)
    assert found == NAMES


async def test_metrics_are_what_sql_says(house: House, editor: Desk) -> None:
    await mixture(house, editor)
    metrics = await scrape(house)
    assert told(metrics) == sql(house)
    assert metrics.sum("signal_requests_refused_total", reason="invalid_payload") == 1
    for row in house.rows("select * from v_backlog"):
        for state in ("pending", "leased", "done", "skipped", "dead"):
            assert metrics.sum("signal_backlog", integration=row["integration"], state=state) == row[state]
    for row in house.rows("select integration, status, count(*) as n from v_attempts group by 1, 2"):
        labels = {"integration": row["integration"], "status": str(row["status"])}
        assert metrics.sum("signal_attempts_total", **labels) == row["n"]
    assert metrics.sum("signal_delivery_latency_seconds_count") == sql(house)["delivered"]
    size = metrics.sum("signal_database_bytes", file="signal.db")
    assert size == house.path.stat().st_size


async def test_statistics_are_what_sql_says(house: House, editor: Desk, viewer: Desk) -> None:
    await mixture(house, editor)
    stats = await viewer.ok("GET", "/stats")
    assert {name: stats["funnel"][name] for name in ("accepted", "delivered", "skipped", "dead", "pending")} == {
        name: count for name, count in sql(house).items() if name != "attempts"
    }
    (pipeline,) = stats["pipelines"]
    assert pipeline["by_type"] == {"track": 5, "identify": 1}
    for row in house.rows("select * from v_backlog"):
        own = next(item for item in stats["integrations"] if item["integration"] == row["integration"])
        assert (own["delivered"], own["skipped"], own["dead"]) == (row["done"], row["skipped"], row["dead"])
    for name in ("accepted", "delivered", "skipped", "dead"):
        assert sum(point[name] for point in stats["series"]) == stats["funnel"][name]
    latencies = sorted(
        round((row["f"] - row["a"]) * 86_400_000)
        for row in house.rows(
            "select julianday(finished_at) as f, julianday(accepted_at) as a from v_deliveries where state = 'done'"
        )
    )
    assert stats["latency"]["sample"] == len(latencies)
    assert abs(stats["latency"]["p50_ms"] - latencies[(len(latencies) - 1) // 2]) <= 2
    assert abs(stats["latency"]["p99_ms"] - latencies[-1]) <= 2


async def test_what_met_a_failure_is_retrying(house: House, viewer: Desk) -> None:
    house.sandbox.vendors["insider"].faults.add(status=503, times=None)
    await house.track(1, 2)
    await house.until("select count(*) = 2 from v_deliveries where integration = 'insider' and attempts > 1")
    await house.until("select count(*) = 6 from v_deliveries where state = 'done'")
    funnel = (await viewer.ok("GET", "/stats"))["funnel"]
    assert (funnel["delivered"], funnel["pending"], funnel["retrying"]) == (6, 2, 2)
    insider = next(i for i in (await viewer.ok("GET", "/stats"))["integrations"] if i["integration"] == "insider")
    assert insider["success_rate"] == 0
    assert insider["oldest_pending_seconds"] > 0


async def test_statistics_of_a_part(house: House, editor: Desk, viewer: Desk) -> None:
    await mixture(house, editor)
    insider = await viewer.ok("GET", "/stats", integration="insider")
    assert [item["integration"] for item in insider["integrations"]] == ["insider"]
    assert (insider["funnel"]["delivered"], insider["funnel"]["dead"]) == (4, 2)
    assert (await viewer.ok("GET", "/stats", pipeline="nowhere"))["funnel"]["accepted"] == 0
    past = await viewer.ok("GET", "/stats", since="2026-01-01T00:00:00Z", until="2026-02-01T00:00:00Z")
    assert (past["funnel"]["accepted"], past["series"], past["latency"]["p50_ms"]) == (0, [], None)
    for params in ({"since": "x"}, {"since": "2026-02-01", "until": "2026-01-01"}, {"step_seconds": "1"}):
        await viewer.refused(400, "GET", "/stats", **params)
    await viewer.refused(400, "GET", "/stats", since="2000-01-01", until="2026-01-01", step_seconds="60")


async def test_a_deleted_pipeline_and_its_successor_are_told_apart(house: House, admin: Desk) -> None:
    await admin.ok("POST", "/pipelines", {"slug": "empty"}, status=201)
    await admin.ok("DELETE", "/pipelines/empty", status=204)
    await house.track(1, 2)
    await house.settled()
    await admin.ok("DELETE", "/pipelines/shop", status=204)
    made = await admin.ok("POST", "/pipelines", {"slug": "shop", "pipeline_keys": [KEY]}, status=201)
    answer = await house.request("POST", "/v1/t", numbered(3), headers=SERVER)
    assert answer.status_code == 200
    stats = await admin.ok("GET", "/stats")
    told = [(item["pipeline"], item["accepted"], item["delivered"], item["removed"]) for item in stats["pipelines"]]
    assert told == [("shop", 2, 8, True), ("shop", 1, 0, False)]
    assert stats["pipelines"][1]["pipeline_id"] == made["id"]
    assert (await scrape(house)).sum("signal_events_accepted_total", pipeline="shop") == 3
    (own,) = (await admin.ok("GET", "/stats", integration=str(stats["integrations"][0]["integration_id"])))["pipelines"]
    assert (own["accepted"], own["removed"]) == (2, True)


async def test_metrics_keep_up_with_sql_under_load(house: House) -> None:
    """Reading while posting: what a scrape says lies between what SQL said before it and says after it."""
    looks = 0
    async with trio.open_nursery() as nursery:

        async def post() -> None:
            for start in range(0, 1000, 25):
                await house.track(*range(start, start + 25))
            nursery.cancel_scope.cancel()

        nursery.start_soon(post)
        while True:
            before, metrics, after = sql(house), told(await scrape(house)), sql(house)
            for name in ("accepted", "delivered", "attempts"):
                assert before[name] <= metrics[name] <= after[name], name
            looks += 1
    assert looks > 3
    await house.settled()
    assert told(await scrape(house)) == sql(house)


def tallied(house: House) -> Mapping[str, int]:
    rows = house.rows("select noun, label, sum(total) - sum(gone) as n from tally group by 1, 2 having n <> 0")
    return {f"{row['noun']} {row['label']}": row["n"] for row in rows}


def counted(house: House) -> Mapping[str, int]:
    rows = house.rows(
        "select 'event ' || type as name, count(*) as n from event group by 1"
        " union all select 'delivery ' || state, count(*) from delivery where finished_at is not null group by 1"
        " union all select 'attempt ' || coalesce(status, ''), count(*) from attempt group by 1"
    )
    return {row["name"]: row["n"] for row in rows}


async def test_the_tally_counts_rows_whatever_happens_to_them(house: House, editor: Desk, admin: Desk) -> None:
    await mixture(house, editor)
    assert tallied(house) == counted(house)
    dead_before = (await scrape(house)).sum("signal_deliveries_total", outcome="dead")
    await editor.ok("POST", "/deliveries/replay", {"integration": "insider"})
    await house.settled()
    assert tallied(house) == counted(house)
    assert (await scrape(house)).sum("signal_deliveries_total", outcome="dead") == dead_before  # counters never go down
    await editor.ok("POST", "/deliveries/replay", {"state": "skipped"})
    await house.settled()
    await dead(house, editor, 200)
    await editor.ok("POST", "/deliveries/discard", {})
    assert tallied(house) == counted(house)
    await admin.ok("POST", "/forget", {"anonymous_id": "visitor-1"})
    assert tallied(house) == counted(house)
    later = now_ms() + 40 * 86_400_000
    gone, _ = await house.service.database.run(upkeep.forget_finished, Retention(), after=0, now=later)
    assert gone > 0
    assert tallied(house) == counted(house) == {}


async def test_counters_survive_a_restart(open_house: OpenHouse, sandbox: Any) -> None:
    house = await open_house(tables(sandbox), admin_token=ADMIN)
    await house.track(1, 2, 3)
    await house.settled()
    before = told(await scrape(house))
    await house.leave()
    again = await open_house(tables(sandbox), admin_token=ADMIN)
    assert told(await scrape(again)) == before == sql(again)


async def test_folding_keeps_the_sums(house: House) -> None:
    await house.track(*range(5))
    await house.settled()
    before = tallied(house)
    for days in (3, 70):
        await house.service.database.run(tally.fold, now=now_ms() + days * tally.DAY)
        assert tallied(house) == before
    assert all(row["slot"] % tally.DAY == 0 for row in house.rows("select slot from tally"))


async def test_costly_figures_are_worked_out_once_for_all(autojump_clock: trio.testing.MockClock) -> None:
    calls = 0

    async def work() -> tuple[int, float]:
        nonlocal calls
        calls += 1
        await trio.sleep(1)
        return calls, 1.0

    kept: cache.Cache[int] = cache.Cache(clock=trio.current_time)
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(kept.get, "key", work)
    assert calls == 1
    assert await kept.get("key", work) == 1
    await trio.sleep(10)
    assert await kept.get("key", work) == 2
    assert await kept.get("another", work) == 3
