"""Server tests: a server on a real socket, or one connection in memory with virtual time."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing
from hypercorn.app_wrappers import ASGIWrapper
from strangers import Door, Peer

from signal_actor.server import Limits, serve
from signal_actor.server.connection import Connection, Settings
from signal_actor.server.room import Room


@pytest.fixture
async def open_door(nursery: trio.Nursery) -> AsyncIterator[Callable[..., Awaitable[Door]]]:
    doors: list[Door] = []

    async def open_door(app: Any, *, bind: str = "127.0.0.1:0", grace: float = 10, **limits: Any) -> Door:
        stop, ended = trio.Event(), trio.Event()

        async def run(*, task_status: trio.TaskStatus[str]) -> None:
            await serve(app, bind, stop=stop, grace=grace, limits=Limits(**limits), task_status=task_status)
            ended.set()

        url = await nursery.start(run)
        doors.append(Door(url, int(url.rpartition(":")[2]), stop, ended))
        return doors[-1]

    yield open_door
    for door in doors:
        door.hang_up()


@pytest.fixture
def meet(nursery: trio.Nursery) -> Callable[..., Peer]:
    """A connection in memory, for tests about time. `stingy`: nothing is sent until it is read."""

    def meet(app: Any, *, room: Room | None = None, stingy: bool = False, **limits: Any) -> Peer:
        room = room or Room(Limits(**limits))
        pair = trio.testing.lockstep_stream_pair if stingy else trio.testing.memory_stream_pair
        ours, theirs = pair()
        connection = Connection(ASGIWrapper(app), Settings(room.limits.head_bytes), room, ours, ("192.0.2.1", 9), None)
        nursery.start_soon(connection.run)
        return Peer(theirs)

    return meet
