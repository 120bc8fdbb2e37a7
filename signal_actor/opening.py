"""Opening: what happens before a port opens: the data directory is held, migrated, recovered and configured."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import structlog

from signal_actor import configuration, control, secrets
from signal_actor.configuration import Configuration
from signal_actor.database import FILE, Database, held, migrate, now_ms, open_writer
from signal_actor.secrets import Box
from signal_actor.store import outbox, pipelines, plans, tokens
from signal_actor.store.ids import HOUR

LONGEST_WAIT = HOUR  # no due time is further away than a vendor's longest Retry-After
TOKEN_FILE = "admin-token"  # noqa: S105 (a file's name)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Options:
    """What `serve` was told by flags, environment and file."""

    data_dir: Path
    config: Path | None = None
    ingest_bind: str = "0.0.0.0:8080"
    admin_bind: str = "127.0.0.1:8084"
    admin_token: str | None = None
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


@contextmanager
def opened(options: Options) -> Iterator[tuple[Database, Box]]:
    """The data directory's database and box, ready to be served.

    Raises:
        HeldElsewhere: another process holds the data directory.
        UsageError: with what to mend.
    """
    wanted = configuration.load(options.config, options.environ) if options.config else None
    with held(options.data_dir):
        control.withdraw(options.data_dir)  # the address of a predecessor that was killed
        box = secrets.open_box(options.data_dir, options.environ)
        connection = open_writer(options.data_dir / FILE)
        migrate(connection)
        database = Database(options.data_dir / FILE, connection)
        try:
            _begin(connection, options, wanted, box)
            yield database, box
        finally:
            database.close()


def _begin(connection: sqlite3.Connection, options: Options, wanted: Configuration | None, box: Box) -> None:
    """The first transaction of a process."""
    now = now_ms()
    connection.execute("begin immediate")
    try:
        interrupted = outbox.recover(connection, now=now, latest_due=now + LONGEST_WAIT)
        changes = plans.apply(connection, wanted, box, author=str(options.config), now=now) if wanted else []
        pipelines.note_fitness(connection, box, now=now)
        token = _first_token(connection, options, now)
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    if interrupted:
        log.warning("outbox.recovered", deliveries=interrupted)
    for change in changes:
        log.info("configuration.applied", change=str(change))
    if token:
        log.info("token.created", file=str(options.data_dir / TOKEN_FILE), role="admin")


def _first_token(connection: sqlite3.Connection, options: Options, now: int) -> bool:
    """The first start leaves an admin token in the data directory, unless the operator fixed one."""
    if options.admin_token or any(token.revoked_at is None for token in tokens.tokens(connection)):
        return False
    _, text = tokens.create(connection, "first start", "admin", author="first start", now=now)
    path = options.data_dir / TOKEN_FILE
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
    return True
