"""Reach: how a command gets at the data, whether or not a service runs on it."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from signal_actor import control
from signal_actor.database import FILE, held, migrate, now_ms, open_reader, open_writer
from signal_actor.errors import HeldElsewhere, StorageError, UsageError
from signal_actor.secrets import Box, open_box
from signal_actor.writer import translated

STARTING_SECONDS = 10.0  # a service that has just taken the data directory announces itself within this
ANSWER_SECONDS = 60.0

Ask = Callable[..., Any]


@contextmanager
def writing(data_dir: Path, environ: Mapping[str, str]) -> Iterator[Ask]:
    """A function that runs a verb of `control`: `ask("replay", ...)`, each call one transaction.

    Raises:
        HeldElsewhere: another process holds the data directory and does not answer.
        UsageError: what the verb has to say.
    """
    try:
        with held(data_dir):
            box = open_box(data_dir, environ)
            connection = open_writer(data_dir / FILE)
            migrate(connection)
            try:
                yield lambda verb, **arguments: _direct(connection, box, verb, arguments)
            finally:
                connection.close()
            return
    except HeldElsewhere as error:
        held_by_service = error
    address = _await_address(data_dir)
    if address is None:
        raise held_by_service
    with httpx.Client(base_url=address.url, timeout=ANSWER_SECONDS, trust_env=False) as client:
        yield lambda verb, **arguments: _remote(client, address, verb, arguments)


@contextmanager
def reading(data_dir: Path) -> Iterator[sqlite3.Connection]:
    """A connection that only reads; it works beside a running service and without one."""
    connection = open_reader(data_dir / FILE)
    try:
        if migrate(connection, dry_run=True):
            raise UsageError(f"{data_dir / FILE}: of an older version; run `signal-actor migrate` first")
        yield connection
    finally:
        connection.close()


def _direct(connection: sqlite3.Connection, box: Box, verb: str, arguments: dict[str, Any]) -> Any:
    try:
        connection.execute("begin immediate")
        try:
            value = control.execute(connection, box, verb, arguments, now=now_ms())
            connection.execute("commit")
        except BaseException:
            if connection.in_transaction:
                connection.execute("rollback")
            raise
    except sqlite3.Error as error:
        raise translated(error) from error
    return value


def _remote(client: httpx.Client, address: control.Address, verb: str, arguments: dict[str, Any]) -> Any:
    try:
        response = client.post(
            control.PATH,
            json={"verb": verb, "arguments": arguments},
            headers={"Authorization": f"Bearer {address.secret}"},
        )
        answer = response.json()
    except (httpx.HTTPError, ValueError) as error:
        raise StorageError(f"the running service does not answer at {address.url}: {error}") from None
    if response.status_code >= 500:
        raise StorageError(answer.get("message", response.text))
    if response.status_code != 200:
        raise UsageError(answer.get("message", response.text))
    return answer["value"]


def _await_address(data_dir: Path) -> control.Address | None:
    deadline = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < deadline:
        address = control.announced(data_dir)
        if address is not None:
            return address
        time.sleep(0.1)
    return None
