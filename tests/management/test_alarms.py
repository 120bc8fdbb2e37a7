"""Alarms: what raises them, where they show, and who is told."""

from contextlib import suppress
from typing import Any

import pytest
import trio

from signal_actor import alarms
from signal_actor.alarms import FIRING, Alarms, Rules, judge
from signal_actor.store import notes
from signal_actor.store.figures import Health, IntegrationHealth
from tests.management.desk import Desk
from tests.service.house import House, eventually

NOW = 1_800_000_000_000
SILENCE = Rules(no_traffic_minutes=30)
OFF = Rules(success_rate=0, dead_letters=0, disk_free_bytes=0)
WELL = IntegrationHealth(
    pipeline="shop",
    integration="insider",
    health="ok",
    health_reason=None,
    requests=100,
    successes=100,
    dead=0,
    owed=0,
    oldest=None,
)


def judged(rules: Rules | None = None, *, free: int = 2**40, last: int = NOW, **changes: Any) -> list[str]:
    health = Health([IntegrationHealth(**{**{n: getattr(WELL, n) for n in WELL.__slots__}, **changes})], {"shop": last})
    return [f"{alarm.name}: {alarm.text}" for alarm in judge(rules or Rules(), health, free, now=NOW)]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, []),
        ({"successes": 90}, []),
        (
            {"successes": 89},
            ["success_rate/shop/insider: 89% of 100 requests succeeded in 15 minutes; wanted are 90%."],
        ),
        ({"requests": 19, "successes": 0}, []),
        (
            {"oldest": NOW - 7_300_000, "owed": 1, "health_reason": "HTTP 503."},
            ["backlog_age/shop/insider: The oldest of 1 open deliveries has waited for 2 hours; HTTP 503."],
        ),
        ({"oldest": NOW - 900_000, "owed": 3}, []),
        (
            {"oldest": NOW - 7_300_000, "owed": 3, "health": "paused"},
            ["backlog_age/shop/insider: The oldest of 3 open deliveries has waited for 2 hours; health is paused."],
        ),
        ({"dead": 9}, []),
        ({"dead": 10}, ["dead_letters/shop/insider: 10 deliveries were given up on in the last hour."]),
        ({"last": NOW - 3_600_000}, []),
        (
            {"last": NOW - 3_600_000, "rules": Rules(no_traffic_minutes=30)},
            ["no_traffic/shop: No event for 60 minutes."],
        ),
        ({"free": 2**20}, ["disk: The disk has 1 MiB left."]),
        (
            {"successes": 0, "dead": 99, "free": 1, "rules": Rules(success_rate=0, dead_letters=0, disk_free_bytes=0)},
            [],
        ),
    ],
)
def test_rules(changes: dict[str, Any], wanted: list[str]) -> None:
    assert judged(changes.pop("rules", None), **changes) == wanted


async def test_an_alarm_shows_is_told_once_and_ends(
    house: House, admin: Desk, viewer: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = house.service.alarms
    told: list[tuple[str, dict[str, Any]]] = []
    answers = [False, True, True]

    async def post(url: str, body: dict[str, Any]) -> bool:
        told.append((url, body))
        return answers.pop(0)

    monkeypatch.setattr(watch, "_post", post)
    rules = {"disk_free_bytes": 2**60, "webhook": "https://hooks.example.com/secret"}
    shown = await admin.ok("PATCH", "/alarms/rules", rules)
    assert (shown["disk_free_bytes"], shown["webhook"], shown["backlog_seconds"]) == (2**60, "***", 900)
    await watch.look()
    (alarm,) = (await viewer.ok("GET", "/alarms"))["data"]
    assert (alarm["kind"], alarm["pipeline"]) == ("disk", None)
    ready = await house.request("GET", "/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert ready.json()["degraded"][0].startswith("disk: The disk has")
    await watch.look()  # the first telling failed
    await watch.look()
    assert [(url, body["state"]) for url, body in told] == [("https://hooks.example.com/secret", "firing")] * 2
    assert told[0][1]["text"].startswith("Signal Actor: disk firing.")
    await admin.ok("PATCH", "/alarms/rules", {"disk_free_bytes": None, "webhook": "***"})
    await admin.ok("PATCH", "/alarms/rules", {"disk_free_bytes": 1})
    await watch.look()
    assert told[-1][1]["state"] == "resolved"
    await watch.look()
    assert len(told) == 3
    assert (await viewer.ok("GET", "/alarms"))["data"] == []
    assert (await house.request("GET", "/readyz")).json()["degraded"] == []


async def test_what_fired_before_a_restart_is_told_by_its_parts(house: House, admin: Desk) -> None:
    told: list[dict[str, Any]] = []

    async def post(url: str, body: dict[str, Any]) -> bool:
        told.append(body)
        return True

    alarms = Alarms(house.service.database, post=post)
    await admin.ok("PATCH", "/alarms/rules", {"disk_free_bytes": 0, "webhook": "https://hooks.example.com/secret"})
    await house.service.database.run(notes.put, FIRING, {"backlog_age/shop/insider": NOW, "disk": NOW})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(alarms.run)
        await eventually(lambda: len(told) == 2)
        nursery.cancel_scope.cancel()
    ended = {each["text"]: each["alarm"] for each in told}
    insider = ended["Signal Actor: backlog_age/shop/insider resolved."]
    assert (insider["kind"], insider["pipeline"], insider["integration"]) == ("backlog_age", "shop", "insider")
    assert ended["Signal Actor: disk resolved."]["pipeline"] is None


async def test_a_vendor_in_trouble_raises_an_alarm(house: House, admin: Desk) -> None:
    await admin.ok("PATCH", "/alarms/rules", {"success_rate_requests": 3, "disk_free_bytes": 0})
    house.sandbox.vendors["insider"].faults.add(status=503, times=None)
    await house.track(1)
    await house.until("select count(*) > 3 from v_attempts where integration = 'insider'")
    await house.service.alarms.look()
    assert [alarm.name for alarm in house.service.alarms.firing] == ["success_rate/shop/insider"]


async def test_a_real_webhook_is_posted(house: House, admin: Desk) -> None:
    fake = house.sandbox.vendors["webhook"]
    await admin.ok("PATCH", "/alarms/rules", {"disk_free_bytes": 2**60, "webhook": fake.hint["url"]})
    await house.service.alarms.look()
    assert len(fake.ledger.requests) == 1


async def test_wrong_rules_are_refused(admin: Desk, editor: Desk) -> None:
    for body in ({"success_rate": 2}, {"webhook": "ftp://x"}, {"colour": 1}, {"dead_letters": "5"}):
        await admin.refused(400, "PATCH", "/alarms/rules", body)
    await editor.refused(403, "PATCH", "/alarms/rules", {})


async def test_settings_change_what_runs(house: House, admin: Desk, viewer: Desk) -> None:
    before = await viewer.ok("GET", "/settings")
    assert before["delivery"]["probe_seconds"] == 0.2
    changed = await admin.ok("PATCH", "/settings", {"retention": {"done_days": 3}, "delivery": {"max_in_flight": 7}})
    assert (changed["retention"]["done_days"], changed["delivery"]["max_in_flight"]) == (3, 7)
    assert house.service.live.retention.done_days == 3
    assert next(iter(house.service.live.integrations.values())).policy.max_in_flight == 7
    assert "done_days" in await admin.refused(400, "PATCH", "/settings", {"retention": {"done_days": -1}})
    assert (await viewer.ok("GET", "/me")) == {"name": "viewer's", "role": "viewer"}


HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "told"), [(HEAD, True), (b"HTTP/1.1 200", False)], ids=["a body without end", "a head without end"]
)
async def test_a_hostile_webhook_holds_the_alarms_up_for_a_bounded_time(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch, head: bytes, told: bool
) -> None:
    monkeypatch.setattr(alarms, "POST_SECONDS", 0.5)

    async def talk(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            await stream.send_all(head)
            while True:
                await stream.send_all(b"1\r\nx\r\n" if told else b" ")
                await trio.sleep(0.01)

    listeners = await nursery.start(trio.serve_tcp, talk, 0)
    with trio.fail_after(10):
        assert await alarms._post(f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/", {}) is told
