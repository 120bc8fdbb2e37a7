"""HTTP limit: how many requests this stack answers at best, as the measure for ours.

    python -m benchmarks.http_limit             measures all four, a server and a generator process at a time
    python -m benchmarks.http_limit --serve X   serves one of them and prints its URL

Every application only parses the body. The difference to what the service reaches is what the service itself costs.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
import trio
from hypercorn.config import Config
from hypercorn.trio import serve as hypercorn_serve
from pydantic import BaseModel
from quart import request
from quart_trio import QuartTrio

from benchmarks.load import TOKEN, load
from signal_actor.server import serve

OK = b'{"success":true}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(OK))]
EVENT = {
    "type": "track",
    "messageId": TOKEN.decode(),
    "event": "Product Added",
    "userId": "user-4711",
    "properties": {
        "product_id": "SKU-1234",
        "name": "Wireless Headphones",
        "category": "Audio",
        "brand": "Acme",
        "price": 79.99,
        "currency": "USD",
        "quantity": 1,
        "image_url": "https://shop.example.com/images/headphones-black-front.webp",
    },
    "context": {
        "page": {
            "url": "https://shop.example.com/products/headphones",
            "title": "Wireless Headphones | Shop",
            "referrer": "https://shop.example.com/category/audio",
        },
        "userAgent": "Mozilla/5.0 (X11; Linux x86_64)",
        "locale": "en-US",
        "timezone": "America/New_York",
    },
    "timestamp": "2026-02-25T14:30:00.000Z",
}
BODY = json.dumps(EVENT).encode()  # about 700 bytes


class Event(BaseModel):
    type: str
    messageId: str  # noqa: N815 - the wire's name
    event: str
    userId: str  # noqa: N815
    properties: dict[str, Any]
    context: dict[str, Any]


def baseline_app() -> Any:
    """What most would write: a Quart handler that parses the body."""
    app = QuartTrio("baseline")

    @app.post("/")
    async def accept() -> dict[str, bool]:
        Event.model_validate_json(await request.get_data())
        return {"success": True}

    return app


async def plain_app(scope: Any, receive: Any, send: Any) -> None:
    """The same without a framework."""
    assert scope["type"] == "http"
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    Event.model_validate_json(body)
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": OK})


def _hypercorn(app: Any) -> Any:
    config = Config()
    config.bind, config.errorlog, config.keep_alive_max_requests = ["127.0.0.1:0"], None, sys.maxsize
    return partial(hypercorn_serve, app, config, mode="asgi", shutdown_trigger=trio.sleep_forever)


def _ours(app: Any) -> Any:
    return partial(serve, app, "127.0.0.1:0", stop=trio.Event())


SERVERS = {
    "hypercorn, quart-trio": lambda: _hypercorn(baseline_app()),
    "hypercorn, plain ASGI": lambda: _hypercorn(plain_app),
    "ours, quart-trio": lambda: _ours(baseline_app()),
    "ours, plain ASGI": lambda: _ours(plain_app),
}
BASELINE = "hypercorn, quart-trio"


@contextmanager
def running(name: str = BASELINE) -> Iterator[str]:
    """One of the servers in a process of its own; yields its URL."""
    command = [sys.executable, "-m", "benchmarks.http_limit", "--serve", name]
    root = Path(__file__).parent.parent
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        try:
            assert process.stdout
            yield process.stdout.readline().strip() + "/"
        finally:
            process.kill()


@click.command()
@click.option("--serve", "name", type=click.Choice(list(SERVERS)), help="Serve this one until killed.")
@click.option("--connections", default=64, show_default=True)
@click.option("--seconds", default=5.0, show_default=True)
def main(name: str | None, connections: int, seconds: float) -> None:
    """Measure, or serve one for others to measure."""
    if name:
        trio.run(_serve, name)
    for name in SERVERS:
        with running(name) as url:
            load(url, BODY, connections=connections, seconds=1)
            result = load(url, BODY, connections=connections, seconds=seconds)
        click.echo(
            f"{name:24} {result.per_second:8,.0f} requests/s   p50 {result.p50:5.1f}   p99 {result.p99:5.1f} ms"
            f"   {result.statuses}   generator {result.cpu:.0%}"
        )


async def _serve(name: str) -> None:
    async with trio.open_nursery() as nursery:
        started = await nursery.start(SERVERS[name]())
        click.echo(started if isinstance(started, str) else started[0])
        sys.stdout.flush()


if __name__ == "__main__":
    main()
