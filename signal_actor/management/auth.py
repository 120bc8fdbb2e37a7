"""Auth: who asks, what they may do, and how often somebody may guess.

A caller shows a token, or a browser shows the cookie of a session that a token or a login link has opened. The roles
are a ladder: an editor may what a viewer may, an admin may everything.
"""

import hmac
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network
from math import ceil

from signal_actor.database import Database
from signal_actor.errors import Refusal
from signal_actor.store import sessions, tokens
from signal_actor.store.tokens import Role

COOKIE = "signal_session"
CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf_token"
LADDER: tuple[Role, ...] = ("viewer", "editor", "admin")
OPERATOR = "SIGNAL_ADMIN_TOKEN"  # the name under which the operator's own token appears in the audit
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FAILURES = 30  # wrong tokens that an address may show at once
FAILURES_PER_SECOND = 0.5
ADDRESSES = 10_000  # remembered; more guess from a botnet than one process can count


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `csrf` is the session's token where a cookie was shown; None for a bearer token, which needs none."""

    name: str
    role: Role
    csrf: str | None = None

    def may(self, role: Role) -> bool:
        return LADDER.index(self.role) >= LADDER.index(role)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request shows of itself."""

    address: str
    method: str
    bearer: str | None = None
    cookie: str | None = None
    csrf: str | None = None


class Guard:
    """Tells who asks. Revoking a token ends its sessions too, at once."""

    def __init__(
        self, database: Database, admin_token: str | None, *, now: Callable[[], int], clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._admin = tokens.hashed(admin_token) if admin_token else None
        self._now = now
        self._failures = Failures(clock)
        self._known: set[tuple[str, str]] = set()  # who has shown which token: they are not locked out with guessers

    def admit(self, credentials: Credentials, role: Role) -> Caller:
        """The caller, if they may do what needs this role.

        Raises:
            Refusal: 401 nobody we know, 403 not allowed, 429 too many wrong tokens.
        """
        caller = self.caller(credentials)
        if caller is None:
            raise Refusal(401, "unauthorized", "Send `Authorization: Bearer TOKEN`, or log in.")
        if not caller.may(role):
            raise Refusal(403, "forbidden", f"This needs the role {role}; {caller.name} is {caller.role}.")
        return caller

    def caller(self, credentials: Credentials) -> Caller | None:
        """Who asks; None if the request shows nothing that is valid. Raises Refusal (401, 403, 429)."""
        if credentials.bearer is not None:
            return self.token(credentials.bearer, credentials.address)
        caller = self._database.read(self._session, credentials.cookie) if credentials.cookie else None
        if caller is not None and credentials.method not in SAFE:
            assert caller.csrf is not None
            if not hmac.compare_digest((credentials.csrf or "").encode(), caller.csrf.encode()):
                raise Refusal(403, "csrf", f"The page is out of date: send its token as {CSRF_HEADER}, or reload it.")
        return caller

    def knows(self, credentials: Credentials) -> bool:
        """Whether what was good once still is; for answers that go on."""
        if credentials.bearer is not None:
            return self._database.read(self._owner, tokens.hashed(credentials.bearer)) is not None
        return bool(credentials.cookie and self._database.read(self._session, credentials.cookie))

    def token(self, text: str, address: str) -> Caller:
        """The caller behind a token. Raises Refusal (401, 429)."""
        known = (address, tokens.hashed(text))
        if known not in self._known:
            self._failures.check(address)
        caller = self._database.read(self._owner, tokens.hashed(text))
        if caller is None:
            self._known.discard(known)
            self._failures.add(address)
            raise Refusal(401, "unauthorized", "This token is unknown or revoked.")
        if len(self._known) < ADDRESSES:
            self._known.add(known)
        return caller

    def _owner(self, connection: sqlite3.Connection, hashed: str) -> Caller | None:
        if self._admin is not None and hmac.compare_digest(hashed, self._admin):
            return Caller(OPERATOR, "admin")
        found = tokens.owner(connection, hashed)
        return Caller(*found) if found else None

    def _session(self, connection: sqlite3.Connection, cookie: str) -> Caller | None:
        session = sessions.find(connection, tokens.hashed(cookie), now=self._now())
        if session is None:
            return None
        if session.token_hash is None:
            return Caller(session.name, session.role, session.csrf)
        owner = self._owner(connection, session.token_hash)
        return Caller(owner.name, owner.role, session.csrf) if owner else None


def neighbourhood(address: str) -> str:
    """Whom an address stands for: of IPv6 everybody has a network of 2**64 to guess from."""
    try:
        found = IPv6Address(address)
    except ValueError:
        return address
    return str(found.ipv4_mapped or IPv6Network((int(found) >> 64 << 64, 64)))


class Failures:
    """Wrong tokens by address, as a leaky bucket."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._level: dict[str, tuple[float, float]] = {}  # address -> (level, when)

    def check(self, address: str) -> None:
        """Raises Refusal (429) if the bucket is full."""
        level = self._now(neighbourhood(address))
        if level >= FAILURES:
            wait = ceil((level - FAILURES + 1) / FAILURES_PER_SECOND)
            raise Refusal(429, "rate_limited", "Too many wrong tokens from this address.", retry_after=wait)

    def add(self, address: str) -> None:
        address = neighbourhood(address)
        if address not in self._level and len(self._level) >= ADDRESSES:
            self._level.pop(next(iter(self._level)))
        self._level[address] = (self._now(address) + 1, self._clock())

    def _now(self, address: str) -> float:
        level, when = self._level.get(address, (0.0, 0.0))
        return max(level - (self._clock() - when) * FAILURES_PER_SECOND, 0.0)
