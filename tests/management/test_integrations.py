"""Integrations: the library, installing by the document's own command, changing, testing; secrets."""

import json
from typing import Any

import pytest
import trio

from tests.management.desk import ADMIN, Desk
from tests.service.conftest import OpenHouse
from tests.service.house import House, arrived, numbered, tables

SECRET = "a-secret-that-nobody-may-see"
DOCUMENT = """
curl -X POST http://localhost:8084/v1/admin/integration-catalog/insider/install \\
  -H "Authorization: Bearer YOUR_TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{
    "name": "Insider",
    "variant": "default",
    "config": {
      "api_key": "xxxxxxxxxxxxxxxxxxxx",
      "partner_name": "myco"
    },
    "delivery_mode": "server_side"
  }'
"""


async def test_the_documents_command_installs_insider(open_house: OpenHouse) -> None:
    house = await open_house(tables(only=()), admin_token=ADMIN)
    command = DOCUMENT.replace("http://localhost:8084", house.ready.admin).replace("YOUR_TOKEN", ADMIN).strip()
    done = await trio.run_process(["bash", "-c", command + " -s -w '\\n%{http_code}'"], capture_stdout=True)
    body, status = done.stdout.decode().rsplit("\n", 1)
    assert status == "201"
    installed = json.loads(body)
    assert installed["slug"] == "insider"
    assert installed["config"] == {"api_key": "***", "partner_name": "myco"}
    assert installed["consent_categories"] == ["marketing"]
    assert installed["published"] is True
    assert house.value("select managed_by from integration") == "api"


async def test_the_library_describes_every_vendor(viewer: Desk) -> None:
    listed = await viewer.ok("GET", "/integration-catalog")
    assert {item["slug"] for item in listed["data"]} >= {"ninetailed", "insider", "ometria", "webhook"}
    insider = await viewer.ok("GET", "/integration-catalog/insider")
    key = next(field for field in insider["config_fields"] if field["key"] == "api_key")
    assert (key["type"], key["required"], key["secret"]) == ("secret", True, True)
    assert insider["variants"] == ["default", "ecommerce"]
    assert insider["default_mappings"]["default"]["track"]["Order Completed"]["name"] == "confirmation_page_view"
    assert any("Unification API scope" in row["remedy"] for row in insider["troubleshooting"])
    await viewer.refused(404, "GET", "/integration-catalog/braze")


async def test_what_is_wrong_with_an_installation_is_named(editor: Desk) -> None:
    path = "/integration-catalog/insider/install"
    assert "partner_name" in await editor.refused(400, "POST", path, {"config": {"api_key": "x"}})
    wrong = {"config": {"api_key": SECRET, "partner_name": "a b"}, "variant": "defualt"}
    message = await editor.refused(400, "POST", path, wrong)
    assert "did you mean default" in message
    assert SECRET not in message
    assert "config" in await editor.refused(400, "POST", path, {"config": SECRET})
    assert SECRET not in await editor.refused(400, "POST", path, {"config": SECRET})
    good = {"api_key": "x", "partner_name": "y"}
    assert "unknown key" in await editor.refused(400, "POST", path, {"config": good, "colour": "red"})
    assert "choose another" in await editor.refused(409, "POST", path, {"config": good, "slug": "insider"})
    assert "api_key: ***" in await editor.refused(400, "POST", path, {"config": {**good, "api_key": "***"}})
    assert "env:" in await editor.refused(400, "POST", path, {"config": {**good, "api_key": "env:HOME"}})
    await editor.ok("POST", "/pipelines", {"slug": "other"}, status=201)
    assert "say which; there are shop, other" in await editor.refused(400, "POST", path, {"config": good})
    await editor.refused(404, "POST", path, {"config": good, "pipeline": "nowhere"})
    placed = await editor.ok("POST", path, {"config": good, "pipeline": "other", "slug": "two"}, status=201)
    assert (placed["pipeline"], placed["slug"]) == ("other", "two")


async def test_an_unpublished_installation_gets_nothing_until_it_is_published(house: House, editor: Desk) -> None:
    config = {"url": house.sandbox.vendors["webhook"].hint["url"]}
    made = await editor.ok(
        "POST", "/integration-catalog/webhook/install", {"config": config, "publish": False}, status=201
    )
    assert (made["slug"], made["published"], made["edited"]) == ("webhook-2", False, True)
    await house.track(1)
    assert house.states("webhook-2") == []
    await editor.ok("POST", "/pipelines/shop/publish")
    await house.track(2)
    await house.settled()
    assert house.states("webhook-2") == ["done"]


async def test_a_patch_changes_what_it_names_and_is_live_at_once(house: House, editor: Desk) -> None:
    insider = await editor.integration("insider")
    path = f"/integrations/{insider['id']}"
    before = house.sandbox.vendors["insider"].hint["api_key"]
    changed = await editor.ok(
        "PATCH", path, {"name": "Mine", "config": {"api_key": "***"}, "delivery": {"max_in_flight": 2}}
    )
    assert (changed["name"], changed["delivery"], changed["config"]["api_key"]) == ("Mine", {"max_in_flight": 2}, "***")
    await house.track(1)
    await arrived(house.sandbox.vendors["insider"], 1)  # the sandbox knows the key that was kept
    assert before not in json.dumps(changed)
    again = await editor.ok("PATCH", path, {"delivery": None, "consent_categories": []})
    assert (again["delivery"], again["consent_categories"], again["name"]) == ({}, [], "Mine")
    other = {
        "vendor": "webhook",
        "config": {"api_key": None, "partner_name": None, "endpoint": None, "url": "http://x"},
    }
    assert "another vendor" in await editor.refused(400, "PATCH", path, other)
    await editor.refused(404, "PATCH", "/integrations/99", {"name": "x"})


async def test_a_patch_is_a_json_merge_patch(house: House, editor: Desk) -> None:
    async def patch(changes: dict[str, Any]) -> Any:
        return await editor.ok("PATCH", "/integrations/webhook", changes)

    url = (await editor.integration("webhook"))["config"]["url"]
    await patch({"config": {"secret": "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ=", "headers": {"X-A": "1", "X-B": "2"}}})
    changed = await patch({"config": {"headers": {"X-A": None, "X-C": "3"}}})
    assert changed["config"] == {"url": url, "secret": "***", "headers": {"X-B": "2", "X-C": "3"}}
    assert (await patch({"config": changed["config"]}))["config"] == changed["config"]
    await house.track(1)
    await house.settled()
    signed = house.sandbox.vendors["webhook"].ledger.requests[-1].headers
    assert "webhook-signature" in {name.lower() for name in signed}  # "***" that came back was not taken for the secret
    assert "secret" not in (await patch({"config": {"secret": None}}))["config"]
    assert "url: missing" in await editor.refused(400, "PATCH", "/integrations/webhook", {"config": {"url": None}})
    assert (await patch({"delivery": {"max_in_flight": 2, "probe_seconds": 5}}))["delivery"]["max_in_flight"] == 2
    assert (await patch({"delivery": {"max_in_flight": None}}))["delivery"] == {"probe_seconds": 5.0}
    insider = await editor.ok("PATCH", "/integrations/insider", {"consent_categories": []})
    assert insider["consent_categories"] == []
    defaults = {"consent_categories": None, "name": None, "enabled": None, "delivery": None}
    insider = await editor.ok("PATCH", "/integrations/insider", defaults)
    assert (insider["consent_categories"], insider["name"], insider["enabled"]) == (["marketing"], "Insider", True)


async def test_a_wrong_key_pauses_by_itself_and_the_right_one_drains_the_backlog(house: House, editor: Desk) -> None:
    insider = await editor.integration("insider")
    path = f"/integrations/{insider['id']}"
    right = house.sandbox.vendors["insider"].hint["api_key"]
    await editor.ok("PATCH", path, {"config": {"api_key": "wrong-key-0123456789"}})
    await house.track(*range(5))
    await house.until("select health = 'misconfigured' from integration where slug = 'insider'")
    shown = await editor.ok("GET", path)
    assert shown["health"] == "misconfigured"
    assert "Unification API scope" in shown["health_reason"]  # the document's remedy
    await editor.ok("PATCH", path, {"config": {"api_key": right}})
    await house.settled()
    assert house.states("insider") == ["done"] * 5
    assert (await editor.ok("GET", path))["health"] == "ok"


async def test_pause_and_resume(house: House, editor: Desk) -> None:
    path = f"/integrations/{(await editor.integration('webhook'))['id']}"
    paused = await editor.ok("POST", path + "/pause", {"reason": "for the sale"})
    assert (paused["health"], paused["health_reason"]) == ("paused", "for the sale")
    await house.track(1)
    await house.until("select count(*) = 3 from v_deliveries where state = 'done'")
    assert house.states("webhook") == ["pending"]
    await editor.ok("POST", path + "/resume")
    await house.settled()
    assert house.states("webhook") == ["done"]


async def test_a_removed_integration_takes_no_more(house: House, editor: Desk) -> None:
    path = f"/integrations/{(await editor.integration('webhook'))['id']}"
    await editor.ok("DELETE", path, status=204)
    await house.track(1)
    await house.settled()
    assert house.states("webhook") == []
    await editor.refused(404, "GET", path)


@pytest.mark.parametrize("slug", ["ninetailed", "insider", "ometria", "webhook"])
async def test_a_test_event_goes_to_the_vendor_once_and_into_no_outbox(house: House, editor: Desk, slug: str) -> None:
    integration = await editor.integration(slug)
    result = await editor.ok("POST", f"/integrations/{integration['id']}/test")
    assert result["verdict"] == "delivered", result
    assert result["response"]["status"] in (200, 202)
    assert result["request"]["url"].startswith(house.sandbox.vendors[slug].url)
    assert len(house.sandbox.vendors[slug].ledger.requests) == 1
    assert house.stored() == []
    for value in house.sandbox.vendors[slug].hint.values():
        if slug in ("insider", "ometria") and value == house.sandbox.vendors[slug].hint["api_key"]:
            assert value not in json.dumps(result)


async def test_a_test_chooses_an_event_that_the_mapping_sends(house: House, editor: Desk) -> None:
    integration = await editor.integration("ometria")
    await editor.ok("PATCH", f"/integrations/{integration['id']}", {"variant": "retail", "mappings": {"page": None}})
    result = await editor.ok("POST", f"/integrations/{integration['id']}/test")
    assert (result["verdict"], result["event"]["event"]) == ("delivered", "Product Viewed")


async def test_a_test_tells_what_is_wrong(house: House, editor: Desk) -> None:
    integration = await editor.integration("insider")
    path = f"/integrations/{integration['id']}"
    await editor.ok("PATCH", path, {"config": {"api_key": SECRET}})
    result = await editor.ok("POST", path + "/test")
    assert (result["verdict"], result["response"]["status"]) == ("misconfigured", 401)
    assert "Unification API scope" in result["reason"]
    assert SECRET not in json.dumps(result)
    await editor.ok("PATCH", path, {"config": {"endpoint": "http://127.0.0.1:1", "api_key": SECRET}})
    result = await editor.ok("POST", path + "/test", {"event": {"type": "page", "name": "x"}})
    assert (result["verdict"], result["response"]) == ("retry", None)
    skipped = await editor.ok("POST", path + "/test", {"event": {"type": "group", "groupId": "g"}})
    assert (skipped["verdict"], skipped["request"]) == ("skipped", None)
    assert "groupId" in await editor.refused(400, "POST", path + "/test", {"event": {"type": "group"}})


async def test_secrets_are_nowhere_to_be_read(house: House, admin: Desk, capfd: pytest.CaptureFixture[str]) -> None:
    config = {"api_key": SECRET, "partner_name": "myco", "endpoint": house.sandbox.vendors["insider"].url}
    made = await admin.ok("POST", "/integration-catalog/insider/install", {"config": config}, status=201)
    await admin.ok("PATCH", f"/integrations/{made['id']}", {"config": {"api_key": SECRET + "2"}})
    await admin.ok("POST", f"/integrations/{made['id']}/test")
    event = numbered(1)
    await house.post("/v1/t", event)
    await house.until("select count(*) > 0 from v_attempts where integration = 'insider-2'")
    said: list[Any] = []
    for path in ("/integrations", f"/integrations/{made['id']}", f"/integrations/{made['id']}/mappings", "/audit"):
        said.append(await admin.ok("GET", path))
    for path in ("/pipelines/shop", "/pipelines/shop/revisions", "/events/m-1", "/deliveries", "/stats", "/settings"):
        said.append(await admin.ok("GET", path))
    said.append(await admin.ok("POST", f"/integrations/{made['id']}/mappings/preview", {"event": event}))
    said.append((await house.client.get(house.ready.admin + "/metrics")).text)
    for view in ("v_events", "v_deliveries", "v_attempts", "v_backlog", "v_dead", "v_identities", "audit", "revision"):
        said.append(house.rows(f"select * from {view}"))
    assert SECRET not in str(said)
    assert SECRET not in "".join(capfd.readouterr())
    for file in (house.path, house.path.with_name("signal.db-wal")):
        assert SECRET.encode() not in file.read_bytes()


ELSEWHERE = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    "config",
    [
        {"endpoint": ELSEWHERE},
        {"endpoint": ELSEWHERE, "api_key": "***"},
        {"endpoint": " " + ELSEWHERE.upper()},
    ],
)
@pytest.mark.parametrize("publish", [True, False])
async def test_an_editor_cannot_have_a_secret_sent_to_another_address(
    editor: Desk, config: dict[str, str], publish: bool
) -> None:
    integration = await editor.integration("insider")
    path = f"/integrations/{integration['id']}"
    message = await editor.refused(400, "PATCH", path, {"config": config, "publish": publish})
    assert "config.api_key: give it again with the new address" in message
    assert (await editor.ok("GET", path))["config"] == integration["config"]


async def test_an_editor_who_knows_the_secret_may(editor: Desk) -> None:
    integration = await editor.integration("insider")
    path = f"/integrations/{integration['id']}"
    await editor.ok("PATCH", path, {"config": {"endpoint": ELSEWHERE, "api_key": SECRET}})
    await editor.ok("PATCH", path, {"config": {"endpoint": ELSEWHERE}, "name": "the same address"})
    await editor.ok("PATCH", path, {"config": {"endpoint": None}})
    rolled = await editor.ok("POST", "/pipelines/shop/rollback", {"revision": 1})
    assert rolled["draft"] is False
    assert (await editor.ok("GET", path))["config"] == integration["config"], "the address comes back with its secret"


async def test_without_a_secret_an_editor_may_change_the_address(editor: Desk) -> None:
    integration = await editor.integration("ninetailed")
    await editor.ok("PATCH", f"/integrations/{integration['id']}", {"config": {"endpoint": ELSEWHERE}})


async def test_an_admin_may_change_the_address_alone(admin: Desk) -> None:
    integration = await admin.integration("insider")
    await admin.ok("PATCH", f"/integrations/{integration['id']}", {"config": {"endpoint": ELSEWHERE}})


async def test_a_list_without_end_is_refused_before_it_is_gone_through(admin: Desk) -> None:
    integration = await admin.integration("insider")
    body = {"consent_categories": ["nonsense"] * 10_000}
    message = await admin.refused(400, "PATCH", f"/integrations/{integration['id']}", body)
    assert "consent_categories" in message
    assert len(message.splitlines()) < 30
