"""Service: the real one in a thread of its own, behind a door where a test can let things go wrong."""

import http.client
import json
import sqlite3
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import trio

from signal_actor import configuration, service
from signal_actor.database import FILE
from signal_actor.ingest.datafly.bundle import Script, build
from signal_actor.ingest.datafly.shelf import table
from signal_actor.opening import Options
from signal_actor.service import Ready
from tests.datafly.listener import Headers, Listener, Reply, Shop

KEY = "dk_test_0123456789"
QUICK = {"flush_ms": 200}  # for the sake of quick tests


@dataclass
class Received:
    """One request to the event endpoints."""

    at: float
    path: str
    content_type: str
    visitor: str  # of the cookie
    body: dict[str, Any]
    size: int


class Running:
    """A service on a data directory, in a thread."""

    def __init__(self, data_dir: Path, tables: Mapping[str, Any]) -> None:
        self._file = data_dir.parent / "signal.toml"
        self._file.write_text(configuration.dumped(tables))
        self._data_dir = data_dir
        self._up = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._run,), daemon=True)
        self._thread.start()
        assert self._up.wait(10)

    async def _run(self) -> None:
        options = Options(self._data_dir, self._file, ingest_bind="127.0.0.1:0", admin_bind="127.0.0.1:0")
        with service.opened(options) as self.service:
            async with trio.open_nursery() as nursery:
                ready: Ready = await nursery.start(self.service.run)
                self.port = urlsplit(ready.ingest).port
                self._token = trio.lowlevel.current_trio_token()
                self._up.set()

    def apply(self, tables: Mapping[str, Any]) -> None:
        arguments = {"text": configuration.dumped(tables), "file": "test", "secrets": {}}
        trio.from_thread.run(self.service.execute, "apply", arguments, trio_token=self._token)

    def script(self) -> Script:
        """What pages get, once what is published is built."""
        return build(table(self.service.live))

    def stop(self) -> None:
        trio.from_thread.run_sync(self.service.stop, trio_token=self._token)
        self._thread.join(10)
        assert not self._thread.is_alive()


class Service(Listener):
    """What a browser takes for the service. Everything goes through to the real one, but for the faults."""

    def __init__(self, site: str, shop: Shop, data_dir: Path) -> None:
        self.requests: list[Received] = []
        self.refusals: list[Reply] = []  # answers to give instead, first come first served
        self.preflights = 0
        self.delay = 0.0  # seconds before an answer
        self.lose_answers = 0  # let the event in, then hang up
        self._path = data_dir / FILE
        self._origins = [f"http://*.{domain}:{shop.port}" for domain in (site, "site.test")]
        self.running = Running(data_dir, self._tables(QUICK))
        super().__init__(f"data.{site}")

    def _tables(self, browser: Mapping[str, Any]) -> dict[str, Any]:
        shop = {"pipeline_keys": [KEY], "allowed_origins": self._origins, "browser": dict(browser)}
        return {"pipelines": {"shop": shop}, "retention": {"min_free_bytes": 0}}

    def configure(self, **browser: Any) -> None:
        """Publishes these browser settings, and returns once the script has them."""
        self.running.apply(self._tables(browser))
        wanted = self.running.script().plain
        end = time.monotonic() + 5
        while self.through("GET", "/datafly.js", {}, b"")[2] != wanted:
            assert time.monotonic() < end

    def end(self) -> None:
        """Stops it all. What the SDK sent was always of one kind."""
        self.stop()
        self.running.stop()
        assert {(request.path, request.content_type[:10]) for request in self.requests} <= {("/v1/b", "text/plain")}

    def reply(self, method: str, path: str, headers: Headers, body: bytes) -> Reply | None:
        if method == "GET":
            return self.through(method, path, headers, body)
        if method == "OPTIONS":
            self.preflights += 1
            return self.through(method, path, headers, body)
        received = json.loads(body)
        content_type, cookies = headers.get("content-type", ""), SimpleCookie(headers.get("cookie", ""))
        visitor = cookies["_dfid"].value if "_dfid" in cookies else ""
        time.sleep(self.delay)
        self.requests.append(Received(time.monotonic(), path, content_type, visitor, received, len(body)))
        if self.refusals:
            status, more, content = self.refusals.pop(0)
            return status, cors(headers) | more, content
        answer = self.through(method, path, headers, body)
        if self.lose_answers:
            self.lose_answers -= 1
            return None
        return answer

    def through(self, method: str, path: str, headers: Headers, body: bytes) -> Reply:
        """What the real one answers."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.running.port, timeout=10)) as connection:
            connection.request(method, path, body, {**headers, "connection": "close"})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._path)) as connection:
            return connection.execute(sql).fetchall()

    @property
    def events(self) -> list[dict[str, Any]]:
        """What is stored, in the order of acceptance, and nothing twice."""
        rows = self.rows("select message_id, payload from v_events order by event_id")
        assert len({message_id for message_id, _ in rows}) == len(rows)
        return [json.loads(payload) for _, payload in rows]

    @property
    def consents(self) -> dict[str, dict[str, bool]]:
        """What visitors have said last."""
        rows = self.rows("select anonymous_id, consent from v_identities where anonymous_id is not null")
        return {visitor: json.loads(consent) for visitor, consent in rows}


def cors(headers: Headers) -> Headers:
    return {
        "Access-Control-Allow-Origin": headers.get("origin", "*"),
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": "Retry-After",
        "Vary": "Origin",
        "Content-Type": "application/json",
    }


def refusal(status: int, error: str, message: str, **more: str) -> Reply:
    content = {"success": False, "error": error, "code": error, "message": message}
    return status, {name.replace("_", "-"): value for name, value in more.items()}, json.dumps(content).encode()
