"""Ometria's rules: the vendor's published examples and limits."""

import json
from typing import Any

import pytest

from signal_actor.sandbox.ometria import OMETRIA
from signal_actor.sandbox.vendor import Answer, Moment
from tests.sandbox.examples import ask, call, record

PUSH = "/v2/push"
KEY = {"x_ometria_auth": "sandbox-ometria-key"}


def push(records: Any, moment: Moment | None = None, **settings: Any) -> Answer:
    return ask(OMETRIA, call(PUSH, records, **KEY), moment, **settings)


PUBLISHED: list[dict[str, Any]] = [
    {
        "@type": "custom_event",
        "id": "123456789",
        "timestamp": "2023-05-25T15:32:52+00:00",
        "event_type": "example",
        "properties": {
            "Store": "example store",
            "event_time": "2023-05-25T15:32:25Z",
            "product_id": ["12345"],
            "variant_id": ["54321"],
            "product_name": "Example product",
            "product_price": 20.99,
            "product_quantity": 1,
        },
        "identity_email": "ometria@example.com",
    },
    {"@type": "contact", "id": "456", "email": "example@example.com"},
    {"@type": "order", "id": "123551", "status": "cancelled", "is_valid": False},
    {"@type": "product", "id": "SKU-A"},
]


@pytest.mark.parametrize("published", PUBLISHED)
def test_published_records_are_accepted(published: dict[str, Any]) -> None:
    answer = push([published])
    assert answer.status == 202
    assert answer.body == {"status": "OK", "request_id": answer.body["request_id"], "accepted": 1, "rejected": 0}
    assert [item.id for item in answer.accepted] == [published["id"]]


def test_every_request_has_an_id_of_its_own() -> None:
    first, second = (push([record()], Moment(serial=serial)).body["request_id"] for serial in (1, 2))
    assert first != second


def test_an_event_without_an_email_is_accepted() -> None:
    anonymous = {key: value for key, value in record().items() if key != "identity_email"}
    assert push([anonymous]).body["accepted"] == 1


@pytest.mark.parametrize(
    ("records", "text"),
    [
        ([], "Payload invalid: expected a JSON array of records."),
        ({"records": []}, "Payload invalid: expected a JSON array of records."),
        (b"[", "Payload invalid: expected a JSON array of records."),
        ([record(f"r-{n}") for n in range(101)], "Payload invalid: more than 100 records."),
        ([record(), {"@type": "contact", "id": "1"}], "Payload invalid: mixed record types."),
        ([record(), "record"], "Payload invalid: mixed record types."),
        ([{"@type": "pageview", "id": "1"}], "Payload invalid: unknown record type."),
        ([{"id": "1"}], "Payload invalid: unknown record type."),
        ([record(properties={"text": "x" * 60_000})], "Payload invalid: Record is too large."),
    ],
)
def test_a_request_that_is_refused_whole(records: Any, text: str) -> None:
    answer = push(records)
    assert (answer.status, answer.body["message"], answer.accepted) == (400, text, ())


def test_a_hundred_records_fit() -> None:
    assert push([record(f"r-{n}") for n in range(100)]).body["accepted"] == 100


@pytest.mark.parametrize(("size", "status"), [(60_000, 202), (60_001, 400)])
@pytest.mark.parametrize("filler", ["a", "é"])
def test_a_records_size_is_counted_in_bytes(size: int, status: int, filler: str) -> None:
    empty = record(properties={"text": ""}, pad="")
    room = size - len(json.dumps(empty, separators=(",", ":")))
    width = len(filler.encode())
    filled = record(properties={"text": filler * (room // width)}, pad="a" * (room % width))
    assert push([filled, record("r-2")]).status == status


def test_many_small_records_may_be_large_together() -> None:
    assert push([record(f"r-{n}", properties={"text": "x" * 1_000}) for n in range(100)]).status == 202


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        (record(""), "id"),
        (record(timestamp="yesterday"), "timestamp"),
        (record(timestamp="2026-06-06T15:32:52"), "timestamp"),
        (record(timestamp="2026-06-06 15:32:52Z"), "timestamp"),
        (record(event_type=""), "event_type"),
        (record(identity_email="jane"), "identity_email"),
        (record(identity_email=None), "identity_email"),
        (record(properties=[]), "properties"),
    ],
)
def test_a_wrong_field_rejects_its_record_later(wrong: dict[str, Any], path: str) -> None:
    answer = push([record("r-1"), wrong])
    assert (answer.status, answer.body["accepted"], answer.body["rejected"]) == (202, 1, 1)
    assert [item.id for item in answer.accepted] == ["r-1"]
    assert answer.errors == [{"error_message": "not a valid value", "error_path": f"root > {path}"}]


@pytest.mark.parametrize("fields", [{"lastname": 7}, {"phone_number": "123"}, {"marketing_optin": "YES"}])
def test_a_contacts_fields(fields: dict[str, Any]) -> None:
    assert push([{"@type": "contact", "id": "1"} | fields]).body["rejected"] == 1


@pytest.mark.parametrize("headers", [{}, {"x_ometria_auth": "query-api-key"}])
def test_a_missing_or_wrong_key_is_forbidden(headers: dict[str, str]) -> None:
    answer = ask(OMETRIA, call(PUSH, [record()], **headers))
    assert (answer.status, answer.body["message"]) == (403, "API key is not authorised to access this resource")


def test_the_rate_is_off_until_it_is_set() -> None:
    assert push([record()], Moment(recent=1_000)).status == 202
    assert push([record()], Moment(recent=8), requests_per_second=8).status == 202
    answer = push([record()], Moment(recent=9), requests_per_second=8)
    assert (answer.status, answer.headers["X-QueueSize-Limit"]) == (429, "50000")


def test_errors_are_listed_without_saying_whose() -> None:
    errors = ({"error_message": "not a valid value", "error_path": "root > lastname"},)
    answer = ask(OMETRIA, call("/v2/push/_errors", b"", method="GET", **KEY), Moment(errors=errors))
    assert (answer.status, answer.body) == (200, list(errors))


def test_other_paths_and_content_types() -> None:
    assert ask(OMETRIA, call("/v1/push", [record()], **KEY)).status == 404
    assert ask(OMETRIA, call(PUSH, [record()], content_type="text/plain", **KEY)).status == 400
