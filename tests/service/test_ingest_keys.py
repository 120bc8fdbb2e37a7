"""Keys: where the pipeline key may stand, and which one counts where there are several."""

import base64
from typing import Any

import pytest

from signal_actor.sandbox import Sandbox
from tests.service.conftest import OpenHouse
from tests.service.house import KEY, ORIGIN, House, numbered, tables

OTHER = "dk_other_0123456789"


@pytest.fixture
async def door(open_house: OpenHouse, sandbox: Sandbox) -> House:
    wanted = tables()
    wanted["pipelines"]["other"] = {"pipeline_keys": [OTHER], "allowed_origins": [ORIGIN]}
    return await open_house(wanted)


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("headers", "query", "body"),
    [
        ({"Authorization": f"Bearer {KEY}"}, "", {}),
        ({"Authorization": f"bEaReR   {KEY}"}, "", {}),
        ({"Authorization": basic(f"{KEY}:")}, "", {}),
        ({"Authorization": basic(f"{KEY}:password")}, "", {}),
        ({"Authorization": basic(KEY)}, "", {}),
        ({"Authorization": basic(f"{KEY}:").rstrip("=")}, "", {}),
        ({"X-Write-Key": KEY}, "", {}),
        ({"X-Write-Key": f"{KEY}:"}, "", {}),
        ({}, f"?writeKey={KEY}", {}),
        ({}, f"?x=1&writeKey={KEY}&writeKey=second", {}),
        ({}, "", {"writeKey": KEY}),
    ],
)
async def test_each_place_of_the_key(door: House, headers: Any, query: str, body: Any) -> None:
    response = await door.request("POST", f"/v1/t{query}", {**numbered(1), **body}, headers=headers)
    assert response.status_code == 200, response.text
    assert door.stored()[0]["pipeline"] == "shop"


@pytest.mark.parametrize(
    ("headers", "query", "body"),
    [
        ({"Authorization": f"Bearer {KEY}", "X-Write-Key": OTHER}, f"?writeKey={OTHER}", {"writeKey": OTHER}),
        ({"Authorization": basic(f"{KEY}:"), "X-Write-Key": OTHER}, f"?writeKey={OTHER}", {"writeKey": OTHER}),
        ({"X-Write-Key": KEY}, f"?writeKey={OTHER}", {"writeKey": OTHER}),
        ({}, f"?writeKey={KEY}", {"writeKey": OTHER}),
    ],
)
async def test_the_first_key_found_wins(door: House, headers: Any, query: str, body: Any) -> None:
    response = await door.request("POST", f"/v1/t{query}", {**numbered(1), **body}, headers=headers)
    assert response.status_code == 200
    assert door.stored()[0]["pipeline"] == "shop"


async def test_a_wrong_key_found_first_is_not_mended_by_a_right_one_behind_it(door: House) -> None:
    headers = {"Authorization": "Bearer dk_wrong", "X-Write-Key": KEY}
    response = await door.request("POST", "/v1/t", {**numbered(1), "writeKey": KEY}, headers=headers)
    assert response.status_code == 401


async def test_a_batch_has_its_key_in_the_envelope_or_in_its_first_event(door: House) -> None:
    envelope = {"batch": [{**numbered(1), "writeKey": OTHER}], "writeKey": KEY}
    assert (await door.request("POST", "/v1/batch", envelope)).status_code == 200
    first = {"batch": [{**numbered(2), "writeKey": KEY}, {**numbered(3), "writeKey": OTHER}]}
    assert (await door.request("POST", "/beacon/v1/batch", first)).status_code == 200
    assert {event["pipeline"] for event in door.stored()} == {"shop"}
    without = {"batch": [numbered(4), {**numbered(5), "writeKey": KEY}]}
    assert (await door.request("POST", "/v1/b", without)).status_code == 401


@pytest.mark.parametrize("key", [1, None, [], {"a": 1}, ""])
async def test_a_key_in_the_body_that_is_no_text_is_none(door: House, key: Any) -> None:
    response = await door.request("POST", "/v1/t", {**numbered(1), "writeKey": key})
    assert (response.status_code, response.json()["code"]) == (401, "invalid_pipeline_key")
