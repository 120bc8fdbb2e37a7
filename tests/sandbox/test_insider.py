"""Insider's rules: the vendor's published requests with the answers printed beside them."""

from typing import Any

import pytest

from signal_actor.sandbox.insider import INSIDER
from signal_actor.sandbox.vendor import Answer, Moment
from tests.sandbox.examples import ask, call, user

UPSERT = "/api/user/v1/upsert"
EITHER = ["either insider_id or idenifiers must be specified"]
TIME = "2023-02-10T21:35:20Z"


def upsert(document: Any, moment: Moment | None = None, **settings: Any) -> Answer:
    return ask(INSIDER, _call(document), moment, **settings)


def _call(document: Any, **changes: str) -> Any:
    headers = {"x_partner_name": "demo", "x_request_token": "sandbox-insider-key"}
    return call(UPSERT, document, **(headers | changes))


def event(name: str, **params: Any) -> dict[str, Any]:
    return {"event_name": name, "timestamp": TIME, "event_params": params}


PUBLISHED = [
    {
        "identifiers": {"email": "insideracademy@mail.com"},
        "attributes": {
            "gdpr_optin": True,
            "name": "Insider Academy",
            "sms_optin": True,
            "phone_number": "+6512345678",
            "custom": {"loyalty": "Gold", "subscription_renewal": "2023-11-29T23:00:00Z"},
        },
    },
    {
        "identifiers": {"uuid": "16378438264380b02b2ed96"},
        "attributes": {"gdpr_optin": True, "email": "insideracademy@useinsider.com", "phone_number": "+6512345678"},
    },
    {
        "identifiers": {"uuid": "16378438264380b02b2ed96"},
        "attributes": {"email": "insideracademy@useinsider.com", "birthday": "1990-01-01T00:00:00Z"},
        "events": [event("form_submission", url="https://academy.useinsider.com/", custom={"form_subject": "Test"})],
    },
    {
        "identifiers": {"email": "insideracademy@useinsider.com"},
        "attributes": {"gdpr_optin": True, "email_optin": True, "age": 30, "custom": {"member_status": "VIP"}},
        "events": [
            event(
                "purchase",
                product_id="AGH210070",
                unit_price=990.9,
                unit_sale_price=890.9,
                event_group_id="ORDER123",
                taxonomy=["Electronic", "Phone"],
                currency="USD",
            ),
            event("form_submitted", custom={"customer_type": "trial"}) | {"timestamp": "2023-03-17T14:41:21+03:00"},
        ],
    },
    {
        "identifiers": {"custom": {"user_loyalty_id": "user12345abc"}},
        "attributes": {"gdpr_optin": True, "email": "jsmith@mail.com", "email_optin": True},
        "events": [event("order_delivered", custom={"order_id": "POSH1234"})],
    },
    {"insider_id": "1-abc", "attributes": {"name": "A"}},
]


@pytest.mark.parametrize("user", PUBLISHED)
def test_published_users_succeed(user: Any) -> None:
    answer = upsert({"users": [user]})
    assert (answer.status, answer.body) == (200, {"data": {"successful": {"count": 1}, "fail": {}}})


FAILING: list[tuple[str, dict[str, Any], dict[str, list[str]]]] = [
    (
        "no identifier",
        {"attributes": {"name": "A"}},
        {"identifiers.required": EITHER, "insider_id.required": EITHER},
    ),
    (
        "bad email",
        user(identifiers={"email": "sample"}),
        {r"identifiers.*.regexp(^.+@.+\..+$)": ["not a valid email address: sample"]},
    ),
    (
        "uuid is no string",
        user(identifiers={"uuid": 12345}),
        {"identifiers.*.type(string)": ["uuid must be string: 12345"]},
    ),
    (
        "unknown identifier key",
        user(identifiers={"foo": "x"}),
        {"identifiers.*.in(defaults_column)": ["key must be one of phone_number(pn), email(em) or uuid"]},
    ),
    (
        "bad phone",
        user(identifiers={"phone_number": "12345"}),
        {r"identifiers.*.regexp(^\+[1-9]\d{6,14}$)": ["user has an invalid phone number: 12345"]},
    ),
    (
        "upper case in an event's name",
        {"identifiers": {"uuid": "u-1"}, "events": [{"event_name": "homepageView", "timestamp": TIME}]},
        {"events.0.event_name.*.regexp(^[a-z0-9][a-zA-Z0-9._-]*$)": ["invalid event name: homepageView"]},
    ),
    (
        "purchase without what it requires",
        {"identifiers": {"uuid": "u-1"}, "events": [event("purchase", currency="USD", quantity=1)]},
        {
            "events.0.event_params.*.required": [
                "event_group_id parameter is required on purchase event",
                "unit_sale_price parameter is required on purchase event",
            ]
        },
    ),
    (
        "cart page without what it requires, as the second event",
        user(events=[event("homepage_view"), event("cart_page_view", currency="USD", event_group_id="c")]),
        {"events.1.event_params.*.required": ["unit_sale_price parameter is required on cart_page_view event"]},
    ),
]


@pytest.mark.parametrize(("user", "errors"), [case[1:] for case in FAILING], ids=[case[0] for case in FAILING])
def test_published_failures(user: Any, errors: dict[str, list[str]]) -> None:
    answer = upsert({"users": [user]})
    found = {f"users.0.{rule}": texts for rule, texts in errors.items()}
    assert (answer.status, answer.body) == (200, {"data": {"successful": {}, "fail": {"count": 1, "errors": found}}})
    assert not answer.accepted


def test_a_mixed_batch_names_the_failing_index_and_keeps_the_others() -> None:
    answer = upsert({"users": [user("u-1"), user(identifiers={"email": "sample"}), user("u-2")]})
    errors = {r"users.1.identifiers.*.regexp(^.+@.+\..+$)": ["not a valid email address: sample"]}
    assert answer.body == {"data": {"successful": {"count": 2}, "fail": {"count": 1, "errors": errors}}}
    assert [item.visitor for item in answer.accepted] == ["u-1", "u-2"]


@pytest.mark.parametrize(
    "user",
    [
        "user",
        {"identifiers": {"uuid": "u-1"}},
        user(identifiers={}),
        user(identifiers={"uuid": ""}),
        user(identifiers="u-1"),
        user(insider_id="1-abc"),
        user(attributes={}),
        user(events={}),
        user(events=["homepage_view"]),
        user(events=[{"event_name": "homepage_view"}]),
        user(events=[{"event_name": "homepage_view", "timestamp": "2023-02-10 21:35:20Z"}]),
        user(events=[{"event_name": "homepage_view", "timestamp": "2023-02-10T21:35:20"}]),
        user(events=[{"event_name": "homepage_view", "timestamp": 1676064920}]),
        user(events=[event("homepage_view") | {"event_params": []}]),
        user(events=[{"timestamp": TIME}]),
    ],
)
def test_what_the_schema_forbids_fails_without_a_published_text(user: Any) -> None:
    answer = upsert({"users": [user]})
    assert answer.body["data"]["fail"]["count"] == 1


@pytest.mark.parametrize(
    ("user", "rule"),
    [
        (user(attributes={"plan": "pro"}), "users.0.attributes.*.in(defaults_column)"),
        (user(events=[event("homepage_view", plan="pro")]), "users.0.events.0.event_params.*.in(defaults_column)"),
        (
            user(events=[event("purchase", currency="USD", unit_sale_price=1, event_group_id="o")]),
            "users.0.events.0.event_params.*.required",
        ),
    ],
)
def test_strict_mode_adds_the_documented_fields(user: Any, rule: str) -> None:
    assert not upsert({"users": [user]}).body["data"]["fail"]
    assert list(upsert({"users": [user]}, strict=True).body["data"]["fail"]["errors"]) == [rule]


@pytest.mark.parametrize(
    ("document", "changes", "status", "body"),
    [
        ({}, {}, 400, {"error": "users must be defined: bad request"}),
        ({"users": []}, {}, 400, {"error": "users must be defined: bad request"}),
        (b"{", {}, 400, {"success": False, "message": "Request data is not in valid JSON format."}),
        ({}, {"x_partner_name": "nope"}, 400, {"success": False, "message": "Partner is invalid."}),
        ({}, {"x_request_token": "bad"}, 401, {"success": False, "message": "Partner token authentication failed."}),
        ({}, {"x_request_token": ""}, 401, {"error": "Bad Api Key."}),
        ({}, {"content_type": "text/plain"}, 400, {"error": "content type must be application/json"}),
    ],
)
def test_published_refusals(document: Any, changes: dict[str, str], status: int, body: Any) -> None:
    answer = ask(INSIDER, _call(document, **changes))
    assert (answer.status, answer.body) == (status, body)


@pytest.mark.parametrize(("size", "status"), [(5_000_000, 200), (5_000_001, 400)])
def test_five_million_bytes_fit(size: int, status: int) -> None:
    head, tail = b'{"users":[{"identifiers":{"uuid":"u"},"attributes":{"name":"', b'"}}]}'
    answer = ask(INSIDER, _call(head + b"a" * (size - len(head) - len(tail)) + tail))
    assert answer.status == status
    if status == 400:
        assert answer.body == {"error": "request body is bigger than maximum allowed size 5,000,000 bytes"}


@pytest.mark.parametrize(("count", "status"), [(1_000, 200), (1_001, 400)])
def test_a_thousand_users_fit(count: int, status: int) -> None:
    assert upsert({"users": [user(f"u-{n}") for n in range(count)]}).status == status


def test_the_rate_is_a_setting() -> None:
    answer = upsert({"users": [user()]}, Moment(recent=11), requests_per_minute=10)
    assert (answer.status, answer.body) == (429, {"error": "rejected: too many requests"})
    assert "Retry-After" in answer.headers
    assert upsert({"users": [user()]}, Moment(recent=10), requests_per_minute=10).status == 200


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (
            403,
            {"success": False, "message": "Access Denied. You do not have sufficient access to perform this action."},
        ),
        (429, {"error": "rejected: too many requests"}),
        (500, {"success": False, "message": "The request processing has failed because of an unknown error."}),
    ],
)
def test_published_bodies_are_there_for_faults(status: int, body: Any) -> None:
    assert INSIDER.bodies[status] == body


def test_a_users_id_is_stable_and_tells_events_apart() -> None:
    entries = [user(), user("u-2"), user(events=[event("purchase", n=1)]), user(events=[event("purchase", n=2)])]
    first, again = (INSIDER.items(_call({"users": entries})) for _ in range(2))
    assert [item.id for item in first] == [item.id for item in again]
    assert len({item.id for item in first}) == len(entries)
