"""Mapping: compiles a mapping document, which is data, into a function from an event to a vendor's name and fields.

    document  {"page": rule, "identify": rule, ..., "track": {"Product Viewed": rule, ...}, "other": rule}
    rule      {"name": "product_view", "fields": {"target.path": row, ...}}    or {"skip": "reason"}
    row       "source.path"    or {"source": path or [paths], "default": value, "convert": name, "required": bool}

A type without a rule is skipped; `other` is the rule of all tracks that are not named. Laws of a rule:

1. Without a `name` the vendor gets the event's own in snake_case.
2. The first source that is present wins; null is absent. What is absent and has no default is left out, never null.
3. `"properties.*": "properties.*"` copies the keys that no other row of the rule has taken. What could not be converted
   counts as not taken. Of several sources the first object with keys is copied.
4. A row without a source is a constant, its default.
5. A failed conversion leaves the field to its default, or out, and says so in a note; without a default, a required
   field that is absent or cannot be converted leaves the event without a payload.

`mapping_document.py` checks documents and applies changes to them; its verbs are here too, under the same names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from signal_actor.converters import CONVERTERS, Converter, snake_case
from signal_actor.delivery.rules import Skipped
from signal_actor.errors import ConfigurationError, MappingError
from signal_actor.event import Event
from signal_actor.mapping_document import STAR, TYPES, check, difference, merge

__all__ = ["STAR", "TYPES", "Mapped", "Mapper", "check", "compile", "difference", "merge"]


@dataclass(frozen=True, slots=True)
class Mapped:
    """An event in a vendor's words. `fields` is new at its mapped levels; values below them are the event's own."""

    name: str
    fields: dict[str, Any]
    notes: tuple[str, ...] = ()


Mapper = Callable[[Event], Mapped | Skipped]
"""A compiled mapping document. Raises MappingError, naming the field, if a required one cannot be had."""


def compile(document: Mapping[str, Any]) -> Mapper:  # noqa: A001  callers say mapping.compile
    """The document as a function. Raises ConfigurationError with everything that `check` finds."""
    if problems := check(document):
        raise ConfigurationError("; ".join(f"mappings.{problem}" for problem in problems))
    rules = {kind: _rule(document[kind]) for kind in TYPES if document.get(kind) is not None}
    tracks = {name: _rule(rule) for name, rule in (document.get("track") or {}).items() if rule is not None}
    rest = document.get("other")
    other = Skipped("this track event is not mapped") if rest is None else _rule(rest)

    def mapper(event: Event) -> Mapped | Skipped:
        kind = event.get("type")
        if not isinstance(kind, str):
            raise MappingError("type: missing")
        if kind == "track":
            name = event.get("event")
            if not isinstance(name, str) or not name.strip():
                raise MappingError("event: a track event needs a name")
            rule = tracks.get(name, other)
        else:
            name = event.get("name") or kind
            rule = rules.get(kind) or Skipped(f"{kind} events are not mapped")
        if isinstance(rule, Skipped):
            return rule
        fields, notes = _apply(rule, event)
        if rule.name is None:
            name = snake_case(name) or name if isinstance(name, str) else kind
        return Mapped(rule.name or name, fields, notes)

    return mapper


@dataclass(frozen=True, slots=True)
class _Row:
    target: str  # as written, for notes
    place: int  # which of the rule's target objects
    key: str
    sources: tuple[tuple[int, str], ...]  # which of the rule's source objects, and the key in it
    default: Any
    convert: Converter | None
    required: bool


@dataclass(frozen=True, slots=True)
class _Rule:
    """Each source object is looked up once and each target object is made once, however many rows speak about it."""

    name: str | None
    origins: tuple[tuple[str, ...], ...]  # paths of the source objects
    places: int  # how many target objects there are; the first is the root
    joints: tuple[tuple[int, int, str], ...]  # (object, the object that holds it, its key there), innermost first
    rows: tuple[_Row, ...]
    stars: tuple[_Row, ...]


def _rule(rule: Mapping[str, Any]) -> _Rule | Skipped:
    if skip := rule.get("skip"):
        return Skipped(skip if isinstance(skip, str) else "the mapping skips this event")
    origins: dict[tuple[str, ...], int] = {}
    places: dict[tuple[str, ...], int] = {(): 0}
    rows = []
    for target, row in (rule.get("fields") or {}).items():
        if row is None:
            continue
        spec = {"source": row} if isinstance(row, str) else row
        source = spec.get("source") or []
        paths = [path.split(".") for path in ([source] if isinstance(source, str) else source)]
        *place, key = target.split(".")
        for depth in range(1, len(place) + 1):
            places.setdefault(tuple(place[:depth]), len(places))
        rows.append(
            _Row(
                target=target,
                place=places[tuple(place)],
                key=key,
                sources=tuple((origins.setdefault(tuple(up), len(origins)), last) for *up, last in paths),
                default=spec.get("default"),
                convert=CONVERTERS[spec["convert"]] if spec.get("convert") else None,
                required=bool(spec.get("required")),
            )
        )
    inward = sorted(places, key=len, reverse=True)
    return _Rule(
        name=rule.get("name"),
        origins=tuple(origins),
        places=len(places),
        joints=tuple((places[path], places[path[:-1]], path[-1]) for path in inward if path),
        rows=tuple(row for row in rows if row.key != STAR),
        stars=tuple(row for row in rows if row.key == STAR),
    )


def _apply(rule: _Rule, event: Event) -> tuple[dict[str, Any], tuple[str, ...]]:
    objects = [_find(event, path) for path in rule.origins]
    taken: list[set[str]] = [set() for _ in objects]
    placed: list[dict[str, Any]] = [{} for _ in range(rule.places)]
    notes: list[str] = []
    for row in rule.rows:
        for origin, key in row.sources:
            value = objects[origin].get(key)
            if value is None:
                continue
            try:
                found = value if row.convert is None else row.convert(value, event)
                taken[origin].add(key)
            except ValueError as problem:
                notes.append(_failed(row, problem))
                found = row.default
            break
        else:
            found = row.default
            if found is None and row.required:
                raise MappingError(f"{row.target}: required, but the event has none of its sources")
        if found is not None:
            placed[row.place][row.key] = found
    _assemble(rule, objects, taken, placed)
    return placed[0], tuple(notes)


def _assemble(
    rule: _Rule, objects: list[Mapping[str, Any]], taken: list[set[str]], placed: list[dict[str, Any]]
) -> None:
    """Copies what nobody took, then puts the objects into each other, so that what is declared replaces copies."""
    for row in rule.stars:
        for origin, _ in row.sources:
            if objects[origin]:
                _copy(objects[origin], taken[origin], placed[row.place])
                break
    for inner, outer, key in rule.joints:
        if placed[inner]:
            placed[outer][key] = placed[inner]


def _copy(source: Mapping[str, Any], taken: set[str], into: dict[str, Any]) -> None:
    for key, value in source.items():
        if key not in taken and key not in into and value is not None:
            into[key] = value


def _failed(row: _Row, problem: ValueError) -> str:
    if row.default is not None:
        return f"{row.target} is its default: {problem}"
    if row.required:
        raise MappingError(f"{row.target}: {problem}") from None
    return f"{row.target} left out: {problem}"


def _find(event: Event, path: tuple[str, ...]) -> Mapping[str, Any]:
    """The object at a path, {} if there is none. A list counts as an object with the keys "0", "1", ..."""
    found: Any = event
    for part in path:
        found = found.get(part) if isinstance(found, dict) else _item(found, part)
    if isinstance(found, list):
        return {str(index): item for index, item in enumerate(found)}
    return found if isinstance(found, dict) else {}


def _item(found: Any, key: str) -> Any:
    """An item of a list by its key. The list may be a stranger's and long, so it is not gone through."""
    if not isinstance(found, list) or not (key.isascii() and key.isdigit()) or len(key) > 7:
        return None
    index = int(key)
    return found[index] if index < len(found) and str(index) == key else None
