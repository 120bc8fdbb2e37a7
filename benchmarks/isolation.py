"""Isolation: what the others notice when one vendor takes every request and never answers."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.load import load
from benchmarks.pipeline import ONE, clean, latency_p95
from benchmarks.report import Figure
from benchmarks.service import configuration, service
from benchmarks.sink import sink

SECONDS = 6.0
CONNECTIONS = 1  # far from overload, so that what is measured is delivery and not the door
OTHERS = ("ninetailed", "ometria")


@contextmanager
def deaf() -> Iterator[str]:
    """The URL of a vendor that accepts connections, in the kernel, and nothing else."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def latency(config: str) -> float:
    """Milliseconds from acceptance to delivery for the worse of the others, at the 95th percentile."""
    with service(config) as running:
        url = f"{running.ingest}/v1/t"
        clean(load(url, ONE, connections=CONNECTIONS, seconds=SECONDS, headers=running.headers))
        return max(latency_p95(running, slug) for slug in OTHERS)


def figures() -> Iterator[Figure]:
    """The figures of isolation."""
    with sink() as vendors, deaf() as silent:
        well = configuration(vendors, 3)
        ill = configuration(vendors, 3, elsewhere={"insider": silent})
        usual = latency(well)
        yield Figure(
            "accepted to delivered, p95, while a vendor hangs",
            latency(ill),
            "ms",
            usual,
            "all vendors well",
            target=1.5,
            higher=False,
        )
