"""Audit: every change is there, with who did it and what it was about."""

from typing import Any

from tests.management.desk import Desk
from tests.service.house import House

BLOG = "/pipelines/blog"
CONFIG = {"api_key": "hunter2-4711", "partner_name": "myco"}
INSTALL: dict[str, Any] = {"pipeline": "blog", "slug": "second", "config": CONFIG}

# What is asked, what it answers, and the actions that it leaves behind.
CHANGES: list[tuple[str, str, Any, int, list[str]]] = [
    ("POST", "/pipelines", {"slug": "blog"}, 201, ["create pipeline", "publish"]),
    ("PATCH", BLOG, {"rate_limit_rps": 5}, 200, ["change pipeline"]),
    ("POST", f"{BLOG}/discard-draft", None, 200, ["discard draft"]),
    ("PATCH", BLOG, {"rate_limit_rps": 6, "publish": True}, 200, ["change pipeline", "publish"]),
    ("PATCH", BLOG, {"rate_limit_rps": 7}, 200, ["change pipeline"]),
    ("POST", f"{BLOG}/publish", None, 200, ["publish"]),
    ("POST", f"{BLOG}/rollback", {"revision": 1}, 200, ["publish"]),
    ("POST", f"{BLOG}/keys", None, 201, ["create key"]),
    ("POST", "/integration-catalog/insider/install", INSTALL, 201, ["install", "publish"]),
    ("PATCH", "/integrations/second", {"name": "Other", "publish": False}, 200, ["change"]),
    ("PUT", "/integrations/second/mappings", {"mappings": {"page": {"skip": True}}}, 200, ["change", "publish"]),
    ("POST", "/integrations/second/mappings/preview", {"event": {"type": "page", "name": "x"}}, 200, []),
    ("POST", "/integrations/second/pause", {"reason": "stock taking"}, 200, ["pause"]),
    ("POST", "/integrations/second/resume", None, 200, ["resume"]),
    ("POST", "/deliveries/discard", {"state": "pending", "dry_run": True}, 200, []),
    ("POST", "/deliveries/discard", {"state": "pending"}, 200, ["discard"]),
    ("POST", "/deliveries/replay", {"state": "skipped"}, 200, ["replay"]),
    ("DELETE", "/integrations/second", None, 204, ["remove", "publish"]),
    ("PATCH", "/settings", {"retention": {"done_days": 5}}, 200, ["change settings"]),
    ("PATCH", "/alarms/rules", {"webhook": "https://example.com/hunter2-4711"}, 200, ["change settings"]),
    ("POST", "/tokens", {"name": "new"}, 201, ["create token"]),
    ("POST", "/forget", {"user_id": "hunter2-4711"}, 200, ["forget person"]),
    ("DELETE", BLOG, None, 204, ["delete pipeline"]),
    ("PATCH", BLOG, {"rate_limit_rps": 9}, 404, []),
    ("POST", "/pipelines", {"slug": "shop"}, 409, []),
]


async def test_every_change_is_there_with_who_did_it(house: House, admin: Desk) -> None:
    colleague = await admin.colleague("admin")
    await admin.ok("POST", "/integrations/webhook/pause")
    await house.track(1)
    seen = {line["id"] for line in await admin.all("/audit", limit=100)}
    for method, path, body, status, actions in CHANGES:
        answer = await colleague.ask(method, path, body)
        assert answer.status_code == status, answer.text
        new = [line for line in await admin.all("/audit", limit=100) if line["id"] not in seen]
        assert [line["action"] for line in reversed(new)] == actions, (method, path)
        assert {line["actor"] for line in new} <= {"admin's"}
        seen |= {line["id"] for line in new}
    lines = await admin.all("/audit", limit=3)
    assert [line["id"] for line in lines] == sorted(seen, reverse=True)
    assert "hunter2-4711" not in str(lines)
    (paused,) = [line for line in lines if line["action"] == "pause" and line["detail"]]
    assert paused["detail"] == {"reason": "stock taking"}
