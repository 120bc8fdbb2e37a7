"""`signal-actor sandbox`: the fake vendors alone, to point a pipeline at."""

import json
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import click
import trio
from pydantic import ValidationError

from signal_actor.errors import UsageError
from signal_actor.sandbox import VENDORS, Sandbox, Vendor, serve

PORTS = {"ninetailed": 8091, "insider": 8092, "ometria": 8093, "webhook": 8094}
PORT = click.IntRange(0, 65_535)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--ninetailed-port", type=PORT, default=PORTS["ninetailed"], show_default=True, help="0: a free one.")
@click.option("--insider-port", type=PORT, default=PORTS["insider"], show_default=True, help="0: a free one.")
@click.option("--ometria-port", type=PORT, default=PORTS["ometria"], show_default=True, help="0: a free one.")
@click.option("--webhook-port", type=PORT, default=PORTS["webhook"], show_default=True, help="0: a free one.")
@click.option("--webhook-secret", help="Verify signatures with this secret, whsec_ and base64.")
@click.option("--strict", is_flag=True, help="Ninetailed and Insider demand all that their own clients send.")
def sandbox(host: str, webhook_secret: str | None, strict: bool, **ports: int) -> None:
    """Run fake vendors that enforce the published rules, until Ctrl-C.

    Each answers like the vendor at its URL; under /_sandbox/ it shows what it received and takes faults.
    """
    vendors = [
        _configured(vendor, {"webhook": {"secret": webhook_secret}, "ometria": {}}.get(vendor.slug, {"strict": strict}))
        for vendor in VENDORS
    ]
    trio.run(_run, vendors, host, {name.removesuffix("_port"): port for name, port in ports.items()})


def describe(running: Sandbox) -> Iterator[str]:
    """One line a vendor with its URL and credentials, then the same as a pipeline's configuration."""
    for fake in running.vendors.values():
        credentials = (f"{key}={value}" for key, value in fake.hint.items() if key not in ("endpoint", "url"))
        yield f"{fake.slug:<11} {fake.url}  {'  '.join(credentials)}".rstrip()
    yield "\n# A pipeline that delivers to them:\n[pipelines.demo]"
    yield 'name = "Demo"\nmode = "development"'
    for fake in running.vendors.values():
        yield f'\n[pipelines.demo.integrations.{fake.slug}]\nvendor = "{fake.slug}"'
        yield f"[pipelines.demo.integrations.{fake.slug}.config]"
        yield from (f"{key} = {json.dumps(value)}" for key, value in fake.hint.items())


def _configured(vendor: Vendor[Any], changes: Mapping[str, Any]) -> Vendor[Any]:
    try:
        return replace(vendor, settings=type(vendor.settings).model_validate(changes))
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"--{vendor.slug}-{first['loc'][0]}: {first['msg']}") from error


async def _run(vendors: Sequence[Vendor[Any]], host: str, ports: Mapping[str, int]) -> None:
    refused: UsageError | None = None
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            try:
                running = await nursery.start(partial(serve, vendors, host=host, ports=ports))
            except UsageError as error:
                refused = error  # raised outside, for a nursery would make a group of it
            else:
                click.echo("\n".join(describe(running)))
                await anext(signals)
                nursery.cancel_scope.cancel()
    if refused:
        raise refused
