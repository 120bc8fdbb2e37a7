"""Views: their names, columns and forms, which scripts rely on, and that no secret is anywhere to be read."""

import json
import re

import pytest

from signal_actor.sandbox import Sandbox
from tests.service.conftest import OpenHouse
from tests.service.house import House, tables

COLUMNS = {
    "v_events": "event_id, received_at, pipeline, type, name, message_id, anonymous_id, user_id, payload",
    "v_deliveries": "event_id, message_id, pipeline, integration, vendor, state, attempts, due_at, leased_until,"
    " last_status, last_error, accepted_at, finished_at",
    "v_attempts": "attempt_id, pipeline, integration, started_at, duration_ms, events, status, outcome, request_body,"
    " response_body, error",
    "v_backlog": "pipeline, integration, vendor, health, pending, leased, done, skipped, dead, oldest_pending_at",
    "v_dead": "event_id, message_id, pipeline, integration, reason, dead_at, payload",
    "v_identities": "pipeline, anonymous_id, user_id, traits, consent, updated_at",
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
WEBHOOK_SECRET = "whsec_c2lnbmFsLWFjdG9yLXdlYmhvb2s="


@pytest.fixture
async def told(open_house: OpenHouse, sandbox: Sandbox) -> House:
    """A house where something of every kind has happened, and a vendor that repeats the key that it was shown."""
    sandbox.webhook.configure(secret=WEBHOOK_SECRET)
    sandbox.insider.faults.add(status=500, body={"error": "key sandbox-insider-key is tired"})
    sandbox.ometria.faults.add(status=400, body="no sandbox-ometria-key")
    house = await open_house(tables(sandbox))
    traits = {"email": "jane@example.com"}
    identify = {"type": "identify", "userId": "u", "anonymousId": "a", "traits": traits}
    assert (await house.post("/v1/i", identify)).status_code == 200
    await house.track(1, visitor="a")
    await house.settled()
    return house


@pytest.mark.parametrize("view", COLUMNS)
async def test_columns_and_times(told: House, view: str) -> None:
    rows = told.rows(f"select * from {view}")
    assert rows
    wanted = COLUMNS[view].split(", ")
    assert list(rows[0])[: len(wanted)] == wanted
    for row in rows:
        for name, value in row.items():
            if name.endswith("_at") or name == "leased_until":
                assert value is None or TIME.fullmatch(value), (name, value)
        assert row["pipeline"] == "shop"
        for name in ("payload", "traits", "consent"):
            assert isinstance(json.loads(row.get(name, "{}")), dict)


async def test_what_the_views_say(told: House) -> None:
    assert {row["state"] for row in told.rows("select state from v_deliveries")} == {"done", "skipped", "dead"}
    (dead,) = told.rows("select * from v_dead")
    assert (dead["integration"], dead["message_id"]) == ("ometria", "m-1")
    (person,) = told.rows("select * from v_identities")
    assert (person["anonymous_id"], person["user_id"]) == ("a", "u")
    retry = told.rows("select * from v_attempts where outcome = 'retry'")
    assert [(row["integration"], row["status"], row["events"]) for row in retry] == [("insider", 500, 1)]
    assert "jane@example.com" in retry[0]["request_body"]


async def test_secrets_are_nowhere(told: House, capfd: pytest.CaptureFixture[str]) -> None:
    logged = capfd.readouterr()
    for view in COLUMNS:
        shown = json.dumps(told.rows(f"select * from {view}"))
        assert "sandbox-" not in shown
        assert WEBHOOK_SECRET not in shown
    assert "*** is tired" in json.dumps(told.rows("select * from v_attempts"))
    files = [path for path in told.data_dir.iterdir() if path.name.startswith("signal.db")]
    for secret in ("sandbox-insider-key", "sandbox-ometria-key", WEBHOOK_SECRET.removeprefix("whsec_")):
        assert secret not in logged.out + logged.err
        for path in files:
            assert secret.encode() not in path.read_bytes(), path


async def test_the_file_is_ordinary_sqlite_that_can_be_read_meanwhile(told: House) -> None:
    assert told.value("pragma journal_mode") == "wal"
    tables = told.rows("select name, strict from pragma_table_list where schema = 'main' and type = 'table'")
    ours = [row for row in tables if not row["name"].startswith(("sqlite_", "_sqlite"))]
    assert ours
    assert all(row["strict"] for row in ours)
