"""Service: builds every room once, runs them side by side in one nursery, and stops them in order.

start  hold the data directory, migrate, release what the last process had in flight, apply the configuration
run    writer · actors · janitor · ingest listener · management listener
stop   listeners close, requests in progress finish -> nothing more is leased, what is in flight gets its grace
       -> outcomes are committed -> the writer ends
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
import trio

from signal_actor import control, opening
from signal_actor.alarms import Alarms
from signal_actor.control import Address
from signal_actor.database import Database, now_ms
from signal_actor.destinations.registry import destinations
from signal_actor.dispatch.rehearsal import Rehearsal
from signal_actor.dispatch.supervisor import Supervisor
from signal_actor.ingest.acceptance import Acceptance
from signal_actor.ingest.datafly.shelf import Shelf, datafly
from signal_actor.ingest.door import Door
from signal_actor.ingest.pages import pages
from signal_actor.ingest.sdks import sdks
from signal_actor.janitor import Janitor
from signal_actor.live import Live, Pipeline
from signal_actor.management.app import app as management_app
from signal_actor.management.auth import Guard
from signal_actor.management.feed import Feed
from signal_actor.management.login import Links
from signal_actor.management.office import Office
from signal_actor.observations import Observations
from signal_actor.opening import Options
from signal_actor.secrets import Box
from signal_actor.server import serve as listen
from signal_actor.store import notes, pipelines, upkeep

__all__ = ["Options", "Ready", "Service", "opened"]

log = structlog.get_logger()


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
        self.observations = Observations()
        database.writer.on_commit = self.observations.committed
        self.supervisor = Supervisor(database, destinations(), self.observations)
        self.janitor = Janitor(database, lambda: self.live.retention)
        self.acceptance = Acceptance(
            database,
            self.live,
            accepted=self._accepted,
            refusing=lambda: self.janitor.refusing,
        )
        self.alarms = Alarms(database)
        self.feed = Feed(database, lambda: self.live, self.observations)
        self.shelf = Shelf(database, self.live)
        self.links = Links(trio.current_time)
        self.office = Office(
            database=database,
            box=box,
            guard=Guard(database, options.admin_token, now=now_ms, clock=trio.current_time),
            links=self.links,
            live=lambda: self.live,
            ingest=lambda: self._ingest,
            reload=self.reload,
            ring=self.supervisor.ring_all,
            lateness=lambda: self.supervisor.pressure.lateness,
            observations=self.observations,
            feed=self.feed,
            alarms=self.alarms,
            rehearsal=Rehearsal(destinations()),
        )
        self._address: Address | None = None
        self._ingest = ""
        self._stop = trio.Event()

    def _accepted(self, pipeline: Pipeline, count: int) -> None:
        self.supervisor.ring(pipeline.id)
        self.observations.accepted(count)

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
                await delivering.start(self.supervisor.run, Live())
                delivering.start_soon(self._keep_house)
                async with trio.open_nursery() as listening:
                    ready = await self._listen(listening)
                    self.supervisor.assign(self.live)  # not before: what cannot listen and ends must not have sent
                    self._ingest = ready.ingest
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
            pages(
                self._probe,
                lambda: self.janitor.refusing,
                self.alarms.causes,
                sdks(lambda: self.live, trusted),
                datafly(self.shelf),
            ),
            trusted=trusted,
        )
        door.refused = self.observations.refuse
        admin = management_app(self.office, self.execute, lambda: self._address.secret if self._address else "")
        admin.trusted = trusted
        return Ready(
            ingest=await nursery.start(partial(listen, door, self.options.ingest_bind, stop=self._stop)),
            admin=await nursery.start(partial(listen, admin, self.options.admin_bind, stop=self._stop)),
        )

    async def _keep_house(self) -> None:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.janitor.run)
                nursery.start_soon(self.feed.run)
                nursery.start_soon(self.shelf.run)
                nursery.start_soon(self.alarms.run)
                await self._stop.wait()
                scope.cancel()

    async def execute(self, verb: str, arguments: dict[str, Any]) -> Any:
        """Runs a control verb and makes what it changed live at once."""
        value = await self.database.run(control.execute, self.box, verb, arguments, now=now_ms())
        self.reload()
        if verb == "forgotten":
            self.database.writer.between_groups(self.database.read(upkeep.scrub))
        return value

    def reload(self) -> None:
        """Makes what is published the truth of every room."""
        self.live = self.acceptance.live = self.database.read(pipelines.live, self.box)
        self.supervisor.assign(self.live)
        self.shelf.put(self.live)
        self.supervisor.ring_all()

    async def _probe(self) -> None:
        await self.database.run(notes.put, "probe", now_ms())


@contextmanager
def opened(options: Options) -> Iterator[Service]:
    """A service on its data directory. Raises as `opening.opened` does, before any port opens."""
    with opening.opened(options) as (database, box):
        yield Service(options, database, box)
