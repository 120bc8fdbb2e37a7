"""Strangers: whatever they send, the answer is one of the document's, and neither door nor vendor modules stumble."""

import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.service.commander import ROOT, environment
from tests.service.house import KEY, ORIGIN, PATIENCE, Database
from tests.service.processes import BINDS, COMMAND

PATHS = [*(f"/v1/{letter}" for letter in "tpigas"), "/v1/batch", "/v1/track", "/beacon/v1/batch", "/api/s/page"]
STATUSES = {200, 204, 400, 401, 403, 404, 405, 413, 415, 429, 431}
MANY = settings(max_examples=200, deadline=None, derandomize=True)


class Stranger:
    """A service in a process of its own, and raw connections to it."""

    def __init__(self, ingest: str, data_dir: Path, log: Path) -> None:
        host, _, port = ingest.removeprefix("http://").rpartition(":")
        self.address = (host, int(port))
        self.database = Database(data_dir)
        self.log = log

    def send(self, method: bytes, path: bytes, headers: dict[bytes, bytes], body: bytes) -> tuple[int, bytes]:
        """One request on a connection of its own; the answer's status and body."""
        lines = [b"%s: %s" % item for item in {b"Host": b"x", b"Connection": b"close", **headers}.items()]
        head = b"\r\n".join([b"%s %s HTTP/1.1" % (method, path), *lines, b"Content-Length: %d" % len(body), b"", b""])
        with closing(socket.create_connection(self.address, timeout=20)) as connection:
            connection.sendall(head + body)
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        found = re.match(rb"HTTP/1.1 (\d{3})", answer)
        assert found, (head, answer)
        return int(found[1]), answer.partition(b"\r\n\r\n")[2]

    def post(self, path: str, body: bytes, **headers: bytes) -> tuple[int, Any]:
        named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
        key = {b"Authorization": f"Bearer {KEY}".encode(), b"Origin": ORIGIN.encode()}
        status, answer = self.send(b"POST", path.encode(), {**key, **named}, body)
        assert status in STATUSES, (status, answer, body, headers)
        return status, json.loads(answer)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stranger]:
    folder = tmp_path_factory.mktemp("stranger")
    ports = [f"--{slug}-port=0" for slug in ("ninetailed", "insider", "ometria", "webhook")]
    with (folder / "log").open("wb") as log:
        common: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": log, "cwd": ROOT, "env": environment()}
        sandbox = subprocess.Popen([*COMMAND, "sandbox", "--strict", *ports], **common)
        assert sandbox.stdout is not None
        config = folder / "signal.toml"
        config.write_text(_configuration(iter(sandbox.stdout.readline, b"")))
        place = ["--data-dir", str(folder / "data"), "--config", str(config)]
        serve = subprocess.Popen([*COMMAND, "serve", *place, *BINDS], **common)
        assert serve.stdout is not None
        ready = json.loads(serve.stdout.readline())
        yield Stranger(ready["ingest"], folder / "data", folder / "log")
        for process in (serve, sandbox):
            process.send_signal(signal.SIGTERM)
            with process:
                assert process.wait(20) == 0


def _configuration(lines: Iterator[bytes]) -> str:
    """What the sandbox's command offers as a pipeline's configuration, with a key and an origin of ours."""
    found = []
    for line in lines:
        text = line.decode()
        found.append(text)
        if text.startswith("url ="):
            break
    text = "".join(found)
    pipeline = f'pipeline_keys = ["{KEY}"]\nallowed_origins = ["{ORIGIN}"]\nrate_limit_rps = 1000000\n'
    start = text.index("[pipelines.demo]")
    tail = text[start:].replace("[pipelines.demo]\n", f"[pipelines.demo]\n{pipeline}", 1)
    return f"{tail}\n[retention]\nmin_free_bytes = 0\n"


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(2**80), max_value=2**80),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["", " ", "\u0000", "\ud83d", "a" * 300, "2026-02-30T00:00:00Z", "0001-01-01", "9999-12-31T23:59:59-23:59"]
    ),
    st.sampled_from(
        ["jane@example.com", "+447700900123", "GBP", "https://[::1", "//x", "1e999", "true", "Order Completed"]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ["type", "event", "name", "userId", "anonymousId", "groupId", "previousId", "messageId", "timestamp"]
FIELDS += ["originalTimestamp", "sentAt", "properties", "traits", "context", "writeKey", "integrations"]
PARTS = ["products", "price", "order_id", "email", "phone", "page", "consent", "traits", "locale", "campaign", "url"]
PARTS += [
    "total",
    "currency",
    "quantity",
    "title",
    "path",
    "categories",
    "marketing",
    "library",
    "search",
    "gdpr_optin",
]
parts = st.dictionaries(st.sampled_from(PARTS) | st.text(max_size=5), values, max_size=6)
KINDS = ["track", "page", "identify", "group", "alias", "screen"]
types = st.sampled_from(KINDS)
names = st.sampled_from(["Product Viewed", "Order Completed", "Product Added", "Identified", "ünï çødé", "💥", "a.b"])


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """Mostly valid events with odd contents, and odd fields now and then."""
    event: dict[str, Any] = {
        "type": draw(types),
        "event": draw(names),
        "name": draw(names),
        "userId": draw(st.sampled_from(["u1", "u2"])),
        "groupId": "g",
        "previousId": draw(st.sampled_from(["u1", "a1"])),
        "properties": draw(parts),
        "traits": draw(parts),
        "context": draw(parts),
    }
    event |= draw(st.dictionaries(st.sampled_from(FIELDS), values, max_size=2))
    return event


@MANY
@given(path=st.sampled_from(PATHS), body=st.binary(max_size=200))
def test_any_bytes(stranger: Stranger, path: str, body: bytes) -> None:
    stranger.post(path, body)
    stranger.post(path, b"\x1f\x8b" + body)


@MANY
@given(path=st.sampled_from(PATHS), value=values)
def test_any_json(stranger: Stranger, path: str, value: Any) -> None:
    stranger.post(path, json.dumps(value).encode())
    stranger.post("/v1/batch", json.dumps({"batch": value, "sentAt": value, "context": value}).encode())


@settings(MANY, max_examples=100)
@given(
    batch=st.lists(events(), min_size=1, max_size=5),
    envelope=st.dictionaries(st.sampled_from(["sentAt", "context"]), values),
)
def test_odd_events(stranger: Stranger, batch: list[dict[str, Any]], envelope: dict[str, Any]) -> None:
    status, answer = stranger.post("/v1/batch", json.dumps({"batch": batch, **envelope}).encode())
    assert status == 200
    assert answer["accepted"] + len(answer["rejected"]) == len(batch)
    for event in batch:
        stranger.post(f"/v1/{event['type']}" if event["type"] in KINDS else "/v1/t", json.dumps(event).encode())


visible = st.binary(max_size=60).map(lambda raw: re.sub(rb"[\x00-\x1f\x7f]", b"", raw).strip())
NAMES = [b"Authorization", b"Origin", b"Cookie", b"Content-Encoding", b"Content-Type", b"AnonymousId", b"SentAt"]
NAMES += [b"X-Write-Key", b"X-Forwarded-For", b"X-Forwarded-Proto", b"Sec-GPC", b"Accept-Encoding", b"Range"]
starts = st.sampled_from([b"", b"Bearer ", b"Basic ", b"_dfid=", b"https://", b"gzip", b"http://[", b"_dfid=%"])


@MANY
@given(
    method=st.sampled_from([b"POST", b"GET", b"OPTIONS", b"PUT", b"HEAD", b"PATCH"]),
    path=st.sampled_from(
        [path.encode() for path in PATHS] + [b"/", b"/healthz", b"/readyz", b"/%ff", b"//", b"/v1/t%00"]
    ),
    query=st.sampled_from([b"", b"?writeKey=%ff", b"?writeKey=", b"?writeKey", b"?;&=writeKey=&writeKey=%00"]),
    headers=st.dictionaries(st.sampled_from(NAMES), st.tuples(starts, visible).map(b"".join), max_size=4),
)
def test_any_headers(stranger: Stranger, method: bytes, path: bytes, query: bytes, headers: dict[bytes, bytes]) -> None:
    body = json.dumps({"type": "track", "event": "x", "userId": "u"}).encode()
    status, answer = stranger.send(method, path + query, headers, body)
    assert status in STATUSES, (status, answer)
    if answer and method != b"HEAD" and status != 204:
        json.loads(answer)


def test_and_then_everything_is_delivered_and_nobody_has_stumbled(stranger: Stranger) -> None:
    """Last of this file: what the others have sent has gone through all four vendors' modules."""
    database = stranger.database
    deadline = time.monotonic() + PATIENCE
    while database.value("select count(*) from v_deliveries where finished_at is null") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert database.rows("select * from v_deliveries where finished_at is null") == []
    assert database.value("select count(*) from v_events") > 100
    stumbled = [line for line in stranger.log.read_text().splitlines() if "failed" in line or "Traceback" in line]
    assert stumbled == []
    reasons = database.rows("select distinct integration, reason from v_dead")
    assert [row for row in reasons if re.search(r"mapping: [A-Z]\w+Error", row["reason"])] == []
    assert reasons == []
    done = database.rows("select integration, done from v_backlog")
    assert min(row["done"] for row in done) > 20  # visitors deny consent at random, and for good
