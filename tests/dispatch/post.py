"""Post: a vendor that follows a script, and a database whose clock is Trio's, for actors in virtual time."""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio

from signal_actor.database import Database
from signal_actor.delivery.rules import Delivered, Health, Misconfigured, Outcome, Rejected, Retry
from signal_actor.destinations.base import Destination, Limits, Prepared, Reply, Request, Settings
from signal_actor.destinations.blame import blame
from signal_actor.dispatch.actor import Actor
from signal_actor.live import DeliveryPolicy, Integration
from tests import stage

Answer = Reply | Retry | Misconfigured
OK = Reply(200, {}, b"{}")


def wall() -> int:
    """The wall clock, which goes with Trio's."""
    return stage.NOW + round(trio.current_time() * 1000)


def reply(status: int, **headers: str) -> Reply:
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"{}")


class Vendor:
    """Takes requests by a script, and remembers when each came, what was in it and how many were there at once."""

    def __init__(self) -> None:
        self.takes: float | Callable[[], float] = 0.0  # seconds for an answer
        self.answer: Callable[[list[str]], Answer] = lambda ids: OK
        self.requests: list[tuple[float, list[str]]] = []
        self.delivered: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self.of_one = True  # integration: then no visitor is ever in two requests at once
        self._visitors = Counter[str]()

    async def exchange(self, client: Any, request: Request, *, within: float) -> Answer:
        parcels = json.loads(request.body)
        ids, visitors = [parcel["id"] for parcel in parcels], {parcel["visitor"] for parcel in parcels}
        self.requests.append((trio.current_time(), ids))
        busy = {visitor for visitor, requests in self._visitors.items() if requests}
        assert not (self.of_one and visitors & busy), "two requests with one visitor's events"
        self._visitors.update(visitors)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            with trio.move_on_after(within) as scope:
                await trio.sleep(self.takes() if callable(self.takes) else self.takes)
            if scope.cancelled_caught:
                return Retry(f"no answer within {within:g} s")
            answer = self.answer(ids)
            if isinstance(answer, Reply) and answer.status == 200:
                refused = set(json.loads(answer.body).get("refused", ()))
                self.delivered += [name for name in ids if name not in refused]
            return answer
        finally:
            self.at_once -= 1
            self._visitors.subtract(visitors)

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.requests]

    @property
    def sizes(self) -> list[int]:
        return [len(ids) for _, ids in self.requests]


def prepare(settings: Settings, mapper: Any, event: dict[str, Any]) -> Prepared:
    payload = {"id": event["messageId"], "visitor": event.get("anonymousId")}
    return Prepared(payload, len(json.dumps(payload)))


def build(settings: Settings, payloads: Sequence[Any], now: float) -> Request:
    return Request("POST", "http://vendor.test/", {}, json.dumps(list(payloads)).encode())


def classify(payloads: Sequence[Any], answer: Reply) -> list[Outcome]:
    """By HTTP's rules; a 200 may name events that are refused."""
    if answer.status != 200:
        return blame(payloads, answer)
    refused = json.loads(answer.body).get("refused", ())
    return [Rejected("refused by name") if payload["id"] in refused else Delivered() for payload in payloads]


def destination(slug: str = "fake", **changes: Any) -> Destination[Settings]:
    values: dict[str, Any] = {
        "slug": slug,
        "name": "Fake",
        "category": "Test",
        "summary": "",
        "settings": Settings,
        "variants": {"default": {}},
        "consent": (),
        "limits": Limits(items=100),
        "prepare": prepare,
        "build": build,
        "classify": classify,
    }
    return Destination(**values | changes)


def integration(
    key: int = 1, *, vendor: str = "fake", policy: dict[str, Any] | None = None, **changes: Any
) -> Integration:
    values: dict[str, Any] = {
        "id": key,
        "pipeline_id": stage.SHOP,
        "pipeline": "shop",
        "slug": f"i{key}",
        "name": "Fake",
        "vendor": vendor,
        "variant": "default",
        "enabled": True,
        "settings": Settings(),
        "consent_categories": (),
        "policy": DeliveryPolicy(**policy or {}),
        "mappings": {},
        "health": Health.OK,
        "health_reason": None,
        "removed": False,
    }
    return Integration(**values | changes)


class Desk:
    """A database that is being served, and what an actor's tests ask it."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def accept(self, *names: str, visitors: Sequence[str] | None = None, now: int | None = None) -> None:
        """Stores events at once; each its own visitor's unless told otherwise."""
        connection = self.database.writer.connection
        assert not connection.in_transaction
        events = [stage.track(n, (visitors or names)[i % len(visitors or names)]) for i, n in enumerate(names)]
        stage.accept(connection, *events, now=wall() if now is None else now)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return self.database.read(stage.rows, sql)

    def states(self, key: int = 1) -> dict[str, str]:
        found = self.rows(
            "select e.message_id, d.state from delivery d join event e on e.id = d.event_id"
            f" where d.integration_id = {key} order by d.event_id"
        )
        return {row["message_id"]: row["state"] for row in found}

    def counted(self, key: int = 1) -> dict[str, int]:
        return dict(Counter(self.states(key).values()))

    def attempts(self) -> dict[str, int]:
        found = self.rows("select e.message_id, d.attempts from delivery d join event e on e.id = d.event_id")
        return {row["message_id"]: row["attempts"] for row in found}

    def health(self, key: int = 1) -> tuple[str, str | None]:
        row = self.rows(f"select health, health_reason from integration where id = {key}")[0]
        return row["health"], row["health_reason"]

    def actor(self, made: Destination[Any] | None = None, of: Integration | None = None, **changes: Any) -> Actor:
        values = {"now": wall, "jitter": lambda: 0.5, "default_consent": True} | changes
        mine = of or integration()
        assert mine.settings is not None
        return Actor(self.database, mine, mine.settings, made or destination(), **values)

    async def settled(self, within: float = 10_000, *, key: int = 1) -> None:
        """Waits until nothing is open any more."""
        with trio.fail_after(within):
            while self.database.read(_open, key):
                await trio.sleep(0.25)


def _open(connection: sqlite3.Connection, key: int) -> bool:
    found = "select 1 from delivery where integration_id = ? and finished_at is null limit 1"
    return connection.execute(found, (key,)).fetchone() is not None


@asynccontextmanager
async def no_client(connections: int) -> Any:
    yield None


def by_visitor(names: Sequence[str]) -> dict[str, list[int]]:
    """Names such as `ann-3`, as {"ann": [3, ...]}."""
    found: dict[str, list[int]] = defaultdict(list)
    for name in names:
        visitor, _, number = name.rpartition("-")
        found[visitor].append(int(number))
    return found
