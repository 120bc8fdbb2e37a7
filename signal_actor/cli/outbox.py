"""Commands for the outbox: what is owed, why an event did not arrive, and what to do about it."""

import json
import os
import sqlite3
from pathlib import Path
from textwrap import indent
from typing import Any

import click
from rich.text import Text

from signal_actor.cli import output
from signal_actor.cli.reach import reading, writing
from signal_actor.cli.serve import data_dir_option
from signal_actor.errors import UsageError
from signal_actor.problems import no_such
from signal_actor.store import events, letters
from signal_actor.store.letters import CHUNK, Filter
from signal_actor.wire import visible


@click.group()
def outbox() -> None:
    """The backlog, dead letters, one event's whole story, replay and discard."""


def filters(command: Any) -> Any:
    """The options that say which deliveries."""
    for option in reversed(
        (
            click.option("--pipeline", help="A pipeline's slug."),
            click.option("--integration", help="An integration's slug."),
            click.option("--event", help="An event's name, such as 'Order Completed'."),
            click.option("--event-id", "event_ids", type=int, multiple=True, help="May be repeated."),
            click.option("--since", help="Accepted at or after this ISO 8601 time."),
            click.option("--until", help="Accepted before this ISO 8601 time."),
        )
    ):
        command = option(command)
    return command


def wanted(state: str | None, event_ids: tuple[int, ...], **rest: Any) -> Filter:
    return Filter(state=state, event_ids=event_ids or None, **rest)


def _check_names(connection: sqlite3.Connection, which: Filter) -> None:
    """A mistyped name must not read as "nothing to do". Raises UsageError."""
    known = letters.backlog(connection)
    for noun, name in (("pipeline", which.pipeline), ("integration", which.integration)):
        slugs = dict.fromkeys(row[noun] for row in known)
        if name is not None and name not in slugs:
            raise UsageError(no_such(name, noun, slugs))


@outbox.command()
@data_dir_option
@click.option("--json", "as_json", is_flag=True)
def status(data_dir: Path, as_json: bool) -> None:
    """How every integration is doing, and what it is owed."""
    with reading(data_dir) as connection:
        found = letters.backlog(connection)
    columns = [name for name in (found[0] if found else {}) if name != "cause"]
    output.rows(
        found, as_json=as_json, columns=columns, empty="No integrations yet; `signal-actor apply FILE` brings some."
    )
    for item in () if as_json else found:
        if item["cause"] and item["health"] != "ok":
            click.echo(f"\n{item['pipeline']}/{item['integration']}: {visible(item['cause'])}")


@outbox.command("list")
@data_dir_option
@filters
@click.option("--state", type=click.Choice(["pending", "leased", "done", "skipped", "dead"]))
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def list_(data_dir: Path, limit: int, as_json: bool, **which: Any) -> None:
    """List deliveries, oldest first."""
    with reading(data_dir) as connection:
        _check_names(connection, filter_ := wanted(**which))
        found = letters.listed(connection, filter_, limit=limit)
    columns = ["event_id", "pipeline", "integration", "state", "attempts", "due_at", "last_status", "last_error"]
    output.rows(found, as_json=as_json, columns=columns, empty="No such deliveries.")


@outbox.command()
@data_dir_option
@click.argument("event")
@click.option("--json", "as_json", is_flag=True)
def show(data_dir: Path, event: str, as_json: bool) -> None:
    """One event's whole story. EVENT is its id or messageId."""
    with reading(data_dir) as connection:
        stories = [events.story(connection, identity) for identity in events.find(connection, event)]
    if not stories:
        raise UsageError(f"there is no event {event!r}; it may have been forgotten after its retention")
    if as_json:
        output.document(stories[0] if len(stories) == 1 else stories)
        return
    for story in stories:
        _tell(story)


def _tell(story: dict[str, Any]) -> None:
    console, event = output.console(), story["event"]
    console.print(Text(visible(f"{event['type']} {event['name'] or ''}  {event['event_id']}"), style="bold"))
    for name in ("received_at", "pipeline", "message_id", "anonymous_id", "user_id"):
        console.print(Text(visible(f"  {name:13} {event[name] if event[name] is not None else '-'}")))
    payload = output.json_text(json.loads(event["payload"]))
    console.print(Text(indent(payload, "  ") + "\n", style="dim"), soft_wrap=True)
    output.rows(
        story["deliveries"],
        as_json=False,
        columns=["integration", "vendor", "state", "attempts", "due_at", "last_status", "last_error", "finished_at"],
        empty="No integration was live when it was accepted.",
    )
    for attempt in story["attempts"]:
        head = f"{attempt['started_at']}  {attempt['integration']}  {attempt['outcome']}  {attempt['status'] or '-'}"
        count = output.several(attempt["events"], "event", "events")
        console.print(Text(f"\n{head}  {attempt['duration_ms']} ms  {count}", style="bold"))
        for name in ("error", "request_body", "response_body"):
            if attempt[name]:
                # Not broken into lines of ours: what is copied from here is to be JSON.
                console.print(Text(visible(f"  {name.removesuffix('_body')}: {attempt[name]}")), soft_wrap=True)


@outbox.command()
@data_dir_option
@filters
@click.option("--state", type=click.Choice(letters.REPLAYABLE), default="dead", show_default=True)
@click.option("--dry-run", is_flag=True, help="Only count.")
def replay(data_dir: Path, dry_run: bool, **which: Any) -> None:
    """Send dead or skipped deliveries again."""
    _change("replay", data_dir, wanted(**which), dry_run, "replayed")


@outbox.command()
@data_dir_option
@filters
@click.option("--state", type=click.Choice(letters.DISCARDABLE), default="dead", show_default=True)
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def discard(data_dir: Path, dry_run: bool, yes: bool, **which: Any) -> None:
    """Give deliveries up for good. What is done stays done."""
    filter_ = wanted(**which)
    if not dry_run and not yes:
        with reading(data_dir) as connection:
            _check_names(connection, filter_)
            output.sure(f"Give {_deliveries(letters.count(connection, filter_))} up for good?")
    _change("discard", data_dir, filter_, dry_run, "discarded")


def _change(verb: str, data_dir: Path, which: Filter, dry_run: bool, done: str) -> None:
    with reading(data_dir) as connection:
        _check_names(connection, which)
        count = letters.count(connection, which)
    if dry_run:
        click.echo(f"{_deliveries(count)} would be {done}.")
        return
    total = 0
    arguments = {name: getattr(which, name) for name in which.__slots__}
    with writing(data_dir, os.environ) as ask:
        while (changed := ask(verb, letters_wanted=arguments)) == CHUNK:
            total += changed
    click.echo(f"{_deliveries(total + changed)} {done}.")


def _deliveries(count: int) -> str:
    return output.several(count, "delivery", "deliveries")
