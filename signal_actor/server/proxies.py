"""Proxies: a request's scope as the client's own proxy saw it, where the proxies in between are trusted."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

Networks = tuple[IPv4Network | IPv6Network, ...]


def seen_through(scope: Any, trusted: Networks) -> Any:
    """The scope with the client's address and scheme, from X-Forwarded-For and X-Forwarded-Proto of trusted proxies."""
    peer = _address((scope.get("client") or ("",))[0])
    if peer is None or not _is_trusted(peer, trusted):
        return scope
    scheme = _joined(scope, b"x-forwarded-proto").partition(",")[0].strip().lower()
    client = _last_stranger(peer, _joined(scope, b"x-forwarded-for"), trusted)
    return {
        **scope,
        "client": (str(client), 0),
        "scheme": scheme if scheme in {"http", "https"} else scope["scheme"],
    }


def _joined(scope: Any, wanted: bytes) -> str:
    """A header that may come more than once, as one list: some proxies add a line of their own to the client's."""
    return ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == wanted)


def _last_stranger(peer: IPv4Address | IPv6Address, forwarded: str, trusted: Networks) -> IPv4Address | IPv6Address:
    """The last address that no trusted proxy is; what stands before it may be made up."""
    for text in reversed(forwarded.split(",")):
        address = _address(text)
        if address is None:
            return peer
        peer = address
        if not _is_trusted(peer, trusted):
            return peer
    return peer


def _is_trusted(address: IPv4Address | IPv6Address, trusted: Networks) -> bool:
    return any(address in network for network in trusted)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text.strip().strip("[]"))
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
