"""Limits: how much room and time a stranger gets."""

import resource
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds and bytes. Every wait for a peer is bounded by one of these."""

    connections: int = 2_000
    """Open at once; beyond it the one that has been idle longest makes room."""
    head: float = 10
    """For a whole request head, counted from its first byte, or from the connection's beginning."""
    head_bytes: int = 32 * 1024
    """Request line and headers; browsers' cookies may take half of it."""
    body: float = 10
    """Silence in the middle of a body."""
    body_rate: int = 4 * 1024
    """Bytes a second below which a body is given up, after the first `body` seconds."""
    idle: float = 75
    """Between two requests: longer than the 60 s of the usual proxies, so that the proxy closes first."""
    write: float = 30
    """For a peer to take 64 KiB of an answer."""
    linger: float = 5
    """Reading on after a refusal, so that a peer that is still sending gets to see the answer."""
    linger_bytes: int = 16 * 1024 * 1024
    """The most that is read and thrown away meanwhile."""

    def capacity(self) -> int:
        """How many connections to admit: at most half of the files that this process may open; others need some too."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return self.connections if soft == resource.RLIM_INFINITY else max(1, min(self.connections, soft // 2))
