"""Demo: first contact. Sandbox vendors on loopback, a pipeline with every integration, and events on their way."""

import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import httpx
import trio

from signal_actor import configuration, service
from signal_actor.database import FILE
from signal_actor.sandbox import Fake, Sandbox
from signal_actor.sandbox import serve as serve_sandbox
from signal_actor.service import Options, Ready

KEY = "dk_demo_0123456789"
ORIGIN = "http://localhost"
LINK_SECONDS = 86_400.0  # who tries the demo may come back after lunch
QUESTION = "select * from v_backlog"

# What a first visit looks like; the calls are those of the vendors' documents.
VISIT: tuple[tuple[str, dict[str, Any]], ...] = (
    ("p", {"type": "page", "name": "Product Detail", "properties": {"path": "/p/widget", "title": "Widget"}}),
    (
        "i",
        {
            "type": "identify",
            "userId": "user-123",
            "traits": {"email": "jane.doe@example.com", "firstName": "Jane", "phone": "+447700900123", "plan": "pro"},
        },
    ),
    (
        "t",
        {
            "type": "track",
            "event": "Product Viewed",
            "properties": {
                "product_id": "SKU-A",
                "product_name": "Widget",
                "category": "Tools",
                "price": 49.99,
                "currency": "USD",
            },
        },
    ),
    (
        "t",
        {
            "type": "track",
            "event": "Order Completed",
            "properties": {
                "order_id": "ORDER-1",
                "total": 49.99,
                "currency": "USD",
                "products": [{"product_id": "SKU-A", "name": "Widget", "price": 49.99, "quantity": 1}],
            },
        },
    ),
)
PAGE = {"page": {"url": "https://example.com/p/widget", "path": "/p/widget", "referrer": "", "search": ""}}


@dataclass(frozen=True, slots=True)
class Demo:
    """What runs. `login` makes an address that logs into the management UI, once."""

    ready: Ready
    login: Callable[[], str]
    sandbox: Sandbox
    data_dir: Path


@asynccontextmanager
async def running(data_dir: Path) -> AsyncIterator[Demo]:
    """Sandbox and service, together."""
    async with trio.open_nursery() as vendors:
        sandbox: Sandbox = await vendors.start(serve_sandbox)
        config = data_dir / "demo.toml"
        config.write_text(_configuration(sandbox))
        options = Options(
            data_dir, config, ingest_bind="127.0.0.1:0", admin_bind="127.0.0.1:0", environ=dict(os.environ)
        )
        with service.opened(options) as main_service:
            async with trio.open_nursery() as nursery:
                ready: Ready = await nursery.start(main_service.run)
                try:
                    yield Demo(
                        ready, lambda: ready.admin + main_service.links.create(seconds=LINK_SECONDS), sandbox, data_dir
                    )
                finally:
                    main_service.stop()
        vendors.cancel_scope.cancel()


def main(data_dir: Path | None, seconds: float | None) -> None:
    """Runs until Ctrl-C, or for so many seconds."""
    with (
        tempfile.TemporaryDirectory(prefix="signal-demo-") if data_dir is None else nullcontext(str(data_dir)) as folder
    ):
        Path(folder).mkdir(parents=True, exist_ok=True)
        trio.run(_run, Path(folder), seconds)


async def _run(data_dir: Path, seconds: float | None) -> None:
    async with running(data_dir) as demo, trio.open_nursery() as nursery:
        click.echo(f"Ingest         {demo.ready.ingest}   pipeline key {KEY}")
        click.echo(f"Management     {demo.login()}")
        click.echo(f"Database       {data_dir / FILE}")
        click.echo(f"Try            sqlite3 {data_dir / FILE} '{QUESTION}'\n")
        for fake in demo.sandbox.vendors.values():
            nursery.start_soon(_tell, fake)
        nursery.start_soon(_visit, demo.ready.ingest)
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            with trio.move_on_after(trio_seconds(seconds)):
                async for _ in signals:
                    break
        nursery.cancel_scope.cancel()


def trio_seconds(seconds: float | None) -> float:
    return float("inf") if seconds is None else seconds


async def _visit(ingest: str) -> None:
    """A first visitor, so that there is something to see."""
    async with httpx.AsyncClient(base_url=ingest, headers={"Origin": ORIGIN}, trust_env=False) as client:
        for letter, body in VISIT:
            response = await client.post(
                f"/v1/{letter}", json={**body, "context": PAGE}, headers={"Authorization": f"Bearer {KEY}"}
            )
            click.echo(
                f"-> accepted    {body['type']} {body.get('event') or body.get('name') or ''}".rstrip(), nl=False
            )
            click.echo(f"   {response.status_code} {response.text}")


async def _tell(fake: Fake[Any]) -> None:
    """A line for every request that a vendor got."""
    seen = 0
    while True:
        await fake.ledger.wait_for_requests(seen + 1)
        for entry in fake.ledger.requests[seen:]:
            click.echo(f"<- {fake.slug:<11} {entry.status}  {', '.join(_said(item.payload) for item in entry.items)}")
        seen = len(fake.ledger.requests)


def _said(payload: Any) -> str:
    """What a vendor was told, in a word or two."""
    events = payload.get("events") or [payload]
    names = [
        each.get("event") or each.get("event_type") or each.get("event_name") or each.get("type") for each in events
    ]
    return " + ".join(name or "user" for name in names)


def _configuration(sandbox: Sandbox) -> str:
    integrations: Mapping[str, Any] = {
        fake.slug: {
            "vendor": fake.slug,
            "variant": "retail" if fake.slug == "ometria" else "default",
            "config": fake.hint,
        }
        for fake in sandbox.vendors.values()
    }
    pipeline = {"name": "Shop", "mode": "development", "pipeline_keys": [KEY], "integrations": integrations}
    return configuration.dumped({"pipelines": {"shop": pipeline}})
