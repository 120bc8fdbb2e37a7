"""Transport: the only network call in the house. What goes wrong on the way is a value, sorted by whose fault it is."""

import socket
import ssl
from collections.abc import Iterator
from email.utils import formatdate

import httpx
import trio

from signal_actor import __version__
from signal_actor.delivery.rules import Misconfigured, Retry
from signal_actor.destinations.base import Reply, Request

LONGEST_REPLY = 4 * 1024 * 1024  # bytes; an answer about 1,000 refused users is some 200 kB
USER_AGENT = f"signal-actor/{__version__}"


def client(connections: int) -> httpx.AsyncClient:
    """A client for one integration. httpx's pool is quadratic in its connections, so each has few."""
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=30)
    # A proxy variable that was meant for somebody's shell must not redirect customers' data.
    # One deadline over the whole exchange, in `exchange`, takes the place of httpx's several.
    # A thousand bytes of brotli may mean a gigabyte, which httpx would inflate at once.
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    return httpx.AsyncClient(limits=limits, timeout=None, trust_env=False, headers=headers)  # noqa: S113


async def exchange(client: httpx.AsyncClient, request: Request, *, within: float) -> Reply | Retry | Misconfigured:
    """Sends one request and reads the answer, both within so many seconds."""
    with trio.move_on_after(within):
        try:
            async with client.stream(
                request.method, request.url, headers=dict(request.headers), content=request.body
            ) as response:
                body = await _read(response)
                headers = {name.lower(): value for name, value in response.headers.items()}
                headers.setdefault("date", formatdate(usegmt=True))  # what a Retry-After that is a date counts from
                return Reply(response.status_code, headers, body)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            return Misconfigured(f"the endpoint's address is wrong: {error}")
        except (httpx.HTTPError, OSError) as error:
            return _sorted(error)
    return Retry(f"no answer within {within:g} s")


async def _read(response: httpx.Response) -> bytes:
    """The answer as it came, up to a bound. Who compresses it though nobody asked for that is not understood."""
    parts, size = [], 0
    async for part in response.aiter_raw():
        parts.append(part)
        size += len(part)
        if size > LONGEST_REPLY:
            break
    return b"".join(parts)[:LONGEST_REPLY]


def _sorted(error: BaseException) -> Retry | Misconfigured:
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            return Misconfigured(f"the endpoint's host name is not known ({cause.strerror or cause})")
        if isinstance(cause, ssl.SSLError):
            return Misconfigured(f"no TLS with the endpoint ({cause.reason or cause})")
    return Retry(f"no answer: {str(error) or type(error).__name__}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__
