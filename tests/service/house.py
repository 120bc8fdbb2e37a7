"""House: a running service and its sandbox, as a test sees them."""

import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import trio

from signal_actor import configuration
from signal_actor.database import FILE
from signal_actor.sandbox import Fake, Sandbox
from signal_actor.service import Ready, Service

KEY = "dk_test_0123456789"
ORIGIN = "https://shop.example.com"
BROWSER = {"Authorization": f"Bearer {KEY}", "Origin": ORIGIN}
SERVER = {"Authorization": f"Bearer {KEY}"}
PATIENCE = 20.0  # seconds until a wait counts as failed; nothing here takes that long on a healthy machine
QUICK = {"retry_base_seconds": 0.05, "retry_cap_seconds": 0.2, "probe_seconds": 0.2, "request_timeout_seconds": 5}


async def eventually(condition: Callable[[], Any], words: Callable[[], str] = lambda: "") -> None:
    """Returns once the condition holds, for what rings no bell."""
    with trio.move_on_after(PATIENCE):
        while not condition():
            await trio.sleep(0.01)
        return
    raise AssertionError(f"never came true: {words()}")


def tables(
    sandbox: Sandbox | None = None,
    *,
    only: tuple[str, ...] = ("ninetailed", "insider", "ometria", "webhook"),
    pipeline: Mapping[str, Any] | None = None,
    delivery: Mapping[str, Any] | None = None,
    retention: Mapping[str, Any] | None = None,
    **integrations: Mapping[str, Any],
) -> dict[str, Any]:
    """A configuration's tables: one pipeline with an integration for each vendor of `only`, changed by keyword."""
    found: dict[str, Any] = {}
    for slug in only if sandbox else ():
        fake = sandbox.vendors[slug]
        changes = dict(integrations.get(slug, {}))
        config = {**fake.hint, **changes.pop("config", {})}
        found[slug] = {"vendor": slug, "config": config, **changes}
    shop = {
        "name": "Shop",
        "pipeline_keys": [KEY],
        "allowed_origins": [ORIGIN, "https://*.shop.example.com"],
        **(pipeline or {}),
        "integrations": found,
    }
    return {
        "pipelines": {"shop": shop},
        "delivery": {**QUICK, **(delivery or {})},
        "retention": {"min_free_bytes": 0, **(retention or {})},
    }


def written(path: Path, wanted: Mapping[str, Any]) -> Path:
    """The configuration as a file."""
    path.write_text(configuration.dumped(wanted))
    return path


class Database:
    """A data directory's `signal.db`, read as anybody may read it."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / FILE

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.path)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql, values)]

    def value(self, sql: str, *values: Any) -> Any:
        (row,) = self.rows(sql, *values)
        (found,) = row.values()
        return found

    def backlog(self, integration: str) -> dict[str, Any]:
        (row,) = self.rows("select * from v_backlog where integration = ?", integration)
        return row

    def states(self, integration: str) -> list[str]:
        rows = self.rows("select state from v_deliveries where integration = ? order by event_id", integration)
        return [row["state"] for row in rows]

    async def until(self, sql: str, *values: Any) -> None:
        """Returns once the query gives something true."""
        await eventually(lambda: self.value(sql, *values), lambda: f"{sql} {self.rows('select * from v_backlog')}")

    async def settled(self) -> None:
        """Returns once nothing is open any more."""
        await self.until("select not exists (select 1 from v_deliveries where state in ('pending', 'leased'))")


class House(Database):
    """A service in this process, and a client of it."""

    def __init__(
        self,
        data_dir: Path,
        sandbox: Sandbox,
        service: Service,
        ready: Ready,
        client: httpx.AsyncClient,
        leave: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(data_dir)
        self.data_dir = data_dir
        self.sandbox = sandbox
        self.service = service
        self.ready = ready
        self.client = client
        self.leave = leave
        self._count = 0

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """A browser's request, unless `headers` say otherwise; a body that is not bytes goes as JSON."""
        return await self.request("POST", path, body, headers=BROWSER | headers)

    async def request(
        self, method: str, path: str, body: Any = b"", *, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        given = {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self.client.request(method, self.ready.ingest + path, headers=headers, **given)

    async def track(self, *numbers: int, visitor: str | None = None, **changes: Any) -> None:
        """Posts numbered events in batches, all of one visitor or each of its own."""
        events = [numbered(n, visitor=visitor, **changes) for n in numbers]
        for start in range(0, len(events), 500):
            batch = {"batch": events[start : start + 500]}
            response = await self.request("POST", "/v1/batch", batch, headers=SERVER)
            assert response.status_code == 200, response.text
            assert response.json()["rejected"] == []

    def stored(self) -> list[dict[str, Any]]:
        return self.rows("select * from v_events order by event_id")


def numbered(n: int, *, visitor: str | None = None, **changes: Any) -> dict[str, Any]:
    """A track event that can be told from others wherever it arrives."""
    return {
        "type": "track",
        "event": "Signed Up",
        "messageId": f"m-{n}",
        "anonymousId": visitor or f"visitor-{n}",
        "properties": {"n": n},
        **changes,
    }


def numbers(fake: Fake[Any]) -> list[int]:
    """The numbers of the events that a vendor keeps, in order of arrival, repeats included."""
    return [number(item.payload) for item in fake.ledger.accepted]


def number(payload: Mapping[str, Any]) -> int:
    """The number of an event in any vendor's payload."""
    if "identifiers" in payload:
        return int(payload["events"][0]["event_params"]["custom"]["n"])
    return int(payload["properties"]["n"])


async def arrived(fake: Fake[Any], count: int) -> None:
    """Returns once so many different events are with the vendor."""
    with trio.move_on_after(PATIENCE):
        await fake.ledger.wait_for(count)
        return
    raise AssertionError(f"{fake.slug} has {len(fake.ledger.counts)} of {count}")
