"""Supervisor: an actor for every integration, started, replaced, restarted after a fault, and stopped in order.

An actor that raises is logged and started again with back-off; the others do not notice. Only the loss of the
database goes through: without it there is nothing left to be right about.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog
import trio

from signal_actor.database import Database, now_ms
from signal_actor.destinations.base import Destination
from signal_actor.dispatch.actor import Actor
from signal_actor.dispatch.pressure import Pressure
from signal_actor.errors import StorageLost
from signal_actor.live import Integration, Live
from signal_actor.observations import Observations
from signal_actor.store import outbox

GRACE = 10.0  # seconds that requests in flight get when the process stops
RESTART_BASE = 1.0  # seconds
RESTART_CAP = 60.0


class Post:
    """The place of one integration's actor. Who fills it changes with the configuration."""

    def __init__(self, supervisor: "Supervisor", integration: Integration) -> None:
        self._supervisor = supervisor
        self._wanted: Integration | None = integration
        self._changed = trio.Event()
        self.actor: Actor | None = None

    def want(self, integration: Integration | None) -> None:
        """Replaces the actor by one with this configuration; None: by nobody."""
        self._wanted = integration
        self._changed.set()
        if self.actor is not None:
            self.actor.stop()

    def ring(self) -> None:
        if self.actor is not None:
            self.actor.bell.ring()

    async def run(self) -> None:
        failures = 0
        while self._wanted is not None:
            self._changed = trio.Event()
            self.actor = self._supervisor.actor(self._wanted)
            if self.actor is None:
                await self._changed.wait()
                continue
            started = trio.current_time()
            try:
                if failures:
                    await self._supervisor.release(self._wanted)
                await self.actor.run()
                failures = 0
            except* StorageLost:
                raise
            except* Exception:
                failures = 1 if trio.current_time() - started > RESTART_CAP else failures + 1
                structlog.get_logger().exception("actor.failed", integration=self.actor.integration.slug)
                with trio.move_on_after(min(RESTART_BASE * 2.0**failures, RESTART_CAP)):
                    await self._changed.wait()


class Supervisor:
    """All actors of the process."""

    def __init__(
        self,
        database: Database,
        destinations: Mapping[str, Destination[Any]],
        observations: Observations | None = None,
    ) -> None:
        self._database = database
        self._observations = observations or Observations()
        self._destinations = destinations
        self._posts: dict[int, Post] = {}
        self._by_pipeline: dict[int, list[Post]] = {}
        self._live = Live()
        self.pressure = Pressure()
        self._nursery: trio.Nursery
        self._stop = trio.Event()

    def ring(self, pipeline_id: int) -> None:
        """Something was accepted for this pipeline."""
        for post in self._by_pipeline.get(pipeline_id, ()):
            post.ring()

    def ring_all(self) -> None:
        """Something changed that is not bound to a pipeline, such as a replay."""
        for post in self._posts.values():
            post.ring()

    def actor(self, integration: Integration) -> Actor | None:
        """A new actor, or None if the integration cannot be served; its health says why."""
        destination = self._destinations.get(integration.vendor)
        if destination is None or integration.settings is None:
            return None
        pipeline = self._live.pipelines.get(integration.pipeline_id)
        return Actor(
            self._database,
            integration,
            integration.settings,
            destination,
            default_consent=pipeline is None or pipeline.settings.default_consent == "granted",
            pressure=self.pressure,
            observations=self._observations,
        )

    async def release(self, integration: Integration) -> None:
        """Takes back what an actor that raised had in its hands."""
        await self._database.run(outbox.recover, now=now_ms(), integration_id=integration.id)

    def assign(self, live: Live) -> None:
        """Brings the actors in line with what is published. Those whose integration did not change go on."""
        before, self._live = self._live, live
        for identity, integration in live.integrations.items():
            post = self._posts.get(identity)
            if post is None:
                post = self._posts[identity] = Post(self, integration)
                self._nursery.start_soon(self._keep, identity, post)
            elif _changed(before, live, identity, post.actor):
                post.want(integration)
        for identity in self._posts.keys() - live.integrations.keys():
            self._posts[identity].want(None)
        self._by_pipeline = {}
        for identity, integration in live.integrations.items():
            self._by_pipeline.setdefault(integration.pipeline_id, []).append(self._posts[identity])

    async def run(self, live: Live, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Runs the actors until `stop()`; then nothing more is leased and what is in flight gets its grace."""
        async with trio.open_nursery() as watching:
            watching.start_soon(self.pressure.run)
            async with trio.open_nursery() as self._nursery:
                self.assign(live)
                task_status.started()
                await self._stop.wait()
                for post in self._posts.values():
                    post.want(None)
                self._nursery.cancel_scope.deadline = trio.current_time() + GRACE
            watching.cancel_scope.cancel()

    def stop(self) -> None:
        self._stop.set()

    async def _keep(self, identity: int, post: Post) -> None:
        await post.run()
        self._posts.pop(identity, None)


def _changed(before: Live, after: Live, identity: int, actor: Actor | None) -> bool:
    """Whether an actor has to give way. Its health it knows best itself, unless somebody paused or resumed it."""
    old, new = before.integrations.get(identity), after.integrations[identity]
    if old is None:
        return True
    if actor is not None:
        if actor.health is not new.health:
            return True
        old = replace(old, health=new.health, health_reason=new.health_reason)
    pipelines = before.pipelines.get(new.pipeline_id), after.pipelines.get(new.pipeline_id)
    consents = [pipeline and pipeline.settings.default_consent for pipeline in pipelines]
    return old != new or consents[0] != consents[1]
