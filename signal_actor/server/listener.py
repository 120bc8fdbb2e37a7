"""Listener: opens the port, admits connections, and closes the doors in order."""

import errno
from collections.abc import Callable

import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.typing import ASGIFramework
from hypercorn.utils import parse_socket_addr

from signal_actor.errors import UsageError
from signal_actor.server.connection import Connection, Settings
from signal_actor.server.limits import Limits
from signal_actor.server.room import Room

BACKLOG = 1024  # connections that the kernel keeps for us while we are busy
PAUSE = 0.1  # seconds: after a failed accept, which would fail again at once
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

log = structlog.get_logger()

Admit = Callable[[trio.SocketStream], object]


async def serve(
    app: ASGIFramework,
    bind: str,
    *,
    stop: trio.Event,
    grace: float = 10,
    limits: Limits | None = None,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` on `bind` (`HOST:PORT`, `[IPV6]:PORT`; port 0 picks one) until `stop` is set. Starts with its URL.

    Then the port closes and idle connections end at once; requests in progress get `grace` seconds.
    Raises UsageError if it cannot listen there.
    """
    listeners = await _listen(bind)
    room = Room(limits or Limits())
    settings = Settings(room.limits.head_bytes)
    async with trio.open_nursery() as connections:

        async def converse(stream: trio.SocketStream) -> None:
            try:
                client, server = _names(stream)
                await Connection(ASGIWrapper(app), settings, room, stream, client, server).run()
            finally:
                room.leave()

        async with trio.open_nursery() as doors:
            for listener in listeners:
                doors.start_soon(
                    _keep_accepting, listener, room, lambda stream: connections.start_soon(converse, stream)
                )
            task_status.started(_url(listeners[0]))
            await stop.wait()
            doors.cancel_scope.cancel()
        room.close()
        connections.cancel_scope.deadline = trio.current_time() + grace


async def _listen(bind: str) -> list[trio.SocketListener]:
    host, colon, port = bind.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if (
        not colon
        or not host
        or not port.isascii()
        or not port.isdigit()
        or int(port) > 65535
        or (":" in host) != bracketed
    ):
        raise UsageError(f"cannot listen on {bind!r}: give HOST:PORT, such as 127.0.0.1:8080, or [IPV6]:PORT")
    try:
        listeners = await trio.open_tcp_listeners(int(port), host=host.strip("[]"), backlog=BACKLOG)
    except (OSError, ValueError) as error:  # the latter for names that cannot be
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise UsageError(f"cannot listen on {bind}: {reason}; choose another address or port") from error
    if int(port) == 0:  # a name with two addresses would get two ports, of which one is enough
        for spare in listeners[1:]:
            await spare.aclose()
        return listeners[:1]
    return listeners


async def _keep_accepting(listener: trio.SocketListener, room: Room, admit: Admit) -> None:
    """Accept for ever. Running out of files makes it wait, not end."""
    complained = -float("inf")
    async with listener:
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                if trio.current_time() > complained + 60:
                    complained = trio.current_time()
                    log.error("cannot accept a connection", reason=error.strerror, open=room.size)
                if error.errno in EXHAUSTED:
                    room.dismiss_one()
                await trio.sleep(PAUSE)
            else:
                admit(stream)
                await room.admit_one()


def _names(stream: trio.SocketStream) -> tuple[tuple[str, int] | None, tuple[str, int] | None]:
    """The peer's address and ours; nothing of a peer that has already gone."""
    socket = stream.socket
    try:
        return parse_socket_addr(socket.family, socket.getpeername()), parse_socket_addr(
            socket.family, socket.getsockname()
        )
    except OSError:
        return None, None


def _url(listener: trio.SocketListener) -> str:
    host, port = listener.socket.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - what to connect to when listening on all
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
