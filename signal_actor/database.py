"""Database: opens, locks and migrates `signal.db`, and reaches it from Trio.

`run(verb, ...)` is one transaction, committed in a group with the others that wait, `synchronous=FULL`: when it
returns, the transaction is on the disk. Exactly one connection writes and checkpoints; all others are `query_only`
(SQLite before 3.51.3 can corrupt a WAL that two connections write or checkpoint at once).
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import sqlite_utils

from signal_actor.errors import HeldElsewhere, UsageError
from signal_actor.reading import Reading
from signal_actor.writer import Writer

P = ParamSpec("P")
T = TypeVar("T")

FILE = "signal.db"
PAGE_SIZE = 8192  # a page holds a handful of events; 4096 writes a fifth more bytes per event
WAL_LIMIT = 64 * 1024 * 1024  # bytes that a truncating checkpoint leaves at the most


def now_ms() -> int:
    """Wall time in milliseconds since 1970: what due times and acceptance times are made of."""
    return time.time_ns() // 1_000_000


@contextmanager
def held(data_dir: Path) -> Iterator[None]:
    """Holds the data directory for this process.

    Raises:
        HeldElsewhere: another process holds it.
        UsageError: it cannot be made, or not be written to.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        words = f"{data_dir}: cannot be used as data directory ({error.strerror})"
        raise UsageError(f"{words}; let this user write there, or name another by --data-dir") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HeldElsewhere(f"{data_dir}: another signal-actor process holds this data directory") from None
        yield
    finally:
        os.close(descriptor)


def open_writer(path: Path) -> sqlite3.Connection:
    """The one connection that writes. Creates the file if need be; page size and vacuum mode are set only then.

    Raises:
        UsageError: the file was written by a newer version; it is left untouched.
    """
    new = not path.exists() or path.stat().st_size == 0
    if not new:
        _refuse_newer(path)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    if new:
        os.chmod(path, 0o600)
        connection.execute(f"pragma page_size = {PAGE_SIZE}")
        connection.execute("pragma auto_vacuum = incremental")
    for pragma in (
        "journal_mode = wal",
        "synchronous = full",
        "secure_delete = off",  # Debian's default rewrites every freed page; `forget` turns it on for itself
        "wal_autocheckpoint = 0",  # the writer checkpoints between groups, never inside a commit
        f"journal_size_limit = {WAL_LIMIT}",
        "cache_size = -32768",
        "temp_store = memory",
        "busy_timeout = 5000",
        "mmap_size = 0",
        "cell_size_check = on",
        "foreign_keys = off",  # verbs keep references; `verify` checks them
    ):
        connection.execute(f"pragma {pragma}")
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads. Keep its transactions short: a long reader keeps the WAL from shrinking."""
    if not path.exists():
        raise UsageError(f"{path}: no such database; start `signal-actor serve` first, or name another --data-dir")
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.execute("pragma query_only = on")
    connection.execute("pragma cache_size = -8192")
    connection.execute("pragma busy_timeout = 5000")
    return connection


def migrations() -> sqlite_utils.Migrations:
    """The migrations that belong to this version: beside the package in an installation, above it in a checkout."""
    package = Path(__file__).parent
    folder = next(p for p in (package / "migrations", package.parent / "migrations") if p.is_dir())
    spec = spec_from_file_location("signal_actor_migrations", folder / "migrations.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    found: sqlite_utils.Migrations = module.migrations
    return found


def migrate(connection: sqlite3.Connection, *, dry_run: bool = False) -> list[str]:
    """Applies the migrations that are missing, each in its transaction, and returns their names."""
    known = migrations()
    db = sqlite_utils.Database(connection, execute_plugins=False)
    pending = [migration.name for migration in known.pending(db)]
    if not dry_run:
        known.apply(db)
    return pending


def _refuse_newer(path: Path) -> None:
    """Looks before the file is opened for writing, which alone would fold a WAL into it."""
    how = "mode=ro" if path.with_name(path.name + "-wal").exists() else "immutable=1"  # leaves no files behind
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)) as connection:
        found = migrations()
        applied = {migration.name for migration in found.applied(sqlite_utils.Database(connection))}
    unknown = sorted(applied - {migration.name for migration in found.pending(sqlite_utils.Database(memory=True))})
    if unknown:
        raise UsageError(f"the database was written by a newer version (it has {unknown[-1]}): upgrade signal-actor")


class Database:
    """`signal.db` as the rooms above see it. `serve()` must run for `run()` to make progress."""

    def __init__(self, path: Path, writer: sqlite3.Connection, *, commit_in_thread: bool = True) -> None:
        self.path = path
        self.writer = Writer(writer, commit_in_thread=commit_in_thread)
        self._reader = open_reader(path)
        self._reading = Reading(lambda: open_reader(path))

    async def run(self, verb: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a verb in a transaction and returns its value once that is on the disk. See `Writer.submit`."""
        value: T = await self.writer.submit(lambda connection: verb(connection, *args, **kwargs))
        return value

    def read(self, verb: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a short reading verb at once, on the loop. It sees everything that has been committed."""
        return verb(self._reader, *args, **kwargs)

    async def search(
        self, verb: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Runs a long reading verb when it is its turn, in a thread that gives way to everything else."""
        return await self._reading.run(lambda connection: verb(connection, *args, **kwargs))

    def close(self) -> None:
        """Closes all connections; the last one to close folds the WAL into the file."""
        self._reading.close()
        self._reader.close()
        self.writer.connection.close()
