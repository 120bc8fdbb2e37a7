"""Connection: one peer, one task: read a request, let the application answer it, begin again.

head ──> application <──> body, answer ──> next head …
  │           │
refuse ─────> linger ──> close
"""

import json
import re
import sys
import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import cast

import h11
import structlog
import trio
from hypercorn.config import Config
from hypercorn.events import Event, RawData
from hypercorn.protocol.events import Body, EndBody, Response, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState, TaskGroup

from signal_actor.errors import Refusal
from signal_actor.server.exchange import Exchange, PeerGoneError
from signal_actor.server.room import Room

READ = 16 * 1024  # bytes at a time: whoever sends them in the most tedious form keeps the others waiting for 20 ms
WRITE = 64 * 1024  # bytes at a time: what a peer has to take within `Limits.write`
MAX_HEADERS = 256
ABSOLUTE_TARGET = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")  # `GET http://host/path`, as one asks a proxy

log = structlog.get_logger()


class Settings(Config):
    """The few of hypercorn's settings that still decide something."""

    errorlog = None  # exceptions are logged by us, once
    include_server_header = False
    keep_alive_max_requests = sys.maxsize  # closing a busy connection now and then helps nobody

    def __init__(self, head_bytes: int) -> None:
        self.h11_max_incomplete_size = head_bytes
        self._second = 0
        self._headers: list[tuple[bytes, bytes]] = []

    def response_headers(self, protocol: str) -> list[tuple[bytes, bytes]]:
        """What every answer carries; a date is worth formatting once a second."""
        if self._second != (second := int(time.time())):
            self._second, self._headers = second, [(b"date", formatdate(second, usegmt=True).encode())]
        return self._headers


PHRASES = {status.value: status.phrase for status in HTTPStatus}


class Connection(H11Protocol):
    """hypercorn's framing with one reader: whoever needs the next bytes reads them, and knows for how long."""

    def __init__(
        self,
        app: AppWrapper,
        settings: Settings,
        room: Room,
        stream: trio.abc.HalfCloseableStream,
        client: tuple[str, int] | None,
        server: tuple[str, int] | None,
    ) -> None:
        no_tasks = cast(TaskGroup, None)  # only streams use it, and ours bring their own
        context, state = WorkerContext(None), ConnectionState({})
        super().__init__(app, settings, context, no_tasks, state, False, client, server, self._keep)
        self.limits = room.limits
        self.parser = cast(h11.Connection, self.connection)  # its other type is for WebSockets, which we never begin
        self.gone = False  # the peer takes no more of our bytes
        self.complete = False  # the answer to the present request has been sent
        self._ending = False  # the present answer is the last
        self._head: h11.Request | None = None
        self._exchange: Exchange | None = None
        self._outgoing = bytearray()
        self._room = room
        self._stream = stream
        self._writing = trio.Lock()

    async def run(self) -> None:
        """Serve the peer until either side has had enough. Nothing that goes wrong here goes further."""
        try:
            while await self._serve_one():
                self.parser.start_next_cycle()
        except* (PeerGoneError, trio.BrokenResourceError):
            pass
        except* Exception as errors:
            error = errors.exceptions[0] if len(errors.exceptions) == 1 else errors
            log.error("connection failed", client=self.client, exc_info=error)
        finally:
            await trio.aclose_forcefully(self._stream)

    async def read(self) -> int:
        """Hand the parser what arrives next."""
        data = await self._stream.receive_some(READ)
        if not data:
            raise trio.BrokenResourceError("the peer has closed")
        self.parser.receive_data(bytes(data))
        return len(data)

    async def invite_body(self) -> None:
        """Answer `Expect: 100-continue`, now that somebody wants to read."""
        if self.parser.they_are_waiting_for_100_continue:
            await self._send_h11_event(h11.InformationalResponse(status_code=100, headers=[]))
            await self.flush()

    async def stream_send(self, event: StreamEvent) -> None:
        """hypercorn's events of an answer. The head waits for the body, so that a usual answer is one write."""
        match event:
            case Response(headers=headers, status_code=status) if status >= 200:
                if self._ending or self._room.closing or not (self._exchange and self._exchange.parse_body()):
                    headers = [*headers, (b"connection", b"close")]
                await self._send_h11_event(_response(status, (*headers, *self.config.response_headers("h11"))))
            case Body():
                await super().stream_send(event)
                await self.flush()
            case StreamClosed():
                await self.flush()
                self.complete = True
                if self._exchange is not None:
                    self._exchange.answered()
            case _:
                await super().stream_send(event)

    async def flush(self) -> None:
        """Send what is waiting, piece by piece, so that a peer that stops reading is found out."""
        if not self._outgoing:
            return
        async with self._writing:
            data, self._outgoing = memoryview(self._outgoing), bytearray()
            for start in range(0, len(data), WRITE):
                with trio.move_on_after(self.limits.write) as patience:
                    try:
                        await self._stream.send_all(data[start : start + WRITE])
                    except (trio.BrokenResourceError, trio.ClosedResourceError):
                        self.gone = True
                self.gone = self.gone or patience.cancelled_caught
                if self.gone:
                    raise PeerGoneError

    async def _serve_one(self) -> bool:
        """One request. True if the connection is fit for another."""
        self._head, self._exchange, self.complete = None, None, False
        try:
            self._head = await self._read_head()
            if self._head is None:
                return False
            target = _target(self._head)
        except Refusal as refusal:
            await self._refuse(refusal)
            return False
        self._exchange = exchange = Exchange(self)
        await exchange.run(self._head, target)
        self.keep_alive_requests += 1
        if self.complete:
            if not exchange.body_ended:
                await self._linger()
            return self.parser.our_state is h11.DONE and self.parser.their_state is h11.DONE
        if self.parser.our_state is h11.SEND_RESPONSE and not (self.gone or exchange.left):
            await self._refuse(exchange.refusal or Refusal(500, "internal_error", "The request could not be answered."))
        return False

    async def _read_head(self) -> h11.Request | None:
        """The next request's head; None when there will not be one."""
        try:
            event = self.parser.next_event()
            if event is h11.NEED_DATA and not self._room.closing:
                event = await self._wait_for_head()
        except h11.RemoteProtocolError as error:
            if error.error_status_hint == 431:
                raise Refusal(431, "headers_too_large", "The request line and headers are too large.") from error
            raise Refusal(400, "bad_request", f"The request is malformed: {error}.") from error
        return event if isinstance(event, h11.Request) else None

    async def _wait_for_head(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        limits, begun = self.limits, bool(self.parser.trailing_data[0])
        event: h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED] = h11.NEED_DATA
        with self._room.idle(limits.head if begun or self.keep_alive_requests == 0 else limits.idle) as patience:
            while event is h11.NEED_DATA:
                await self.read()
                event = self.parser.next_event()
                if event is h11.NEED_DATA and not begun:
                    begun, patience.deadline = True, min(patience.deadline, trio.current_time() + limits.head)
        if event is h11.NEED_DATA and begun and trio.current_time() >= patience.deadline:
            raise Refusal(408, "request_timeout", "The request did not arrive in time.")
        return event

    async def _refuse(self, refusal: Refusal) -> None:
        """An answer of our own, and the last one."""
        self._ending = True
        body = json.dumps({"error": refusal.code, "code": refusal.code, "message": refusal.message}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await self.stream_send(Response(stream_id=STREAM_ID, headers=headers, status_code=refusal.status))
        if self._head is None or self._head.method != b"HEAD":
            await self.stream_send(Body(stream_id=STREAM_ID, data=body))
        await self.stream_send(EndBody(stream_id=STREAM_ID))
        await self.stream_send(StreamClosed(stream_id=STREAM_ID))
        await self._linger()

    async def _linger(self) -> None:
        """Read on for a moment: closing on a peer that is still sending destroys the answer on its way to it."""
        await self._stream.send_eof()
        left = self.limits.linger_bytes
        with self._room.idle(1 if self._room.closing else self.limits.linger):
            while left > 0 and (data := await self._stream.receive_some(READ)):
                left -= len(data)

    async def _keep(self, event: Event) -> None:
        """Where hypercorn sends: bytes wait here for company. Its other events steer timers that we do without."""
        if isinstance(event, RawData):
            self._outgoing += event.data


@lru_cache(maxsize=256)
def _response(status: int, headers: tuple[tuple[bytes, bytes], ...]) -> h11.Response:
    """h11 checks every header of every answer; most answers of a second are the same but for their cookie."""
    reason = PHRASES.get(status, "").encode()
    return h11.Response(status_code=status, headers=list(headers), reason=reason)


def _target(head: h11.Request) -> bytes:
    """The path and query that are asked for, if this is a request that means the same to every proxy and to us."""
    if len(head.headers) > MAX_HEADERS:
        raise Refusal(431, "headers_too_large", "The request has too many headers.")
    names = {name for name, _ in head.headers}
    if head.http_version not in (b"1.1", b"1.0"):
        raise Refusal(505, "http_version_not_supported", "This server speaks HTTP/1.1.")
    if b"transfer-encoding" in names and (b"content-length" in names or head.http_version == b"1.0"):
        raise Refusal(400, "bad_request", "Transfer-Encoding with Content-Length or HTTP/1.0 is ambiguous.")
    target = head.target
    if absolute := ABSOLUTE_TARGET.match(target):
        target = target[absolute.end() :]
        target = target if target.startswith(b"/") else b"/" + target
    if head.method == b"CONNECT" or not (target.startswith(b"/") or target == b"*"):
        raise Refusal(400, "bad_request", "The request target is not a path.")
    return target
