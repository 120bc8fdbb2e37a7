"""What every destination owes the engine: inherited by each one in the registry, and by its examples."""

import copy
import json
from typing import Any

import pytest
from destination_cases import CONFIG, EVENT, SECRET, destinations, event, examples, prepare, reply, settings, unhurried
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from signal_actor import mapping
from signal_actor.delivery.rules import Delivered, Misconfigured, RefusedWhole, Rejected, Retry, Skipped
from signal_actor.destinations import form
from signal_actor.destinations.base import Destination, Prepared, Reply
from signal_actor.errors import MappingError

each = pytest.mark.parametrize("destination", destinations(), ids=lambda destination: destination.slug)
KINDS = ("track", "page", "identify", "group", "alias", "screen")
EXAMPLES = [(d, example) for d in destinations() for example in examples(d.slug)]


@pytest.mark.parametrize(("destination", "example"), EXAMPLES, ids=[f"{d.slug}: {e['title']}" for d, e in EXAMPLES])
def test_examples(destination: Destination[Any], example: dict[str, Any]) -> None:
    assert example.keys() <= {"title", "in", "out", "variant", "settings", "changes", "notes"}
    out = example["out"]
    how = {
        "variant": example.get("variant", "default"),
        "changes": example.get("changes"),
        **example.get("settings", {}),
    }
    if "error" in out:
        with pytest.raises(MappingError, match=out["error"]):
            prepare(destination, event(**example["in"]), **how)
        return
    outcome = prepare(destination, event(**example["in"]), **how)
    if "skipped" in out:
        assert isinstance(outcome, Skipped)
        assert out["skipped"] in outcome.reason
    else:
        assert isinstance(outcome, Prepared)
        assert outcome.payload == out
        assert list(outcome.notes) == example.get("notes", [])


@each
def test_is_complete(destination: Destination[Any]) -> None:
    assert "default" in destination.variants
    for document in destination.variants.values():
        assert mapping.check(document) == []
        assert json.loads(json.dumps(document)) == document
    assert destination.slug.isidentifier()
    assert destination.name
    assert destination.category
    assert destination.summary.endswith(".")
    assert destination.troubleshooting
    for row in destination.troubleshooting:
        assert row.remedy.endswith(".")
    for field in form.fields(destination):
        assert field["label"]
        assert field["help"].endswith(".")


@each
def test_settings_refuse_what_they_do_not_know_and_never_show_a_secret(destination: Destination[Any]) -> None:
    known = settings(destination)
    assert SECRET not in repr(known) + known.model_dump_json()
    with pytest.raises(ValueError, match="extra") as caught:
        settings(destination, colour="blue")
    assert SECRET not in str(caught.value)
    for field in form.fields(destination):
        if field["required"]:
            partial = {k: v for k, v in CONFIG[destination.slug].items() if k != field["key"]}
            with pytest.raises(ValueError, match=field["key"]):
                destination.settings.model_validate(partial)


@each
@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9001", "http://127.0.0.1:9001/", "http://h:1/pre/fix/"])
def test_an_endpoint_replaces_the_vendors_own(destination: Destination[Any], endpoint: str) -> None:
    ours = settings(destination)
    theirs = settings(destination, endpoint=endpoint)
    payloads = [ready(destination).payload]
    own, replaced = destination.build(ours, payloads, 0.0).url, destination.build(theirs, payloads, 0.0).url
    assert replaced == endpoint.rstrip("/") + own[own.index("/", len("https://")) :]


def ready(destination: Destination[Any], **changes: Any) -> Prepared:
    found = prepare(destination, event(**{"userId": "u", "messageId": "evt_9"} | changes))
    assert isinstance(found, Prepared)
    return found


@each
@pytest.mark.parametrize("count", [1, 3])
def test_build(destination: Destination[Any], count: int) -> None:
    payloads = [ready(destination, messageId=f"evt_{n}").payload for n in range(count)]
    before = copy.deepcopy(payloads)
    request = destination.build(settings(destination), payloads, 1_780_740_900.5)
    assert request == destination.build(settings(destination), payloads, 1_780_740_900.5)
    assert payloads == before
    assert request.method == "POST"
    assert request.url.startswith("https://")
    assert request.headers["Content-Type"] == "application/json"
    assert SECRET.encode() not in request.body
    assert SECRET not in request.url
    body = json.loads(request.body)
    batch = body if isinstance(body, list) else next(iter(body.values()))
    assert len(batch) == count
    if not isinstance(body, list):
        assert len(body) == 1


@each
def test_size_is_the_payloads_length_and_repeats_are_the_same(destination: Destination[Any]) -> None:
    one = ready(destination, properties={"name": "Größe 商品"})
    assert one.size == len(json.dumps(one.payload, ensure_ascii=False, separators=(",", ":")).encode())
    assert one == ready(destination, properties={"name": "Größe 商品"})


@each
def test_a_body_limit_counts_what_is_around_the_payloads(destination: Destination[Any]) -> None:
    limits = destination.limits
    if limits.body_bytes is None:
        return
    payloads = [ready(destination).payload] * limits.items
    around = len(destination.build(settings(destination), payloads, 0.0).body) - limits.items * ready(destination).size
    assert limits.body_bytes + around <= {"insider": 5_000_000}.get(destination.slug, 10_000_000)


JUNK: list[bytes] = [
    b"",
    b"null",
    b"[]",
    b"0",
    b'"text"',
    b"{",
    b"\xff\xfe\x00",
    b"<html><head><title>502 Bad\n Gateway</title></head></html>",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"x" * 5_000_000,
    b"9" * 5_000,
    b'{"error":{"code":5,"message":{"deep":1}},"message":null,"errors":[1,{"message":"m"}]}',
    b'{"data":[],"rejected":"many","error":[]}',
    b'{"data":{"fail":[1]}}',
    b'{"data":{"fail":{"count":"x","errors":[]}}}',
    b'{"data":{"fail":{"errors":{"users.x":1,"users.999999.a":["b"],"users.0.a":7}}}}',
    b'{"rejected":true,"request_id":{"a":1}}',
]


@each
@pytest.mark.parametrize("count", [1, 2, 200])
@pytest.mark.parametrize("body", JUNK, ids=range(len(JUNK)))
def test_any_answer_gives_an_outcome_for_each(destination: Destination[Any], body: bytes, count: int) -> None:
    payloads = [ready(destination).payload] * count
    for status in (*range(100, 600), 0, 999) if len(body) < 1000 and count < 3 else (200, 202, 400, 404, 503):
        outcomes = destination.classify(payloads, Reply(status, {"retry-after": "soon"}, body))
        assert len(outcomes) == count
        assert all(len(repr(outcome)) < 1_500 for outcome in outcomes)


@each
@unhurried
@given(st.integers(100, 599), st.binary(max_size=200), st.text(max_size=30), st.text(max_size=30))
def test_no_answer_makes_classify_raise(
    destination: Destination[Any], status: int, body: bytes, after: str, date: str
) -> None:
    assert len(destination.classify([{}, {}, {}], reply(status, body, retry_after=after, date=date))) == 3


BLAME = [
    *[(status, Delivered) for status in (200, 201, 202, 204)],
    *[(status, Misconfigured) for status in (301, 302, 307, 308, 401, 402, 403, 404, 405, 410, 415)],
    *[(status, (RefusedWhole, Rejected)) for status in (400, 413, 422, 418)],
    *[(status, Retry) for status in (100, 408, 425, 429, 500, 501, 502, 503, 504, 520, 599)],
]


@each
@pytest.mark.parametrize(("status", "kind"), BLAME)
def test_blame(destination: Destination[Any], status: int, kind: Any) -> None:
    assert isinstance(destination.classify([{}], reply(status))[0], kind)


@each
def test_a_refused_batch_is_split_and_a_refused_event_is_rejected_in_the_vendors_words(
    destination: Destination[Any],
) -> None:
    answer = reply(400, {"message": "the price is odd"})
    assert destination.classify([{}, {}], answer) == [RefusedWhole("HTTP 400: the price is odd.")] * 2
    assert destination.classify([{}], answer) == [Rejected("HTTP 400: the price is odd.")]


@each
@pytest.mark.parametrize(
    ("after", "date", "seconds"),
    [
        ("120", None, 120.0),
        ("0", None, 0.0),
        ("1.5", None, 1.5),
        ("999999", None, 3600.0),
        ("-5", None, None),
        ("soon", None, None),
        ("nan", None, None),
        ("9" * 400, None, None),
        ("٣", None, None),
        ("Sat, 06 Jun 2026 10:16:00 GMT", "Sat, 06 Jun 2026 10:15:00 GMT", 60.0),
        ("Sat, 06 Jun 2026 10:14:00 GMT", "Sat, 06 Jun 2026 10:15:00 GMT", 0.0),
        ("Sat, 06 Jun 2027 10:16:00 GMT", "Sat, 06 Jun 2026 10:15:00 GMT", 3600.0),
        ("Sat, 06 Jun 2026 10:16:00 GMT", None, None),
        ("Sat, 06 Jun 2026 10:16:00 GMT", "today", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after(
    destination: Destination[Any], status: int, after: str, date: str | None, seconds: float | None
) -> None:
    headers = {"retry_after": after} | ({"date": date} if date else {})
    (outcome,) = destination.classify([{}], reply(status, None, **headers))
    assert isinstance(outcome, Retry)
    assert outcome.after == seconds


# ---- odd events ----

NAMES = ["page", "traits", "consent", "campaign", "library", "url", "query", "products", "email", "phone"]
TEXTS = st.text(max_size=6) | st.sampled_from(["a@b.c", "+447700900123"])
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | TEXTS, inner, max_size=4),
    max_leaves=20,
)
KEYS = [
    "properties",
    "context",
    "traits",
    "userId",
    "anonymousId",
    "messageId",
    "timestamp",
    "event",
    "name",
    "type",
    "receivedAt",
]


@each
@unhurried
@given(st.sampled_from(KINDS), st.sampled_from(["Order Completed", "Product Viewed", "Identified", "x"]),
       st.dictionaries(st.sampled_from(KEYS), ODD))  # fmt: skip
def test_odd_events_have_a_payload_or_a_reason(
    destination: Destination[Any], kind: str, name: str, odd: dict[str, Any]
) -> None:
    given_event = {
        **EVENT,
        "type": kind,
        "event": name,
        "userId": "u",
        "context": {"consent": {"marketing": True}},
        **odd,
    }
    before = repr(given_event)
    for variant in destination.variants:
        try:
            outcome = prepare(destination, given_event, variant=variant)
        except MappingError:
            continue
        if isinstance(outcome, Prepared):
            assert outcome.size == len(encoded(outcome.payload))
            assert json.loads(destination.build(settings(destination), [outcome.payload], 0.0).body)
            assert SECRET not in "".join(outcome.notes)
        assert repr(given_event) == before


def encoded(value: Any) -> bytes:
    return to_json(value, inf_nan_mode="null")


@each
@pytest.mark.parametrize("value", ["\ud800", object()], ids=["surrogate", "object"])
def test_what_json_cannot_say_is_a_reason(destination: Destination[Any], value: Any) -> None:
    with pytest.raises(MappingError, match="payload: not JSON"):
        prepare(destination, event(userId="u", properties={"x": value}))


@each
def test_very_deep_events_are_a_reason_too(destination: Destination[Any]) -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"a": deep}
    try:
        with pytest.raises(MappingError):
            prepare(destination, event(userId="u") | {"properties": deep})
    finally:
        while deep:  # not by recursion, which would end the interpreter
            deep = deep.pop("a")
