"""Pipelines: made, edited in a draft, published live, rolled back; keys issued and revoked; ended."""

import time
from html import unescape

import pytest
import trio

from tests.management.desk import Desk
from tests.service.house import KEY, House, numbered


async def test_a_new_pipeline_is_live_with_its_key(house: House, editor: Desk) -> None:
    made = await editor.ok("POST", "/pipelines", {"slug": "blog", "name": "Blog", "rate_limit_rps": 50}, status=201)
    assert made["rate_limit_rps"] == 50
    (key,) = made["pipeline_keys"]
    answer = await house.request(
        "POST", "/v1/batch", {"batch": [numbered(1)]}, headers={"Authorization": f"Bearer {key}"}
    )
    assert answer.status_code == 200
    assert house.value("select pipeline from v_events") == "blog"
    listed = await editor.all("/pipelines", limit=1)
    assert [item["slug"] for item in listed] == ["shop", "blog"]
    assert "choose another" in await editor.refused(409, "POST", "/pipelines", {"slug": "blog"})
    assert "is a key of" in await editor.refused(409, "POST", "/pipelines", {"slug": "x", "pipeline_keys": [key]})
    assert "rate_limit_rps" in await editor.refused(400, "POST", "/pipelines", {"slug": "x", "rate_limit_rps": 0})
    assert "slug" in await editor.refused(400, "POST", "/pipelines", {"name": "No slug"})
    assert "slug" in await editor.refused(400, "POST", "/pipelines", {"slug": "Ü"})


async def test_edits_wait_in_a_draft_until_they_are_published(house: House, editor: Desk) -> None:
    patch = {"allowed_origins": ["https://new.example.com"], "cookie_domain": ".example.com"}
    changed = await editor.ok("PATCH", "/pipelines/shop", patch)
    assert changed["draft"] is True
    assert changed["allowed_origins"] == ["https://new.example.com"]
    assert len(changed["changes"]) == 2
    assert (await house.post("/v1/t", numbered(1))).status_code == 200
    published = await editor.ok("POST", "/pipelines/shop/publish")
    assert (published["draft"], published["revision"]) == (False, 2)
    assert (await house.post("/v1/t", numbered(2))).status_code == 403
    assert (await house.post("/v1/t", numbered(3), Origin="https://new.example.com")).status_code == 200


async def test_a_draft_can_be_thrown_away(editor: Desk) -> None:
    await editor.ok("PATCH", "/pipelines/shop", {"name": "Other"})
    thrown = await editor.ok("POST", "/pipelines/shop/discard-draft")
    assert (thrown["name"], thrown["draft"]) == ("Shop", False)


async def test_a_rollback_is_a_new_revision(house: House, editor: Desk) -> None:
    await editor.ok("PATCH", "/pipelines/shop", {"mode": "development", "publish": True})
    assert (await house.post("/v1/t", numbered(1), Origin="http://localhost:3000")).status_code == 200
    back = await editor.ok("POST", "/pipelines/shop/rollback", {"revision": 1})
    assert (back["revision"], back["mode"]) == (3, "production")
    assert (await house.post("/v1/t", numbered(2), Origin="http://localhost:3000")).status_code == 403
    revisions = await editor.all("/pipelines/shop/revisions", limit=2)
    assert [item["revision"] for item in revisions] == [3, 2, 1]
    assert revisions[0]["note"] == "rollback to 1"
    assert revisions[1]["changes"] == ['~ pipelines.shop.mode "production" -> "development"']
    assert revisions[1]["author"] == "editor's"
    await editor.refused(404, "POST", "/pipelines/shop/rollback", {"revision": 9})


async def test_a_rollback_brings_a_removed_integration_back_as_the_same(house: House, editor: Desk) -> None:
    insider = await editor.integration("insider")
    await editor.ok("DELETE", "/integrations/insider", status=204)
    await house.track(1)
    await house.settled()
    back = await editor.ok("POST", "/pipelines/shop/rollback", {"revision": 1})
    assert (back["revision"], "insider" in back["integrations"]) == (3, True)
    assert (await editor.ok("GET", "/integrations/insider"))["id"] == insider["id"]
    await house.track(2)
    await house.settled()
    assert [row["message_id"] for row in house.rows("select * from v_deliveries where integration = 'insider'")] == [
        "m-2"
    ]
    (newest, *_) = await editor.all("/pipelines/shop/revisions", limit=2)
    assert newest["note"] == "rollback to 1"
    assert any(change.startswith("+ pipelines.shop.integrations.insider") for change in newest["changes"])


async def test_publishing_loses_nothing_and_sends_nothing_twice(house: House, editor: Desk) -> None:
    async def edit_again_and_again() -> None:
        for number in range(12):
            await editor.ok("PATCH", "/pipelines/shop", {"rate_limit_rps": 5000 + number, "publish": True})
            insider = await editor.integration("insider")
            await editor.ok("PATCH", f"/integrations/{insider['id']}", {"delivery": {"max_in_flight": 1 + number % 4}})

    async with trio.open_nursery() as nursery:
        nursery.start_soon(edit_again_and_again)
        for start in range(0, 600, 20):
            await house.track(*range(start, start + 20))
    await house.settled()
    for slug, fake in house.sandbox.vendors.items():
        assert len(fake.ledger.counts) == 600, slug
        assert set(fake.ledger.counts.values()) == {1}, slug


async def test_a_revoked_key_is_refused_within_a_second(house: House, editor: Desk) -> None:
    made = await editor.ok("POST", "/pipelines/shop/keys", status=201)
    headers = {"Authorization": f"Bearer {made['key']}"}
    assert (await house.request("POST", "/v1/t", numbered(1), headers=headers)).status_code == 200
    started = time.monotonic()
    await editor.ok("DELETE", f"/pipelines/shop/keys/{made['key']}", status=204)
    assert (await house.request("POST", "/v1/t", numbered(2), headers=headers)).status_code == 401
    assert time.monotonic() - started < 1
    assert (await house.post("/v1/t", numbered(3))).status_code == 200
    await editor.refused(404, "DELETE", f"/pipelines/shop/keys/{made['key']}")
    assert (await editor.ok("GET", "/pipelines/shop"))["pipeline_keys"] == [KEY]


async def test_an_ended_pipeline_takes_and_sends_nothing(house: House, admin: Desk, editor: Desk) -> None:
    await editor.refused(403, "DELETE", "/pipelines/shop")
    await admin.ok("DELETE", "/pipelines/shop", status=204)
    assert (await house.post("/v1/t", numbered(1))).status_code == 401
    await admin.refused(404, "GET", "/pipelines/shop")
    assert (await admin.ok("GET", "/integrations"))["data"] == []


@pytest.mark.parametrize("name", ["\u202egnp.exe", "a\x1b[31mb", "a\nb", "x" * 201, "\u2066a"])
async def test_names_are_what_they_look_like(editor: Desk, name: str) -> None:
    insider = await editor.integration("insider")
    assert "name" in await editor.refused(400, "POST", "/pipelines", {"slug": "new", "name": name})
    assert "name" in await editor.refused(400, "PATCH", "/pipelines/shop", {"name": name})
    assert "name" in await editor.refused(400, "PATCH", f"/integrations/{insider['id']}", {"name": name})
    await editor.ok("PATCH", "/pipelines/shop", {"name": "Zażółć 日本語 עברית 🛍"})


async def test_what_is_copied_from_a_page_is_one_tag_whatever_the_key(house: House, editor: Desk) -> None:
    key = '"onload="x\';y'
    made = await editor.ok("POST", "/pipelines", {"slug": "odd", "pipeline_keys": [key]}, status=201)
    await house.client.post(house.ready.admin + "/login", data={"token": str(editor.token)})
    page = unescape((await house.client.get(f"{house.ready.admin}/pipelines/{made['id']}")).text)
    assert 'data-pipeline-key="&quot;onload=&quot;x&#x27;;y"' in page
    assert 'data-pipeline-key=""onload' not in page
