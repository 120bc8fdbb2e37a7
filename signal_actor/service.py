"""Service: builds every room once, runs them side by side in one nursery, and stops them in order.

start  hold the data directory, migrate, release what the last process had in flight, apply the configuration
run    writer · actors · janitor · ingest listener · management listener
stop   listeners close, requests in progress finish -> nothing more is leased, what is in flight gets its grace
       -> outcomes are committed -> the writer ends
"""

import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

import structlog
import trio

from signal_actor import configuration, control, secrets
from signal_actor.configuration import Configuration
from signal_actor.control import Address
from signal_actor.database import FILE, Database, held, migrate, now_ms, open_writer
from signal_actor.destinations.registry import destinations
from signal_actor.dispatch.supervisor import Supervisor
from signal_actor.ingest.acceptance import Acceptance
from signal_actor.ingest.door import Door
from signal_actor.ingest.pages import pages
from signal_actor.ingest.sdks import sdks
from signal_actor.janitor import Janitor
from signal_actor.management.app import app as management_app
from signal_actor.secrets import Box
from signal_actor.server import serve as listen
from signal_actor.store import notes, outbox, pipelines, plans, tokens

LONGEST_WAIT = 3_600_000  # ms: no due time is further away than a vendor's longest Retry-After

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


@dataclass(frozen=True, slots=True)
class Ready:
    """Where the listeners are."""

    ingest: str
    admin: str


class Service:
    """Everything that runs. `stop()` may be called at any time, and more than once."""

    def __init__(self, options: Options, database: Database, box: Box) -> None:
        self.options = options
        self.database = database
        self.box = box
        self.live = database.read(pipelines.live, box)
        self.supervisor = Supervisor(database, destinations())
        self.janitor = Janitor(database, lambda: self.live.retention)
        self.acceptance = Acceptance(
            database,
            self.live,
            accepted=lambda pipeline, count: self.supervisor.ring(pipeline.id),
            refusing=lambda: self.janitor.refusing,
        )
        self._address: Address | None = None
        self._stop = trio.Event()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def stop(self) -> None:
        """Asks for the orderly end; `run()` returns when it is reached."""
        self._stop.set()

    async def run(self, *, task_status: trio.TaskStatus[Ready] = trio.TASK_STATUS_IGNORED) -> None:
        """Runs until stopped. Starts with the listeners' addresses once both are up.

        Raises:
            StorageLost: the disk failed.
            UsageError: a listener cannot open its port.
        """
        self.janitor.look()
        async with trio.open_nursery() as writing:
            await writing.start(self.database.writer.serve)
            async with trio.open_nursery() as delivering:
                await delivering.start(self.supervisor.run, self.live)
                delivering.start_soon(self._keep_house)
                async with trio.open_nursery() as listening:
                    ready = await self._listen(listening)
                    self._address = control.announce(self.options.data_dir, ready.admin)
                    task_status.started(ready)
                    await self._stop.wait()
                control.withdraw(self.options.data_dir)
                self.supervisor.stop()
            writing.cancel_scope.cancel()

    async def _listen(self, nursery: trio.Nursery) -> Ready:
        trusted = self.options.trusted_proxies
        door = Door(
            self.acceptance,
            pages(self._probe, lambda: self.janitor.refusing, sdks(lambda: self.live, trusted)),
            trusted=trusted,
        )
        admin = management_app(self.execute, lambda: self._address.secret if self._address else "")
        return Ready(
            ingest=await nursery.start(partial(listen, door, self.options.ingest_bind, stop=self._stop)),
            admin=await nursery.start(partial(listen, admin, self.options.admin_bind, stop=self._stop)),
        )

    async def _keep_house(self) -> None:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.janitor.run)
                await self._stop.wait()
                scope.cancel()

    async def execute(self, verb: str, arguments: dict[str, Any]) -> Any:
        """Runs a control verb and makes what it changed live at once."""
        value = await self.database.run(control.execute, self.box, verb, arguments, now=now_ms())
        self.reload()
        return value

    def reload(self) -> None:
        """Makes what is published the truth of every room."""
        self.live = self.acceptance.live = self.database.read(pipelines.live, self.box)
        self.supervisor.assign(self.live)
        self.supervisor.ring_all()

    async def _probe(self) -> None:
        await self.database.run(notes.put, "probe", now_ms())


@contextmanager
def opened(options: Options) -> Iterator[Service]:
    """A service on its data directory: locked, migrated, recovered and configured, before any port opens.

    Raises:
        HeldElsewhere: another process holds the data directory.
        UsageError: with what to mend.
    """
    wanted = configuration.load(options.config, options.environ) if options.config else None
    with held(options.data_dir):
        box = secrets.open_box(options.data_dir, options.environ)
        connection = open_writer(options.data_dir / FILE)
        migrate(connection)
        database = Database(options.data_dir / FILE, connection)
        try:
            _begin(connection, options, wanted, box)
            yield Service(options, database, box)
        finally:
            database.close()


def _begin(connection: Any, options: Options, wanted: Configuration | None, box: Box) -> None:
    """The first transaction of a process."""
    now = now_ms()
    connection.execute("begin immediate")
    try:
        interrupted = outbox.recover(connection, now=now, latest_due=now + LONGEST_WAIT)
        changes = plans.apply(connection, wanted, box, author=str(options.config), now=now) if wanted else []
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


TOKEN_FILE = "admin-token"  # noqa: S105 (a file's name)


def _first_token(connection: Any, options: Options, now: int) -> bool:
    """The first start leaves an admin token in the data directory, unless the operator fixed one."""
    if options.admin_token or any(token.revoked_at is None for token in tokens.tokens(connection)):
        return False
    _, text = tokens.create(connection, "first start", "admin", author="first start", now=now)
    path = options.data_dir / TOKEN_FILE
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
    return True


async def serve(options: Options) -> None:
    """`signal-actor serve`: one line on stdout when both listeners are up, and an orderly end on SIGTERM or SIGINT."""
    with opened(options) as service:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_obey_signals, service)
            async with trio.open_nursery() as running:
                ready: Ready = await running.start(service.run)
                line = {"event": "ready", "ingest": ready.ingest, "admin": ready.admin, "pid": os.getpid()}
                with suppress(OSError):  # nobody has to listen
                    print(json.dumps(line, separators=(",", ":")), flush=True)
            nursery.cancel_scope.cancel()


async def _obey_signals(service: Service) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            if service.stopping:
                os._exit(1)  # a second signal ends at once
            log.info("service.stopping", signal=signal.Signals(number).name)
            service.stop()
