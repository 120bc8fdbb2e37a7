"""Strangers: raw peers, what they send, and small applications to send it to."""

import json
from dataclasses import dataclass, field
from typing import Any

import trio


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Peer:
    """A stranger with a raw connection."""

    stream: Any
    buffer: bytes = b""

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def answer(self, *, method: str = "GET") -> Answer:
        while b"\r\n\r\n" not in self.buffer:
            await self._more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = head.decode("latin1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        status = int(lines[0].split()[1])
        length = 0 if method == "HEAD" or status < 200 else int(headers.get("content-length", 0))
        while len(self.buffer) < length:
            await self._more()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return Answer(status, headers, body)

    async def ask(self, data: bytes, *, method: str = "GET") -> Answer:
        await self.send(data)
        return await self.answer(method=method)

    async def press_on(self, data: bytes, *, every: float = 0) -> int:
        """Send it again and again, until the server has had enough; returns how often that was."""
        count = 0
        try:
            while True:
                await self.send(data)
                count += 1
                await trio.sleep(every)
        except trio.BrokenResourceError:
            return count

    async def closed(self) -> bool:
        """Whether the server ends the connection, with nothing more to say."""
        try:
            return self.buffer == b"" and await self.stream.receive_some(1) == b""
        except trio.BrokenResourceError:
            return True

    async def _more(self) -> None:
        data = await self.stream.receive_some(65536)
        assert data, f"closed by the server after {self.buffer!r}"
        self.buffer += data


@dataclass
class Door:
    """A running server."""

    url: str
    port: int
    stop: trio.Event
    ended: trio.Event

    peers: list[Peer] = field(default_factory=list)

    async def peer(self) -> Peer:
        self.peers.append(Peer(await trio.open_tcp_stream("127.0.0.1", self.port)))
        return self.peers[-1]

    def hang_up(self) -> None:
        for peer in self.peers:
            peer.stream.socket.close()

    async def ask(self, data: bytes) -> Answer:
        peer = await self.peer()
        async with peer.stream:
            return await peer.ask(data)


def post(body: bytes, path: str = "/", **headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def read_all(receive: Any) -> bytes | None:
    """The whole body; None if the peer left before its end."""
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            return body
    return None


async def reply(send: Any, body: bytes, *, status: int = 200) -> None:
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with method, path and body; without an answer if the body does not come."""
    if (body := await read_all(receive)) is not None:
        await reply(send, f"{scope['method']} {scope['path']} ".encode() + body)


async def hasty(scope: Any, receive: Any, send: Any) -> None:
    """Answers 413 and does not read."""
    await reply(send, b"too large", status=413)


async def boom(scope: Any, receive: Any, send: Any) -> None:
    """Has a bug."""
    raise ValueError("a bug")
