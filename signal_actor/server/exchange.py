"""Exchange: one request and its answer, as the application sees them.

The application runs in the connection's own task and pulls: `receive` reads the socket only when the application wants
more of the body, so an application that does not read makes the peer wait instead of filling our memory.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, cast

import h11
import structlog
import trio
from hypercorn.config import Config
from hypercorn.protocol.events import Request
from hypercorn.protocol.h11 import STREAM_ID
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.typing import AppWrapper, ASGIReceiveEvent, ASGISendEvent, ConnectionState, Scope, TaskGroup

from signal_actor.errors import Refusal

if TYPE_CHECKING:
    from signal_actor.server.connection import Connection

MAX_AHEAD = 64 * 1024  # bytes of pipelined requests that are read while waiting for the peer to leave

log = structlog.get_logger()


class PeerGoneError(OSError):
    """The peer closed, or does not read. ASGI asks for an OSError from `send`."""


class Exchange(HTTPStream):
    """hypercorn's scope and ASGI state machine, with `receive` pulling from the connection."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(
            connection.app,
            connection.config,
            connection.context,
            cast(TaskGroup, self),  # hypercorn asks it for nothing but spawn_app
            connection.ssl,
            connection.client,
            connection.server,
            connection.stream_send,
            STREAM_ID,
        )
        self.connection = connection
        self.refusal: Refusal | None = None
        self.body_ended = False
        self.left = False  # the peer, before it was answered
        self._body_taken = False  # the application has seen its end
        self._unread: list[bytes] = []  # parsed, but not yet asked for
        self._received = 0  # bytes of the body
        self._waited = 0.0  # seconds, for the peer to send it
        self._waiting_for_leave: trio.CancelScope | None = None

    async def run(self, head: h11.Request, target: bytes) -> None:
        """Let the application answer; returns when it is done with the request, whether or not it has answered."""
        await self.handle(
            Request(
                stream_id=STREAM_ID,
                headers=list(head.headers),
                http_version=head.http_version.decode(),
                method=head.method.decode().upper(),
                raw_path=target,
                state=ConnectionState({}),
            )
        )

    async def spawn_app(
        self, app: AppWrapper, config: Config, scope: Scope, send: Callable[[ASGISendEvent | None], Awaitable[None]]
    ) -> Callable[[ASGIReceiveEvent], Awaitable[None]]:
        """hypercorn's hook for starting the application in a task; here it runs at once, in the connection's task."""
        try:
            await app(scope, self.receive, send, trio.to_thread.run_sync, trio.from_thread.run)
        except* PeerGoneError:
            pass
        except* Exception as errors:
            error = errors.exceptions[0] if len(errors.exceptions) == 1 else errors
            log.error("application failed", method=self.scope["method"], path=self.scope["path"], exc_info=error)
        return _nothing

    async def receive(self) -> ASGIReceiveEvent:
        """The next piece of the body; after its end, `http.disconnect` once the peer has left or is answered."""
        try:
            if not self._body_taken:
                return await self._receive_body()
            await self._wait_for_leave()
        except Refusal as refusal:
            self.refusal = refusal
        except (PeerGoneError, trio.BrokenResourceError):
            self.left = True
        return {"type": "http.disconnect"}

    def parse_body(self) -> bool:
        """Take what has already arrived; true when that is all of it."""
        parser = self.connection.parser
        while not self.body_ended and self.refusal is None:
            try:
                event = parser.next_event()
            except h11.RemoteProtocolError as error:
                self.refusal = Refusal(400, "bad_request", f"The body is malformed: {error}.")
                break
            if isinstance(event, h11.Data):
                self._unread.append(bytes(event.data))
                self._received += len(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self.body_ended = True
            else:
                break
        return self.body_ended

    def answered(self) -> None:
        """The answer is complete: an application that still waits in `receive` hears of it."""
        if self._waiting_for_leave is not None:
            self._waiting_for_leave.cancel()

    async def _receive_body(self) -> ASGIReceiveEvent:
        self.parse_body()
        while not (self._unread or self.body_ended or self.refusal):
            await self.connection.invite_body()
            await self._read_body()
            self.parse_body()
        if self.refusal is not None:
            raise self.refusal
        body = b"".join(self._unread)
        self._unread.clear()
        self._body_taken = self.body_ended
        return {"type": "http.request", "body": body, "more_body": not self.body_ended}

    async def _read_body(self) -> None:
        limits, begun = self.connection.limits, trio.current_time()
        # A peer that sends a byte now and then is as slow as a silent one, only more cunning.
        left = limits.body + self._received / limits.body_rate - self._waited
        with trio.move_on_after(max(0, min(limits.body, left))) as patience:
            await self.connection.read()
        self._waited += trio.current_time() - begun
        if patience.cancelled_caught:
            raise Refusal(408, "request_timeout", "The body did not arrive in time.")

    async def _wait_for_leave(self) -> None:
        ahead = 0
        with trio.CancelScope() as self._waiting_for_leave:
            while not (self.left or self.refusal or self.connection.complete):
                if ahead > MAX_AHEAD:
                    await trio.sleep_forever()
                ahead += await self.connection.read()


async def _nothing(_: ASGIReceiveEvent) -> None:
    """What hypercorn would push at the application is pulled by it instead."""
