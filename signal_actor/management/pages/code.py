"""Code: JSON as people read it, coloured or side by side, and never more of it than a page can hold.

Strangers decide how long an event is. So what is shown of it is cut down before anything is made of it: looking at one
event must not hold up all others. What was left out is counted where it was; the API gives it out whole.
"""

import json
from difflib import SequenceMatcher
from typing import Any

from markupsafe import Markup, escape

LINES = 1_000  # of one figure; usual events have a tenth of it
CHARACTERS = 20_000  # of one text
DEPTH = 100  # of nesting
COMPARED = 400  # lines on either side that are held against each other one by one


def pretty(given: Any) -> str:
    """JSON with two spaces, cut down; text that is JSON already is read first."""
    value = given
    if isinstance(given, str):
        try:
            value = json.loads(given)
        except (ValueError, RecursionError):
            return given
    return json.dumps(_cut(value), indent=2, ensure_ascii=False)


def coloured(value: Any) -> Markup:
    """Pretty JSON with its keys, texts and numbers told apart."""
    return Markup("\n").join(_coloured(line) for line in _lines(value))


def compared(old: Any, new: Any) -> list[tuple[str, str]]:
    """Two JSON values, line by line: ("=" | "-" | "+", line)."""
    before, after = _lines(old), _lines(new)
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    found = [("=", line) for line in before[:start]]
    found += _differences(before[start : len(before) - end], after[start : len(after) - end])
    return found + [("=", line) for line in before[len(before) - end :]]


def _differences(before: list[str], after: list[str]) -> list[tuple[str, str]]:
    """What stands between a common beginning and a common end. The longest match costs both lengths multiplied."""
    if max(len(before), len(after)) > COMPARED:
        return [("-", line) for line in before] + [("+", line) for line in after]
    found: list[tuple[str, str]] = []
    for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            found += [("=", line) for line in before[a:b]]
        else:
            found += [("-", line) for line in before[a:b]] + [("+", line) for line in after[c:d]]
    return found


def _lines(value: Any) -> list[str]:
    lines = pretty(value).split("\n")
    most = 2 * LINES  # brackets that close have lines of their own
    return lines if len(lines) <= most else [*lines[:most], f"… {len(lines) - most:,} more lines"]


def _cut(value: Any) -> Any:
    """The value with at most LINES values in it."""
    left = LINES

    def cut(item: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if isinstance(item, str):
            return _short(item)
        if not isinstance(item, dict | list) or not item:
            return item
        if depth == DEPTH:
            return "… nested deeper"
        pairs = item.items() if isinstance(item, dict) else enumerate(item)
        kept: list[tuple[Any, Any]] = []
        for key, part in pairs:
            if left <= 0:
                kept.append(("…", f"… {len(item) - len(kept):,} more"))
                break
            kept.append((key, cut(part, depth + 1)))
        return {_short(key): part for key, part in kept} if isinstance(item, dict) else [part for _, part in kept]

    return cut(value, 0)


def _short(text: str) -> str:
    more = len(text) - CHARACTERS
    return text if more <= 0 else f"{text[:CHARACTERS]}… {more:,} more characters"


def _coloured(line: str) -> Markup:
    body = line.lstrip(" ")
    indent = line[: len(line) - len(body)]
    key, colon, rest = "", "", body
    if body.startswith('"'):
        try:
            text, end = json.JSONDecoder().raw_decode(body)
        except ValueError:
            return escape(line)
        if isinstance(text, str) and body[end : end + 2] == ": ":
            key, colon, rest = body[:end], ": ", body[end + 2 :]
    kind = "text" if rest.startswith('"') else "mark" if rest[:1] in ("{", "}", "[", "]") else "number"
    shown = Markup('<span class="json-key">{}</span>{}').format(key, colon) if key else Markup("")
    return Markup('{}{}<span class="json-{}">{}</span>').format(indent, shown, kind, rest)
