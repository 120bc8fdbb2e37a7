"""Doorman: turns away what other people's pages make a browser send here, before anybody works for it.

An operator's browser reaches this listener also where no stranger does. A page on another site, or on another port of
this machine, can make it post forms, and ask for what it cannot read; a name that suddenly means 127.0.0.1 (DNS
rebinding) lets it read too. None of them has a session or a token, but they could guess at tokens in the operator's
name until the operator is locked out, log a browser in as somebody else, or measure how long a search takes.
"""

from ipaddress import ip_address
from typing import Any

from signal_actor.errors import Refusal
from signal_actor.management.auth import SAFE
from signal_actor.server.proxies import Networks

OURS = frozenset({"same-origin", "none"})  # none: typed in, or a bookmark


def check(scope: Any, trusted: Networks, *, api: str) -> None:
    """Looks at a request's head; `api` is the prefix of what only our own pages and programs ask for.

    Raises:
        Refusal: 403 for what another site's page sends, 421 for a name that this machine does not go by, 404 for a path
            that could be taken for another.
    """
    if scope["path"].startswith("//"):  # the router would leave slashes out, a proxy's rules and ours would not
        raise Refusal(404, "not_found", f"There is no {scope['path'][:80]}.")
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    site = headers.get(b"sec-fetch-site")  # browsers say where a request comes from, and no script can change it
    if site is not None and site not in OURS and (scope["method"] not in SAFE or scope["path"].startswith(api)):
        raise Refusal(403, "cross_site", "This was sent by a page of another site.")
    name = _name(headers.get(b"host", ""))
    if not trusted and _is_loopback((scope.get("server") or ("",))[0]) and not _is_local(name):
        words = f"{name[:80]!r} is no name of this machine. Behind a proxy that passes the name on, set "
        raise Refusal(421, "misdirected", words + "SIGNAL_TRUSTED_PROXIES to the proxy's address; else use localhost.")


def _name(host: str) -> str:
    """The host without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".").lower()


def _is_local(name: str) -> bool:
    """Whether nobody else can own the name: an address, or a name without a domain, as localhost is."""
    return "." not in name or name.endswith(".localhost") or _address(name) is not None


def _is_loopback(text: str) -> bool:
    found = _address(text)
    return found is not None and found.is_loopback


def _address(text: str) -> Any:
    try:
        return ip_address(text)
    except ValueError:
        return None
