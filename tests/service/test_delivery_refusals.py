"""Refusals: one bad event costs itself and nothing else, and can be healed."""

import pytest

from signal_actor.sandbox import Sandbox
from tests.service.conftest import OpenHouse
from tests.service.house import House, arrived, numbered, numbers, tables
from tests.service.invariants import check

WORDS = {  # what each vendor says about an event that it does not want
    "ninetailed": "ERR_INVALID_DATA",
    "insider": "user is refused by a fault",
    "webhook": "the body must be an object with a list of events",
}


@pytest.mark.parametrize("slug", WORDS)
async def test_of_200_events_199_arrive_and_the_bad_one_is_dead_with_the_vendors_words(
    open_house: OpenHouse, sandbox: Sandbox, slug: str
) -> None:
    fake = sandbox.vendors[slug]
    fake.faults.add(reject=True, contains="signed.up.bad", times=None)
    house = await open_house(tables(sandbox, only=(slug,)))
    bad = {**numbered(117), "properties": {"n": 117, "mark": "signed.up.bad"}}
    batch = [numbered(n) for n in range(117)] + [bad] + [numbered(n) for n in range(118, 200)]
    response = await house.post("/v1/batch", {"batch": batch})
    assert response.json()["accepted"] == 200
    await house.settled()
    assert sorted(numbers(fake)) == [n for n in range(200) if n != 117]
    assert fake.ledger.duplicates == {}
    (dead,) = house.rows("select * from v_dead")
    assert (dead["message_id"], dead["integration"]) == ("m-117", slug)
    assert WORDS[slug] in dead["reason"]
    assert house.backlog(slug)["done"] == 199
    assert house.backlog(slug)["health"] == "ok"
    check(house.path)


async def test_ometria_names_no_record_so_its_count_is_kept(open_house: OpenHouse, sandbox: Sandbox) -> None:
    """A 202 accepts the request for good; what is wrong with a record only shows as a count."""
    sandbox.ometria.faults.add(reject=True, contains="signed.up.bad", times=None)
    house = await open_house(tables(sandbox, only=("ometria",)))
    await house.track(*range(99))
    await house.track(99, properties={"n": 99, "mark": "signed.up.bad"})
    await house.settled()
    assert sorted(numbers(sandbox.ometria)) == list(range(99))
    noted = house.rows("select error, response_body from v_attempts where error is not null")
    assert noted
    assert all("reject" in row["error"] for row in noted)
    assert '"rejected": 1' in noted[0]["response_body"]


async def test_ometria_refuses_a_whole_batch_for_one_record(open_house: OpenHouse, sandbox: Sandbox) -> None:
    sandbox.ometria.faults.add(status=400, contains="signed.up.bad", times=None)
    house = await open_house(tables(sandbox, only=("ometria",)))
    bad = {**numbered(3), "properties": {"n": 3, "mark": "signed.up.bad"}}
    batch = [bad if n == 3 else numbered(n) for n in range(200)]
    assert (await house.post("/v1/batch", {"batch": batch})).status_code == 200
    await house.settled()
    assert sorted(numbers(sandbox.ometria)) == [n for n in range(200) if n != 3]
    (dead,) = house.rows("select * from v_dead")
    assert dead["message_id"] == "m-3"
    assert "Payload invalid" in dead["reason"]


async def test_a_mapping_failure_is_its_events_own_and_heals_by_replay(open_house: OpenHouse, sandbox: Sandbox) -> None:
    rule = {"other": {"fields": {"properties.plan": {"source": "properties.plan", "required": True}}}}
    wanted = tables(sandbox, only=("ometria", "webhook"), ometria={"mappings": rule})
    house = await open_house(wanted)
    await house.track(1, 2)
    await house.track(3, properties={"n": 3, "plan": "pro"})
    await house.settled()
    assert numbers(sandbox.ometria) == [3]
    assert numbers(sandbox.webhook) == [1, 2, 3]
    dead = house.rows("select message_id, reason from v_dead order by event_id")
    assert [row["message_id"] for row in dead] == ["m-1", "m-2"]
    assert all("plan" in row["reason"] for row in dead)
    assert house.backlog("ometria")["health"] == "ok"
    await house.leave()
    house = await open_house(tables(sandbox, only=("ometria", "webhook")))  # the rule is mended
    replayed = await house.service.execute("replay", {"letters_wanted": {"state": "dead"}})
    assert replayed == 2
    await arrived(sandbox.ometria, 3)
    await house.settled()
    assert numbers(sandbox.ometria) == [3, 1, 2]
    assert house.states("ometria") == ["done"] * 3


async def test_what_waits_is_healed_by_a_mended_mapping(open_house: OpenHouse, sandbox: Sandbox) -> None:
    sandbox.webhook.faults.add(status=503, times=None)
    wanted = tables(sandbox, only=("webhook",))
    house = await open_house(wanted)
    await house.track(1)
    await house.until("select count(*) from v_attempts")
    await house.leave()
    sandbox.webhook.faults.clear()
    mended = {"track": {"Signed Up": {"fields": {"event": {"default": "renamed"}}}}}
    house = await open_house(tables(sandbox, only=("webhook",), webhook={"mappings": mended}))
    await house.settled()
    assert sandbox.webhook.ledger.accepted[0].payload["event"] == "renamed"


async def test_skipped_by_consent_is_said_and_can_be_replayed(house: House, sandbox: Sandbox) -> None:
    context = {"consent": {"marketing": False, "personalization": True}}
    await house.track(1, visitor="a", context=context)
    await house.settled()
    assert numbers(sandbox.ninetailed) == numbers(sandbox.webhook) == [1]
    assert sandbox.insider.ledger.requests == sandbox.ometria.ledger.requests == []
    for slug in ("insider", "ometria"):
        (row,) = house.rows("select state, last_error, attempts from v_deliveries where integration = ?", slug)
        assert row["state"] == "skipped"
        assert "marketing" in row["last_error"]


async def test_consent_withdrawn_while_an_event_waits_holds_it_back(house: House, sandbox: Sandbox) -> None:
    sandbox.insider.faults.add(status=503, times=None)
    await house.track(1, visitor="a", context={"consent": {"marketing": True}})
    await house.until("select count(*) from v_attempts where integration = 'insider'")
    await house.track(2, visitor="a", context={"consent": {"marketing": False}})
    await house.settled()
    assert sandbox.insider.ledger.accepted == []
    assert house.states("insider") == ["skipped", "skipped"]
    check(house.path)


async def test_silence_means_what_the_pipeline_says(open_house: OpenHouse, sandbox: Sandbox) -> None:
    house = await open_house(tables(sandbox, pipeline={"default_consent": "denied"}))
    await house.track(1)
    await house.track(2, context={"consent": {"marketing": True, "personalization": True}})
    await house.settled()
    assert numbers(sandbox.webhook) == [1, 2]  # has no gate
    for fake in (sandbox.insider, sandbox.ometria, sandbox.ninetailed):
        assert numbers(fake) == [2]
    await house.track(1, messageId="m-3", visitor="visitor-2")  # the visitor has said it before
    await house.settled()
    assert len(sandbox.insider.ledger.accepted) == 2
