"""Commands: each works the same beside a running service and without one."""

import json
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from signal_actor.sandbox import Sandbox
from tests.service.commander import Commander
from tests.service.conftest import OpenHouse
from tests.service.house import House, arrived, numbered, numbers, tables, written

BOTH = pytest.mark.parametrize("running", [True, False], ids=["beside a service", "alone"])


class Shop:
    """A data directory with one event done, one dead and one refused by consent at the webhook."""

    def __init__(self, house: House, commander: Commander) -> None:
        self.house = house
        self._commander = commander
        self.data_dir = house.data_dir

    async def __call__(self, *words: Any, code: int = 0, **env: str) -> str:
        """Runs a command and returns what it printed."""
        command = partial(self._commander, *words, "--data-dir", self.data_dir, env=env)
        done = await trio.to_thread.run_sync(command)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if code == 0 else done.stderr

    async def json(self, *words: Any) -> Any:
        return json.loads(await self(*words, "--json"))


@pytest.fixture
async def shop(open_house: OpenHouse, sandbox: Sandbox, commander: Commander, running: bool) -> Shop:
    sandbox.webhook.faults.add(reject=True, contains="m-2", times=None)
    house = await open_house(tables(sandbox, webhook={"consent_categories": ["analytics"]}))
    await house.track(1)
    await house.track(2, event="Order Completed")
    await house.track(3, context={"consent": {"analytics": False}})
    await house.settled()
    assert house.states("webhook") == ["done", "dead", "skipped"]
    sandbox.webhook.faults.clear()
    if not running:
        await house.leave()
    return Shop(house, commander)


@BOTH
async def test_outbox_status_list_and_show(shop: Shop) -> None:
    status = {row["integration"]: row for row in await shop.json("outbox", "status")}
    assert status == {slug: shop.house.backlog(slug) for slug in ("ninetailed", "insider", "ometria", "webhook")}
    assert "webhook" in await shop("outbox", "status")
    (dead,) = await shop.json("outbox", "list", "--state", "dead")
    assert (dead["message_id"], dead["integration"], dead["vendor"]) == ("m-2", "webhook", "webhook")
    (dead,) = await shop.json("outbox", "list", "--integration", "webhook", "--event", "Order Completed")
    assert "the body must be an object" in dead["last_error"]
    assert len(await shop.json("outbox", "list", "--limit", "5")) == 5
    story = await shop.json("outbox", "show", "m-2")
    assert story["event"]["message_id"] == "m-2"
    assert [row["integration"] for row in story["deliveries"]] == ["insider", "ninetailed", "ometria", "webhook"]
    assert any('"m-2"' in attempt["request_body"] for attempt in story["attempts"])
    assert "sandbox-insider-key" not in json.dumps(story)
    told = await shop("outbox", "show", dead["event_id"])
    assert "m-2" in told
    assert "refused" in told or "rejected" in told
    assert "no event" in await shop("outbox", "show", "m-99", code=2)


@pytest.mark.parametrize("running", [True])
async def test_what_is_shown_of_an_event_can_be_copied(shop: Shop) -> None:
    await shop.house.track(4, properties={"note": "never broken " * 40})
    await shop.house.settled()
    lines = (await shop("outbox", "show", "m-4")).splitlines()
    requests = [line.removeprefix("  request: ") for line in lines if line.startswith("  request: ")]
    assert len(requests) == 4
    assert all("never broken" in json.dumps(json.loads(request)) for request in requests)
    above = lines[: lines.index(next(line for line in lines if line.startswith("integration ")))]
    assert above == [line.rstrip() for line in above]
    assert sum("1 event" in line and "1 events" not in line for line in lines) == 4


@BOTH
async def test_a_name_that_nothing_has_is_not_taken_for_no_deliveries(shop: Shop) -> None:
    for words in (["list"], ["replay", "--dry-run"], ["discard", "--yes"]):
        said = await shop("outbox", *words, "--integration", "webhok", code=2)
        assert "no such integration: 'webhok', did you mean webhook?" in said
        assert "no such pipeline: 'shoe'" in await shop("outbox", *words, "--pipeline", "shoe", code=2)


@BOTH
async def test_outbox_replay(shop: Shop, running: bool, sandbox: Sandbox) -> None:
    assert "1 delivery would be replayed" in await shop("outbox", "replay", "--dry-run")
    assert shop.house.states("webhook") == ["done", "dead", "skipped"]
    assert "0 deliveries" in await shop("outbox", "replay", "--integration", "insider")
    assert "1 delivery replayed" in await shop("outbox", "replay", "--integration", "webhook")
    assert "0 deliveries" in await shop("outbox", "replay")
    if running:
        await arrived(sandbox.webhook, 2)
        assert numbers(sandbox.webhook) == [1, 2]
    else:
        assert shop.house.states("webhook") == ["done", "pending", "skipped"]
    assert "'done'" in await shop("outbox", "replay", "--state", "done", code=2)
    assert "is no ISO 8601 time" in await shop("outbox", "replay", "--since", "yesterday", code=2)


@BOTH
async def test_outbox_discard(shop: Shop) -> None:
    assert "1 delivery would be discarded" in await shop("outbox", "discard", "--dry-run")
    assert "add --yes" in await shop("outbox", "discard", code=2)
    assert "1 delivery discarded" in await shop("outbox", "discard", "--yes")
    assert shop.house.states("webhook") == ["done", "skipped", "skipped"]
    (row,) = shop.house.rows("select last_error from v_deliveries where message_id = 'm-2' and integration = 'webhook'")
    assert row["last_error"] == "discarded by command line"


@BOTH
async def test_tokens(shop: Shop) -> None:
    text = (await shop("token", "create", "--name", "ci", "--role", "editor")).strip()
    made = await shop.json("token", "create", "--name", "second")
    listed = await shop.json("token", "list")
    assert [(row["name"], row["role"]) for row in listed] == [
        ("first start", "admin"),
        ("ci", "editor"),
        ("second", "viewer"),
    ]
    assert text not in json.dumps(listed)
    dump = "".join(str(row) for row in shop.house.rows("select * from token"))
    assert text not in dump
    assert made["token"] not in dump
    assert "revoked" in await shop("token", "revoke", "ci")
    assert [bool(row["revoked_at"]) for row in await shop.json("token", "list")] == [False, True, False]
    assert "there is no token 'ci'" in await shop("token", "revoke", "ci", code=2)


@BOTH
async def test_apply_and_export(shop: Shop, tmp_path: Path, sandbox: Sandbox, running: bool) -> None:
    file = tmp_path / "signal.toml"
    assert "Nothing to change." in await shop("apply", file)
    wanted = tables(sandbox, only=("webhook", "insider"), insider={"config": {"api_key": "env:INSIDER_KEY"}})
    written(file, wanted)
    secret = {"INSIDER_KEY": "another-insider-key"}
    planned = await shop("apply", file, "--dry-run", **secret)
    assert "another-insider-key" not in planned
    assert "would be made" in planned
    applied = await shop("apply", file, **secret)
    assert applied.splitlines()[:-1] == planned.splitlines()[:-1]
    assert "Nothing to change." in await shop("apply", file, **secret)
    assert json.loads(await shop("apply", file, "--json", **secret)) == []
    exported = await shop("export")
    assert "another-insider-key" not in exported
    found = tomllib.loads(exported)["pipelines"]["shop"]["integrations"]
    assert found.keys() == {"webhook", "insider"}
    reference = found["insider"]["config"]["api_key"]
    copy = tmp_path / "copy.toml"
    copy.write_text(exported)
    env = {reference.removeprefix("env:"): "another-insider-key"}
    assert "Nothing to change." in await shop("apply", copy, **env)
    if running:  # it is live at once, without a restart
        sandbox.insider.configure(api_key="another-insider-key")
        await shop.house.track(4)
        await arrived(sandbox.insider, 4)


@BOTH
async def test_a_wrong_file_changes_nothing_and_says_where(shop: Shop, tmp_path: Path, sandbox: Sandbox) -> None:
    before = await shop("export")
    file = tmp_path / "wrong.toml"
    wanted = tables(sandbox)
    wanted["pipelines"]["shop"]["rate_limit_rsp"] = 5
    wanted["pipelines"]["shop"]["integrations"]["insider"]["vendor"] = "insidr"
    wanted["retention"]["done_days"] = "seven"
    words = await shop("apply", written(file, wanted), code=2)
    for line in (
        f"{file}: pipelines.shop.rate_limit_rsp: unknown key, did you mean rate_limit_rps?",
        f"{file}: pipelines.shop.integrations.insider.vendor: no such vendor: 'insidr', did you mean insider?",
        f"{file}: retention.done_days: must be a number",
    ):
        assert line in words
    file.write_text("[pipelines.shop\n")
    assert f"{file}: " in await shop("apply", file, code=2)
    assert "cannot be read" in await shop("apply", tmp_path / "none.toml", code=2)
    assert "env:NOBODY" not in await shop("apply", _with_secret(file, sandbox), code=2)
    assert await shop("export") == before


def _with_secret(file: Path, sandbox: Sandbox) -> Path:
    return written(file, tables(sandbox, insider={"config": {"api_key": "env:NOBODY"}}))


@BOTH
async def test_import(shop: Shop, tmp_path: Path, sandbox: Sandbox, running: bool) -> None:
    file = tmp_path / "events.ndjson"
    lines = [json.dumps(numbered(n)) for n in range(10, 510)]
    lines[3:3] = ["", "{broken", json.dumps({"type": "track"}), json.dumps({"type": "track", "event": "x"})]
    lines.append(json.dumps(numbered(1)))  # was accepted over HTTP before
    file.write_text("\n".join(lines) + "\n")
    result = await shop.json("import", file, "--pipeline", "shop")
    assert (result["accepted"], result["duplicates"]) == (500, 1)
    assert [line for line, _ in result["refused"]] == [5, 6, 7]
    again = await shop("import", file, "--pipeline", "shop")
    assert "505 lines were done before" in again
    assert "0 events accepted" in again
    moved = file.rename(tmp_path / "moved.ndjson")
    assert "0 events accepted" in await shop("import", moved, "--pipeline", "shop")
    assert len(shop.house.stored()) == 503
    if running:
        await shop.house.settled()
        assert set(numbers(sandbox.ometria)) == {1, 2, 3, *range(10, 510)}
    assert "there is no pipeline 'nowhere'" in await shop("import", moved, "--pipeline", "nowhere", code=2)


@BOTH
async def test_migrate(shop: Shop, running: bool) -> None:
    assert "up to date" in await shop("migrate", "--dry-run")
    if running:
        assert "another signal-actor process holds" in await shop("migrate", code=3)
    else:
        assert "up to date" in await shop("migrate")


@pytest.mark.parametrize("running", [True])
async def test_a_wrong_key_shows_and_a_running_service_takes_the_right_one(
    shop: Shop, tmp_path: Path, sandbox: Sandbox
) -> None:
    sandbox.insider.configure(api_key="rotated-insider-key")
    await shop.house.track(*range(10, 30))
    await shop.house.until("select health = 'misconfigured' from v_backlog where integration = 'insider'")
    told = await shop("outbox", "status")
    assert "misconfigured" in told
    assert "Regenerate the key with Unification API scope." in told
    file = written(tmp_path / "mended.toml", tables(sandbox, insider={"config": {"api_key": "env:KEY"}}))
    assert "api_key" in await shop("apply", file, KEY="rotated-insider-key")
    await arrived(sandbox.insider, 23)
    await shop.house.settled()
    assert "misconfigured" not in await shop("outbox", "status")
    assert sorted(numbers(sandbox.insider)) == [1, 2, 3, *range(10, 30)]
