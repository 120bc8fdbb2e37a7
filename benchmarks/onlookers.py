"""Onlookers: what accepting loses while many watch live events and somebody searches through a million of them.

python -m benchmarks.onlookers
"""

import selectors
import socket
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import click
import httpx

from benchmarks import report
from benchmarks.http_limit import EVENT
from benchmarks.load import load
from benchmarks.pipeline import ONE, clean
from benchmarks.report import Figure
from benchmarks.service import Running, configuration, service
from benchmarks.sink import sink
from signal_actor.database import now_ms
from signal_actor.store.ids import DAY, first_id
from signal_actor.wire import dumps

EVENTS = 1_000_000
VIEWERS = 50
ROUNDS = 3
SECONDS = 5.0


def fill(path: Path) -> None:
    """A day's events, quickly: rows like those that `accept` makes, their deliveries done."""
    connection = sqlite3.connect(path, isolation_level=None)
    [pipeline] = connection.execute("select id from pipeline").fetchone()
    integrations = [row[0] for row in connection.execute("select id from integration")]
    body, begin = dumps({**EVENT, "messageId": "m", "context": {}}), now_ms() - DAY
    connection.execute("pragma synchronous = off")
    for start in range(0, EVENTS, 20_000):
        times = [begin + n * DAY // EVENTS for n in range(start, start + 20_000)]
        rows = [(first_id(ms) + n, ms) for n, ms in enumerate(times)]
        connection.execute("begin immediate")
        connection.executemany(
            f"insert into event values (?1, {pipeline}, ?2, 'track', 'Product Added', 'm' || ?1, 'a' || ?1, null, ?3)",
            [(*row, body) for row in rows],
        )
        connection.executemany(
            "insert into delivery (event_id, integration_id, visitor, state, window_from, finished_at)"
            " values (?, ?, ?, 'done', 0, ?)",
            [(each, owner, each, ms) for each, ms in rows for owner in integrations],
        )
        connection.execute("commit")
    connection.close()


@contextmanager
def watching(running: Running, token: str) -> Iterator[None]:
    """Everything that happens, sent to so many viewers who read it."""
    target, gone = urlsplit(running.admin), threading.Event()
    request = f"GET /v1/admin/events/live HTTP/1.1\r\nHost: {target.netloc}\r\nAuthorization: Bearer {token}\r\n\r\n"
    with selectors.DefaultSelector() as selector, ExitStack() as stack:
        for _ in range(VIEWERS):
            line = stack.enter_context(socket.create_connection((target.hostname, target.port)))
            line.sendall(request.encode())
            selector.register(line, selectors.EVENT_READ)

        def read() -> None:
            while not gone.is_set():
                for key, _ in selector.select(0.1):
                    key.fileobj.recv(1 << 18)  # type: ignore[union-attr]  # they are sockets

        with beside(read, gone):
            yield


@contextmanager
def searching(running: Running, token: str, counted: list[int]) -> Iterator[None]:
    """One who searches for what is not there, again and again; `counted` gets the number of searches."""
    gone = threading.Event()

    def search() -> None:
        with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=60, trust_env=False) as client:
            while not gone.is_set():
                answer = client.get(f"{running.admin}/v1/admin/events", params={"user_id": "nobody"})
                answer.raise_for_status()
                counted.append(1)

    with beside(search, gone):
        yield


@contextmanager
def beside(work: Callable[[], None], gone: threading.Event) -> Iterator[None]:
    """Runs `work` in a thread until the block ends and says so."""
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        gone.set()
        thread.join()


def figures() -> Iterator[Figure]:
    """What is left of the usual rate, measured by turns, because machines have moods."""
    with tempfile.TemporaryDirectory(prefix="signal-bench-") as folder, sink() as vendors:
        home, config = Path(folder), configuration(vendors, 3)
        with service(config, home):
            pass
        fill(home / "signal.db")
        with service(config, home) as running:
            token = (home / "admin-token").read_text().strip()
            rates: dict[str, list[float]] = {"nobody": [], "viewers": [], "search": [], "both": []}
            searches: list[int] = []
            for _ in range(ROUNDS):
                for who, posted in rates.items():
                    with ExitStack() as stack:
                        if who in ("viewers", "both"):
                            stack.enter_context(watching(running, token))
                        if who in ("search", "both"):
                            stack.enter_context(searching(running, token, searches))
                        time.sleep(0.5)
                        result = load(f"{running.ingest}/v1/t", ONE, seconds=SECONDS, headers=running.headers)
                        posted.append(clean(result).per_second)
    usual = sum(rates["nobody"]) / ROUNDS
    for who, name in (
        ("viewers", f"POST /v1/t while {VIEWERS} watch live"),
        ("search", f"the same while somebody searches {EVENTS:,} events without end"),
        ("both", "the same with both"),
    ):
        yield Figure(name, sum(rates[who]) / ROUNDS, "events/s", usual, "nobody looks on", target=0.9)
    yield Figure("searches meanwhile, a second", len(searches) / (2 * ROUNDS * (SECONDS + 0.5)), "searches/s")


@click.command()
def main() -> None:
    """Measures how much accepting suffers from those who look on."""
    report.table(list(figures()))


if __name__ == "__main__":
    main()
