"""Commands for management tokens, which are shown once and stored hashed."""

import os
from dataclasses import asdict
from pathlib import Path

import click

from signal_actor.cli import output
from signal_actor.cli.reach import reading, writing
from signal_actor.cli.serve import data_dir_option
from signal_actor.errors import UsageError
from signal_actor.store import tokens
from signal_actor.wire import iso


@click.group()
def token() -> None:
    """Create, list and revoke management tokens."""


@token.command()
@data_dir_option
@click.option("--role", type=click.Choice(["admin", "editor", "viewer"]), default="viewer", show_default=True)
@click.option("--name", required=True, help="Whose it is.")
@click.option("--json", "as_json", is_flag=True)
def create(data_dir: Path, role: str, name: str, as_json: bool) -> None:
    """Create a token and show it, once."""
    with writing(data_dir, os.environ) as ask:
        made = ask("token_create", name=name, role=role)
    if as_json:
        output.document(made)
    else:
        click.echo(made["token"])


@token.command("list")
@data_dir_option
@click.option("--json", "as_json", is_flag=True)
def list_(data_dir: Path, as_json: bool) -> None:
    """List tokens. Their text is not kept."""
    with reading(data_dir) as connection:
        found = [asdict(each) for each in tokens.tokens(connection)]
    for each in found:
        for moment in ("created_at", "revoked_at"):
            each[moment] = None if each[moment] is None else iso(each[moment])
    output.rows(found, as_json=as_json, empty="No tokens yet; make one with `signal-actor token create --name NAME`.")


@token.command()
@data_dir_option
@click.argument("which")
def revoke(data_dir: Path, which: str) -> None:
    """Revoke a token by its id or name."""
    with reading(data_dir) as connection:
        ids = [
            each.id for each in tokens.tokens(connection) if which in (str(each.id), each.name) and not each.revoked_at
        ]
    if not ids:
        raise UsageError(f"there is no token {which!r} to revoke; `signal-actor token list` shows those there are")
    with writing(data_dir, os.environ) as ask:
        for identity in ids:
            ask("token_revoke", identity=identity)
            click.echo(f"revoked {identity}")
