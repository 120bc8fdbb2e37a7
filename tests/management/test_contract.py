"""Every endpoint: who may use it, what it makes of nonsense, and that it is described."""

import gzip
import random
import re
from typing import Any

import httpx
import pytest
from openapi_spec_validator import validate

from signal_actor.management.api import NOUNS, document
from signal_actor.management.auth import LADDER
from signal_actor.management.routes import PREFIX, Route
from tests.management.desk import Desk
from tests.service.house import House

ROUTES = [route for noun in NOUNS for route in noun.routes]

# The contract's table, section 6, with the role that each needs by its sentence about roles.
TABLE = """
    GET /integration-catalog viewer             GET /integration-catalog/x viewer
    POST /integration-catalog/x/install editor
    GET /integrations viewer                    GET /integrations/1 viewer
    PATCH /integrations/1 editor                DELETE /integrations/1 editor
    POST /integrations/1/pause editor           POST /integrations/1/resume editor
    POST /integrations/1/test editor
    GET /integrations/1/mappings viewer         PUT /integrations/1/mappings editor
    POST /integrations/1/mappings/preview viewer
    GET /pipelines viewer                       POST /pipelines editor
    GET /pipelines/1 viewer                     PATCH /pipelines/1 editor
    DELETE /pipelines/1 admin                   POST /pipelines/1/publish editor
    GET /pipelines/1/revisions viewer           POST /pipelines/1/rollback editor
    POST /pipelines/1/keys editor               DELETE /pipelines/1/keys/x editor
    GET /events viewer                          GET /events/1 viewer
    GET /events/live viewer
    GET /deliveries viewer                      POST /deliveries/replay editor
    POST /deliveries/discard editor
    GET /stats viewer                           GET /audit admin
"""


def declared(method: str, path: str) -> Route:
    def fits(route: Route) -> bool:
        return bool(re.fullmatch(re.sub(r"<[^>]+>", "[^/]+", route.path), PREFIX + path))

    found = [route for route in ROUTES if route.method == method and fits(route)]
    return min(found, key=lambda route: route.path.count("<"))


def test_the_contracts_table_is_declared() -> None:
    rows = re.findall(r"(GET|POST|PUT|PATCH|DELETE) (\S+) (\w+)", TABLE)
    assert len(rows) == 31
    for method, path, role in rows:
        assert declared(method, path).role == role, (method, path)


def test_the_description_is_valid_openapi_and_whole() -> None:
    validate(document())
    described = {(method.upper(), path) for path, each in document()["paths"].items() for method in each}
    assert described == {(route.method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.path)) for route in ROUTES}
    assert all(route.summary for route in ROUTES)


async def test_the_description_needs_no_token(house: House) -> None:
    answer = await house.client.get(f"{house.ready.admin}{PREFIX}/openapi.json")
    assert answer.json()["openapi"].startswith("3.")


async def test_every_endpoint_wants_its_role(admin: Desk) -> None:
    desks = {role: await admin.colleague(role) for role in LADDER}
    nobody = Desk(admin.house, None)
    for route in ROUTES:
        path = re.sub(r"<[^>]+>", "9999", route.path.removeprefix(PREFIX))
        await nobody.refused(401, route.method, path)
        for role in LADDER[: LADDER.index(route.role)]:
            assert f"needs the role {route.role}" in await desks[role].refused(403, route.method, path)
        if not route.path.endswith("/live"):
            allowed = await desks[route.role].ask(route.method, path, {} if "body" in route.hints else None)
            assert allowed.status_code not in (401, 403, 500), (route.path, allowed.text)


JUNK: list[Any] = [
    *(None, True, 0, -1, 2**63, 2**70, 1.5, "", "x", "*" * 5000, "\u0000", "ü\U0001f600", "***", "2026-01-01", "1e999"),
    *([], [None], [[]], {}, {"": None}, {"a": {"b": [1, {}]}}, [1] * 100),
]
NAMES = ("name", "config", "mappings", "event", "event_id", "event_ids", "state", "since", "until", "limit", "cursor")
MORE = ("pipeline", "integration", "slug", "publish", "revision", "delivery", "retention", "role", "dry_run", "email")
WORDS = ("0", "x", "-1", "99999999999999999999", "%00", "..", "a b", "'", "ü")
THERE = ("1", "1", "2", "3", "4", "shop", "insider", "ometria")


@pytest.mark.parametrize("seed", range(3))
async def test_nonsense_is_refused_in_the_house_s_shape(admin: Desk, seed: int) -> None:
    dice = random.Random(seed)
    for route in ROUTES:
        if route.path.endswith("/live"):
            continue
        for _ in range(25):
            there = () if route.method == "DELETE" else THERE  # what is there shall stay there, to be looked at
            parts = [dice.choice(WORDS + there) if part[:1] == "<" else part for part in route.path.split("/")]
            path = "/".join(parts).removeprefix(PREFIX)
            body: Any = None
            if route.method in ("POST", "PUT", "PATCH"):
                fields = dice.sample(NAMES + MORE, dice.randrange(4))
                body = dice.choice([{name: dice.choice(JUNK) for name in fields}, dice.choice(JUNK), b"{", b"\xff\xfe"])
            params = {name: str(dice.choice(JUNK)) for name in dice.sample(NAMES + MORE, dice.randrange(3))}
            response = await admin.ask(route.method, path, body, **params)
            assert response.status_code < 500, (route.method, path, body, params, response.text)
            if response.status_code >= 400:
                assert response.json().keys() == {"error", "code", "message"}


async def test_a_body_that_is_too_large_is_refused(admin: Desk) -> None:
    await admin.refused(413, "POST", "/tokens", b'{"name":"' + b"x" * 2_000_000 + b'"}')


async def test_a_body_may_be_gzip_and_nothing_else(house: House, admin: Desk) -> None:
    async def create(body: bytes, coding: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {admin.token}", "Content-Encoding": coding}
        return await house.client.post(house.ready.admin + PREFIX + "/tokens", content=body, headers=headers)

    assert (await create(gzip.compress(b'{"name":"zipped"}'), "gzip")).status_code == 201
    assert (await create(gzip.compress(b" " * 2_000_000), "gzip")).status_code == 413
    refused = await create(b"x", "br")
    assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_encoding")


async def test_a_cursor_of_another_list_is_refused(house: House, admin: Desk) -> None:
    await house.track(1, 2)
    (events, deliveries) = [await admin.ok("GET", path, limit=1) for path in ("/events", "/deliveries")]
    await admin.refused(400, "GET", "/deliveries", cursor=events["next_cursor"])
    for path in ("/events", "/audit", "/tokens", "/pipelines", "/pipelines/shop/revisions", "/integrations"):
        assert "cursor" in await admin.refused(400, "GET", path, cursor=deliveries["next_cursor"])


async def test_what_decides_is_true_or_false_and_nothing_like_it(admin: Desk) -> None:
    for path in ("replay", "discard"):
        for wrong in ("no", 0, None):
            assert "dry_run" in await admin.refused(400, "POST", f"/deliveries/{path}", {"dry_run": wrong})
    for path in ("/integrations/insider", "/pipelines/shop"):
        assert "publish" in await admin.refused(400, "PATCH", path, {"publish": "yes"})
        await admin.ok("PATCH", path, {"publish": None})
    assert "publish" in await admin.refused(
        400, "PUT", "/integrations/insider/mappings", {"mappings": {}, "publish": 1}
    )


def test_a_body_is_described_as_required_where_it_is() -> None:
    paths = document()["paths"]
    for method, path, wanted in (
        ("post", "/pipelines/{id}/rollback", True),
        ("put", "/integrations/{id}/mappings", True),
        ("post", "/pipelines", True),
        ("post", "/deliveries/replay", False),
        ("patch", "/pipelines/{id}", False),
    ):
        assert paths[PREFIX + path][method]["requestBody"]["required"] is wanted, path


def test_a_merge_patch_is_described_as_one() -> None:
    schemas = document()["components"]["schemas"]
    for name in ("IntegrationPatch", "PipelinePatch", "Rules"):
        assert "required" not in schemas[name]
        for field in schemas[name]["properties"].values():
            assert "default" not in field
            assert {"type": "null"} in field["anyOf"]


async def test_unknown_paths_and_methods_have_the_same_shape(admin: Desk) -> None:
    await admin.refused(404, "GET", "/nothing")
    response = await admin.ask("PUT", "/pipelines")
    assert response.status_code == 405
    assert response.headers["allow"]
