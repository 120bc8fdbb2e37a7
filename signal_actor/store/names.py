"""Names: what people call a pipeline or an integration: by its slug, or by its number.

In a filter a slug goes before a number, for slugs may be made of digits. A slug is unique in its pipeline only.
"""

import sqlite3
from dataclasses import dataclass

from signal_actor.store import revisions
from signal_actor.store.ids import whole


@dataclass(frozen=True, slots=True)
class Called:
    """What a filter named: a pipeline's slug, and an integration's slug or, where a number was given, its id."""

    pipeline: str | None
    integration: str | None
    integration_id: int | None


def called(connection: sqlite3.Connection, pipeline: str | int | None, integration: str | int | None) -> Called:
    """What is meant by two names of a filter, removed ones included. A name that nothing has stays as it is."""
    slug = None if pipeline is None else _slug(connection, str(pipeline))
    if isinstance(integration, str) and not _known(connection, "integration", integration):
        number = whole(integration)
        integration = integration if number is None else number
    if isinstance(integration, int):
        return Called(slug, None, integration)
    return Called(slug, integration, None)


def integrations(connection: sqlite3.Connection, slug: str) -> dict[str, int]:
    """Ids of the integrations that go by this slug, by their pipelines' slugs; those that wait in a draft too."""
    found: dict[str, int] = {}
    for pipeline_id, pipeline in connection.execute(
        "select id, slug from pipeline where deleted_at is null order by id"
    ).fetchall():
        item = revisions.pending(connection, pipeline_id).integrations.get(slug)
        if item is not None and item.id is not None:
            found[pipeline] = item.id
    return found


def _slug(connection: sqlite3.Connection, name: str) -> str:
    number = whole(name)
    if number is None or _known(connection, "pipeline", name):
        return name
    row = connection.execute("select slug from pipeline where id = ?", (number,)).fetchone()
    return name if row is None else str(row[0])


def _known(connection: sqlite3.Connection, table: str, slug: str) -> bool:
    return connection.execute(f"select 1 from {table} where slug = ? limit 1", (slug,)).fetchone() is not None
