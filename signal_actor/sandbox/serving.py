"""Serving: fake vendors as real HTTP servers, one port each."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import trio

from signal_actor.errors import UsageError
from signal_actor.sandbox.connection import Exchange, converse
from signal_actor.sandbox.control import PREFIX, control
from signal_actor.sandbox.fake import Fake
from signal_actor.sandbox.insider import INSIDER, InsiderSettings
from signal_actor.sandbox.ninetailed import NINETAILED, NinetailedSettings
from signal_actor.sandbox.ometria import OMETRIA, OmetriaSettings
from signal_actor.sandbox.vendor import Vendor
from signal_actor.sandbox.webhook import WEBHOOK, WebhookSettings

VENDORS: Sequence[Vendor[Any]] = (NINETAILED, INSIDER, OMETRIA, WEBHOOK)
BACKLOG = 1_024  # connections that wait to be accepted; a burst of a test must not meet a refused one


class Sandbox:
    """The fake vendors that are running, by slug."""

    def __init__(self, fakes: Sequence[Fake[Any]]) -> None:
        self.vendors: Mapping[str, Fake[Any]] = {fake.slug: fake for fake in fakes}

    @property
    def ninetailed(self) -> Fake[NinetailedSettings]:
        """The Experience API."""
        return self.vendors["ninetailed"]

    @property
    def insider(self) -> Fake[InsiderSettings]:
        """The Unification API."""
        return self.vendors["insider"]

    @property
    def ometria(self) -> Fake[OmetriaSettings]:
        """The Data API."""
        return self.vendors["ometria"]

    @property
    def webhook(self) -> Fake[WebhookSettings]:
        """A receiver of webhooks."""
        return self.vendors["webhook"]


async def serve(
    vendors: Sequence[Vendor[Any]] = VENDORS,
    *,
    host: str = "127.0.0.1",
    ports: Mapping[str, int] | None = None,
    task_status: trio.TaskStatus[Sandbox] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled. `ports` are by slug, 0 or absent picks a free one; UsageError if one cannot be had.

    The Sandbox is handed over once every vendor listens.
    """
    fakes = [Fake(vendor) for vendor in vendors]
    async with AsyncExitStack() as stack:
        doors = [(fake, await _listen(stack, fake, host, (ports or {}).get(fake.slug, 0))) for fake in fakes]
        async with trio.open_nursery() as nursery:
            for fake, listeners in doors:
                handler = partial(converse, handler=partial(_route, fake))
                nursery.start_soon(trio.serve_listeners, handler, listeners)
            task_status.started(Sandbox(fakes))


async def _listen(stack: AsyncExitStack, fake: Fake[Any], host: str, port: int) -> list[trio.SocketListener]:
    try:
        listeners = await trio.open_tcp_listeners(port, host=host, backlog=BACKLOG)
    except OSError as error:
        raise UsageError(f"{fake.slug}: cannot listen on {host}:{port} ({error}); choose another port") from error
    for listener in listeners:
        await stack.enter_async_context(listener)
    address = f"[{host}]" if ":" in host else host
    fake.url = f"http://{address}:{listeners[0].socket.getsockname()[1]}"
    return listeners


async def _route(fake: Fake[Any], exchange: Exchange) -> None:
    handle = partial(control, fake) if exchange.call.path.startswith(PREFIX) else fake.handle
    await handle(exchange)
