"""Output: tables and colour for people, JSON for programs."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from signal_actor.errors import UsageError
from signal_actor.wire import STEERING, visible

COLOURS = {
    "ok": "green",
    "done": "green",
    "retrying": "yellow",
    "pending": "yellow",
    "leased": "yellow",
    "paused": "magenta",
    "skipped": "dim",
    "misconfigured": "bold red",
    "dead": "bold red",
}


LONG = {"cause", "error", "last_error", "reason"}  # columns of prose; the others are not broken
PIPE_WIDTH = 240  # columns, where no terminal says how wide it is


def console() -> Console:
    """Where people read; width and colour follow the terminal."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def rows(items: Sequence[dict[str, Any]], *, as_json: bool, columns: Iterable[str] | None = None, empty: str) -> None:
    """Prints rows as a table, or as JSON; `empty` is what to say instead of an empty table."""
    if as_json:
        document(list(items))
        return
    if not items:
        click.echo(empty)
        return
    names = list(columns or items[0])
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in names:
        table.add_column(name.replace("_", " "), overflow="fold", no_wrap=name not in LONG)
    for item in items:
        table.add_row(*(cell(item.get(name)) for name in names))
    console().print(table)


def cell(value: Any) -> Text:
    """A value as a table's cell. What strangers sent is read neither as markup nor by the terminal."""
    text = "" if value is None else str(value)
    return Text(visible(text), style=COLOURS.get(text, ""))


def several(count: int, one: str, many: str) -> str:
    """A number with its noun."""
    return f"{count} {one if count == 1 else many}"


def sure(question: str) -> None:
    """Asks before something is done that cannot be undone.

    Raises:
        Abort: the answer is no.
        UsageError: there is nobody to answer.
    """
    try:
        agreed = click.confirm(question)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise UsageError("nobody is there to be asked; add --yes to go on without") from None
    if not agreed:
        raise click.Abort


def document(value: Any) -> None:
    """Prints JSON."""
    click.echo(json_text(value))


def json_text(value: Any) -> str:
    """JSON with two spaces that a terminal shows and does not obey. What it spells out is what JSON allows."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
