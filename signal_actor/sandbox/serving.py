"""Serving: fake vendors as real HTTP servers, one port each."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import trio

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
    """Serve until cancelled. `ports` are by slug, 0 or absent picks a free one; OSError if one is taken.

    The Sandbox is handed over once every vendor listens.
    """
    fakes = [Fake(vendor) for vendor in vendors]
    async with trio.open_nursery() as nursery:
        for fake in fakes:
            listeners = await trio.open_tcp_listeners((ports or {}).get(fake.slug, 0), host=host, backlog=BACKLOG)
            port = listeners[0].socket.getsockname()[1]
            fake.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            nursery.start_soon(trio.serve_listeners, partial(converse, handler=partial(_route, fake)), listeners)
        task_status.started(Sandbox(fakes))


async def _route(fake: Fake[Any], exchange: Exchange) -> None:
    handle = partial(control, fake) if exchange.call.path.startswith(PREFIX) else fake.handle
    await handle(exchange)
