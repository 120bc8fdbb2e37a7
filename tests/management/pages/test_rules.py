"""Rules as forms: what is not touched does not change, and what is changed can be seen and taken back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from signal_actor import mapping
from signal_actor.destinations.registry import destinations
from signal_actor.management.pages import rules
from signal_actor.mapping_document import check

VARIANTS = [
    pytest.param(document, id=f"{vendor.slug}-{name}")
    for vendor in destinations().values()
    for name, document in vendor.variants.items()
]
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
PATHS = st.from_regex(r"[a-z]{1,4}(\.[a-z]{1,4}){0,2}", fullmatch=True)
ROWS = st.fixed_dictionaries(
    {"source": PATHS | st.lists(PATHS, min_size=1, max_size=3)},
    optional={
        "default": VALUES.filter(lambda value: value is not None),
        "convert": st.sampled_from(["string", "email"]),
        "required": st.booleans(),
    },
)
RULES = st.fixed_dictionaries(
    {},
    optional={
        "name": st.from_regex("[a-z_]{1,9}", fullmatch=True),
        "skip": st.just(True) | st.from_regex("[a-z ]{0,8}[a-z]", fullmatch=True).map(str.strip),
        "fields": st.dictionaries(PATHS, PATHS | ROWS, min_size=1, max_size=5),
    },
)


def filled_in(rule: rules.Rule, before: rules.Rule | None) -> MultiDict[str, str]:
    """The form as a browser sends it, if nobody touches it."""
    form = MultiDict[str, str]()
    form["name"] = rule.get("name") or ""
    form["mode"] = "skip" if rule.get("skip") else "send"
    form["reason"] = rule["skip"] if isinstance(rule.get("skip"), str) else ""
    for number, row in enumerate(rules.rows(rule, before)):
        if row.change == "removed":
            continue
        form[f"target-{number}"], form[f"source-{number}"] = row.target, row.source
        form[f"convert-{number}"], form[f"default-{number}"] = row.convert, row.default
        if row.required:
            form[f"required-{number}"] = "on"
    return form


def plain(rule: rules.Rule) -> dict[str, Any]:
    """A rule in the one way to write it."""
    fields = {}
    for target, row in (rule.get("fields") or {}).items():
        spec = {"source": row} if isinstance(row, str) else dict(row)
        source = spec.get("source") or []
        kept = {key: value for key, value in spec.items() if value not in (None, False) or key == "default"}
        fields[target] = {**kept, "source": [source] if isinstance(source, str) else source}
    return {**{key: value for key, value in rule.items() if key != "fields"}, "fields": fields}


@pytest.mark.parametrize("document", VARIANTS)
def test_saving_without_a_change_changes_nothing(document: dict[str, Any]) -> None:
    for line in rules.lines(document, document):
        rule = rules.of(document, line.key)
        if rule is None:
            continue
        assert not line.changed
        read = rules.read(filled_in(rule, rule), rule)
        assert rules.changes(document, rules.having(document, line.key, read)) == {}


@given(rule=RULES, before=st.none() | RULES)
def test_a_form_gives_back_what_it_was_given(rule: dict[str, Any], before: dict[str, Any] | None) -> None:
    read = rules.read(filled_in(rule, before), before)
    assert not mapping.difference(plain(rule), plain(read)), read


@given(rule=RULES)
def test_every_row_says_how_it_differs(rule: dict[str, Any]) -> None:
    assert {row.change for row in rules.rows(rule, None)} <= {"new"}
    assert {row.change for row in rules.rows(rule, rule)} <= {""}
    assert {row.change for row in rules.rows(None, rule)} <= {"removed"}
    for row in rules.rows({}, rule):
        assert row.preset is not None
        assert row.preset.target == row.target


@pytest.mark.parametrize("document", VARIANTS)
def test_another_event_is_added_and_taken_out(document: dict[str, Any]) -> None:
    key = rules.TRACK + "Wishlist Shared"
    added = rules.having(document, key, {"name": "shared", "fields": {"properties.list": "properties.list"}})
    assert check(added) == []
    (line,) = [line for line in rules.lines(added, document) if line.changed]
    assert (line.label, line.name, line.fields, line.own) == ("Wishlist Shared", "shared", 1, True)
    assert rules.changes(document, rules.having(added, key, None)) == {}


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ('"1"', "1"), ("true", True), ("abc", "abc"), ("[1, 2]", [1, 2]), ("a, b", "a, b"), ("{", "{")],
)
def test_defaults_are_json_where_they_are_json(text: str, value: Any) -> None:
    form = MultiDict([("target-0", "a"), ("source-0", "b"), ("default-0", text)])
    assert rules.read(form, None)["fields"]["a"]["default"] == value


def test_rows_without_a_target_and_dropped_ones_are_none() -> None:
    form = MultiDict([("target-0", " "), ("source-0", "b"), ("target-1", "c"), ("source-1", "d"), ("drop-1", "on")])
    assert rules.read(form, None) == {}
