"""Mapping documents: what they do to events, what is refused, and that changes to them lose nothing."""

from contextlib import suppress
from typing import Any

import pytest
from destination_cases import unhurried
from hypothesis import given
from hypothesis import strategies as st

from signal_actor import converters, mapping
from signal_actor.delivery.rules import Skipped
from signal_actor.errors import ConfigurationError, MappingError
from signal_actor.mapping import Mapped


def track(properties: Any = None, **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Product Viewed", "properties": properties or {}, "context": {}} | more


def run(fields: dict[str, Any], event: dict[str, Any], **rule: Any) -> Mapped:
    mapped = mapping.compile({"other": {"fields": fields, **rule}})(event)
    assert isinstance(mapped, Mapped)
    return mapped


# ---- rules: which one applies, and the name ----

DOCUMENT = {
    "page": {"name": "page_view"},
    "identify": {"skip": "only its email matters"},
    "screen": {},
    "track": {"Product Viewed": {"name": "viewed"}, "Product Added": {}, "Secret": {"skip": True}},
    "other": {"name": "anything"},
}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"type": "page", "name": "Home"}, "page_view"),
        ({"type": "screen", "name": "Main Menu"}, "main_menu"),
        ({"type": "screen"}, "screen"),
        ({"type": "screen", "name": 7}, "screen"),
        ({"type": "track", "event": "Product Viewed"}, "viewed"),
        ({"type": "track", "event": "Product Added"}, "product_added"),
        ({"type": "track", "event": "product viewed"}, "anything"),  # names are matched exactly
        ({"type": "identify"}, Skipped("only its email matters")),
        ({"type": "track", "event": "Secret"}, Skipped("the mapping skips this event")),
        ({"type": "group"}, Skipped("group events are not mapped")),
        ({"type": "nonsense"}, Skipped("nonsense events are not mapped")),
    ],
)
def test_rule_and_name(event: dict[str, Any], expected: Any) -> None:
    outcome = mapping.compile(DOCUMENT)(event)
    assert (outcome.name if isinstance(outcome, Mapped) else outcome) == expected


def test_without_a_rule_for_other_tracks_they_are_skipped() -> None:
    assert mapping.compile({"track": {}})(track()) == Skipped("this track event is not mapped")


@pytest.mark.parametrize("event", [{}, {"type": None}, {"type": ["track"]}, {"type": "track"}, track(event=" ")])
def test_an_event_without_type_or_name_has_no_payload(event: dict[str, Any]) -> None:
    with pytest.raises(MappingError, match=r"type|event"):
        mapping.compile({"other": {}})(event)


# ---- rows ----

ROWS = [
    ("a path", {"price": "properties.price"}, {"price": 5}, {"price": 5}),
    ("a deep target", {"a.b.c": "properties.x"}, {"x": 1}, {"a": {"b": {"c": 1}}}),
    ("a deep source", {"a": "properties.x.y"}, {"x": {"y": 2}}, {"a": 2}),
    ("into a list", {"a": "properties.l.1.k"}, {"l": [{}, {"k": 3}]}, {"a": 3}),
    ("through something that is no object", {"a": "properties.x.y"}, {"x": 5}, {}),
    ("absent is left out", {"a": "properties.x"}, {}, {}),
    ("null is absent", {"a": "properties.x"}, {"x": None}, {}),
    (
        "false and zero are present",
        {"a": "properties.x", "b": "properties.y"},
        {"x": False, "y": 0},
        {"a": False, "b": 0},
    ),
    ("the first present wins", {"a": {"source": ["properties.x", "properties.y"]}}, {"x": None, "y": 2}, {"a": 2}),
    ("default", {"a": {"source": "properties.x", "default": "d"}}, {}, {"a": "d"}),
    ("a constant", {"a": {"default": 0}}, {}, {"a": 0}),
    ("null removes a row", {"a": None, "b": "properties.x"}, {"x": 1}, {"b": 1}),
    ("convert", {"a": {"source": "properties.x", "convert": "integer"}}, {"x": "12"}, {"a": 12}),
    ("* copies", {"p.*": "properties.*"}, {"x": 1, "y": None, "z": [1]}, {"p": {"x": 1, "z": [1]}}),
    ("* into the root", {"*": "properties.*"}, {"x": 1}, {"x": 1}),
    ("* of nothing", {"p.*": "properties.*"}, {}, {}),
    ("* of nothing beside something", {"k": "event", "p.*": "properties.*"}, {}, {"k": "Product Viewed"}),
    (
        "* leaves what is taken",
        {"p.b": "properties.a", "p.*": "properties.*"},
        {"a": 1, "c": 2},
        {"p": {"b": 1, "c": 2}},
    ),
    ("in any order of rows", {"p.*": "properties.*", "p.b": "properties.a"}, {"a": 1, "c": 2}, {"p": {"b": 1, "c": 2}}),
    (
        "* copies the alternatives that were not needed",
        {"price": {"source": ["properties.sale", "properties.price"]}, "rest.*": "properties.*"},
        {"sale": 1, "price": 2},
        {"price": 1, "rest": {"price": 2}},
    ),
    (
        "a named target wins over a copied one",
        {"p.a": "properties.b", "p.*": "properties.*"},
        {"a": 1, "b": 2},
        {"p": {"a": 2}},
    ),
    (
        "a built object replaces a copied one",
        {"*": "properties.*", "o.k": "properties.v"},
        {"o": 1, "v": 2},
        {"o": {"k": 2}},
    ),
    ("* takes the first object with keys", {"*": {"source": ["traits.*", "properties.*"]}}, {"x": 1}, {"x": 1}),
]


@pytest.mark.parametrize(("fields", "properties", "out"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_rows(fields: dict[str, Any], properties: dict[str, Any], out: dict[str, Any]) -> None:
    event = track(properties)
    before = repr(event)
    assert run(fields, event) == Mapped("product_viewed", out)
    assert repr(event) == before


def test_a_failed_conversion_leaves_the_field_to_the_rest_and_says_so_without_the_value() -> None:
    fields = {"age": {"source": "properties.age", "convert": "number"}, "custom.*": "properties.*"}
    mapped = run(fields, track({"age": "forty-two"}))
    assert mapped.fields == {"custom": {"age": "forty-two"}}
    assert mapped.notes == ("age left out: not a number",)


def test_a_failed_conversion_takes_the_default_if_there_is_one() -> None:
    fields = {"n": {"source": "properties.n", "convert": "number", "default": 1, "required": True}}
    assert run(fields, track({"n": "one"})) == Mapped("product_viewed", {"n": 1}, ("n is its default: not a number",))


@pytest.mark.parametrize("properties", [{}, {"x": "y"}])
def test_a_required_field_is_required(properties: dict[str, Any]) -> None:
    with pytest.raises(MappingError, match=r"^target\.x: "):
        run({"target.x": {"source": "properties.x", "convert": "number", "required": True}}, track(properties))


# ---- converters ----

CONVERSIONS = [
    *[
        ("string", value, out)
        for value, out in [("a", "a"), (5, "5"), (True, "true"), (1.5, "1.5"), ([], None), ({}, None)]
    ],
    *[("number", value, out) for value, out in [("79.00", 79.0), (" 5 ", 5), ("-3", -3), (1.5, 1.5), ("1,5", None)]],
    *[("number", value, None) for value in (True, "nan", "inf", float("inf"), "£5", "1_000", "", "9" * 99, "٣")],
    *[("integer", value, out) for value, out in [("2", 2), (2.0, 2), (2.5, None), (False, None), ("two", None)]],
    *[("boolean", value, out) for value, out in [(True, True), ("False", False), (0, False), (2, None), ("yes", None)]],
    *[("flag", value, out) for value, out in [(True, True), (False, False), ("true", None), (1, None)]],
    *[("list", value, out) for value, out in [("a", ["a"]), (["a", "b"], ["a", "b"]), ({"k": 1}, [{"k": 1}])]],
    *[("lower", "AbC", "abc"), ("upper", "gbp", "GBP"), ("trim", " a ", "a"), ("snake_case", "A Name", "a_name")],
    *[
        ("datetime", value, out)
        for value, out in [("1990-01-01", "1990-01-01T00:00:00Z"), ("01/02/1990", None), (5, None)]
    ],
    ("datetime", "2026-06-06T12:00:00.5+02:00", "2026-06-06T10:00:00Z"),
    ("datetime", "0001-01-01T00:00:00+14:00", None),
    *[
        ("email", value, out)
        for value, out in [(" a@b.c ", "a@b.c"), ("sample", None), ("a@b", None), ("a b@c.d", None)]
    ],
    *[("country", value, out) for value, out in [("de", "DE"), ("UK", "GB"), ("Germany", None), ("ÅÅ", None)]],
    *[
        ("language", value, out)
        for value, out in [("en-US", "en_US"), ("de", "de"), ("zh-Hant-TW", "zh_TW"), ("English", None)]
    ],
    ("language", "en_gb.UTF-8", "en_GB"),
]


@pytest.mark.parametrize(("converter", "value", "out"), CONVERSIONS)
def test_converters(converter: str, value: Any, out: Any) -> None:
    mapped = run({"x": {"source": "properties.x", "convert": converter}}, track({"x": value}))
    assert mapped.fields.get("x") == out
    assert type(mapped.fields.get("x")) is type(out)
    assert bool(mapped.notes) is (out is None)


@pytest.mark.parametrize(
    ("raw", "event", "out"),
    [
        ("+447700900123", {}, "+447700900123"),
        ("0044 7700 900123", {}, "+447700900123"),
        ("+44 (0)7700 900-123", {}, "+447700900123"),
        ("07700 900123", {"context": {"locale": "en-GB"}}, "+447700900123"),
        ("07700 900123", {"context": {"traits": {"country": "uk"}}}, "+447700900123"),
        ("07700 900123", {"traits": {"address": {"country": "GB"}}}, "+447700900123"),
        ("07700 900123", {"traits": {"country": "United Kingdom"}, "context": {"locale": "en_GB"}}, "+447700900123"),
        ("(415) 555-2671", {"traits": {"country": "US"}, "context": {"locale": "de-DE"}}, "+14155552671"),
        (447700900123, {"context": {"locale": "en-GB"}}, "+447700900123"),
        ("07700 900123", {}, None),
        ("07700 900123", {"context": {"locale": "en"}}, None),
        ("12345", {"context": {"locale": "en-GB"}}, None),
        ("call me", {"traits": {"country": "GB"}}, None),
        ("9" * 500, {"traits": {"country": "GB"}}, None),
        (True, {}, None),
    ],
)
def test_phone_numbers(raw: Any, event: dict[str, Any], out: str | None) -> None:
    mapped = run({"phone": {"source": "properties.phone", "convert": "e164"}}, track({"phone": raw}) | event)
    assert mapped.fields.get("phone") == out
    assert str(raw) not in "".join(mapped.notes)
    assert bool(mapped.notes) is (out is None)


@pytest.mark.parametrize(
    ("name", "out"),
    [
        ("Product Added to Wishlist", "product_added_to_wishlist"),
        ("product_viewed", "product_viewed"),
        ("Signed Up", "signed_up"),
        ("productViewed", "product_viewed"),
        ("HTTPServerError", "http_server_error"),
        ("Step 2 Completed", "step_2_completed"),
        ("Step2Completed", "step2_completed"),
        ("3D View", "3d_view"),
        ("add-to-cart", "add_to_cart"),
        ("Order — Completed (v2)!", "order_completed_v2"),
        ("User's Cart", "users_cart"),
        ("  spaced  out  ", "spaced_out"),
        ("Café Größe", "cafe_grosse"),
        ("商品を見た", "商品を見た"),
        ("が", "が"),
        ("🎉", ""),
        ("A" * 5000, "a" * 5000),
    ],
)
def test_snake_case(name: str, out: str) -> None:
    assert converters.snake_case(name) == out


@unhurried
@given(st.text(max_size=300))
def test_snake_case_is_stable_and_has_single_underscores(name: str) -> None:
    snake = converters.snake_case(name)
    assert converters.snake_case(snake) == snake
    assert "__" not in snake
    assert snake.strip("_") == snake


def test_a_name_without_letters_stays_as_it_is() -> None:
    assert run({}, track(event="🎉")).name == "🎉"


# ---- check ----


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([], "mappings: must be an object"),
        ({"tracks": {}}, "tracks: unknown"),
        ({"track": []}, "track: must be an object"),
        ({"page": "page_view"}, "page: must be an object"),
        ({"page": {"nam": "x"}}, "page.nam: unknown"),
        ({"page": {"name": ""}}, "page.name: must be a text"),
        ({"page": {"skip": 1}}, "page.skip: must be"),
        ({"page": {"fields": []}}, "page.fields: must be an object"),
        ({"track": {"A B": {"fields": {"x": 5}}}}, "track.A B.fields.x: must be a source path"),
        ({"page": {"fields": {"x": {"source": 5}}}}, "page.fields.x.source: must be a path"),
        ({"page": {"fields": {"x": {"source": [5]}}}}, "page.fields.x.source: must be a path"),
        ({"page": {"fields": {"x": {}}}}, "page.fields.x: needs a source"),
        ({"page": {"fields": {"x": {"source": "a", "covert": "number"}}}}, "page.fields.x.covert: unknown"),
        ({"page": {"fields": {"x": {"source": "a", "convert": "sha256"}}}}, "page.fields.x.convert: unknown"),
        ({"page": {"fields": {"x": {"source": "a", "convert": ["number"]}}}}, "page.fields.x.convert: unknown"),
        ({"page": {"fields": {"x": {"source": "a", "required": "yes"}}}}, "page.fields.x.required: must be"),
        ({"page": {"fields": {"x..y": "a"}}}, "page.fields.x..y: 'x..y' is no path"),
        ({"page": {"fields": {"x": ""}}}, "page.fields.x.source: '' is no path"),
        ({"page": {"fields": {"x": "a.*.b"}}}, "page.fields.x.source: 'a.*.b' is no path"),
        ({"page": {"fields": {"x": "a.*"}}}, "page.fields.x: * copies a whole object"),
        ({"page": {"fields": {"x.*": "a"}}}, "page.fields.x.*: * copies a whole object"),
        ({"page": {"fields": {"x.*": {"source": "a.*", "default": 1}}}}, "page.fields.x.*: a row that copies"),
        ({"page": {"fields": {"x": "a", "x.y": "b"}}}, "page.fields.x.y: x is a field of its own"),
    ],
)
def test_check_names_the_path(document: Any, problem: str) -> None:
    found = mapping.check(document)
    assert any(each.startswith(problem) for each in found), found
    with pytest.raises(ConfigurationError, match="mappings"):
        mapping.compile(document)


@pytest.mark.parametrize(
    "document", [{}, DOCUMENT, {"page": None, "track": {"x": None}, "other": {"fields": {"a": None}}}]
)
def test_check_accepts(document: Any) -> None:
    assert mapping.check(document) == []


WORDS = ["page", "track", "other", "fields", "source", "default", "convert", "required", "name", "skip", "a", "a.*"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "a.b", "a.*", "*", "number"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)


@unhurried
@given(JSON, JSON)
def test_what_check_accepts_compiles_and_maps_anything(document: Any, event: Any) -> None:
    if mapping.check(document):
        return
    mapper = mapping.compile(document)
    for kind in ("page", "track", 5):
        base = event if isinstance(event, dict) else {"properties": event}
        with suppress(MappingError):
            mapper({**base, "type": kind, "event": "a"})


# ---- merge and difference ----


@pytest.mark.parametrize(  # the examples of RFC 7396, appendix A
    ("original", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge(original: Any, patch: Any, result: Any) -> None:
    assert mapping.merge(original, patch) == result


def without_nulls(value: Any) -> Any:
    return {k: without_nulls(v) for k, v in value.items() if v is not None} if isinstance(value, dict) else value


OBJECTS = st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4)


@unhurried
@given(OBJECTS, OBJECTS)
def test_difference_is_the_inverse_of_merge(document: Any, edited: Any) -> None:
    document = without_nulls(document)
    changes = mapping.difference(document, edited)
    assert repr_of(mapping.merge(document, changes)) == repr_of(without_nulls(edited))
    assert mapping.difference(document, document) == {}


def test_a_difference_is_as_small_as_it_can_be() -> None:
    assert mapping.difference({"a": True}, {"a": 1}) == {"a": 1}
    assert mapping.difference({"a": [1]}, {"a": [1.0]}) == {"a": [1.0]}
    assert mapping.difference({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}, "d": None}) == {"a": {"c": None}}


def repr_of(value: Any) -> str:
    """Tells 1 from true and does not care about the order of keys."""
    if isinstance(value, dict):
        return repr(sorted((key, repr_of(each)) for key, each in value.items()))
    return repr([repr_of(each) for each in value] if isinstance(value, list) else value)


# ---- what an editor or a stranger could make expensive ----


class Untouched(list[Any]):
    """A list that nobody goes through."""

    def __iter__(self) -> Any:
        raise AssertionError("somebody goes through it")


def test_a_row_about_one_item_does_not_go_through_a_strangers_list() -> None:
    event = track({"l": Untouched([{"k": 1}, {"k": 2}])})
    assert run({"a": "properties.l.1.k", "b": "properties.l.0.k"}, event).fields == {"a": 2, "b": 1}


@pytest.mark.parametrize("key", ["2", "-1", "01", "²", "x", "9" * 5_000, "1.0"])
def test_what_is_no_item_of_a_list_is_absent(key: str) -> None:
    assert run({"a": f"properties.l.{key}.k"}, track({"l": [{"k": 1}, {"k": 2}]})).fields == {}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({".".join("a" * 200_000): "event"}, "too deep"),
        ({"a": ".".join("a" * 200_000)}, "too deep"),
        ({f"a{number}": "event" for number in range(2_000)}, "2000 rows"),
        ({"a": {"source": ["event"] * 1_000}}, "1000 paths"),
    ],
)
def test_mappings_that_would_cost_every_event_are_refused(fields: dict[str, Any], words: str) -> None:
    assert words in "".join(mapping.check({"other": {"fields": fields}}))


def test_not_everything_that_is_wrong_is_told() -> None:
    assert len(mapping.check({f"unknown-{number}": {} for number in range(10_000)})) == 50
