"""Connection: HTTP/1.1 over one raw stream, so that an answer can be late, cut in the middle, or never come.

h11 keeps the protocol (framing, keep-alive, pipelining, 100-continue, HEAD); this file moves bytes. A handler gets an
`Exchange`, one request and the means to answer it, and may raise `Gone` to end the connection.
"""

from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate

import h11
import trio

from signal_actor.errors import SignalError
from signal_actor.sandbox.vendor import Call

READ_BYTES = 65_536
MAX_BODY_BYTES = 16_000_000  # well above the largest limit that a vendor enforces itself
MAX_HEAD_BYTES = 65_536
LINGER_SECONDS = 1.0  # for what is still on its way when a request is refused; closing at once would lose the answer
BODILESS = frozenset({204, 304})


class Gone(SignalError):
    """The client has left, or the connection is to be closed under it."""


class _TooLarge(SignalError):
    """The body is larger than this server reads."""


class Exchange:
    """One request, wholly received, and its answer."""

    def __init__(self, wire: "_Wire", call: Call) -> None:
        self.call = call
        self._wire = wire

    async def pause(self, seconds: float) -> None:
        """Wait, listening for the client to leave, which raises Gone."""
        with trio.move_on_after(seconds):
            await self._wire.until_gone()
            raise Gone

    async def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send the answer whole."""
        await self._wire.send(self._wire.frame(self.call.method, status, headers, body))

    async def cut(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send the head and half of the body, then raise Gone, which closes the connection."""
        framed = self._wire.frame(self.call.method, status, headers, body)
        await self._wire.send(framed[: len(framed) - max(1, (len(body) + 1) // 2)])
        raise Gone


Handler = Callable[[Exchange], Awaitable[None]]


async def converse(stream: trio.SocketStream, handler: Handler) -> None:
    """Serve one connection until either side closes it."""
    wire = _Wire(stream)
    try:
        async with stream:
            while (call := await wire.receive()) is not None:
                await handler(Exchange(wire, call))
                if not wire.reusable():
                    break
    except (Gone, trio.BrokenResourceError, trio.ClosedResourceError):
        pass


class _Wire:
    """The protocol's state together with the stream it runs over."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)

    async def receive(self) -> Call | None:
        """The next request, or None when there is none. What is no HTTP is answered here."""
        try:
            return await self._call()
        except _TooLarge:
            await self._refuse(413, "the body is too large")
        except h11.RemoteProtocolError as error:
            await self._refuse(error.error_status_hint, str(error))
        return None

    def frame(self, method: str, status: int, headers: Mapping[str, str], body: bytes) -> bytes:
        """An answer as bytes."""
        bodiless = status in BODILESS
        length = {} if bodiless else {"content-length": str(len(body))}
        named = {"date": formatdate(usegmt=True), **length, **headers}
        response = h11.Response(status_code=status, headers=list(named.items()))
        framed = self._protocol.send(response) or b""
        if body and method != "HEAD" and not bodiless:
            framed += self._protocol.send(h11.Data(data=body)) or b""
        return framed + (self._protocol.send(h11.EndOfMessage()) or b"")

    async def send(self, framed: bytes) -> None:
        await self._stream.send_all(framed)

    async def until_gone(self) -> None:
        """Return when the client has closed its side; bytes of further requests are kept for later."""
        try:
            while data := await self._stream.receive_some(READ_BYTES):
                self._protocol.receive_data(bytes(data))
        except trio.BrokenResourceError:
            return

    def reusable(self) -> bool:
        """Make ready for the next request on this connection, where the protocol allows one."""
        if self._protocol.our_state is h11.DONE and self._protocol.their_state is h11.DONE:
            self._protocol.start_next_cycle()
            return True
        return False

    async def _call(self) -> Call | None:
        request = await self._event()
        if not isinstance(request, h11.Request):
            return None
        if int(dict(request.headers).get(b"content-length", b"0")) > MAX_BODY_BYTES:
            raise _TooLarge
        body, size = [], 0
        while isinstance(data := await self._event(), h11.Data):
            body.append(bytes(data.data))
            size += len(data.data)
            if size > MAX_BODY_BYTES:
                raise _TooLarge
        headers: dict[str, str] = {}
        for name, value in request.headers:
            key, said = name.decode("ascii"), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {said}" if key in headers else said
        path, _, query = request.target.decode("latin-1").partition("?")
        return Call(request.method.decode("ascii"), path, query, headers, b"".join(body))

    async def _event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while True:
            event = self._protocol.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._protocol.they_are_waiting_for_100_continue:
                proceed = h11.InformationalResponse(status_code=100, headers=[])
                await self._stream.send_all(self._protocol.send(proceed) or b"")
            self._protocol.receive_data(bytes(await self._stream.receive_some(READ_BYTES)))

    async def _refuse(self, status: int, message: str) -> None:
        if self._protocol.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            headers = {"connection": "close", "content-type": "text/plain; charset=utf-8"}
            await self.send(self.frame("", status, headers, message.encode()))
            await self._stream.send_eof()
            with trio.move_on_after(LINGER_SECONDS):
                while await self._stream.receive_some(READ_BYTES):
                    pass
