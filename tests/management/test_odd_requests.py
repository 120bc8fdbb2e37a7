"""Odd requests: numbers that are none, addresses of what cannot be, and texts of strangers where a number belongs."""

import pytest

from tests.management.desk import ADMIN, API, Desk
from tests.service.house import House

LARGE = "9" * 30
LONG = "9" * 5_000  # more digits than Python converts

ADDRESSES = [
    f"/{path}".format(number=number)
    for number in ("²", "٣", LARGE, LONG, "-1", "1e3", "%00", "%F0%90")
    for path in (
        "events?before={number}",
        "integrations/{number}",
        "integrations/{number}/settings",
        "integrations/{number}/letters",
        "integrations/{number}/mappings",
        "pipelines/{number}",
        "pipelines/{number}/revisions",
        "pipelines/1/revisions?old={number}&new=1",
        "settings/audit?before={number}",
    )
]
FORMS = [
    (path, {name: number})
    for number in ("²", "٣", LARGE, LONG, "-1", "\x00")
    for path, name in (
        ("/settings/tokens/revoke", "id"),
        ("/integrations/1/letters?do=x", "event_id"),
        ("/integrations/1/mappings/rule?key=page", "event_id"),
        ("/integrations/library/webhook", "pipeline"),
        ("/pipelines/1/rollback", "revision"),
    )
]
PLACES = [
    f"/{place}"
    for place in (
        f"integrations/{LARGE}/pause",
        f"integrations/{LARGE}/settings",
        f"integrations/{LARGE}/test",
        f"events/{LARGE}/replay",
        f"pipelines/{LARGE}/keys",
        f"pipelines/{LARGE}/publish",
        f"pipelines/{LARGE}/delete",
    )
]


@pytest.fixture
async def csrf(house: House) -> str:
    """Logs in; what forms need."""
    await house.client.post(house.ready.admin + "/login", data={"token": ADMIN})
    return str(house.value("select csrf from session"))


async def test_no_address_is_too_odd_for_an_answer(house: House, csrf: str) -> None:
    answers = {path: (await house.client.get(house.ready.admin + path)).status_code for path in ADDRESSES}
    assert {path[:60]: status for path, status in answers.items() if status not in (200, 400, 404)} == {}


async def test_no_form_is(house: House, csrf: str) -> None:
    wrong = {}
    for path, form in [*FORMS, *((place, {}) for place in PLACES)]:
        given = {"csrf_token": csrf, "do": "replay-ticked" if "letters" in path else "preview", **form}
        status = (await house.client.post(house.ready.admin + path, data=given)).status_code
        if status not in (200, 303, 400, 404):
            wrong[path, str(form)[:40]] = status
    assert wrong == {}


@pytest.mark.parametrize("name", [LARGE, "%00", "%FF", "x" * 5_000])
async def test_events_go_by_odd_names_too(admin: Desk, name: str) -> None:
    answer = await admin.house.client.get(
        f"{admin.house.ready.admin}{API}/events/{name}", headers={"Authorization": f"Bearer {ADMIN}"}
    )
    assert answer.status_code == 404
