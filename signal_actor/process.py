"""Process: a service as a process of its own: it says where it listens, obeys signals, and ends in order."""

import gc
import json
import os
import signal
from contextlib import suppress

import structlog
import trio

from signal_actor.service import Options, Ready, Service, opened

log = structlog.get_logger()


async def serve(options: Options) -> None:
    """`signal-actor serve`: one line on stdout when both listeners are up, and an orderly end on SIGTERM or SIGINT."""
    with opened(options) as service:
        _calm_the_collector()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_obey_signals, service)
            async with trio.open_nursery() as running:
                ready: Ready = await running.start(service.run)
                line = {"event": "ready", "ingest": ready.ingest, "admin": ready.admin, "pid": os.getpid()}
                with suppress(OSError):  # nobody has to listen
                    print(json.dumps(line, separators=(",", ":")), flush=True)
            nursery.cancel_scope.cancel()


def _calm_the_collector() -> None:
    """What is there at start stays, and events make no cycles: looking for them at every turn costs a tenth."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


async def _obey_signals(service: Service) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            if service.stopping:
                os._exit(1)  # a second signal ends at once
            log.info("service.stopping", signal=signal.Signals(number).name)
            service.stop()
