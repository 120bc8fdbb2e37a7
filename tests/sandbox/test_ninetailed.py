"""Ninetailed's rules: the cases that the vendor's pages and clients state."""

import copy
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from signal_actor.sandbox.ninetailed import NINETAILED
from signal_actor.sandbox.ninetailed_schema import strict_faults
from signal_actor.sandbox.vendor import Answer, Moment
from tests.sandbox.examples import EVENTS, PRODUCT_VIEWED, ask, call, identify, strict_event, track


def push(events: Any, moment: Moment | None = None, *, path: str = EVENTS, **settings: Any) -> Answer:
    return ask(NINETAILED, call(path, {"events": events}), moment, **settings)


def failure(message: str, code: str) -> dict[str, Any]:
    return {"message": message, "data": {}, "error": {"code": code}}


INVALID = failure("Invalid data provided", "ERR_INVALID_DATA")


def test_the_documents_example_is_accepted() -> None:
    answer = push([PRODUCT_VIEWED])
    assert answer.status == 200
    assert (answer.body["message"], answer.body["error"]) == ("ok", None)
    assert [item.id for item in answer.accepted] == ["evt_9f8e7d6c"]


def test_profiles_are_upserted_with_their_traits() -> None:
    answer = push([track("m-1", "a"), identify("m-2", "b"), track("m-3", "b")])
    first, second = answer.body["data"]["profiles"]
    assert (first["id"], first["traits"], second["id"], second["traits"]) == ("a", {}, "b", {"plan": "pro"})
    assert set(first) == {"id", "stableId", "random", "audiences", "traits", "location", "session"}
    assert 0 <= first["random"] < 1


@pytest.mark.parametrize("options", [{}, {"features": ["ip-enrichment"]}])
def test_options_are_accepted_and_do_nothing(options: Any) -> None:
    answer = ask(NINETAILED, call(EVENTS, {"events": [track()], "options": options}))
    assert answer.status == 200


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (track(anonymousId=""), "anonymousId is required"),
        (track(anonymousId=None), "anonymousId is required"),
        (track(event=None), "event is required"),
        (identify(userId=""), "userId is required"),
        (identify(traits=None), "traits is required"),
        (track(type="purchase"), "type is not one of the vendor's"),
        (track(type=["track"]), "type is not one of the vendor's"),
        ("track", "must be an object"),
    ],
)
def test_one_invalid_event_refuses_the_batch(event: Any, reason: str) -> None:
    answer = push([track("m-0"), event])
    assert (answer.status, answer.body, answer.accepted) == (400, INVALID, ())
    assert answer.reason == f"events[1]: {reason}"


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([], 400),
        ([track(f"m-{n}", "a") for n in range(200)], 200),
        ([track(f"m-{n}", "a") for n in range(201)], 400),
        ([identify(f"m-{n}", "a") for n in range(50)], 200),
        ([identify(f"m-{n}", "a") for n in range(51)], 400),
        ([track(f"m-{n}", f"a-{n}") for n in range(50)], 200),
        ([track(f"m-{n}", f"a-{n}") for n in range(51)], 400),
    ],
)
def test_limits(events: Any, status: int) -> None:
    assert push(events).status == status


@pytest.mark.parametrize(
    "path",
    ["/v2/organizations/other/environments/main/events", "/v2/organizations/demo-org/environments/other/events"],
)
def test_unknown_configuration(path: str) -> None:
    answer = push([track()], path=path)
    assert (answer.status, answer.body["error"]) == (404, {"code": "ERR_CONFIG_NOT_FOUND"})


def test_names_in_the_path_may_be_escaped() -> None:
    path = "/v2/organizations/my%20org/environments/main/events"
    assert push([track()], path=path, organization_id="my org").status == 200


@pytest.mark.parametrize("path", ["/", "/v2/organizations/demo-org/environments/main/profiles", EVENTS + "/"])
def test_unknown_paths_are_no_configuration_error(path: str) -> None:
    answer = push([track()], path=path)
    assert (answer.status, answer.body["error"]) == (404, None)


def test_the_import_answers_200_even_for_an_unknown_organization() -> None:
    answer = push([track()], path="/v2/organizations/does-not-exist/environments/main/import/events")
    assert (answer.status, answer.accepted) == (200, ())
    assert push([track()], path="/v2/organizations/demo-org/environments/main/import/events").accepted


@pytest.mark.parametrize(
    ("content_type", "status"),
    [("application/json; charset=utf-8", 200), ("text/plain", 200), ("application/x-www-form-urlencoded", 400)],
)
def test_content_types(content_type: str, status: int) -> None:
    assert ask(NINETAILED, call(EVENTS, {"events": [track()]}, content_type=content_type)).status == status


@pytest.mark.parametrize("body", [b"{", b"", b"[]", b'{"events": {}}', b"\xff"])
def test_what_is_no_batch(body: bytes) -> None:
    assert ask(NINETAILED, call(EVENTS, body)).body == INVALID


def test_a_visitor_in_two_requests_at_once_overloads_the_profile() -> None:
    answer = push([track()], Moment(busy=("a-1",)))
    assert (answer.status, answer.body) == (429, failure("Profile overload", "ERR_PROFILE_OVERLOAD"))
    assert not answer.accepted


def test_the_documents_example_misses_six_fields_of_the_strict_schema() -> None:
    assert push([PRODUCT_VIEWED], strict=True).status == 400
    assert {fault.partition(":")[0] for fault in strict_faults(PRODUCT_VIEWED)} == {
        *("context.campaign", "context.gdpr", "context.library", "context.page.query"),
        *("originalTimestamp", "sentAt"),
    }


def test_what_the_vendors_clients_send_passes_the_strict_schema() -> None:
    page = strict_event()["context"]["page"]
    others: list[dict[str, Any]] = [
        {"type": "page", "properties": page | {"title": ""}},
        {"type": "identify", "traits": {"address": {"city": "Berlin"}}},
        {"type": "component", "componentType": "Entry", "componentId": "c", "variantIndex": 1},
    ]
    assert push([strict_event()] + [strict_event(**other) for other in others], strict=True).status == 200


STRING = {"type": "string"}
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}
NAMED = {"type": "object", "required": ["name", "version"], "properties": {"name": STRING, "version": STRING}}
PAGE = {
    "type": "object",
    "required": ["path", "query", "referrer", "search", "url"],
    "properties": dict.fromkeys(("path", "referrer", "search", "url", "title"), STRING)
    | {"query": {"type": "object", "additionalProperties": STRING}},
}
SCHEMA = {
    "type": "object",
    "required": [
        *("type", "anonymousId", "channel", "messageId", "timestamp", "originalTimestamp", "sentAt", "context"),
        *("event", "properties"),
    ],
    "properties": {
        **dict.fromkeys(("anonymousId", "userId", "messageId", "event"), STRING),
        **dict.fromkeys(("timestamp", "originalTimestamp", "sentAt"), TIME),
        "channel": {"enum": ["web", "mobile", "server"]},
        "properties": {"type": "object"},
        "context": {
            "type": "object",
            "required": ["campaign", "gdpr", "library", "locale"],
            "properties": {
                "campaign": {
                    "type": "object",
                    "properties": dict.fromkeys(("name", "source", "medium", "term", "content"), STRING),
                },
                "gdpr": {
                    "type": "object",
                    "required": ["isConsentGiven"],
                    "properties": {"isConsentGiven": {"type": "boolean"}},
                },
                "library": NAMED,
                "app": NAMED,
                "locale": STRING,
                "userAgent": STRING,
                "page": PAGE,
            },
        },
    },
}
PATHS = [
    *("anonymousId", "userId", "channel", "messageId", "timestamp", "originalTimestamp", "sentAt", "context", "event"),
    *("properties", "context.campaign", "context.campaign.name", "context.gdpr", "context.gdpr.isConsentGiven"),
    *("context.library", "context.library.version", "context.app", "context.locale", "context.userAgent"),
    *("context.page", "context.page.query", "context.page.query.q", "context.page.url", "context.page.title", "free"),
]
NO_DATE = "2026-13-06T10:15:00Z"
VALUES: list[Any] = [
    *(None, "", "web", 1, 1.5, True, [], {}, {"name": "n"}, {"name": "n", "version": "1"}, {"q": 1}),
    *("2026-06-06T10:15:00Z", "2026-06-06T10:15:00.123456789Z", "2026-06-06T10:15:00+00:00", NO_DATE),
]
ABSENT = object()


@pytest.mark.parametrize("path", PATHS)
def test_strict_mode_agrees_with_the_json_schema(path: str) -> None:
    schema = Draft202012Validator(SCHEMA)
    for value in [*VALUES, ABSENT]:
        event = copy.deepcopy(strict_event())
        _change(event, path.split("."), value)
        in_calendar = value != NO_DATE or path not in ("timestamp", "originalTimestamp", "sentAt")
        assert (not strict_faults(event)) is (schema.is_valid(event) and in_calendar), value


def _change(event: dict[str, Any], path: list[str], value: Any) -> None:
    for key in path[:-1]:
        inner = event.get(key)
        if not isinstance(inner, dict):
            return
        event = inner
    if value is ABSENT:
        event.pop(path[-1], None)
    else:
        event[path[-1]] = value
