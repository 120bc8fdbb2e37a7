"""Scene: sandbox vendors, a service that delivers to them, and a shop that sends to it, each on a port of its own."""

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import trio

from signal_actor import configuration, service
from signal_actor.database import FILE
from signal_actor.demo.happened import Happened
from signal_actor.demo.shop import shop
from signal_actor.sandbox import Sandbox
from signal_actor.sandbox import serve as serve_sandbox
from signal_actor.server import serve as listen
from signal_actor.service import Options, Ready

KEY = "dk_demo_0123456789"
LINK_SECONDS = 43_200.0  # half a day: a demo is left open on a desk
LOOPBACK = "127.0.0.1:0"
VARIANTS = {"ometria": "retail", "insider": "ecommerce"}
PATIENCE = {"retry_base_seconds": 1, "retry_cap_seconds": 4, "probe_seconds": 3}  # nobody watches a minute's back-off


@dataclass(frozen=True, slots=True)
class Demo:
    """What runs, and where. `login` makes an address that logs into the management UI, once."""

    ready: Ready
    shop: str
    login: Callable[[], str]
    database: Path
    sandbox: Sandbox


@asynccontextmanager
async def running(data_dir: Path) -> AsyncIterator[Demo]:
    """All of it, from the first port that opens to the last that closes."""
    async with trio.open_nursery() as vendors:
        sandbox: Sandbox = await vendors.start(serve_sandbox)
        config = data_dir / "demo.toml"
        config.write_text(configuration.dumped(tables(sandbox)))
        options = Options(data_dir, config, ingest_bind=LOOPBACK, admin_bind=LOOPBACK, environ=dict(os.environ))
        with service.opened(options) as main_service:
            async with trio.open_nursery() as nursery:
                ready: Ready = await nursery.start(main_service.run)
                closing = trio.Event()
                with Happened(data_dir / FILE) as happened:
                    site = shop(ready.ingest, KEY, happened, sandbox)
                    address: str = await nursery.start(partial(listen, site, LOOPBACK, stop=closing))

                    def login() -> str:
                        return ready.admin + main_service.links.create(seconds=LINK_SECONDS)

                    try:
                        yield Demo(ready, address, login, data_dir / FILE, sandbox)
                    finally:
                        closing.set()
                        main_service.stop()
        vendors.cancel_scope.cancel()


def tables(sandbox: Sandbox) -> Mapping[str, Any]:
    """A pipeline that waits for consent, and has an integration with every vendor."""
    integrations = {
        fake.slug: {"vendor": fake.slug, "variant": VARIANTS.get(fake.slug, "default"), "config": fake.hint}
        for fake in sandbox.vendors.values()
    }
    pipeline = {
        "name": "Shop",
        "mode": "development",
        "pipeline_keys": [KEY],
        "default_consent": "denied",
        "browser": {"flush_ms": 250},
        "integrations": integrations,
    }
    return {"pipelines": {"shop": pipeline}, "delivery": PATIENCE}
