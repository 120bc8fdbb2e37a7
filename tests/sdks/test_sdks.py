"""The public SDKs, unchanged but for the host, deliver every call exactly once, whatever the service answers first."""

from collections import Counter
from typing import Any

import pytest

from tests.sdks.conftest import Sdk, Shop
from tests.sdks.watch import overloaded, rate_limited

SDKS = {
    "segment-analytics-python": Sdk("segment_python.py", "segment"),
    "analytics-python": Sdk("analytics_python.py", "analytics"),
    "rudder-sdk-python": Sdk("rudder_python.py", "rudder"),
    "@segment/analytics-node": Sdk("segment_node.mjs"),
    "@rudderstack/rudder-sdk-node": Sdk("rudder_node.mjs"),
    "@segment/analytics-next": Sdk("segment_browser.js"),
    "@segment/analytics-next batching": Sdk("segment_browser_batching.js"),
    "@rudderstack/analytics-js bundled": Sdk("rudder_browser.js"),
    "@rudderstack/analytics-js lite": Sdk("rudder_browser_lite.js"),
    "@rudderstack/analytics-js beacon": Sdk("rudder_browser_beacon.js"),
}
JITSU = {"@jitsu/js": Sdk("jitsu_node.mjs")}

# With a wrong key: one request, repeated by none. Browser SDKs that ask for settings first do not get further.
ONE_BATCH = {"/v1/batch": 1}
SETTINGS, SOURCE = {"/v1/projects/dk_wrong/settings": 1}, {"/sourceConfig/": 1}
ATTEMPTS = {
    "segment_python.py": ONE_BATCH,
    "analytics_python.py": ONE_BATCH,
    "rudder_python.py": ONE_BATCH,
    "segment_node.mjs": ONE_BATCH,
    "rudder_node.mjs": {"/v1/batch": 2},  # the first event goes alone
    "segment_browser.js": SETTINGS,
    "segment_browser_batching.js": {"/v1/b": 1},
    "rudder_browser.js": SOURCE,
    "jitsu_node.mjs": {f"/api/s/{kind}": 1 for kind in ("identify", "page", "track", "group")},
}

ALL = SDKS | JITSU
# A beacon hears no answer, and the lite build repeats as the bundled one does.
PATIENT = {name: sdk for name, sdk in SDKS.items() if not name.endswith((" beacon", " lite"))}

ONCE = {name: sdk for name, sdk in ALL.items() if sdk.script in ATTEMPTS}  # one of those that ask for the same first

every_sdk = pytest.mark.parametrize("sdk", ALL.values(), ids=ALL)
every_patient_sdk = pytest.mark.parametrize("sdk", PATIENT.values(), ids=PATIENT)


@every_sdk
async def test_each_call_is_stored_and_delivered_once(shop: Shop, sdk: Sdk) -> None:
    said = await shop.visit(sdk)
    await the_visit(shop, said)
    assert {knock.status for knock in shop.watch.posts()} == {200}
    assert await shop.strangers() == set()


@every_patient_sdk
async def test_after_429_each_call_is_stored_once(shop: Shop, sdk: Sdk) -> None:
    rate_limited(shop.house.service, 2)
    said = await shop.visit(sdk)
    await the_visit(shop, said)
    assert statuses(shop)[429] == 2


@every_patient_sdk
async def test_after_503_and_a_lost_answer_each_call_is_stored_once(shop: Shop, sdk: Sdk) -> None:
    overloaded(shop.house.service, 1)
    shop.watch.lost = 1
    said = await shop.visit(sdk)
    await the_visit(shop, said)
    assert statuses(shop)[503] == 2


@pytest.mark.parametrize("sdk", ONCE.values(), ids=ONCE)
async def test_a_wrong_key_costs_one_attempt_a_request(shop: Shop, sdk: Sdk) -> None:
    await shop.visit(sdk, key="dk_wrong")
    if sdk.in_browser:
        await shop.quiet()
    assert shop.house.stored() == []
    assert set(statuses(shop)) <= {204, 401, 404}
    assert Counter(knock.path for knock in shop.watch.knocks if knock.method != "OPTIONS") == ATTEMPTS[sdk.script]
    assert await shop.strangers() == set()


def statuses(shop: Shop) -> Counter[int]:
    return Counter(knock.status for knock in shop.watch.knocks)


async def the_visit(shop: Shop, said: str) -> None:
    """What every client did: four calls, each stored as it was meant, and with the vendor once."""
    events = await shop.stored(4)
    assert sorted(event["type"] for event in events) == ["group", "identify", "page", "track"], said
    event: dict[str, Any] = {event["type"]: event for event in events}
    assert {event["userId"] for event in events} == {"user-1"}
    assert event["identify"]["traits"].items() >= {"email": "jane@example.com", "plan": "pro"}.items()
    assert event["page"]["row"]["name"] == "Widget"
    assert event["page"]["properties"]["path"] == "/p/widget"
    assert event["track"]["row"]["name"] == "Product Viewed"
    assert event["track"]["properties"].items() >= {"product_id": "SKU-1", "price": 49.99}.items()
    assert event["group"]["groupId"] == "org-1"
    assert event["group"]["traits"]["name"] == "Acme"
    await shop.house.settled()
    assert shop.house.sandbox.webhook.ledger.counts == {event["messageId"]: 1 for event in events}
    assert len({event["messageId"] for event in events}) == 4
    assert "email" in shop.house.value("select traits from v_identities where user_id = 'user-1'")
