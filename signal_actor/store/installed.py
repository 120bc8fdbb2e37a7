"""Installed: integrations as people see them, and as their drafts would have them."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from signal_actor import live, secrets, wanted
from signal_actor.delivery.rules import Health
from signal_actor.problems import Problems
from signal_actor.secrets import MASK, Box
from signal_actor.store import revisions, settings
from signal_actor.store.documents import Document, Entry, table
from signal_actor.store.integrations import found


@dataclass(frozen=True, slots=True)
class Shown:
    """An integration for people: the draft's values if there is a draft, secrets as "***"."""

    id: int
    pipeline_id: int
    slug: str
    table: dict[str, Any]
    managed_by: str
    published: bool
    edited: bool  # the draft differs from what is live
    health: str
    health_reason: str | None
    health_since: int
    created_at: int
    updated_at: int


def shown(connection: sqlite3.Connection, integration_id: int, box: Box) -> Shown:
    """An integration for people. Raises Refusal (404)."""
    pipeline_id, slug, item = found(connection, integration_id)
    return _shown(connection, pipeline_id, slug, item, revisions.published(connection, pipeline_id), box)


def listed(connection: sqlite3.Connection, box: Box, *, pipeline: str | None = None) -> list[Shown]:
    """Every integration for people, by pipeline; those that wait in a draft too."""
    pipelines = connection.execute(
        "select id from pipeline where deleted_at is null and (?1 is null or slug = ?1) order by id", (pipeline,)
    ).fetchall()
    everything: list[Shown] = []
    for (pipeline_id,) in pipelines:
        live = revisions.published(connection, pipeline_id)
        document = revisions.draft(connection, pipeline_id) or live
        items = [(slug, item) for slug, item in document.integrations.items() if item.id is not None]
        everything += [_shown(connection, pipeline_id, slug, item, live, box) for slug, item in items]
    return everything


def drafted(
    connection: sqlite3.Connection, integration_id: int, box: Box, *, mappings: Mapping[str, Any] | None = None
) -> tuple[live.Integration, bool]:
    """The integration as the draft would have it, and whether consent is granted by default.

    `mappings` takes the place of the draft's changes to the variant.

    Raises:
        ConfigurationError: the mappings are wrong.
        Refusal: 404, there is no such integration.
    """
    pipeline_id, slug, item = found(connection, integration_id)
    changes = item.mappings if mappings is None else mappings
    problems = Problems()
    config = {**item.config, **box.decrypt(item.secrets)}
    fitted = wanted.fitting(item.vendor, item.variant, config, changes, f"integrations.{slug}", problems)
    problems.done()
    policy = settings.get(connection, "delivery", live.DeliveryPolicy).overlaid(item.delivery)
    integration = live.Integration(
        id=integration_id,
        pipeline_id=pipeline_id,
        pipeline=revisions.slug(connection, pipeline_id),
        slug=slug,
        name=item.name,
        vendor=item.vendor,
        variant=item.variant,
        enabled=item.enabled,
        settings=fitted,
        consent_categories=item.consent_categories,
        policy=policy,
        mappings=changes,
        health=Health.OK,
        health_reason=None,
        removed=False,
    )
    return integration, revisions.pending(connection, pipeline_id).settings.default_consent == "granted"


def _shown(connection: sqlite3.Connection, pipeline_id: int, slug: str, item: Entry, live: Document, box: Box) -> Shown:
    assert item.id is not None
    there = live.integrations.get(slug)
    masked = {name: secrets.walk(value, lambda _: MASK) for name, value in box.decrypt(item.secrets).items()}
    row = connection.execute(
        "select managed_by, health, health_reason, health_since, created_at, updated_at from integration where id = ?",
        (item.id,),
    ).fetchone()
    published = there is not None and there.id == item.id
    return Shown(item.id, pipeline_id, slug, table(item, masked), row[0], published, there != item, *row[1:])
