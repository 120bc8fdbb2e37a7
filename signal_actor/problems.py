"""Problems: what is wrong with a document that somebody wrote, in words that name the key and the fix.

pydantic finds most of them. Its messages are written for programmers and show the value, which may be a secret, so they
are put into our own words here. The value is shown only where it cannot be one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from signal_actor.errors import ConfigurationError

M = TypeVar("M", bound=BaseModel)

MOST = 50  # problems of one value that are told; whoever sends thousands shall not have them explained
LONGEST = 500  # characters of a line

_WORDS = {
    "missing": "missing",
    "string_type": "must be a text in quotes",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must match {pattern}",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "value_error": "{error}",
}


@dataclass
class Problems:
    """The problems found so far, each as `path: what is wrong and what to do`."""

    lines: list[str] = field(default_factory=list)

    def add(self, path: str, words: str) -> None:
        line = f"{path}: {words}" if path else words
        self.lines.append(line if len(line) <= LONGEST else f"{line[:LONGEST]}…")

    def done(self, file: str = "") -> None:
        """Raises ConfigurationError if there are problems, one line each."""
        if self.lines:
            raise ConfigurationError("\n".join(f"{file}: {line}" if file else line for line in self.lines))

    def checked(self, model: type[M], value: Any, path: str, *, secret: Iterable[str] = ()) -> M | None:
        """The value as the model, or None and what is wrong with it. Fields named `secret` are never quoted."""
        try:
            return model.model_validate(value)
        except ValidationError as error:
            # The error itself would quote input; only these parts of it go on.
            found = error.errors(include_url=False)
        self._explain(model, found[:MOST], path, frozenset(secret))
        if len(found) > MOST:
            self.add(path, f"and {len(found) - MOST} problems more")
        return None

    def _explain(self, model: type[BaseModel], found: list[ErrorDetails], path: str, secret: frozenset[str]) -> None:
        known = list(model.model_fields)
        strays = [str(e["loc"][-1]) for e in found if e["type"] == "extra_forbidden" and len(e["loc"]) == 1]
        meant = {near for stray in strays if (near := nearest(stray, known))}
        for error in found:
            head = str(error["loc"][0]) if error["loc"] else ""
            place = joined(path, error["loc"])
            if error["type"] == "extra_forbidden":
                self.add(place, unknown_key(str(error["loc"][-1]), known if len(error["loc"]) == 1 else ()))
            elif error["type"] == "missing" and head in meant:
                continue  # one misspelt key is one problem, not two
            else:
                self.add(place, _words(error, quote=head not in secret))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """What somebody may have meant."""
    found = get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Words for a key that nobody asked for."""
    known = list(known)
    near = nearest(key, known)
    if near:
        return f"unknown key, did you mean {near}?"
    return f"unknown key, there are {', '.join(known)}" if known else "unknown key"


def no_such(value: str, noun: str, known: Iterable[str]) -> str:
    """Words for a value that is not in a list, such as a vendor that is not in the catalogue."""
    known = list(known)
    near = nearest(value, known)
    hint = f"did you mean {near}? " if near else ""
    return f"no such {noun}: {value!r}, {hint}there are {', '.join(known)}" if known else f"no such {noun}: {value!r}"


def joined(path: str, location: Sequence[int | str]) -> str:
    """`a.b` and ('c', 1) make `a.b.c[1]`."""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def _words(error: ErrorDetails, *, quote: bool) -> str:
    context = {key: _number(value) for key, value in error.get("ctx", {}).items()}
    value = error.get("input")
    template = _WORDS.get(error["type"])
    words = template.format(**context) if template else error["msg"][:1].lower() + error["msg"][1:]
    if str(context.get("pattern")).startswith("^https?://"):
        words = "must be an address that starts with https:// or http://"
    if not quote:
        # A message of the vendor's own validator may quote the value too.
        return words if error["type"] != "value_error" else "the value does not fit"
    if error["type"] in ("missing", "value_error") or not isinstance(value, str | int | float | bool):
        return words
    if value == "":
        return "must not be empty"
    shown = str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, str) else str(value)
    return f"{words}, not {shown}"


def _number(value: Any) -> Any:
    """1.0, which pydantic makes of a bound of 1, as 1."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
