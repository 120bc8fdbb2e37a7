"""Render: templates become HTML, and values become words that people read. Everything is escaped unless made here."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from signal_actor.management.pages import code, icons
from signal_actor.management.pages.assets import address
from signal_actor.store.ids import DAY, HOUR, MINUTE
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
    for unit, size, below in (("ms", 1, 1000), ("s", 1000, MINUTE), ("min", MINUTE, HOUR), ("h", HOUR, DAY)):
        if ms < below:
            value = ms / size
            return f"{value:.1f} {unit}" if unit == "s" and value < 10 else f"{value:.0f} {unit}"
    return f"{ms / DAY:.0f} d"


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


FILTERS: dict[str, Callable[..., str]] = {
    "coloured": code.coloured,
    "moment": moment,
    "number": number,
    "pretty": code.pretty,
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
        "compared": code.compared,
        "icon": icons.icon,
        "static": address,
    }
    return made


ENVIRONMENT = _environment()
