"""Load: many keep-alive connections that send one request after another, and what came of it.

    python -m benchmarks.load http://127.0.0.1:8080/v1/t --body event.json --header 'Authorization: Bearer dk_x'

One thread, raw sockets and epoll, requests encoded beforehand, so that the generator is not what is measured; run it in
a process of its own (`load`). The token `{{id}}` in the body becomes 36 characters that differ in every request.
"""

import json
import re
import selectors
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from urllib.parse import urlsplit

import click

TOKEN = b"{{id}}"
STATUS = slice(9, 12)  # of `HTTP/1.1 200 OK`
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Result:
    """Milliseconds from a request's first byte sent to its answer's last byte received."""

    requests: int
    seconds: float
    statuses: dict[str, int]
    broken: int
    """Connections that the server ended, and that were opened again."""
    p50: float
    p95: float
    p99: float
    cpu: float
    """Share of one core that the generator itself used: near 1, it measures itself."""

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def load(url: str, body: bytes, *, connections: int = 64, seconds: float = 5, headers: Sequence[str] = ()) -> Result:
    """POST `body` to `url` from another process."""
    with NamedTemporaryFile() as file:
        Path(file.name).write_bytes(body)
        command = [sys.executable, __file__, url, "--body", file.name, "--json"]
        command += ["--connections", str(connections), "--seconds", str(seconds)]
        for header in headers:
            command += ["--header", header]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Result(**json.loads(done.stdout))


@click.command()
@click.argument("url")
@click.option("--body", "path", type=click.Path(path_type=Path), required=True, help="What to POST.")
@click.option("--connections", default=64, show_default=True)
@click.option("--seconds", default=5.0, show_default=True)
@click.option("--header", "headers", multiple=True, help="'Name: value', also several times.")
@click.option("--json", "as_json", is_flag=True, help="One line for programs.")
def main(url: str, path: Path, connections: int, seconds: float, headers: Sequence[str], as_json: bool) -> None:
    """POST one body for a while and say how it went."""
    result = generate(url, path.read_bytes(), connections, seconds, headers)
    if as_json:
        click.echo(json.dumps(asdict(result)))
    else:
        click.echo(f"{result.per_second:,.0f} requests/s, {result.statuses}, {result.broken} connections broken")
        click.echo(
            f"p50 {result.p50:.1f} ms, p95 {result.p95:.1f} ms, p99 {result.p99:.1f} ms, own CPU {result.cpu:.0%}"
        )


def generate(url: str, body: bytes, connections: int, seconds: float, headers: Sequence[str]) -> Result:
    """The generator itself, in this thread."""
    target = urlsplit(url)
    address = (target.hostname or "127.0.0.1", target.port or 80)
    requests = _requests(target.netloc, target.path + (f"?{target.query}" if target.query else ""), body, headers)
    statuses: Counter[bytes] = Counter()
    durations: list[float] = []
    broken = 0
    started, cpu = time.perf_counter(), time.process_time()
    ends = started + seconds
    with selectors.DefaultSelector() as selector:
        for _ in range(connections):
            _Line(address, selector).send(next(requests))
        while (now := time.perf_counter()) < ends:
            for key, _ in selector.select(ends - now):
                line: _Line = key.data
                status = line.receive()
                if status is None:
                    continue
                if status:
                    statuses[status] += 1
                    durations.append(time.perf_counter() - line.sent)
                else:
                    broken += 1
                    line.close()
                    line = _Line(address, selector)
                line.send(next(requests))
        elapsed, cpu = time.perf_counter() - started, time.process_time() - cpu
        for key in list(selector.get_map().values()):
            key.data.close()
    durations.sort()
    p50, p95, p99 = (durations[int(len(durations) * share)] * 1000 if durations else 0.0 for share in (0.5, 0.95, 0.99))
    counted = {status.decode(): count for status, count in sorted(statuses.items())}
    return Result(len(durations), elapsed, counted, broken, p50, p95, p99, cpu / elapsed)


class _Line:
    """One connection with at most one request on its way."""

    def __init__(self, address: tuple[str, int], selector: selectors.BaseSelector) -> None:
        self.socket = socket.create_connection(address, timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.selector = selector
        self.sent = 0.0
        self.buffer = b""
        selector.register(self.socket, selectors.EVENT_READ, self)

    def send(self, request: bytes) -> None:
        self.sent = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bytes | None:
        """The status once the answer is whole, None before, empty when the connection has ended."""
        try:
            data = self.socket.recv(65536)
        except OSError:
            return b""
        if not data:
            return b""
        data = self.buffer + data
        end = data.find(b"\r\n\r\n")
        length = LENGTH.search(data, 0, end + 2) if end >= 0 else None
        if end < 0 or len(data) < end + 4 + (int(length[1]) if length else 0):
            self.buffer = data
            return None
        self.buffer = b""
        return data[STATUS]

    def close(self) -> None:
        self.selector.unregister(self.socket)
        self.socket.close()


def _requests(host: str, path: str, body: bytes, headers: Sequence[str]) -> Iterator[bytes]:
    size = len(body.replace(TOKEN, b"x" * 36))
    lines = [
        f"POST {path or '/'} HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/json",
        f"Content-Length: {size}",
    ]
    request = "\r\n".join([*lines, *headers]).encode() + b"\r\n\r\n" + body
    if TOKEN not in body:
        while True:
            yield request
    run, number = time.time_ns(), 0
    while True:
        number += 1
        yield request.replace(TOKEN, b"%020d%016d" % (run, number))


if __name__ == "__main__":
    main()
