"""Figures: how much there is of what, for statistics and metrics. Read from rows, never estimated."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from operator import add

from signal_actor.store import walk
from signal_actor.store.ids import BITS, EPOCH, HOUR, first_id

SAMPLE = 100_000  # newest deliveries that percentiles are taken from; exact up to here


@dataclass(frozen=True, slots=True)
class Who:
    """An integration, live, waiting in a draft, or removed."""

    id: int
    pipeline_id: int
    pipeline: str
    slug: str
    vendor: str
    name: str
    health: str
    health_reason: str | None
    removed: bool


@dataclass(frozen=True, slots=True)
class Fate:
    """Where the deliveries of the events of a time span stand. `retrying` are those of `pending` that met a failure."""

    pending: int
    retrying: int
    delivered: int
    skipped: int
    dead: int


@dataclass(frozen=True, slots=True)
class Open:
    """What is owed. `oldest` is the earliest open event's acceptance in ms."""

    integration_id: int
    pending: int
    leased: int
    oldest: int


def integrations(connection: sqlite3.Connection) -> list[Who]:
    """All integrations that there ever were."""
    rows = connection.execute(
        "select i.id, i.pipeline_id, p.slug, i.slug, i.vendor, i.name, i.health, i.health_reason,"
        " i.deleted_at is not null from integration i join pipeline p on p.id = i.pipeline_id order by i.id"
    )
    return [Who(*row) for row in rows]


def pipelines(connection: sqlite3.Connection) -> dict[int, str]:
    """Slugs of all pipelines that there ever were."""
    return dict(connection.execute("select id, slug from pipeline order by id"))


def fates(connection: sqlite3.Connection, integration_ids: Sequence[int], *, since: int, until: int) -> dict[int, Fate]:
    """What became of the events accepted from `since` until before `until`, in ms."""
    found = dict.fromkeys(integration_ids, (0,) * 5)
    for span in walk.down(connection, first_id(since), first_id(until)):
        for integration_id, counts in found.items():
            row = connection.execute(FATES, (*span, integration_id)).fetchone()
            found[integration_id] = tuple(map(add, counts, row))
    return {integration_id: Fate(*counts) for integration_id, counts in found.items()}


FATES = """
    select count(*) filter (where finished_at is null),
           count(*) filter (where finished_at is null and attempts > (state = 'leased')),
           count(*) filter (where state = 'done'),
           count(*) filter (where state = 'skipped'),
           count(*) filter (where state = 'dead')
    from delivery where event_id >= ? and event_id < ? and integration_id = ?
"""


def latencies(
    connection: sqlite3.Connection, integration_ids: Sequence[int], *, since: int, until: int
) -> list[tuple[int, int, int]]:
    """(integration, ms from acceptance to delivery, how many), of the newest SAMPLE deliveries in the span."""
    if not integration_ids:
        return []
    marks = ", ".join("?" * len(integration_ids))
    return connection.execute(
        f"select integration_id, max(finished_at - ((event_id >> {BITS}) + {EPOCH}), 0), count(*) from ("
        "  select * from delivery where event_id >= ? and event_id < ? and state = 'done'"
        f" and integration_id in ({marks}) order by event_id desc limit {SAMPLE}"
        ") group by 1, 2 order by 2",
        (first_id(since), first_id(until), *integration_ids),
    ).fetchall()


def owed(connection: sqlite3.Connection) -> dict[int, Open]:
    """What every integration is owed now."""
    rows = connection.execute(
        f"select integration_id, count(*) - sum(state = 'leased'), sum(state = 'leased'),"
        f" (min(event_id) >> {BITS}) + {EPOCH} from delivery where finished_at is null group by integration_id"
    )
    return {row[0]: Open(*row) for row in rows}


@dataclass(frozen=True, slots=True)
class IntegrationHealth:
    """How one integration did lately. `oldest` is the earliest open event's acceptance in ms."""

    pipeline: str
    integration: str
    health: str
    health_reason: str | None
    requests: int
    successes: int
    dead: int
    owed: int
    oldest: int | None


@dataclass(frozen=True, slots=True)
class Health:
    """How the service did lately. `last_event` is the minute of each live pipeline's last one, in ms."""

    integrations: list[IntegrationHealth]
    last_event: dict[str, int]


def health(connection: sqlite3.Connection, *, now: int, window: int) -> Health:
    """Requests in the last `window` ms, dead letters in the last hour, and what is owed now."""
    lately: dict[tuple[str, int], int] = {}
    for name, sql, since in (
        ("requests", "noun = 'attempt'", now - window),
        ("successes", "noun = 'attempt' and label between '200' and '299'", now - window),
        ("dead", "noun = 'delivery' and label = 'dead'", now - HOUR),
    ):
        for owner, count in connection.execute(
            f"select owner, sum(total) from tally where slot >= ? and {sql} group by owner", (since,)
        ):
            lately[name, owner] = count
    last = connection.execute(
        "select p.slug, max(t.slot) from pipeline p join tally t on t.owner = p.id and t.noun = 'event' and t.total > 0"
        " where p.deleted_at is null group by p.id"
    )
    open_now = owed(connection)
    return Health(
        [_health(each, lately, open_now.get(each.id)) for each in integrations(connection) if not each.removed],
        dict(last.fetchall()),
    )


def _health(who: Who, lately: dict[tuple[str, int], int], owed: Open | None) -> IntegrationHealth:
    return IntegrationHealth(
        pipeline=who.pipeline,
        integration=who.slug,
        health=who.health,
        health_reason=who.health_reason,
        requests=lately.get(("requests", who.id), 0),
        successes=lately.get(("successes", who.id), 0),
        dead=lately.get(("dead", who.id), 0),
        owed=owed.pending + owed.leased if owed else 0,
        oldest=owed.oldest if owed else None,
    )
