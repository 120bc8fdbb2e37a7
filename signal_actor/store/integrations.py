"""Integrations in the store: installing, changing, removing, pausing and resuming one.

All but pausing are edits of the pipeline's document: they publish at once or wait in its draft, see `revisions.py`.
"""

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from signal_actor import mapping, secrets, wanted
from signal_actor.errors import Conflict, Refusal
from signal_actor.problems import Problems
from signal_actor.secrets import MASK, Box
from signal_actor.store import audit, revisions
from signal_actor.store.documents import Document, Entry, entry, table


def install(
    connection: sqlite3.Connection,
    pipeline_id: int,
    slug: str | None,
    written: Mapping[str, Any],
    box: Box,
    *,
    publish: bool = True,
    author: str,
    now: int,
) -> int:
    """Adds an integration and returns its id. Without a slug it is called after its vendor, and numbered if need be.

    Raises:
        ConfigurationError: it is not valid.
        Conflict: the slug is taken.
        Refusal: 404, there is no such pipeline.
    """
    there = revisions.pending(connection, pipeline_id)
    problems = Problems()
    name = slug or _free(str(written.get("vendor")), there)
    checked = wanted.each({name: dict(written)}, "integrations", problems, _check(problems)).get(name)
    problems.done()
    if name in there.integrations:
        raise Conflict(f"integrations.{name}: there is an integration with this slug, choose another")
    assert checked is not None
    item = revisions.reserve(connection, pipeline_id, name, entry(checked, None, box), now=now)
    connection.execute(
        "update integration set managed_by = 'api', health = 'ok', health_reason = null, health_since = ? where id = ?",
        (now, item.id),
    )
    _record(connection, "install", item.id, author, now, vendor=item.vendor, publish=publish)
    _edit(connection, pipeline_id, name, item, publish=publish, author=author, now=now)
    assert item.id is not None
    return item.id


def patch_integration(
    connection: sqlite3.Connection,
    integration_id: int,
    patch: Mapping[str, Any],
    box: Box,
    *,
    publish: bool = True,
    redirects: bool = True,
    author: str,
    now: int,
) -> None:
    """Applies a JSON merge patch; a secret that is given as "***" stays, `mappings` are replaced as a whole.

    `redirects`: the author may have secrets that are stored sent to another address. Who may not gives them again,
    since whoever sees what arrives there reads them.

    Raises:
        ConfigurationError: it would not be valid.
        Refusal: 404, there is no such integration.
    """
    pipeline_id, slug, item = found(connection, integration_id)
    before = table(item, box.decrypt(item.secrets))
    after = mapping.merge(before, {**_unmasked(patch), "mappings": None})
    path = f"integrations.{slug}"
    after["mappings"] = patch.get("mappings", item.mappings) or {}
    problems = Problems()
    checked = wanted.integration(after, path, problems, resolve=_given(before["config"]))
    if not redirects:
        for name in _kept(item, patch, box) if _moved(before["config"], after["config"]) else ():
            problems.add(f"{path}.config.{name}", "give it again with the new address; only an admin can leave it out")
    if checked is not None and checked.vendor != item.vendor:
        problems.add(f"{path}.vendor", "another vendor is another integration, remove this one and install that")
    problems.done()
    assert checked is not None
    _record(connection, "change", integration_id, author, now, keys=sorted(patch), publish=publish)
    _edit(connection, pipeline_id, slug, entry(checked, item, box), publish=publish, author=author, now=now)


def remove_integration(
    connection: sqlite3.Connection, integration_id: int, *, publish: bool = True, author: str, now: int
) -> None:
    """Removes an integration; its rows stay until retention takes them. Raises Refusal (404)."""
    pipeline_id, slug, _ = found(connection, integration_id)
    _record(connection, "remove", integration_id, author, now, slug=slug, publish=publish)
    revisions.edit(connection, pipeline_id, lambda d: d.without(slug), publish=publish, author=author, now=now)


def pause(connection: sqlite3.Connection, integration_id: int, *, author: str, now: int, reason: str = "") -> None:
    """Stops deliveries until a person resumes them; nothing is lost meanwhile. Raises Refusal (404)."""
    found(connection, integration_id)
    _set_health(connection, integration_id, "paused", reason or f"paused by {author}", now)
    _record(connection, "pause", integration_id, author, now, **({"reason": reason} if reason else {}))


def resume(connection: sqlite3.Connection, integration_id: int, *, author: str, now: int) -> None:
    """Lets deliveries go on, whoever or whatever stopped them, if there is its vendor. Raises Refusal (404)."""
    _, slug, item = found(connection, integration_id)
    problems = Problems()
    wanted.catalogued(item.vendor, f"integrations.{slug}", problems)
    reason = wanted.unfit(problems)
    _set_health(connection, integration_id, "misconfigured" if reason else "ok", reason, now)
    _record(connection, "resume", integration_id, author, now)


def note_health(
    connection: sqlite3.Connection, integration_id: int, health: str, reason: str | None, *, now: int
) -> None:
    """What an actor has found out about its vendor. A person's pause is not overruled."""
    connection.execute(
        "update integration set health_since = case health when ?1 then health_since else ?3 end,"
        " health = ?1, health_reason = ?2 where id = ?4 and health <> 'paused'",
        (health, reason, now, integration_id),
    )


def found(connection: sqlite3.Connection, integration_id: int) -> tuple[int, str, Entry]:
    """Pipeline, slug and entry of an integration, of the draft, else of what is live. Raises Refusal (404)."""
    row = connection.execute(
        "select i.pipeline_id, i.slug from integration i join pipeline p on p.id = i.pipeline_id"
        " where i.id = ? and p.deleted_at is null",
        (integration_id,),
    ).fetchone()
    item = revisions.pending(connection, row[0]).integrations.get(row[1]) if row else None
    if item is None or item.id != integration_id:
        raise Refusal(404, "not_found", f"There is no integration {integration_id}. It may have been removed.")
    return row[0], row[1], item


def _moved(before: Mapping[str, Any], after: Any) -> bool:
    """Whether what is sent goes to another address that somebody chose; the vendor's own is no such."""
    new = after if isinstance(after, dict) else {}
    return any(
        isinstance(value, str) and value.strip().lower().startswith(("http:", "https:")) and before.get(name) != value
        for name, value in new.items()
    )


def _kept(item: Entry, patch: Mapping[str, Any], box: Box) -> list[str]:
    """The secrets that a patch leaves as they are, as a whole or in part."""
    given = patch.get("config")
    config = given if isinstance(given, dict) else {}
    return [name for name in box.decrypt(item.secrets) if name not in config or MASK in str(config[name])]


def _check(problems: Problems) -> Callable[[str, Any, str], wanted.Integration | None]:
    return lambda _, value, path: wanted.integration(value, path, problems, resolve=_fresh)


def _fresh(text: str) -> str:
    if text == MASK:
        raise ValueError(f"{MASK} is how a stored secret reads, give the secret itself")
    return secrets.literal(text)


def _given(before: Mapping[str, Any]) -> secrets.Resolve:
    """References are refused, but not in what is stored already: a real secret may happen to begin like one."""
    known: list[str] = []

    def remember(text: str) -> str:
        known.append(text)
        return text

    secrets.walk(dict(before), remember)
    return lambda text: text if text in known else secrets.literal(text)


def _edit(
    connection: sqlite3.Connection, pipeline_id: int, slug: str, item: Entry, *, publish: bool, author: str, now: int
) -> None:
    revisions.edit(connection, pipeline_id, lambda d: d.having(slug, item), publish=publish, author=author, now=now)


def _free(vendor: str, there: Document) -> str:
    names = (vendor if number == 1 else f"{vendor}-{number}" for number in range(1, len(there.integrations) + 2))
    return next(name for name in names if name not in there.integrations)


def _unmasked(patch: Mapping[str, Any]) -> dict[str, Any]:
    config = patch.get("config")
    if not isinstance(config, dict):
        return dict(patch)
    return {**patch, "config": _without_mask(config)}


def _without_mask(value: dict[str, Any]) -> dict[str, Any]:
    kept = {key: item for key, item in value.items() if item != MASK}
    return {key: _without_mask(item) if isinstance(item, dict) else item for key, item in kept.items()}


def _set_health(connection: sqlite3.Connection, integration_id: int, health: str, reason: str | None, now: int) -> None:
    connection.execute(
        "update integration set health = ?, health_reason = ?, health_since = ? where id = ?",
        (health, reason, now, integration_id),
    )


def _record(
    connection: sqlite3.Connection, action: str, integration_id: int | None, author: str, now: int, **detail: Any
) -> None:
    target = f"integration/{integration_id}"
    audit.record(connection, actor=author, action=action, target=target, detail=detail, now=now)
