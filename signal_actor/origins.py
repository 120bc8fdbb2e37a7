"""Origins: which web pages may send to a pipeline, in the form in which browsers write them.

https://Shop.Example.com:443/   ->  https://shop.example.com
https://*.bücher.example        ->  https://*.xn--bcher-kva.example     subdomains at any depth, not the domain itself
"""

import re
from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

import idna

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK = ("localhost", "127.0.0.1")
_ASCII_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.(?!-)[a-z0-9_-]{1,63})*")  # browsers do allow underscores

_BRACKETS = "an IPv6 address is written in brackets, as in http://[::1]:3000"


def normalise(text: str) -> str:
    """An allowed origin as it is compared: scheme, host and a port that is not the default. Raises ValueError."""
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        example = text.strip() if _ASCII_HOST.fullmatch(text.strip()) else "shop.example.com"
        raise ValueError(f"an origin starts with its scheme, for example https://{example}")
    if scheme.lower() not in _DEFAULT_PORTS:
        raise ValueError("an origin starts with https:// or http://")
    try:
        parts = urlsplit(f"//{rest}")
    except ValueError:
        raise ValueError(_BRACKETS) from None
    if parts.username is not None or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("an origin is scheme, host and port, without path or user name")
    wildcard = (parts.hostname or "").startswith("*.")
    host = hostname((parts.hostname or "").removeprefix("*."))
    if wildcard and _is_address(host):
        raise ValueError("an address has no subdomains, leave the * out")
    try:
        port = parts.port
    except ValueError:
        raise ValueError("the port is a number from 1 to 65535") from None
    suffix = "" if port in (None, _DEFAULT_PORTS[scheme.lower()]) else f":{port}"
    return f"{scheme.lower()}://{'*.' if wildcard else ''}{host}{suffix}"


def hostname(text: str) -> str:
    """A host as browsers write it: lower case, punycode, IPv6 in brackets. Raises ValueError."""
    if ":" in text:
        try:
            return f"[{IPv6Address(text)}]"
        except ValueError:
            raise ValueError(_BRACKETS) from None
    if "*" in text:
        raise ValueError("a * may only stand for the left-most labels, as in https://*.example.com")
    host = text.lower()
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode()
        except idna.IDNAError as error:
            raise ValueError(f"{text} is no host name") from error
    if not _ASCII_HOST.fullmatch(host):
        raise ValueError(f"{text} is no host name" if text else "the host name is missing")
    return host


def cookie_domain(text: str) -> str:
    """The domain of the visitor cookie, lower case and in punycode; empty for host-only. Raises ValueError."""
    if not text:
        return ""
    dot, bare = "." if text.startswith(".") else "", text.removeprefix(".")
    host = hostname(bare)
    if "." not in host or _is_address(host):
        raise ValueError("browsers take cookies for a whole domain only, for example .example.com")
    return dot + host


def admits(allowed: Sequence[str], origin: str, *, development: bool = False) -> bool:
    """Whether a browser's `Origin` is among the allowed ones (normalised before); development adds loopback."""
    if origin in allowed and "*" not in origin:
        return True
    try:
        exact = normalise(origin)
    except ValueError:  # "null", for one, the origin of sandboxed frames and files
        return False
    if "*" in exact:
        return False
    scheme, _, authority = exact.partition("://")
    if development and authority.partition(":")[0] in _LOOPBACK:
        return True
    return exact in allowed or any(_covers(pattern, scheme, authority) for pattern in allowed if "://*." in pattern)


def _covers(pattern: str, scheme: str, authority: str) -> bool:
    wanted, _, rest = pattern.partition("://*")
    return scheme == wanted and authority.endswith(rest)


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
