"""Control: what commands may change, by name, so that they work the same whether or not a service runs on the data.

Only one connection ever writes. With no service running, a command opens the database itself; else it asks the
service, over the management listener, with a secret that only the data directory's owner can read.
"""

import json
import os
import secrets
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signal_actor import configuration
from signal_actor.errors import UsageError
from signal_actor.secrets import Box
from signal_actor.store import backfill, letters, persons, pipelines, plans, tokens

FILE = "control.json"
PATH = "/control"

Verb = Callable[..., Any]


def apply(connection: sqlite3.Connection, box: Box, *, now: int, text: str, file: str, secrets: dict[str, str]) -> Any:
    """Applies a configuration file's text; `secrets` are the values of its `env:` and `file:` references."""
    parsed = configuration.parse(text, file=file, resolve=_given(secrets))
    return [str(change) for change in plans.apply(connection, parsed, box, author="command line", now=now)]


def plan(connection: sqlite3.Connection, box: Box, *, now: int, text: str, file: str, secrets: dict[str, str]) -> Any:
    """What `apply` would change."""
    parsed = configuration.parse(text, file=file, resolve=_given(secrets))
    return [str(change) for change in plans.plan(connection, parsed, box)]


def token_create(connection: sqlite3.Connection, box: Box, *, now: int, name: str, role: tokens.Role) -> Any:
    """Creates a management token; its text is returned this once."""
    identity, text = tokens.create(connection, name, role, author="command line", now=now)
    return {"id": identity, "name": name, "role": role, "token": text}


def token_revoke(connection: sqlite3.Connection, box: Box, *, now: int, identity: int) -> Any:
    """Revokes a management token."""
    return tokens.revoke(connection, identity, author="command line", now=now)


def replay(connection: sqlite3.Connection, box: Box, *, now: int, letters_wanted: dict[str, Any]) -> Any:
    """Makes final deliveries pending again."""
    return letters.replay(connection, letters.Filter(**letters_wanted), author="command line", now=now)


def discard(connection: sqlite3.Connection, box: Box, *, now: int, letters_wanted: dict[str, Any]) -> Any:
    """Gives deliveries up for good."""
    return letters.discard(connection, letters.Filter(**letters_wanted), author="command line", now=now)


def import_lines(connection: sqlite3.Connection, box: Box, *, now: int, **chunk: Any) -> Any:
    """Stores a piece of a file of events and how far it got, in one transaction."""
    live = pipelines.live(connection, box)
    return backfill.store(connection, dedupe_hours=live.retention.dedupe_hours, now=now, **chunk)


def erase(connection: sqlite3.Connection, box: Box, *, now: int, **piece: Any) -> Any:
    """Erases a piece of what was found about a person."""
    return persons.erase(connection, now=now, **piece)


def forgotten(
    connection: sqlite3.Connection, box: Box, *, now: int, who: dict[str, Any], receipt: dict[str, int]
) -> Any:
    """Records that a person was forgotten."""
    persons.record(connection, persons.Person(**who), receipt, author="command line", now=now)
    return receipt


VERBS: Mapping[str, Verb] = {
    verb.__name__: verb
    for verb in (apply, plan, token_create, token_revoke, replay, discard, import_lines, erase, forgotten)
}


def execute(connection: sqlite3.Connection, box: Box, name: str, arguments: dict[str, Any], *, now: int) -> Any:
    """Runs one verb inside the caller's transaction and returns a JSON value."""
    verb = VERBS.get(name)
    if verb is None:
        raise UsageError(f"the running service does not know {name!r}: it is of another version, restart it")
    return verb(connection, box, now=now, **arguments)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the running service takes commands, and the secret that proves the right to give them."""

    url: str
    secret: str


def announce(data_dir: Path, url: str) -> Address:
    """Leaves the address in the data directory, readable for its owner only."""
    address = Address(url, secrets.token_urlsafe(32))
    fresh = data_dir / f"{FILE}.new"
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"url": address.url, "secret": address.secret}, file)
    fresh.replace(data_dir / FILE)
    return address


def withdraw(data_dir: Path) -> None:
    """Takes the address away when the service stops."""
    (data_dir / FILE).unlink(missing_ok=True)


def announced(data_dir: Path) -> Address | None:
    """The address of the running service, if there is one."""
    try:
        return Address(**json.loads((data_dir / FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _given(values: Mapping[str, str]) -> Callable[[str], str]:
    def resolve(reference: str) -> str:
        return values.get(reference, reference)

    return resolve
