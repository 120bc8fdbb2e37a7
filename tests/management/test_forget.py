"""Forgetting: a person is gone from events, identities, deliveries and attempts, and from the bytes of the file."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from tests.management.desk import Desk
from tests.service.commander import Commander
from tests.service.house import House, numbered

JANE = {"email": "jane.doe@example.com", "lastName": "Forgettable-Jane"}
MARKS = (b"Forgettable-Jane", b"jane.doe@example.com", b"secret-page-of-jane")

Story = Callable[[], Awaitable[None]]


async def live_through(house: House) -> None:
    """Jane browses, identifies, browses on, on two devices; Bob does too, in the same batches."""
    page = {"type": "page", "name": "secret-page-of-jane"}
    await house.post("/v1/p", {**page, "anonymousId": "jane-phone", "messageId": "j-1"})
    identify = {"type": "identify", "userId": "jane", "traits": JANE}
    await house.post("/v1/i", {**identify, "anonymousId": "jane-phone", "messageId": "j-2"})
    batch = [
        {**page, "anonymousId": "jane-phone", "messageId": "j-3"},
        numbered(1, visitor="bob"),
        {**identify, "anonymousId": "jane-laptop", "messageId": "j-4"},
        {**page, "anonymousId": "jane-laptop", "messageId": "j-5"},
        {"type": "identify", "userId": "bob", "anonymousId": "bob", "traits": {"email": "b@x.de"}, "messageId": "b-2"},
    ]
    answer = await house.post("/v1/batch", {"batch": batch})
    assert answer.json()["accepted"] == 5
    await house.settled()


@pytest.mark.parametrize(
    "who", [{"user_id": "jane"}, {"anonymous_id": "jane-laptop"}, {"email": "Jane.Doe@example.com"}]
)
async def test_a_person_is_erased_everywhere_and_the_others_are_not(
    house: House, admin: Desk, editor: Desk, who: dict[str, str]
) -> None:
    await live_through(house)
    attempts = house.value("select count(*) from v_attempts where request_body like '%secret-page%'")
    assert attempts > 0
    receipt = await admin.ok("POST", "/forget", who)
    assert (receipt["events"], receipt["deliveries"], receipt["identities"]) == (5, 20, 3)
    assert receipt["attempts_erased"] + receipt["attempts_blanked"] > 0
    assert [row["message_id"] for row in house.stored()] == ["m-1", "b-2"]
    assert [row["user_id"] for row in house.rows("select * from v_identities")] == ["bob"]
    assert house.value("select count(*) from delivery") == 8
    assert house.value("select count(*) from attempt_event where event_id not in (select id from event)") == 0
    for view in ("v_events", "v_attempts", "v_identities", "v_deliveries", "audit"):
        text = str(house.rows(f"select * from {view}"))
        assert not [mark for mark in MARKS if mark.decode() in text], view
    blanked = house.rows("select * from v_attempts where request_body is null")
    assert len(blanked) == receipt["attempts_blanked"]
    assert all("forgotten" in row["error"] for row in blanked)
    line = house.rows("select * from audit where action = 'forget person'")
    assert len(line) == 1
    assert who[next(iter(who))] not in str(line)
    again = await admin.ok("POST", "/forget", who)
    assert not any(again.values())
    await house.track(7, visitor="jane-phone")
    await house.settled()
    assert "userId" not in house.value("select payload from v_events where message_id = 'm-7'")


async def test_nothing_is_left_in_the_file(house: House, admin: Desk) -> None:
    await live_through(house)
    await admin.ok("POST", "/forget", {"user_id": "jane"})
    await house.leave()
    left = [file.name for file in house.data_dir.iterdir() for mark in MARKS if mark in file.read_bytes()]
    assert left == []


async def test_what_was_owed_is_not_sent_and_holds_nobody_up(house: House, admin: Desk, editor: Desk) -> None:
    webhook = await editor.integration("webhook")
    await editor.ok("POST", f"/integrations/{webhook['id']}/pause")
    await live_through_paused(house)
    await admin.ok("POST", "/forget", {"user_id": "jane"})
    await editor.ok("POST", f"/integrations/{webhook['id']}/resume")
    await house.settled()
    assert [item.payload["messageId"] for item in house.sandbox.vendors["webhook"].ledger.accepted] == ["m-2"]


async def test_what_is_under_way_leaves_no_trace(house: House, admin: Desk) -> None:
    fake = house.sandbox.vendors["webhook"]
    fake.faults.add(delay=1.0)
    batch = [{"type": "identify", "userId": "jane", "anonymousId": "j", "traits": JANE}, numbered(1)]
    await house.post("/v1/batch", {"batch": batch})
    await house.until("select count(*) = 2 from v_deliveries where state = 'leased' and integration = 'webhook'")
    assert (await admin.ok("POST", "/forget", {"user_id": "jane"}))["events"] == 1
    await house.settled()
    (attempt,) = house.rows("select * from v_attempts where integration = 'webhook'")
    assert (attempt["outcome"], attempt["events"], attempt["request_body"]) == ("delivered", 1, None)
    assert house.states("webhook") == ["done"]


async def live_through_paused(house: House) -> None:
    shared = {"anonymousId": "shared"}
    first = {"type": "identify", "userId": "jane", "traits": JANE, "messageId": "j-1", **shared}
    await house.post("/v1/i", first)
    await house.post("/v1/t", numbered(2, visitor="shared", userId="somebody-else"))
    await house.until("select count(*) = 6 from v_deliveries where state in ('done', 'skipped')")


async def test_one_of_three_must_be_given(admin: Desk) -> None:
    for body in ({}, {"user_id": "a", "email": "b@c.de"}, {"user_id": ""}, {"name": "jane"}):
        await admin.refused(400, "POST", "/forget", body)


async def test_only_in_one_pipeline(house: House, admin: Desk) -> None:
    made = await admin.ok("POST", "/pipelines", {"slug": "blog"}, status=201)
    headers = {"Authorization": f"Bearer {made['pipeline_keys'][0]}"}
    body: Any = {"type": "identify", "userId": "jane", "traits": JANE}
    await house.request("POST", "/v1/i", body, headers=headers)
    await house.post("/v1/i", body)
    receipt = await admin.ok("POST", "/forget", {"user_id": "jane", "pipeline": "blog"})
    assert receipt["events"] == 1
    assert [row["pipeline"] for row in house.stored()] == ["shop"]


@pytest.mark.parametrize("running", [True, False], ids=["beside a service", "alone"])
async def test_the_command_does_the_same(house: House, commander: Commander, running: bool) -> None:
    await live_through(house)
    if not running:
        await house.leave()
    words = ("forget", "--user-id", "jane", "--yes", "--json", "--data-dir", house.data_dir)
    done = await trio.to_thread.run_sync(lambda: commander(*words))
    assert done.returncode == 0, done.stderr
    receipt = json.loads(done.stdout)
    assert (receipt["events"], receipt["deliveries"], receipt["identities"]) == (5, 20, 3)
    assert [row["message_id"] for row in house.stored()] == ["m-1", "b-2"]
    await house.leave()
    left = [file.name for file in house.data_dir.iterdir() for mark in MARKS if mark in file.read_bytes()]
    assert left == []
    wrong = await trio.to_thread.run_sync(lambda: commander("forget", "--data-dir", house.data_dir))
    assert (wrong.returncode, "one of user_id" in wrong.stderr) == (2, True)
