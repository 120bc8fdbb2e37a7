"""Configuration at fault: nothing is lost, no attempt is spent, the cause is said, and mending it is enough."""

import socket
from typing import Any

import pytest
import trio

from signal_actor import configuration
from signal_actor.database import now_ms
from signal_actor.sandbox import Sandbox
from signal_actor.store import integrations
from tests.service.conftest import OpenHouse
from tests.service.house import House, arrived, numbers, tables
from tests.service.invariants import check

# What is wrong, and what the vendor's document says about it.
WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("insider", {"api_key": "wrong-insider-key"}, "401", "Regenerate the key with Unification API scope."),
    ("insider", {"partner_name": "nobody"}, "400", "Confirm the partner name in Settings > Account."),
    ("ometria", {"api_key": "wrong-ometria-key"}, "403", "Generate a Data API key under Settings > API keys."),
    ("ninetailed", {"organization_id": "nobody"}, "404", "Re-check the Client ID under SDK Keys"),
]


async def apply(house: House, wanted: dict[str, Any]) -> list[str]:
    """What the command does to the running process."""
    text = configuration.dumped(wanted)
    changes: list[str] = await house.service.execute("apply", {"text": text, "file": "signal.toml", "secrets": {}})
    return changes


@pytest.mark.parametrize(("slug", "config", "status", "remedy"), WRONG)
async def test_a_wrong_key_loses_nothing_and_its_correction_is_enough(
    open_house: OpenHouse, sandbox: Sandbox, slug: str, config: Any, status: str, remedy: str
) -> None:
    house = await open_house(tables(sandbox, **{slug: {"config": config}}))
    await house.track(*range(20))
    await house.until("select health = 'misconfigured' from v_backlog where integration = ?", slug)
    await house.until("select min(done) = 20 from v_backlog where integration <> ?", slug)
    await house.until("select count(*) > 2 from v_attempts where integration = ?", slug)  # it is probed meanwhile
    backlog = house.backlog(slug)
    assert status in backlog["cause"]
    assert remedy in backlog["cause"]
    assert (backlog["done"], backlog["dead"], backlog["pending"] + backlog["leased"]) == (0, 0, 20)
    await house.until("select max(attempts) = 0 from v_deliveries where integration = ? and state = 'pending'", slug)
    for secret in ("wrong-insider-key", "wrong-ometria-key"):
        assert secret not in str(house.rows("select * from v_attempts"))
        assert secret not in str(house.rows("select * from v_backlog"))
    assert await apply(house, tables(sandbox))
    await arrived(sandbox.vendors[slug], 20)
    await house.settled()
    assert sorted(numbers(sandbox.vendors[slug])) == list(range(20))
    backlog = house.backlog(slug)
    assert (backlog["health"], backlog["cause"], backlog["done"]) == ("ok", None, 20)
    check(house.path)


async def test_a_vendor_that_mends_itself_is_found_by_a_probe_of_one(open_house: OpenHouse, sandbox: Sandbox) -> None:
    house = await open_house(tables(sandbox, only=("ometria",)))
    sandbox.ometria.configure(api_key="rotated")
    await house.track(*range(150))
    await sandbox.ometria.ledger.wait_for_requests(6)
    probes = sandbox.ometria.ledger.requests[4:]  # the first ones may have been on their way together
    assert {len(entry.items) for entry in probes} == {1}
    sandbox.ometria.configure(api_key="sandbox-ometria-key")
    await house.settled()
    assert sorted(numbers(sandbox.ometria)) == list(range(150))
    assert house.value("select max(attempts) from v_deliveries") == 1


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("endpoint", "health", "words"),
    [
        ("http://no-such-host.invalid:1", "misconfigured", "host name is not known"),
        ("https://{authority}", "misconfigured", "TLS"),
        ("http://127.0.0.1:{closed}", "retrying", "no answer"),
    ],
)
async def test_an_endpoint_that_cannot_be_reached(
    open_house: OpenHouse, sandbox: Sandbox, endpoint: str, health: str, words: str
) -> None:
    authority = sandbox.insider.url.removeprefix("http://")
    wrong = {"endpoint": endpoint.format(authority=authority, closed=closed_port())}
    house = await open_house(tables(sandbox, only=("insider", "webhook"), insider={"config": wrong}))
    await house.track(1)
    await house.until("select health <> 'ok' from v_backlog where integration = 'insider'")
    backlog = house.backlog("insider")
    assert backlog["health"] == health
    assert words in backlog["cause"]
    await house.until("select done from v_backlog where integration = 'webhook'")
    await apply(house, tables(sandbox, only=("insider", "webhook")))
    await house.settled()
    assert house.states("insider") == ["done"]


async def test_a_redirect_is_never_followed(open_house: OpenHouse, sandbox: Sandbox) -> None:
    elsewhere = {"Location": f"{sandbox.ometria.url}/v2/push"}
    sandbox.webhook.faults.add(status=308, headers=elsewhere, times=None)
    house = await open_house(tables(sandbox, only=("webhook",)))
    await house.track(1)
    await house.until("select health = 'misconfigured' from v_backlog")
    assert sandbox.ometria.ledger.requests == []
    assert "redirect" in house.backlog("webhook")["cause"]


async def test_a_disabled_integration_gets_nothing_new_and_skips_what_waits(
    open_house: OpenHouse, sandbox: Sandbox
) -> None:
    sandbox.webhook.faults.add(status=503, times=None)
    house = await open_house(tables(sandbox, only=("webhook", "ometria")))
    await house.track(1)
    await house.until("select count(*) from v_attempts where integration = 'webhook'")
    await apply(house, tables(sandbox, only=("webhook", "ometria"), webhook={"enabled": False}))
    await house.settled()
    (row,) = house.rows("select state, last_error from v_deliveries where integration = 'webhook'")
    assert (row["state"], row["last_error"]) == ("skipped", "the integration is disabled")
    await house.track(2)
    await house.settled()
    assert house.states("webhook") == ["skipped"]
    assert numbers(sandbox.ometria) == [1, 2]
    sandbox.webhook.faults.clear()
    await apply(house, tables(sandbox, only=("webhook", "ometria")))
    assert await house.service.execute("replay", {"letters_wanted": {"state": "skipped"}}) == 1
    await house.settled()
    assert numbers(sandbox.webhook) == [1]


async def test_a_removed_integration_keeps_its_history(open_house: OpenHouse, sandbox: Sandbox) -> None:
    house = await open_house(tables(sandbox, only=("webhook", "ometria")))
    await house.track(1)
    await house.settled()
    sandbox.webhook.faults.add(status=503, times=None)
    await house.track(2)
    await house.until("select count(*) > 1 from v_attempts where integration = 'webhook'")
    await apply(house, tables(sandbox, only=("ometria",)))
    await house.settled()
    assert house.states("webhook") == ["done", "skipped"]
    await house.track(3)
    await house.settled()
    assert house.states("webhook") == ["done", "skipped"]
    assert numbers(sandbox.ometria) == [1, 2, 3]


async def test_a_new_integration_starts_with_the_next_event(open_house: OpenHouse, sandbox: Sandbox) -> None:
    house = await open_house(tables(sandbox, only=("webhook",)))
    await house.track(1)
    await house.settled()
    await apply(house, tables(sandbox, only=("webhook", "ometria")))
    await house.track(2)
    await house.settled()
    assert numbers(sandbox.webhook) == [1, 2]
    assert numbers(sandbox.ometria) == [2]


async def test_a_changed_configuration_does_not_disturb_what_is_in_flight(
    open_house: OpenHouse, sandbox: Sandbox
) -> None:
    sandbox.webhook.faults.add(delay=0.3, times=None)
    house = await open_house(tables(sandbox, only=("webhook",)))
    for round_ in range(5):
        await house.track(*range(round_ * 10, round_ * 10 + 10), visitor="a")
        await apply(house, tables(sandbox, only=("webhook",), webhook={"name": f"name {round_}"}))
        await trio.sleep(0.05)
    sandbox.webhook.faults.clear()
    await house.settled()
    assert numbers(sandbox.webhook) == list(range(50))
    assert sandbox.webhook.ledger.overlaps == []
    check(house.path)


async def test_a_persons_pause_holds_until_a_person_resumes(open_house: OpenHouse, sandbox: Sandbox) -> None:
    house = await open_house(tables(sandbox, only=("webhook", "ometria")))
    await pause(house, "pause")
    await house.track(1, 2)
    await arrived(sandbox.ometria, 2)
    backlog = house.backlog("webhook")
    assert (backlog["health"], backlog["pending"]) == ("paused", 2)
    await house.leave()
    house = await open_house(None)
    await house.track(3)
    await arrived(sandbox.ometria, 3)
    assert sandbox.webhook.ledger.requests == []
    await pause(house, "resume")
    await house.settled()
    assert sorted(numbers(sandbox.webhook)) == [1, 2, 3]
    assert house.backlog("webhook")["health"] == "ok"


async def pause(house: House, action: str) -> None:
    """As the Management API does it."""
    verb = getattr(integrations, action)
    (row,) = house.rows("select id from integration where slug = 'webhook'")
    await house.service.database.run(verb, row["id"], author="a person", now=now_ms())
    house.service.reload()
