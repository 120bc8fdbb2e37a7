"""Watch: the service's door, with somebody beside it who notes who knocks, and who can make trouble."""

from dataclasses import dataclass, field
from typing import Any

from signal_actor.errors import Refusal, StorageFull
from signal_actor.ingest.door import ENDPOINTS, Door
from signal_actor.service import Service


@dataclass(frozen=True, slots=True)
class Knock:
    """One request and its answer."""

    method: str
    path: str
    headers: dict[str, str]
    status: int


@dataclass
class Watch:
    """`knocks` in the order of their answers. `lost`: so many events are stored, and their answers become a 503."""

    knocks: list[Knock] = field(default_factory=list)
    lost: int = 0

    def door(self, *arguments: Any, **options: Any) -> "WatchedDoor":
        return WatchedDoor(self, *arguments, **options)

    def posts(self) -> list[Knock]:
        return [knock for knock in self.knocks if knock.method == "POST"]


class WatchedDoor(Door):
    """The real door."""

    def __init__(self, watch: Watch, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._watch = watch

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def watched(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "status": self._answered(scope, message["status"])}
            await send(message)

        await super().__call__(scope, receive, watched)

    def _answered(self, scope: Any, status: int) -> int:
        watch = self._watch
        if watch.lost and scope["method"] == "POST" and scope["path"] in ENDPOINTS and status == 200:
            watch.lost -= 1
            status = 503
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        watch.knocks.append(Knock(scope["method"], scope["path"], headers, status))
        return status


def rate_limited(service: Service, times: int) -> None:
    """The next requests with events are too many."""

    class Spent:
        left = times

        def spend(self, pipeline_id: int, events: int, *, rate: float) -> None:
            if self.left:
                self.left -= 1
                raise Refusal(429, "rate_limited", "Slow down.", retry_after=1)

    service.acceptance.allowance = Spent()


def overloaded(service: Service, times: int) -> None:
    """The next transactions with events find the disk full."""
    database = service.database

    class Full:
        left = times

        async def run(self, *arguments: Any, **options: Any) -> Any:
            if self.left:
                self.left -= 1
                raise StorageFull("the disk is full")
            return await database.run(*arguments, **options)

    service.acceptance.database = Full()
