"""Mapping document: what may stand in one, and changes to one. `mapping.py` says what it means.

Integrations store only their changes to a variant's document, as a JSON merge patch (RFC 7396): `merge`, `difference`.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from signal_actor.converters import CONVERTERS

STAR = "*"
DEPTH = 20  # keys of a path; what is compiled from one grows with the square of them
FIELDS = 1_000  # rows of a rule; each costs every event that the rule is for
SOURCES = 20  # of a row
PROBLEMS = 50  # that are told at a time
TYPES = ("page", "identify", "group", "alias", "screen")


def merge(document: Any, changes: Any) -> Any:
    """The document with a JSON merge patch applied; neither is modified."""
    if not isinstance(changes, dict):
        return changes
    merged = dict(document) if isinstance(document, dict) else {}
    for key, change in changes.items():
        if change is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), change)
    return merged


def difference(document: Any, edited: Any) -> Any:
    """The changes with which `merge(document, changes) == edited`. A null in `edited` means absent, as in a patch."""
    if not isinstance(edited, dict) or not isinstance(document, dict):
        return edited
    changes: dict[str, Any] = {key: None for key in document if edited.get(key) is None}
    for key, value in edited.items():
        if value is not None and (key not in document or not _same(document[key], value)):
            changes[key] = difference(document.get(key), value)
    return changes


def check(document: Any) -> list[str]:
    """What is wrong with a document, each as `path: what and what to do`; [] if it can be compiled."""
    return list(islice(_check_document(document), PROBLEMS))


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON values: to Python 1, 1.0 and true are one and the same."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and bool(one == other)


def _check_document(document: Any) -> Iterator[str]:
    if not isinstance(document, Mapping):
        yield "mappings: must be an object"
        return
    for key, part in document.items():
        if key == "track":
            if not isinstance(part, dict):
                yield "track: must be an object of event names and their rules"
                continue
            for name, rule in part.items():
                yield from _check_rule(f"track.{name}", rule)
        elif key in (*TYPES, "other"):
            yield from _check_rule(key, part)
        else:
            yield f"{key}: unknown; use one of {', '.join(TYPES)}, track, other"


def _check_rule(path: str, rule: Any) -> Iterator[str]:
    if rule is None:
        return
    if not isinstance(rule, dict):
        yield f"{path}: must be an object with name, skip or fields"
        return
    for key in rule.keys() - {"name", "skip", "fields"}:
        yield f"{path}.{key}: unknown; a rule has name, skip and fields"
    if (name := rule.get("name")) is not None and not (isinstance(name, str) and name.strip()):
        yield f"{path}.name: must be a text that is not empty"
    if not isinstance(rule.get("skip"), bool | str | None):
        yield f"{path}.skip: must be true, false or a reason"
    fields = rule.get("fields")
    if fields is None:
        return
    if not isinstance(fields, dict):
        yield f"{path}.fields: must be an object of target paths and their rows"
        return
    if len(fields) > FIELDS:
        yield f"{path}.fields: has {len(fields)} rows, and a rule may have {FIELDS}"
        return
    for target, row in fields.items():
        if row is not None:
            yield from _check_row(f"{path}.fields.{target}", target, row)
    targets = {target for target, row in fields.items() if row is not None}
    for target in sorted(targets):
        parts = target.split(".")
        for length in range(1, min(len(parts), DEPTH)):
            if (parent := ".".join(parts[:length])) in targets:
                yield f"{path}.fields.{target}: {parent} is a field of its own; remove one of the two"


def _check_row(path: str, target: str, row: Any) -> Iterator[str]:
    yield from _check_path(path, target)
    if isinstance(row, str):
        row = {"source": row}
    if not isinstance(row, dict):
        yield f"{path}: must be a source path or an object with source, default, convert, required"
        return
    for key in row.keys() - {"source", "default", "convert", "required"}:
        yield f"{path}.{key}: unknown; a row has source, default, convert and required"
    source = row.get("source")
    sources = [source] if isinstance(source, str) else source if source is not None else []
    if not isinstance(sources, list) or not all(isinstance(each, str) for each in sources):
        yield f"{path}.source: must be a path or a list of paths"
        return
    if len(sources) > SOURCES:
        yield f"{path}.source: has {len(sources)} paths, and a row may have {SOURCES}"
        return
    if not sources and row.get("default") is None:
        yield f"{path}: needs a source, a default, or both"
    for each in sources:
        yield from _check_path(f"{path}.source", each)
        if (each.split(".")[-1] == STAR) is not (target.split(".")[-1] == STAR):
            yield f"{path}: * copies a whole object, so it must end both the target and each source"
    if target.split(".")[-1] == STAR and not (sources and row.keys() <= {"source"}):
        yield f"{path}: a row that copies a whole object has a source and nothing else"
    convert = row.get("convert")
    if convert is not None and (not isinstance(convert, str) or convert not in CONVERTERS):
        yield f"{path}.convert: unknown; use one of {', '.join(CONVERTERS)}"
    if not isinstance(row.get("required"), bool | None):
        yield f"{path}.required: must be true or false"


def _check_path(path: str, value: str) -> Iterator[str]:
    parts = value.split(".")
    if not all(parts) or STAR in parts[:-1]:
        yield f"{path}: {value!r} is no path; write keys joined by dots, with * at the end at most"
    elif len(parts) > DEPTH:
        yield f"{path}: a path of {len(parts)} keys is too deep; it may have {DEPTH}"
