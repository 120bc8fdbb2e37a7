"""All vendors: whatever a request holds, the rules answer, and what they answer is HTTP and JSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signal_actor.sandbox import VENDORS, Fault, Vendor
from signal_actor.sandbox.fake import encode
from signal_actor.sandbox.vendor import Call, Moment
from tests.sandbox.examples import EVENTS, INSIDER_HEADERS, JSON, OMETRIA_HEADERS, identify, record, strict_event, user

PATHS = {"ninetailed": EVENTS, "insider": "/api/user/v1/upsert", "ometria": "/v2/push", "webhook": "/"}
CREDENTIALS = {name.lower(): value for name, value in (INSIDER_HEADERS | OMETRIA_HEADERS).items()}
SEEDS: list[Any] = [
    {"events": [strict_event(), identify()]},
    {"users": [user(events=[{"event_name": "purchase", "timestamp": "2023-02-10T21:35:20Z", "event_params": {}}])]},
    [record()],
    [{"@type": "contact", "id": "1", "phone_number": "+447700900123", "marketing_optin": "NOT_SPECIFIED"}],
]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("Z")
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.text(max_size=4), SCALARS, max_size=2)


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """A well-formed request in which up to three places hold something else."""
    document = json.loads(json.dumps(draw(st.sampled_from(SEEDS))))
    for _ in range(draw(st.integers(0, 3))):
        place = document
        while isinstance(place, (dict, list)) and place:
            key = draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
            if draw(st.booleans()) or not isinstance(place[key], (dict, list)):
                place[key] = draw(VALUES)
                break
            place = place[key]
    return document


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.slug)
@given(body=documents().map(lambda document: json.dumps(document).encode()) | st.binary(), strict=st.booleans())
def test_rules_are_total(vendor: Vendor[Any], body: bytes, strict: bool) -> None:
    settings = vendor.settings.model_copy(update={"strict": strict})
    call = Call("POST", PATHS[vendor.slug], "", JSON | CREDENTIALS, body)
    items = vendor.items(call)
    refused = Fault(reject=True, contains="1").refused(items)
    answer = vendor.answer(settings, call, items, Moment(refused=refused))
    status, headers, sent = encode(answer)
    assert 200 <= status < 500
    assert all(value.isascii() and value.isprintable() for value in headers.values())
    json.loads(sent)
    assert set(answer.accepted) <= set(items) if not any(map(unhashable, items)) else True


def unhashable(item: Any) -> bool:
    return isinstance(item.payload, (dict, list))


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.slug)
@pytest.mark.parametrize("depth", [100, 900, 990, 100_000])
def test_deep_documents_do_not_hurt(vendor: Vendor[Any], depth: int) -> None:
    deep = b"[" * depth + b"]" * depth
    for body in (deep, b'{"events":[' + deep + b'],"users":[{"attributes":' + deep + b"}]}"):
        call = Call("POST", PATHS[vendor.slug], "", JSON | CREDENTIALS, body)
        assert vendor.answer(vendor.settings, call, vendor.items(call), Moment()).status < 500


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.slug)
def test_the_hint_reaches_the_vendor(vendor: Vendor[Any]) -> None:
    hint = vendor.hint(vendor.settings, "http://127.0.0.1:1")
    assert any(value.startswith("http://127.0.0.1:1") for value in hint.values())
