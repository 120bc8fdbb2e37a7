"""Recording service: the part of the ingest listener that a browser meets, and a shop on another origin."""

import json
import threading
import time
import uuid
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from signal_actor.ingest.datafly.answer import answer
from signal_actor.ingest.datafly.bundle import Settings, build, declarations

KEY = "dk_test_0123456789"
COOKIE = "Path=/; Max-Age={age}; HttpOnly; SameSite=Lax"

Headers = dict[str, str]
Reply = tuple[int, Headers, bytes]


class Listener:
    """An HTTP server that can go away and come back on the same port."""

    def __init__(self, host: str) -> None:
        self.port = 0
        self.host = host
        self.start()

    def origin(self, host: str = "") -> str:
        return f"http://{host or self.host}:{self.port}"

    def reply(self, method: str, path: str, headers: Headers, body: bytes) -> Reply:
        raise NotImplementedError

    def start(self) -> None:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def handle_request(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fields = {name.lower(): value for name, value in self.headers.items()}
                status, more, content = listener.reply(self.command, self.path, fields, body)
                try:
                    self.send_response(status)
                    for name, value in ({"Content-Length": str(len(content))} | more | {"Connection": "close"}).items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(content)
                except OSError:
                    pass  # the browser has gone

            do_GET = do_POST = do_OPTIONS = handle_request  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_: object) -> None:
                pass  # a browser that drops a connection

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Shop(Listener):
    """Pages by path. Every path that has none of its own gets the page that was set last."""

    def __init__(self, site: str) -> None:
        self.html = ""
        self.headers: Headers = {}
        self.pages: dict[str, str] = {}
        super().__init__(f"www.{site}")

    def reply(self, method: str, path: str, headers: Headers, body: bytes) -> Reply:
        if path == "/favicon.ico":
            return 204, {}, b""
        content = self.pages.get(path.partition("?")[0], self.html).encode()
        return 200, {"Content-Type": "text/html; charset=utf-8"} | self.headers, content


@dataclass
class Received:
    """One request to the event endpoints."""

    at: float
    cookie: str
    body: dict[str, Any]
    size: int


@dataclass
class Visitor:
    consent: dict[str, bool] = field(default_factory=dict)


class Service(Listener):
    """Stores each messageId once, names visitors and answers as the contract says."""

    def __init__(self, site: str) -> None:
        self.settings: Settings = {"flushMs": 200}  # for the sake of quick tests
        self.requests: list[Received] = []
        self.stored: dict[str, dict[str, Any]] = {}
        self.visitors: dict[str, Visitor] = {}
        self.refusals: list[Reply] = []  # answers to give instead, first come first served
        self.preflights = 0
        self.delay = 0.0  # seconds before an answer
        self.lose_answers = 0  # store, then fail
        self.lock = threading.Lock()
        super().__init__(f"data.{site}")

    def reply(self, method: str, path: str, headers: Headers, body: bytes) -> Reply:
        cors = {
            "Access-Control-Allow-Origin": headers.get("origin", "*"),
            "Access-Control-Allow-Credentials": "true",
            "Access-Control-Expose-Headers": "Retry-After",
            "Vary": "Origin",
        }
        if method == "GET":
            script = answer(path, headers, build({KEY: self.settings}), declarations(), {})
            return script or (404, {}, b"")
        if method == "OPTIONS":
            self.preflights += 1
            return 204, cors | {"Access-Control-Allow-Headers": "Content-Type, Authorization"}, b""
        time.sleep(self.delay)
        with self.lock:
            status, more, content = self.accept(path, headers, json.loads(body), len(body))
        return status, cors | {"Content-Type": "application/json"} | more, content

    def accept(self, path: str, headers: Headers, body: dict[str, Any], size: int) -> Reply:
        cookie = SimpleCookie(headers.get("cookie", ""))
        known = cookie["_dfid"].value if "_dfid" in cookie else ""
        self.requests.append(Received(time.monotonic(), known, body, size))
        assert path == "/v1/b", path
        assert headers["content-type"].startswith("text/plain"), headers
        if self.refusals:
            return self.refusals.pop(0)
        if body["writeKey"] != KEY:
            return refusal(401, "invalid_pipeline_key", "The supplied pipeline key was not recognised.")
        spare = known or body.get("fallbackAnonymousId") or str(uuid.uuid4())
        newest = body.get("anonymousId") or spare
        if consent := body.get("context", {}).get("consent"):
            self.visitors.setdefault(newest, Visitor()).consent = consent
        rejected = []
        for index, event in enumerate(body["batch"]):
            if event.get("event") == "Poison":
                rejected.append({"index": index, "error": "invalid_payload", "message": "poisoned"})
                continue
            newest = event.setdefault("anonymousId", spare)
            self.visitors.setdefault(newest, Visitor())
            self.stored.setdefault(event["messageId"], event)
        if self.lose_answers:
            self.lose_answers -= 1
            return refusal(503, "overloaded", "The answer was lost.")
        value = f"_dfid={newest}; {COOKIE.format(age=34560000)}"
        if body.get("forget"):
            value = f"_dfid=; {COOKIE.format(age=0)}"
        content = {"success": True, "accepted": len(body["batch"]) - len(rejected), "rejected": rejected}
        return 200, {"Set-Cookie": value}, json.dumps(content).encode()

    @property
    def events(self) -> list[dict[str, Any]]:
        """What is stored, in the order of acceptance."""
        with self.lock:
            return list(self.stored.values())


def refusal(status: int, error: str, message: str, **more: str) -> Reply:
    content = {"success": False, "error": error, "code": error, "message": message}
    return status, {name.replace("_", "-"): value for name, value in more.items()}, json.dumps(content).encode()
