"""Sink: the fastest vendor that we can make, in a process of its own. It reads what comes and says that all is well.

It checks nothing, so that a benchmark measures the service and not a fake vendor; the sandbox is for being right.
"""

import json
import multiprocessing
import selectors
import socket
from collections.abc import Iterator
from contextlib import contextmanager

ANSWERS = {
    b"/v2/push": (b"202 Accepted", b'{"status":"OK","request_id":"0","accepted":1,"rejected":0}'),
    b"/api/user/v1/upsert": (b"200 OK", b'{"data":{"successful":{"count":1},"fail":{}}}'),
    b"/v2/organizations": (b"200 OK", b'{"data":{"profiles":[]},"message":"ok","error":null}'),
}
COUNTS = b"/counts"


def answer(status: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (status, len(body)) + body


class Peer:
    """One connection: requests in, canned answers out."""

    def __init__(self, connection: socket.socket, counts: dict[str, int]) -> None:
        self.connection = connection
        self.counts = counts
        self.buffer = bytearray()

    def read(self) -> bool:
        data = self.connection.recv(1 << 18)
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.buffer[:end])
            at = head.lower().find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                break
            body = bytes(self.buffer[end + 4 : end + 4 + length])
            del self.buffer[: end + 4 + length]
            self.connection.sendall(self.reply(head, body))
        return bool(data)

    def reply(self, head: bytes, body: bytes) -> bytes:
        path = head.split(b" ", 2)[1]
        if path == COUNTS:
            return answer(b"200 OK", json.dumps(self.counts).encode())
        self.counts["requests"] += 1
        self.counts["events"] += body.count(b'"timestamp"')
        for prefix, (status, text) in ANSWERS.items():
            if path.startswith(prefix):
                return answer(status, text)
        return answer(b"200 OK", b"{}")


def run(listener: socket.socket) -> None:
    """Serves for ever."""
    counts = {"requests": 0, "events": 0}
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    connection, _ = listener.accept()
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    selector.register(connection, selectors.EVENT_READ, Peer(connection, counts))
                    continue
                try:
                    alive = key.data.read()
                except OSError:
                    alive = False
                if not alive:
                    selector.unregister(key.fileobj)
                    key.data.connection.close()


@contextmanager
def sink() -> Iterator[str]:
    """The URL of a sink that lives as long as the block."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    process = multiprocessing.get_context("fork").Process(target=run, args=(listener,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        process.terminate()
        process.join()
        listener.close()
