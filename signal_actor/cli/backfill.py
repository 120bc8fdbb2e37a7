"""Command `import`: a file of events, with a progress bar, resumable, through the same checks as over HTTP."""

import os
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from signal_actor.cli import output
from signal_actor.cli.reach import reading, writing
from signal_actor.cli.serve import data_dir_option
from signal_actor.errors import UsageError
from signal_actor.store import backfill

LINES = 200  # stored in one transaction
HEAD = 1024 * 1024  # bytes of a file that tell it from others, with its size
SHOWN = 20  # refused lines that are printed


@click.command("import")
@data_dir_option
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--pipeline", required=True, help="The pipeline's slug.")
@click.option("--json", "as_json", is_flag=True)
def import_(data_dir: Path, file: Path, pipeline: str, as_json: bool) -> None:
    """Store the events of a file, one JSON object a line. Run it again to go on where it stopped."""
    total, name = _measured(file)
    accepted = duplicates = 0
    refused: list[tuple[int, str]] = []
    with writing(data_dir, os.environ) as ask, _progress(as_json) as progress:
        with reading(data_dir) as connection:
            done = backfill.done(connection, name, pipeline)
        task = progress.add_task(file.name, total=total, completed=done)
        for first, lines in _pieces(file, done):
            result = ask("import_lines", file=name, pipeline=pipeline, first=first, lines=lines)
            accepted += result["accepted"]
            duplicates += result["duplicates"]
            refused += [tuple(line) for line in result["refused"]]
            progress.advance(task, len(lines))
    if as_json:
        output.document({"accepted": accepted, "duplicates": duplicates, "refused": refused, "skipped_lines": done})
        return
    if done:
        click.echo(f"{done} lines were done before.")
    taken, again = output.several(accepted, "event", "events"), output.several(duplicates, "duplicate", "duplicates")
    click.echo(f"{taken} accepted, {again}, {len(refused)} refused.")
    for number, message in refused[:SHOWN]:
        click.echo(f"  line {number}: {message}", err=True)


def _measured(file: Path) -> tuple[int, str]:
    """The number of lines, and a name that follows the file wherever it is moved."""
    try:
        with file.open("rb") as stream:
            digest = blake2b(stream.read(HEAD), digest_size=16, person=b"import").hexdigest()
            stream.seek(0)
            total = sum(1 for _ in stream)
            return total, f"{digest}-{file.stat().st_size}"
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror})") from None


def _pieces(file: Path, done: int) -> Iterator[tuple[int, list[str]]]:
    """Pieces of the file with the number of their first line, from 1."""
    with file.open(encoding="utf-8-sig", errors="replace") as stream:
        lines: list[str] = []
        number = 0
        for number, line in enumerate(stream, 1):
            if number <= done:
                continue
            lines.append(line)
            if len(lines) == LINES:
                yield number - LINES + 1, lines
                lines = []
        if lines:
            yield number - len(lines) + 1, lines


def _progress(quiet: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), disable=quiet
    )
