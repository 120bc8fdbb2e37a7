"""Render: templates become HTML, and values become words that people read. Everything is escaped unless made here."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from difflib import SequenceMatcher
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from signal_actor.management.pages import icons
from signal_actor.management.pages.assets import address
from signal_actor.wire import iso

STATES = {
    "pending": ("waiting", "Waits for its turn, or for the next try."),
    "leased": ("in flight", "Is being sent right now."),
    "done": ("delivered", "The vendor has it."),
    "skipped": ("skipped", "Not wanted: consent, mapping, disabled or discarded."),
    "dead": ("dead letter", "Given up on until somebody replays it."),
}
HEALTHS = {
    "ok": ("healthy", "good"),
    "retrying": ("retrying", "warn"),
    "paused": ("paused", "calm"),
    "misconfigured": ("needs you", "bad"),
    "disabled": ("disabled", "calm"),
}
TONES = {"done": "good", "skipped": "calm", "dead": "bad", "pending": "warn", "leased": "warn"}


def render(template: str, **values: Any) -> str:
    """The template as text."""
    return ENVIRONMENT.get_template(template).render(**values)


def number(value: float | None) -> str:
    """12345 -> 12,345; an unknown one is a dash."""
    return "–" if value is None else f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def span(ms: float | None) -> str:
    """A duration in the largest unit that fits: 840 ms, 3.2 s, 4 min, 2 h, 3 d."""
    if ms is None:
        return "–"
    for unit, size, below in (("ms", 1, 1000), ("s", 1000, 60_000), ("min", 60_000, 3_600_000), ("h", 3.6e6, 8.64e7)):
        if ms < below:
            value = ms / size
            return f"{value:.1f} {unit}" if unit == "s" and value < 10 else f"{value:.0f} {unit}"
    return f"{ms / 8.64e7:.0f} d"


def size(count: float | None) -> str:
    """Bytes: 812 B, 3.4 MB."""
    if count is None:
        return "–"
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def moment(value: int | str | None, form: str = "full") -> Markup:
    """A time as an element that our module turns into local time; without it, it is UTC and says so."""
    if value is None:
        return Markup('<span class="faint">never</span>')
    text = iso(value) if isinstance(value, int) else value
    at = datetime.fromisoformat(text).astimezone(UTC)
    shown = at.strftime("%H:%M:%S" if form == "time" else "%Y-%m-%d %H:%M:%S")
    return Markup('<time datetime="{}" data-form="{}">{} UTC</time>').format(text, form, shown)


def pretty(given: Any) -> str:
    """JSON with two spaces; text that is JSON already is read first."""
    value = given
    if isinstance(given, str):
        try:
            value = json.loads(given)
        except ValueError:
            return given
    return json.dumps(value, indent=2, ensure_ascii=False)


def coloured(value: Any) -> Markup:
    """Pretty JSON with its keys, texts and numbers told apart."""
    return Markup("\n").join(_coloured(line) for line in pretty(value).split("\n"))


def compared(old: Any, new: Any) -> list[tuple[str, str]]:
    """Two JSON values, line by line: ("=" | "-" | "+", line)."""
    before, after = pretty(old).split("\n"), pretty(new).split("\n")
    found: list[tuple[str, str]] = []
    for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            found += [("=", line) for line in before[a:b]]
        else:
            found += [("-", line) for line in before[a:b]] + [("+", line) for line in after[c:d]]
    return found


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


FILTERS: dict[str, Callable[..., str]] = {
    "coloured": coloured,
    "moment": moment,
    "number": number,
    "pretty": pretty,
    "size": size,
    "span": span,
}


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("signal_actor.management"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= FILTERS
    made.globals |= {
        "HEALTHS": HEALTHS,
        "STATES": STATES,
        "TONES": TONES,
        "compared": compared,
        "icon": icons.icon,
        "static": address,
    }
    return made


ENVIRONMENT = _environment()
