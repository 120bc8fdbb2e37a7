"""Terminal: what the demo prints: where everything is, and then every event that a vendor got."""

import signal
import tempfile
from contextlib import aclosing, nullcontext
from pathlib import Path
from typing import Any

import click
import trio

from signal_actor.demo.scene import KEY, Demo, running
from signal_actor.demo.visit import visit
from signal_actor.sandbox import Fake


def main(data_dir: Path | None, seconds: float | None) -> None:
    """Runs until Ctrl-C, or for so many seconds."""
    place = tempfile.TemporaryDirectory(prefix="signal-demo-") if data_dir is None else nullcontext(str(data_dir))
    with place as folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        trio.run(_run, Path(folder), float("inf") if seconds is None else seconds)


async def _run(data_dir: Path, seconds: float) -> None:
    # From the first moment on: a Ctrl-C while it starts ends it as well as any other.
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with running(data_dir) as demo, trio.open_nursery() as nursery:
            _greet(demo)
            for fake in demo.sandbox.vendors.values():
                nursery.start_soon(_tell, fake)
            nursery.start_soon(_visit, demo)
            with trio.move_on_after(seconds):
                await anext(signals)
            nursery.cancel_scope.cancel()


def _greet(demo: Demo) -> None:
    click.echo(f"Shop         {demo.shop}/")
    click.echo(f"Management   {demo.login()}")
    click.echo(f"Database     {demo.database}")
    click.echo("\nTo install one more from the Integration Library, what the fake vendors want:")
    for fake in demo.sandbox.vendors.values():
        click.echo("  ".join([f"  {fake.slug:<11}", *(f"{key}: {value}" for key, value in fake.hint.items())]))
    click.echo(f"\nEvents go to {demo.ready.ingest} with the pipeline key {KEY}. Ctrl-C ends it all.\n")


async def _visit(demo: Demo) -> None:
    async with aclosing(visit(demo.ready.ingest, KEY, demo.shop)) as calls:
        async for body, response in calls:
            what = body.get("event") or body.get("name") or ""
            click.echo(f"-> accepted    {response.status_code}  {body['type']} {what}".rstrip())


async def _tell(fake: Fake[Any]) -> None:
    """A line for every request that a vendor got."""
    seen = 0
    while True:
        await fake.ledger.wait_for_requests(seen + 1)
        await fake.ledger.wait_until_idle()  # until then there is no status
        for entry in fake.ledger.requests[seen:]:
            said = ", ".join(_said(item.payload) for item in entry.items)
            click.echo(f"<- {fake.slug:<11} {entry.status}  {said}")
        seen = len(fake.ledger.requests)


def _said(payload: Any) -> str:
    """What a vendor was told, in a word or two."""
    events = payload.get("events") or [payload]
    names = [
        each.get("event") or each.get("event_type") or each.get("event_name") or each.get("type") for each in events
    ]
    return " + ".join(name or "user" for name in names)
