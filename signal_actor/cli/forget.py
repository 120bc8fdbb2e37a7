"""Command `forget`: erases a person and prints a receipt."""

import os
from collections import Counter
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path

import click

from signal_actor.cli import output
from signal_actor.cli.reach import reading, writing
from signal_actor.cli.serve import data_dir_option
from signal_actor.database import FILE, held, open_writer
from signal_actor.errors import HeldElsewhere
from signal_actor.store import persons, upkeep
from signal_actor.store.persons import Person

WORDS = {
    "events": "events erased",
    "deliveries": "deliveries erased",
    "attempts_erased": "attempts erased",
    "attempts_blanked": "attempts that were about others too, texts erased",
    "identities": "identities erased",
}


@click.command()
@data_dir_option
@click.option("--user-id", help="A user, with the visitors linked to it.")
@click.option("--anonymous-id", help="A visitor, with the user linked to it.")
@click.option("--email", help="Whoever gave this address.")
@click.option("--pipeline", help="A pipeline's slug; without it, in all.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True)
def forget(data_dir: Path, yes: bool, as_json: bool, **who: str | None) -> None:
    """Erase a person from events, identities, deliveries and attempts, and print a receipt."""
    person = Person(**who)
    person.check()
    with reading(data_dir) as connection:
        found = persons.find(connection, person)
    if not yes and found.events:
        events = output.several(len(found.events), "event", "events")
        output.sure(f"Erase {events} and all that is known about this person?")
    receipt = Counter(persons.NOTHING)
    with writing(data_dir, os.environ) as ask:
        for _ in range(persons.ROUNDS):
            with reading(data_dir) as connection:
                found = persons.find(connection, person)
            if not any(asdict(found).values()):
                break
            erased = Counter[str]()
            for piece in persons.pieces(found):
                erased.update(ask("erase", **piece))
            receipt.update(erased)
            if not any(erased.values()):
                break
        ask("forgotten", who=who, receipt=dict(receipt))
    _scrub(data_dir)
    if as_json:
        output.document(dict(receipt))
        return
    for name, words in WORDS.items():
        click.echo(f"{receipt[name]:>8}  {words}")


def _scrub(data_dir: Path) -> None:
    """Leaves no bytes of what was erased; a running service does so by itself."""
    with suppress(HeldElsewhere), held(data_dir), closing(open_writer(data_dir / FILE)) as connection:
        connection.executescript(upkeep.scrub(connection))
