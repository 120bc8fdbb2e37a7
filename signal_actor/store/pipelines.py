"""Pipelines in the store: what is live, and making, changing and deleting one."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from signal_actor import mapping, secrets, wanted
from signal_actor.delivery.rules import Health
from signal_actor.errors import Conflict
from signal_actor.live import DeliveryPolicy, Integration, Live, Pipeline, PipelineSettings, Retention
from signal_actor.problems import Problems
from signal_actor.secrets import Box
from signal_actor.store import audit, keys, revisions, settings
from signal_actor.store.documents import Change, Document, diff
from signal_actor.store.integrations import note_health

ELSEWHERE = {"integrations": "integrations are installed by themselves, leave them out"}

# Removed integrations are live for as long as something is still open for them.
INTEGRATIONS = """
    select i.id, i.pipeline_id, p.slug, i.slug, i.name, i.vendor, i.variant, i.enabled, i.config, i.secrets,
           i.consent_categories, i.delivery, i.mappings, i.health, i.health_reason, i.deleted_at is not null
    from integration i join pipeline p on p.id = i.pipeline_id
    where i.deleted_at is null
       or exists (select 1 from delivery d where d.integration_id = i.id and d.finished_at is null)
    order by i.id
"""


def live(connection: sqlite3.Connection, box: Box) -> Live:
    """Everything that is published. Raises UsageError if the box is not the one that the secrets were put in."""
    defaults = settings.get(connection, "delivery", DeliveryPolicy)
    integrations = [_integration(row, defaults, box) for row in connection.execute(INTEGRATIONS)]
    pipelines = {}
    for key, slug, name, written in connection.execute(
        "select id, slug, name, settings from pipeline where deleted_at is null order by id"
    ).fetchall():
        own = tuple(item for item in integrations if item.pipeline_id == key and not item.removed)
        checked = PipelineSettings.model_validate_json(written)
        pipelines[key] = Pipeline(key, slug, name, checked, keys.of(connection, key), own)
    return Live(
        pipelines=pipelines,
        by_key={key: pipeline for pipeline in pipelines.values() for key in pipeline.keys},
        integrations={item.id: item for item in integrations},
        retention=settings.get(connection, "retention", Retention),
    )


def note_fitness(connection: sqlite3.Connection, box: Box, *, now: int) -> None:
    """Writes down which integrations do not fit the catalogue of this process, and which do so again.

    Raises UsageError if the box is not the one that the secrets were put in.
    """
    for item in live(connection, box).integrations.values():
        if item.settings is None:
            note_health(connection, item.id, Health.MISCONFIGURED, item.health_reason, now=now)
        elif item.health == Health.MISCONFIGURED and (item.health_reason or "").startswith(wanted.UNFIT):
            note_health(connection, item.id, Health.OK, None, now=now)


@dataclass(frozen=True, slots=True)
class Shown:
    """A pipeline for people: the draft's values if there is a draft. `changes` are what publishing would change."""

    id: int
    slug: str
    name: str
    settings: PipelineSettings
    keys: tuple[str, ...]
    integrations: tuple[str, ...]
    revision: int
    draft: bool
    changes: list[Change]
    created_at: int


def ids(connection: sqlite3.Connection) -> list[int]:
    """The ids of all pipelines."""
    return [row[0] for row in connection.execute("select id from pipeline where deleted_at is null order by id")]


def shown(connection: sqlite3.Connection, pipeline_id: int, box: Box) -> Shown:
    """A pipeline for people. Raises Refusal (404)."""
    published = revisions.published(connection, pipeline_id)
    pending = revisions.draft(connection, pipeline_id)
    slug = revisions.slug(connection, pipeline_id)
    document = pending or published
    revision, created_at = connection.execute(
        "select revision, created_at from pipeline where id = ?", (pipeline_id,)
    ).fetchone()
    return Shown(
        id=pipeline_id,
        slug=slug,
        name=document.name,
        settings=document.settings,
        keys=keys.of(connection, pipeline_id),
        integrations=tuple(document.integrations),
        revision=revision,
        draft=pending is not None,
        changes=[] if pending is None else diff(published, pending, f"pipelines.{slug}", box),
        created_at=created_at,
    )


def create_pipeline(
    connection: sqlite3.Connection, slug: str, table: Mapping[str, Any], *, author: str, now: int
) -> int:
    """A pipeline with a key, live at once.

    Raises:
        ConfigurationError: the table is wrong.
        Conflict: the slug or a key is taken.
    """
    problems = Problems()
    checked = wanted.each(
        {slug: dict(table)},
        "pipelines",
        problems,
        lambda _, value, path: _checked(slug, value, path, problems, ELSEWHERE),
    ).get(slug)
    problems.done()
    assert checked is not None
    if identified(connection, slug) is not None:
        raise Conflict(f"pipelines.{slug}: there is a pipeline with this slug, choose another")
    taken = keys.owners(connection)
    for key in checked.keys:
        if key in taken:
            path = f"pipelines.{slug}.pipeline_keys"
            raise Conflict(f"{path}: {key} is a key of pipelines.{taken[key]}, choose another")
    pipeline_id = insert(connection, slug, checked.name, now=now)
    _record(connection, "create pipeline", pipeline_id, author, now, slug=slug)
    document = Document(name=checked.name, settings=checked.settings)
    revisions.publish_document(connection, pipeline_id, document, author=author, now=now)
    keys.put(connection, pipeline_id, checked.keys or [keys.fresh()], now=now)
    return pipeline_id


def patch_pipeline(
    connection: sqlite3.Connection,
    pipeline_id: int,
    patch: Mapping[str, Any],
    *,
    publish: bool,
    author: str,
    now: int,
) -> None:
    """Applies a JSON merge patch to name and settings. Raises ConfigurationError or Refusal (404)."""
    base = revisions.pending(connection, pipeline_id)
    table = {"name": base.name, **base.settings.model_dump(mode="json")}
    problems = Problems()
    slug = revisions.slug(connection, pipeline_id)
    elsewhere = {**ELSEWHERE, "pipeline_keys": "keys are issued and revoked by themselves, leave them out"}
    checked = _checked(slug, mapping.merge(table, dict(patch)), f"pipelines.{slug}", problems, elsewhere)
    problems.done()
    assert checked is not None
    _record(connection, "change pipeline", pipeline_id, author, now, keys=sorted(patch), publish=publish)
    update = {"name": checked.name, "settings": checked.settings}
    revisions.edit(
        connection,
        pipeline_id,
        lambda document: document.model_copy(update=update),
        publish=publish,
        author=author,
        now=now,
    )


def delete_pipeline(connection: sqlite3.Connection, pipeline_id: int, *, author: str, now: int) -> None:
    """Ends a pipeline: its keys are revoked, its integrations removed; rows stay until retention takes them."""
    slug = revisions.slug(connection, pipeline_id)
    connection.execute("update pipeline set deleted_at = ?, draft = null where id = ?", (now, pipeline_id))
    connection.execute(
        "update integration set deleted_at = ?1, updated_at = ?1 where pipeline_id = ?2 and deleted_at is null",
        (now, pipeline_id),
    )
    keys.drop(connection, pipeline_id, keys.of(connection, pipeline_id), now=now)
    _record(connection, "delete pipeline", pipeline_id, author, now, slug=slug)


def identified(connection: sqlite3.Connection, slug: str) -> int | None:
    """The id of the pipeline that goes by a slug."""
    row = connection.execute("select id from pipeline where slug = ? and deleted_at is null", (slug,)).fetchone()
    return None if row is None else row[0]


def insert(connection: sqlite3.Connection, slug: str, name: str, *, now: int) -> int:
    """An empty pipeline that has published nothing yet."""
    (pipeline_id,) = connection.execute(
        "insert into pipeline (slug, name, settings, created_at) values (?, ?, '{}', ?) returning id", (slug, name, now)
    ).fetchone()
    return int(pipeline_id)


def _record(
    connection: sqlite3.Connection, action: str, pipeline_id: int, author: str, now: int, **detail: Any
) -> None:
    target = f"pipeline/{pipeline_id}"
    audit.record(connection, actor=author, action=action, target=target, detail=detail, now=now)


def _checked(
    slug: str, table: dict[str, Any], path: str, problems: Problems, elsewhere: Mapping[str, str]
) -> wanted.Pipeline | None:
    for key in elsewhere.keys() & table.keys():
        problems.add(f"{path}.{key}", elsewhere[key])
    return wanted.pipeline(slug, table, path, problems, resolve=secrets.literal)


def _integration(row: tuple[Any, ...], defaults: DeliveryPolicy, box: Box) -> Integration:
    (key, pipeline_id, pipeline, slug, name, vendor, variant, enabled, config, encrypted) = row[:10]
    (categories, delivery, mappings, health, reason, removed) = row[10:]
    changes = json.loads(mappings)
    problems = Problems()
    clear = {**json.loads(config), **box.decrypt(encrypted)}
    path = f"pipelines.{pipeline}.integrations.{slug}"
    settings = wanted.fitting(vendor, variant, clear, changes, path, problems)
    if problems.lines and health != Health.PAUSED:
        health, reason = Health.MISCONFIGURED, wanted.unfit(problems)
    return Integration(
        id=key,
        pipeline_id=pipeline_id,
        pipeline=pipeline,
        slug=slug,
        name=name,
        vendor=vendor,
        variant=variant,
        enabled=bool(enabled),
        settings=None if problems.lines else settings,
        consent_categories=tuple(json.loads(categories)),
        policy=defaults.overlaid(json.loads(delivery)),
        mappings=changes,
        health=Health(health),
        health_reason=reason,
        removed=bool(removed),
    )
