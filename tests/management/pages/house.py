"""House: the demo, running in a thread of its own, as somebody at a browser knows it."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import trio

from signal_actor.demo import KEY, Demo, running

CONTEXT = {
    "page": {"url": "https://example.com/p/widget?a=1", "path": "/p/widget", "title": "Widget"},
    "consent": {"personalization": True, "marketing": True},
}
SEEN = {"product_id": "SKU-A", "product_name": "Widget", "price": 49.99, "currency": "USD"}
PERSON = {"userId": "user-123", "traits": {"email": "jane.doe@example.com"}}


class House:
    """The demo without its own visitor. What a test sends is all there is."""

    def __init__(self, demo: Demo, token: trio.lowlevel.TrioToken) -> None:
        self.demo = demo
        self.token = token
        self.admin = demo.ready.admin
        self.client = httpx.Client(base_url=demo.ready.ingest, headers={"Origin": demo.shop}, trust_env=False)

    def api(self) -> httpx.Client:
        """The Management API, as an admin."""
        headers = {"Authorization": f"Bearer {self.secret()}"}
        return httpx.Client(base_url=f"{self.admin}/v1/admin", headers=headers, trust_env=False)

    def secret(self) -> str:
        """The token that the first start left for its operator."""
        return (self.demo.database.parent / "admin-token").read_text().strip()

    def ask(self, function: Any, *arguments: Any) -> Any:
        """Calls something where the service runs."""
        return trio.from_thread.run_sync(function, *arguments, trio_token=self.token)

    def send(self, kind: str, anonymous_id: str = "visitor-1", **body: Any) -> None:
        letter = {"track": "t", "page": "p", "identify": "i"}[kind]
        context = {**CONTEXT, **body.pop("context", {})}
        event = {"type": kind, "anonymousId": anonymous_id, "context": context, **body}
        answer = self.client.post(f"/v1/{letter}", json=event, headers={"Authorization": f"Bearer {KEY}"})
        assert answer.status_code == 200, answer.text

    def viewed(self, **properties: Any) -> None:
        """A product view by somebody who is known."""
        self.send("identify", **PERSON)
        self.send("track", event="Product Viewed", properties={**SEEN, **properties})

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """What the database says."""
        with closing(sqlite3.connect(self.demo.database)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql)]

    def received(self, vendor: str) -> list[Any]:
        """What a vendor took, in its own words."""
        ledger = self.demo.sandbox.vendors[vendor].ledger
        requests = self.ask(lambda: list(ledger.requests))
        return [item.payload for entry in requests if (entry.status or 500) < 300 for item in entry.items]


@contextmanager
def open_house(folder: Path) -> Iterator[House]:
    """The demo, for as long as the context lasts."""
    opened: list[House] = []
    ready, done = threading.Event(), trio.Event()
    failed: list[BaseException] = []

    async def main() -> None:
        async with running(folder) as demo:
            opened.append(House(demo, trio.lowlevel.current_trio_token()))
            ready.set()
            await done.wait()

    def run() -> None:
        try:
            trio.run(main)
        except BaseException as error:
            failed.append(error)
            ready.set()

    thread = threading.Thread(target=run, name="demo", daemon=True)
    thread.start()
    assert ready.wait(20)
    if failed:
        raise failed[0]
    house = opened[0]
    try:
        yield house
    finally:
        house.client.close()
        house.ask(done.set)
        thread.join(20)
    if failed:
        raise failed[0]
