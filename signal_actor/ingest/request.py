"""Request: what the door needs to know of an HTTP request, read from ASGI's scope with bounds on everything."""

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import parse_qs, unquote

from signal_actor.errors import Refusal
from signal_actor.ingest.limits import Room

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Networks = Sequence[IPv4Network | IPv6Network]
Address = IPv4Address | IPv6Address

COOKIE = "_dfid"
LONGEST_ID = 255
_LABEL = "[A-Za-z0-9_-]{1,63}"
_HOST = re.compile(rf"({_LABEL}(\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]{{2,45}}\])(:[0-9]{{1,5}})?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")


class Disconnected(Exception):
    """The client went away before its request was complete."""


class Request:
    """One request. Headers are latin-1 text with lower-case names; of a repeated header the first counts."""

    __slots__ = ("_scope", "_trusted", "headers", "method", "path")

    def __init__(self, scope: Scope, trusted: Networks) -> None:
        self._scope = scope
        self._trusted = trusted
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, str] = {}
        for name, value in scope["headers"]:
            self.headers.setdefault(name, value.decode("latin-1"))

    @property
    def origin(self) -> str | None:
        """The page's origin; None if no browser's page asks."""
        return self.headers.get(b"origin")

    @property
    def has_host(self) -> bool:
        """Whether `Host` can be one, or is missing, as in HTTP/1.0."""
        return b"host" not in self.headers or _HOST.fullmatch(self.headers[b"host"]) is not None

    @property
    def visitor(self) -> str | None:
        """The visitor's id from the cookie that an earlier answer set."""
        raw = self.headers.get(b"cookie")
        if raw is None or COOKIE not in raw:
            return None
        for part in raw.split(";"):
            name, _, value = part.strip().partition("=")
            if name == COOKIE:
                return believable(unquote(value.strip('"'), errors="replace"))
        return None

    @property
    def opted_out(self) -> bool:
        """Global Privacy Control."""
        return self.headers.get(b"sec-gpc") == "1"

    def header_key(self) -> str | None:
        """The pipeline key from headers or query: Bearer, Basic's user name, X-Write-Key up to its colon, writeKey."""
        scheme, _, credentials = self.headers.get(b"authorization", "").strip().partition(" ")
        credentials = credentials.strip()
        if credentials and scheme.lower() == "bearer":
            return credentials
        if credentials and scheme.lower() == "basic":
            try:
                user = base64.b64decode(credentials + "==").decode().partition(":")[0]
            except (binascii.Error, ValueError):
                user = ""
            if user:
                return user
        if write_key := self.headers.get(b"x-write-key", "").partition(":")[0].strip():
            return write_key
        query: bytes = self._scope.get("query_string", b"")
        if b"writeKey=" in query:
            return parse_qs(query.decode("latin-1")).get("writeKey", [None])[0]
        return None

    def told_visitor(self) -> str | None:
        """RudderStack's browser SDK names the visitor in a header, base64."""
        try:
            return believable(base64.b64decode(self.headers[b"anonymousid"] + "==").decode())
        except (KeyError, binascii.Error, ValueError):
            return None

    def address(self) -> Address | None:
        """Who is asking: the peer, or, behind trusted proxies, the last address that none of them added."""
        peer = _address((self._scope.get("client") or ("",))[0])
        if peer is None or not self._is_trusted(peer):
            return peer
        for text in reversed(self.headers.get(b"x-forwarded-for", "").split(",")):
            forwarded = _address(text.strip())
            if forwarded is None:
                return peer
            peer = forwarded
            if not self._is_trusted(peer):
                return peer
        return peer

    def is_https(self) -> bool:
        if told := self._forwarded(b"x-forwarded-proto"):
            return told.lower() == "https"
        return bool(self._scope.get("scheme") == "https")

    def public_address(self) -> str:
        """Where a browser reaches us: the host and port that it asked for, and the path prefix that a proxy took away.

        Raises:
            Refusal: 400 for what is no host.
        """
        host = self._forwarded(b"x-forwarded-host") or self.headers.get(b"host", "")
        prefix = self._forwarded(b"x-forwarded-prefix").rstrip("/")
        if not (_HOST.fullmatch(host) and _PREFIX.fullmatch(prefix)):
            raise Refusal(400, "invalid_payload", f"Host: {(host + prefix)[:200]!r} is no host.")
        return host.lower() + prefix

    def _forwarded(self, name: bytes) -> str:
        """What a trusted proxy says about the client's own request; of several the first, which the client reached."""
        peer = _address((self._scope.get("client") or ("",))[0])
        if peer is None or not self._is_trusted(peer):
            return ""
        return self.headers.get(name, "").partition(",")[0].strip()

    async def body(self, receive: Receive, room: Room, limit: int) -> bytes:
        """The body as sent. Its size is taken from `room`, and the caller gives it back.

        Raises:
            Refusal: 413 beyond `limit`, 503 if there is no room.
            Disconnected: the client went away.
        """
        parts: list[bytes] = []
        size = 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Disconnected
                part = message.get("body", b"")
                room.take(len(part))
                size += len(part)
                if size > limit:
                    text = f"The body exceeds {limit // 1024 // 1024} MiB; send smaller batches."
                    raise Refusal(413, "payload_too_large", text)
                parts.append(part)
                if not message.get("more_body", False):
                    return b"".join(parts)
        except BaseException:
            room.give_back(size)
            raise

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def believable(visitor: Any) -> str | None:
    """An id that may have been ours; what is not is as good as none."""
    return visitor if isinstance(visitor, str) and 0 < len(visitor) <= LONGEST_ID and visitor.isprintable() else None


def _address(text: str) -> Address | None:
    try:
        return ip_address(text.strip("[]"))
    except ValueError:
        return None
