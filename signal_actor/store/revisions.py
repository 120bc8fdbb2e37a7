"""Revisions: everything a pipeline ever published, as documents, and how a document becomes what is live.

                edit                  publish
    published ─────────▶ draft ─────────────────▶ published, the next revision
        └── edit and publish at once ──────────▶       ▲
    an old revision ────────────── rollback ───────────┘

Laws:
1. Rows of `integration` change through `publish_document` only; a file, the API and a rollback have it in common.
2. An integration keeps its id, and with it what it is owed, through edits, removal and return. Another vendor is an
   integration of its own. `deleted_at` is set where a row is not in the published document: no more, or not yet.
3. An edit that publishes at once does so without what else is in the draft, and the draft gets it too.
4. Keys are no part of a document: a rollback must not bring a revoked one back.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from signal_actor.errors import Refusal
from signal_actor.live import PipelineSettings
from signal_actor.problems import Problems
from signal_actor.secrets import Box
from signal_actor.store import audit
from signal_actor.store.documents import Change, Document, Entry, diff
from signal_actor.wanted import fitting
from signal_actor.wire import dumps


@dataclass(frozen=True, slots=True)
class Revision:
    """One publication."""

    number: int
    author: str
    note: str
    created_at: int


def published(connection: sqlite3.Connection, pipeline_id: int) -> Document:
    """What is live. Raises Refusal (404) if there is no such pipeline."""
    name, settings, number = _pipeline(connection, pipeline_id, "name, settings, revision")
    if number == 0:
        return Document(name=name, settings=PipelineSettings.model_validate_json(settings))
    return document(connection, pipeline_id, number)


def draft(connection: sqlite3.Connection, pipeline_id: int) -> Document | None:
    """What is edited and not published yet. Raises Refusal (404) if there is no such pipeline."""
    (text,) = _pipeline(connection, pipeline_id, "draft")
    return Document.model_validate_json(text) if text else None


def pending(connection: sqlite3.Connection, pipeline_id: int) -> Document:
    """The draft, else what is live. Raises Refusal (404) if there is no such pipeline."""
    return draft(connection, pipeline_id) or published(connection, pipeline_id)


def has_draft(connection: sqlite3.Connection, pipeline_id: int) -> bool:
    """Whether there is something to publish. Raises Refusal (404) if there is no such pipeline."""
    return bool(_pipeline(connection, pipeline_id, "draft is not null")[0])


def document(connection: sqlite3.Connection, pipeline_id: int, number: int) -> Document:
    """What a revision published. Raises Refusal (404)."""
    row = connection.execute(
        "select document from revision where pipeline_id = ? and number = ?", (pipeline_id, number)
    ).fetchone()
    if row is None:
        raise Refusal(404, "not_found", f"There is no revision {number} of this pipeline.")
    return Document.model_validate_json(row[0])


def slug(connection: sqlite3.Connection, pipeline_id: int) -> str:
    """A pipeline's slug. Raises Refusal (404) if there is no such pipeline."""
    return str(_pipeline(connection, pipeline_id, "slug")[0])


def revisions(connection: sqlite3.Connection, pipeline_id: int) -> list[Revision]:
    """All of a pipeline's, newest first."""
    rows = connection.execute(
        "select number, author, note, created_at from revision where pipeline_id = ? order by number desc",
        (pipeline_id,),
    )
    return [Revision(*row) for row in rows]


def edit(
    connection: sqlite3.Connection,
    pipeline_id: int,
    change: Callable[[Document], Document],
    *,
    publish: bool,
    author: str,
    now: int,
    note: str = "",
) -> None:
    """Changes what is live and the draft if there is one, or the draft alone."""
    pending = draft(connection, pipeline_id)
    live = published(connection, pipeline_id)
    if publish:
        publish_document(connection, pipeline_id, change(live), author=author, now=now, note=note)
        live = published(connection, pipeline_id)
    if pending is not None or not publish:
        keep_draft(connection, pipeline_id, change(pending or live))


def discard_draft(connection: sqlite3.Connection, pipeline_id: int, *, author: str, now: int) -> None:
    """Throws away what is not published yet. Raises Refusal (404) if there is no such pipeline."""
    if draft(connection, pipeline_id) is not None:
        connection.execute("update pipeline set draft = null where id = ?", (pipeline_id,))
        audit.record(connection, actor=author, action="discard draft", target=f"pipeline/{pipeline_id}", now=now)


def changes(connection: sqlite3.Connection, pipeline_id: int, number: int, box: Box) -> list[Change]:
    """What a revision changed, against the one before. Raises Refusal (404)."""
    before = document(connection, pipeline_id, number - 1) if number > 1 else None
    path = f"pipelines.{slug(connection, pipeline_id)}"
    return diff(before, document(connection, pipeline_id, number), path, box)


def keep_draft(connection: sqlite3.Connection, pipeline_id: int, pending: Document) -> None:
    """Keeps what is not published yet; what equals the published document is no draft."""
    text = None if pending == published(connection, pipeline_id) else pending.model_dump_json()
    connection.execute("update pipeline set draft = ? where id = ?", (text, pipeline_id))


def publish(connection: sqlite3.Connection, pipeline_id: int, box: Box, *, author: str, now: int) -> int:
    """Makes the draft live and returns the number of the revision in force.

    Raises:
        ConfigurationError: what it changes was valid once, but does not fit its vendors of today any more.
        Refusal: 404, there is no such pipeline.
    """
    live = published(connection, pipeline_id)
    wanted = draft(connection, pipeline_id) or live
    _check(wanted, live, box)
    number = publish_document(connection, pipeline_id, wanted, author=author, now=now)
    connection.execute("update pipeline set draft = null where id = ?", (pipeline_id,))
    return number


def rollback(
    connection: sqlite3.Connection,
    pipeline_id: int,
    number: int,
    box: Box,
    *,
    author: str,
    now: int,
) -> int:
    """Publishes an old revision again, as a new one. A draft is left alone. Raises as `publish` does."""
    old = document(connection, pipeline_id, number)
    _check(old, published(connection, pipeline_id), box)
    return publish_document(connection, pipeline_id, old, author=author, now=now, note=f"rollback to {number}")


def publish_document(
    connection: sqlite3.Connection,
    pipeline_id: int,
    wanted: Document,
    *,
    author: str,
    now: int,
    note: str = "",
    always: bool = False,
) -> int:
    """Makes a document live: rows, then the revision. Without a difference nothing happens, unless `always`.

    Returns the number of the revision in force. Raises Refusal (404) if there is no such pipeline.
    """
    before = published(connection, pipeline_id)
    (number,) = _pipeline(connection, pipeline_id, "revision")
    wanted = _with_ids(connection, pipeline_id, wanted, now)
    if wanted == before and number > 0 and not always:
        return int(number)
    connection.execute(
        "update integration set deleted_at = ?1, updated_at = ?1"
        " where pipeline_id = ?2 and deleted_at is null and id not in (select value from json_each(?3))",
        (now, pipeline_id, dumps([item.id for item in wanted.integrations.values()])),
    )
    for slug, item in wanted.integrations.items():
        if before.integrations.get(slug) != item:
            _write(connection, item, now)
    number += 1
    connection.execute(
        "update pipeline set name = ?, settings = ?, revision = ? where id = ?",
        (wanted.name, wanted.settings.model_dump_json(), number, pipeline_id),
    )
    connection.execute(
        "insert into revision (pipeline_id, number, document, author, note, created_at) values (?, ?, ?, ?, ?, ?)",
        (pipeline_id, number, wanted.model_dump_json(), author, note, now),
    )
    audit.record(
        connection,
        actor=author,
        action="publish",
        target=f"pipeline/{pipeline_id}",
        now=now,
        detail={"revision": number, "note": note},
    )
    return int(number)


def reserve(connection: sqlite3.Connection, pipeline_id: int, slug: str, item: Entry, *, now: int) -> Entry:
    """The entry with an id: that of the row which the pipeline had for this slug and vendor, else of a new one."""
    if connection.execute("select 1 from integration where id = ?", (item.id,)).fetchone():
        return item
    row = connection.execute(
        "select id from integration where pipeline_id = ? and slug = ? and vendor = ? order by id desc limit 1",
        (pipeline_id, slug, item.vendor),
    ).fetchone()
    if row is None:
        row = connection.execute(
            "insert into integration (pipeline_id, slug, name, vendor, variant, consent_categories, config,"
            " managed_by, health_since, created_at, updated_at, deleted_at)"
            " values (?1, ?2, ?3, ?4, ?5, '[]', '{}', 'api', ?6, ?6, ?6, ?6) returning id",
            (pipeline_id, slug, item.name, item.vendor, item.variant, now),
        ).fetchone()
    return item.model_copy(update={"id": row[0]})


def _check(wanted: Document, live: Document, box: Box) -> None:
    """What is live already may stay as it is: a vendor that is gone must not hold up the others' changes."""
    problems = Problems()
    changed = {slug: item for slug, item in wanted.integrations.items() if live.integrations.get(slug) != item}
    for slug, item in changed.items():
        config = {**item.config, **box.decrypt(item.secrets)}
        fitting(item.vendor, item.variant, config, item.mappings, f"integrations.{slug}", problems)
    problems.done()


def _with_ids(connection: sqlite3.Connection, pipeline_id: int, wanted: Document, now: int) -> Document:
    entries = {k: reserve(connection, pipeline_id, k, item, now=now) for k, item in wanted.integrations.items()}
    return wanted.model_copy(update={"integrations": entries})


def _write(connection: sqlite3.Connection, item: Entry, now: int) -> None:
    """The row as the entry says. A change is a reason to try again, except for what a person paused."""
    connection.execute(
        "update integration set name = ?1, variant = ?2, enabled = ?3, delivery_mode = ?4, consent_categories = ?5,"
        " config = ?6, secrets = ?7, delivery = ?8, mappings = ?9, updated_at = ?10, deleted_at = null,"
        " health_reason = case health when 'misconfigured' then null else health_reason end,"
        " health_since = case health when 'misconfigured' then ?10 else health_since end,"
        " health = case health when 'misconfigured' then 'ok' else health end"
        " where id = ?11",
        (
            item.name,
            item.variant,
            item.enabled,
            item.delivery_mode,
            dumps(item.consent_categories),
            dumps(item.config),
            item.secrets,
            dumps(item.delivery),
            dumps(item.mappings),
            now,
            item.id,
        ),
    )


def _pipeline(connection: sqlite3.Connection, pipeline_id: int, columns: str) -> Any:
    row = connection.execute(
        f"select {columns} from pipeline where id = ? and deleted_at is null", (pipeline_id,)
    ).fetchone()
    if row is None:
        raise Refusal(404, "not_found", f"There is no pipeline {pipeline_id}.")
    return row
