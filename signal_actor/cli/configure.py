"""Commands for configuration as code: `apply`, `export` and `migrate`."""

import os
from pathlib import Path

import click

from signal_actor import configuration, secrets
from signal_actor.cli import output
from signal_actor.cli.reach import reading, writing
from signal_actor.cli.serve import data_dir_option
from signal_actor.database import FILE, held, open_reader, open_writer
from signal_actor.database import migrate as apply_migrations
from signal_actor.errors import ConfigurationError
from signal_actor.store import plans


@click.command()
@data_dir_option
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option("--json", "as_json", is_flag=True)
def apply(data_dir: Path, file: Path, dry_run: bool, as_json: bool) -> None:
    """Make a configuration file true, in one transaction, and say what that changed."""
    used: dict[str, str] = {}
    resolve = secrets.references(os.environ, file.parent)

    def noted(reference: str) -> str:
        used[reference] = resolve(reference)
        return used[reference]

    text = _text(file)
    configuration.parse(text, file=str(file), resolve=noted)
    with writing(data_dir, os.environ) as ask:
        changes = ask("plan" if dry_run else "apply", text=text, file=str(file), secrets=used)
    if as_json:
        output.document(changes)
        return
    for change in changes:
        colour = {"+": "green", "-": "red"}.get(change[:1], "yellow")
        click.secho(change, fg=colour)
    click.echo(f"{len(changes)} changes{' would be made' if dry_run else ''}." if changes else "Nothing to change.")


@click.command()
@data_dir_option
def export(data_dir: Path) -> None:
    """Print what is live as a configuration file. Secrets become `env:NAME`."""
    box = secrets.open_box(data_dir, os.environ)
    with reading(data_dir) as connection:
        click.echo(configuration.dumped(plans.export(connection, box)), nl=False)


@click.command()
@data_dir_option
@click.option("--dry-run", is_flag=True, help="Only say what is missing.")
def migrate(data_dir: Path, dry_run: bool) -> None:
    """Bring the database to this version's shape. `serve` does so by itself at start."""
    if dry_run:
        connection = open_reader(data_dir / FILE)
        names = apply_migrations(connection, dry_run=True)
        connection.close()
    else:
        with held(data_dir):
            connection = open_writer(data_dir / FILE)
            names = apply_migrations(connection)
            connection.close()
    for name in names:
        click.echo(f"{'would apply' if dry_run else 'applied'} {name}")
    if not names:
        click.echo("The database is up to date.")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file}: not UTF-8 at byte {error.start}, save it as UTF-8") from None
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read ({error.strerror})") from None
