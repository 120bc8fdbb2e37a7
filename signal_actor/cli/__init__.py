"""Command line: thin commands over the rooms below. Every one works the same whether or not a service is running."""

import sys

import click

from signal_actor import __version__
from signal_actor.cli.backfill import import_
from signal_actor.cli.configure import apply, export, migrate
from signal_actor.cli.forget import forget
from signal_actor.cli.outbox import outbox
from signal_actor.cli.sandbox import sandbox
from signal_actor.cli.serve import demo, serve
from signal_actor.cli.token import token
from signal_actor.errors import HeldElsewhere, SignalError, UsageError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="signal-actor")
def commands() -> None:
    """Signal Actor: browser events reach your vendors server to server, durably."""


for command in (serve, demo, sandbox, apply, export, token, outbox, import_, forget, migrate):
    commands.add_command(command)


def main() -> None:
    """The program. Exit codes: 0 done, 1 a check failed, 2 wrong usage or configuration, 3 the data is held."""
    try:
        sys.exit(commands.main(standalone_mode=False) or 0)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except BaseExceptionGroup as group:
        sys.exit(report(group))
    except SignalError as error:
        sys.exit(report(error))


def report(error: BaseException) -> int:
    """Says what went wrong in one line, and returns the exit code for it."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if not isinstance(error, SignalError):
        raise error
    click.echo(f"signal-actor: {error}", err=True)
    match error:
        case UsageError():
            return 2
        case HeldElsewhere():
            return 3
        case _:
            return 1
