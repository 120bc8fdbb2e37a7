"""Rules: one rule of a mapping document as rows of a form, and back. What is changed, and from what, is visible."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.datastructures import MultiDict

from signal_actor import mapping

TRACK = "track:"
_TARGET = re.compile(r"target-([0-9]{1,4})")

Rule = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the form. `change` is "", "new", "changed" or "removed"; `was` says what the variant has here."""

    target: str
    source: str = ""
    convert: str = ""
    default: str = ""
    required: bool = False
    change: str = ""
    was: str = ""
    preset: "Row | None" = None


@dataclass(frozen=True, slots=True)
class Line:
    """A rule in the list of rules."""

    key: str
    label: str
    type: str
    name: str | None  # the vendor's; None: the event's own in snake_case
    skip: str | None
    fields: int
    changed: bool
    own: bool  # not in the variant at all


def lines(document: Mapping[str, Any], variant: Mapping[str, Any]) -> list[Line]:
    """Every rule that there is, by type; the rule for all other tracks comes last."""
    keys = [kind for kind in mapping.TYPES if kind in document or kind in variant]
    named = {**variant.get("track", {}), **document.get("track", {})}
    return [_line(key, document, variant) for key in [*keys, *(TRACK + name for name in named), "other"]]


def label(key: str) -> str:
    return key.removeprefix(TRACK) if key.startswith(TRACK) else "All other track events" if key == "other" else key


def known(key: str) -> bool:
    return key in mapping.TYPES or key == "other" or (key.startswith(TRACK) and bool(key.removeprefix(TRACK).strip()))


def of(document: Mapping[str, Any], key: str) -> Rule | None:
    """The rule that goes by a key; None if there is none."""
    if key.startswith(TRACK):
        return (document.get("track") or {}).get(key.removeprefix(TRACK))
    return document.get(key)


def having(document: Mapping[str, Any], key: str, rule: Rule | None) -> dict[str, Any]:
    """The document with a rule put in, replaced, or (None) taken out."""
    changed = dict(document)
    place = changed
    if key.startswith(TRACK):
        place = changed["track"] = dict(document.get("track") or {})
        key = key.removeprefix(TRACK)
    if rule is None:
        place.pop(key, None)
    else:
        place[key] = dict(rule)
    return changed


def changes(variant: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """What a document changes of the variant's; that there are no track events any more is no change."""
    found: dict[str, Any] = mapping.difference(dict(variant), dict(document))
    return {key: change for key, change in found.items() if change != {}}


def rows(rule: Rule | None, before: Rule | None) -> list[Row]:
    """The rule's rows with what the variant has, those that were removed last."""
    now, then = _fields(rule), _fields(before)
    found = []
    for target, row in now.items():
        change = "" if target in then and _same(row, then[target]) else "changed" if target in then else "new"
        found.append(_row(target, row, change, then.get(target) if change == "changed" else None))
    gone = [_row(target, row, "removed", row) for target, row in then.items() if target not in now]
    return found + gone


def read(form: MultiDict[str, str], before: Rule | None) -> dict[str, Any]:
    """The rule that the form says. A row without a target is none."""
    fields = {}
    then = _fields(before)
    for number in sorted(int(found[1]) for name in form if (found := _TARGET.fullmatch(name))):
        target = form.get(f"target-{number}", "").strip()
        if not target or form.get(f"drop-{number}"):
            continue
        row = _read_row(form, number)
        fields[target] = then[target] if target in then and _same(row, then[target]) else row
    rule: dict[str, Any] = {}
    if name := form.get("name", "").strip():
        rule["name"] = name
    if form.get("mode") == "skip":
        rule["skip"] = form.get("reason", "").strip() or True
    return rule | ({"fields": fields} if fields else {})


def restored(rule: Rule, before: Rule | None, target: str) -> dict[str, Any]:
    """The rule with one row as the variant has it."""
    then = _fields(before)
    if target not in then:
        return dict(rule)
    return {**rule, "fields": {**_fields(rule), target: then[target]}}


def _read_row(form: MultiDict[str, str], number: int) -> Any:
    paths = [path.strip() for path in form.get(f"source-{number}", "").split(",") if path.strip()]
    row: dict[str, Any] = {}
    if paths:
        row["source"] = paths[0] if len(paths) == 1 else paths
    if text := form.get(f"default-{number}", "").strip():
        row["default"] = _value(text)
    if convert := form.get(f"convert-{number}", ""):
        row["convert"] = convert
    if form.get(f"required-{number}"):
        row["required"] = True
    return row["source"] if row.keys() == {"source"} and len(paths) == 1 else row


def _row(target: str, row: Any, change: str = "", before: Any = None) -> Row:
    spec = _spec(row)
    default = spec.get("default")
    return Row(
        target,
        ", ".join(spec["source"]),
        spec.get("convert") or "",
        "" if default is None else _text(default),
        bool(spec.get("required")),
        change,
        "" if before is None else _said(before),
        None if before is None else _row(target, before),
    )


def _said(row: Any) -> str:
    """A row in words, for what the variant has."""
    spec = _spec(row)
    parts = [", ".join(spec["source"]) or "no source"]
    parts += [f"as {spec['convert']}"] if spec.get("convert") else []
    parts += [f"else {_text(spec['default'])}"] if spec.get("default") is not None else []
    return ", ".join(parts + (["required"] if spec.get("required") else []))


def _line(key: str, document: Mapping[str, Any], variant: Mapping[str, Any]) -> Line:
    rule, before = of(document, key), of(variant, key)
    skip = None
    if rule is None:
        skip = "this track event is not mapped" if key == "other" else "not mapped"
    elif rule.get("skip"):
        skip = rule["skip"] if isinstance(rule["skip"], str) else "the mapping skips this event"
    kind = "track" if key.startswith(TRACK) or key == "other" else key
    name = (rule or {}).get("name")
    return Line(key, label(key), kind, name, skip, len(_fields(rule)), not _same_rule(rule, before), before is None)


def _fields(rule: Rule | None) -> dict[str, Any]:
    return {target: row for target, row in ((rule or {}).get("fields") or {}).items() if row is not None}


def _spec(row: Any) -> dict[str, Any]:
    spec = {"source": row} if isinstance(row, str) else dict(row)
    source = spec.get("source") or []
    return {**spec, "source": [source] if isinstance(source, str) else list(source)}


def _same(one: Any, other: Any) -> bool:
    plain = [{key: part for key, part in _spec(row).items() if part not in (None, False)} for row in (one, other)]
    return not mapping.difference(*plain)


def _same_rule(one: Rule | None, other: Rule | None) -> bool:
    if one is None or other is None:
        return one is other
    return not mapping.difference(dict(one), dict(other))


def _value(text: str) -> Any:
    """JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _text(value: Any) -> str:
    if isinstance(value, str) and value and value == value.strip() and _value(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)
