"""Plans: what a configuration file would change, changing it, and writing down what there is in the file's form.

What the file names, the file decides, down to the defaults of what it leaves out of a pipeline or an integration. Three
things are left alone: pipelines that it does not name, integrations that came through the API, and keys where it lists
none.
"""

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from signal_actor import wanted
from signal_actor.configuration import Configuration
from signal_actor.errors import ConfigurationError
from signal_actor.live import DeliveryPolicy, Retention, Strict
from signal_actor.secrets import Box
from signal_actor.store import audit, keys, notes, pipelines, revisions, settings
from signal_actor.store.documents import Change, Document, Entry, diff, entry, lines, table
from signal_actor.wire import dumps

NEW_KEY = "a new key"


@dataclass(frozen=True, slots=True)
class Step:
    """What the file means for one pipeline. `pipeline_id` is None for a new one."""

    slug: str
    pipeline_id: int | None
    wanted: wanted.Pipeline
    managed: frozenset[str]  # slugs of the integrations that an earlier file brought
    document: Document
    new_keys: tuple[str, ...]
    old_keys: tuple[str, ...]
    changes: list[Change]


def plan(connection: sqlite3.Connection, configuration: Configuration, box: Box) -> list[Change]:
    """What `apply` would change. Raises ConfigurationError if a key belongs to a pipeline that keeps it."""
    changes = [change for step in _steps(connection, configuration, box) for change in step.changes]
    return changes + _noted(connection, configuration)


def apply(
    connection: sqlite3.Connection, configuration: Configuration, box: Box, *, author: str, now: int
) -> list[Change]:
    """Makes the file true and returns what that changed, with the keys that were created. A second time it is nothing.

    Raises ConfigurationError if a key belongs to a pipeline that keeps it.
    """
    steps = [_with_id(connection, step, now) for step in _steps(connection, configuration, box)]
    for step in steps:  # all go before any comes, so that a key can move from one pipeline to another
        keys.drop(connection, _id(step), step.old_keys, now=now)
    for step in steps:
        keys.put(connection, _id(step), step.new_keys, now=now)
        if step.changes:
            _publish(connection, step, author=author, now=now)
        connection.execute(
            "update integration set managed_by = 'file'"
            " where pipeline_id = ? and deleted_at is null and managed_by <> 'file'"
            " and slug in (select value from json_each(?))",
            (step.pipeline_id, dumps(list(step.wanted.integrations))),
        )
    noted = _noted(connection, configuration)
    for name in ("delivery", "retention"):
        if any(change.path.startswith(f"{name}.") for change in noted):
            notes.put(connection, name, getattr(configuration, name).model_dump(mode="json", exclude_defaults=True))
    changes = [change for step in steps for change in step.changes] + noted
    if changes:
        said = {"changes": [str(change) for change in changes]}
        audit.record(connection, actor=author, action="apply", target="configuration", detail=said, now=now)
    return changes


def export(connection: sqlite3.Connection, box: Box) -> dict[str, Any]:
    """What is live as the tables of a configuration file, with `env:NAME` for every secret."""
    names = _Names()
    found = connection.execute("select id, slug from pipeline where deleted_at is null order by id").fetchall()
    exported: dict[str, Any] = {
        "pipelines": {slug: _exported(connection, pipeline_id, slug, box, names) for pipeline_id, slug in found}
    }
    for name in ("delivery", "retention"):
        if (note := notes.get(connection, name)) is not None:
            exported[name] = note
    return exported


def _steps(connection: sqlite3.Connection, configuration: Configuration, box: Box) -> Iterator[Step]:
    taken = keys.owners(connection)
    for slug, pipeline in configuration.pipelines.items():
        for key in pipeline.keys:
            owner = taken.get(key, slug)
            other = configuration.pipelines.get(owner)
            if owner != slug and (other is None or not other.keys or key in other.keys):
                raise ConfigurationError(
                    f"pipelines.{slug}.pipeline_keys: {key} is a key of pipelines.{owner}, "
                    "revoke it there or choose another"
                )
        yield _step(connection, slug, pipeline, box)


def _step(connection: sqlite3.Connection, slug: str, pipeline: wanted.Pipeline, box: Box) -> Step:
    path = f"pipelines.{slug}"
    pipeline_id = pipelines.identified(connection, slug)
    before: Document | None = None
    managed: frozenset[str] = frozenset()
    there: tuple[str, ...] = ()
    if pipeline_id is not None:
        before = revisions.published(connection, pipeline_id)
        managed = _managed(connection, pipeline_id)
        there = keys.of(connection, pipeline_id)
    base = before or Document(name=pipeline.name, settings=pipeline.settings)
    brought = {slug: entry(item, base.integrations.get(slug), box) for slug, item in pipeline.integrations.items()}
    document = _overlaid(base, pipeline, managed, brought)
    created = not pipeline.keys and (pipeline_id is None or keys.never_had(connection, pipeline_id))
    new = tuple(key for key in pipeline.keys if key not in there)
    old = tuple(key for key in there if key not in pipeline.keys) if pipeline.keys else ()
    changes = diff(before, document, path, box)
    changes += [Change("+", f"{path}.pipeline_keys", key) for key in new]
    changes += [Change("-", f"{path}.pipeline_keys", key) for key in old]
    if created:
        changes.append(Change("+", f"{path}.pipeline_keys", NEW_KEY))
    return Step(slug, pipeline_id, pipeline, managed, document, new, old, changes)


def _with_id(connection: sqlite3.Connection, step: Step, now: int) -> Step:
    """The step with what a plan leaves open: the id of a new pipeline, and the key that is created."""
    if step.pipeline_id is None:
        step = replace(step, pipeline_id=pipelines.insert(connection, step.slug, step.document.name, now=now))
    if step.changes and step.changes[-1].detail == NEW_KEY:
        key = keys.fresh()
        step = replace(step, new_keys=(key,), changes=[*step.changes[:-1], replace(step.changes[-1], detail=key)])
    return step


def _publish(connection: sqlite3.Connection, step: Step, *, author: str, now: int) -> None:
    pipeline_id = _id(step)
    pending = revisions.draft(connection, pipeline_id)
    revisions.publish_document(
        connection, pipeline_id, step.document, author=author, now=now, note="configuration file", always=True
    )
    if pending is not None:
        live = revisions.published(connection, pipeline_id).integrations  # with ids, which new ones have only now
        brought = {slug: live[slug] for slug in step.wanted.integrations}
        revisions.keep_draft(connection, pipeline_id, _overlaid(pending, step.wanted, step.managed, brought))


def _overlaid(
    base: Document, pipeline: wanted.Pipeline, managed: frozenset[str], brought: dict[str, Entry]
) -> Document:
    """The document as the file wants it, with the integrations that are none of the file's business."""
    kept = {slug: item for slug, item in base.integrations.items() if slug not in managed}
    return Document(name=pipeline.name, settings=pipeline.settings, integrations={**kept, **brought})


def _managed(connection: sqlite3.Connection, pipeline_id: int) -> frozenset[str]:
    rows = connection.execute(
        "select slug from integration where pipeline_id = ? and deleted_at is null and managed_by = 'file'",
        (pipeline_id,),
    )
    return frozenset(row[0] for row in rows)


def _noted(connection: sqlite3.Connection, configuration: Configuration) -> list[Change]:
    """Changes of [delivery] and [retention]."""
    changes: list[Change] = []
    models: list[tuple[str, type[Strict]]] = [("delivery", DeliveryPolicy), ("retention", Retention)]
    for name, model in models:
        after: Strict | None = getattr(configuration, name)
        if after is not None:
            before = settings.get(connection, name, model)
            changes += lines(before.model_dump(mode="json"), after.model_dump(mode="json"), name)
    return changes


def _exported(connection: sqlite3.Connection, pipeline_id: int, slug: str, box: Box, names: "_Names") -> dict[str, Any]:
    document = revisions.published(connection, pipeline_id)
    written: dict[str, Any] = {"name": document.name, "pipeline_keys": list(keys.of(connection, pipeline_id))}
    written |= document.settings.model_dump(mode="json", exclude_defaults=True)
    for key, item in document.integrations.items():
        clear = box.decrypt(item.secrets)
        hidden = {name: names.placeholders(value, (slug, key, name)) for name, value in clear.items()}
        tables = {name: value for name, value in table(item, hidden).items() if value != {}}
        written.setdefault("integrations", {})[key] = tables
    return written


class _Names:
    """Names of environment variables, each used once."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def placeholders(self, value: Any, path: tuple[str, ...]) -> Any:
        """The value with a reference in the place of every text."""
        if isinstance(value, dict):
            return {key: self.placeholders(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.placeholders(item, (*path, str(number))) for number, item in enumerate(value, 1)]
        return f"env:{self._free(re.sub('[^A-Z0-9]', '_', '_'.join(path).upper()))}"

    def _free(self, name: str) -> str:
        while name in self._used:
            name += "_"
        self._used.add(name)
        return name


def _id(step: Step) -> int:
    assert step.pipeline_id is not None
    return step.pipeline_id
