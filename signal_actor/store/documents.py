"""Documents: what a revision of a pipeline holds, and how two of them differ."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from signal_actor import secrets
from signal_actor.live import PipelineSettings
from signal_actor.secrets import Box
from signal_actor.wanted import Integration
from signal_actor.wire import dumps

NOTHING = object()  # where a key is absent; null is a value of its own in a mapping's changes


class Entry(BaseModel):
    """An integration in a document. `secrets` are encrypted."""

    model_config = ConfigDict(frozen=True)

    id: int | None = None  # None: it has no row yet
    name: str
    vendor: str
    variant: str
    enabled: bool
    delivery_mode: str
    consent_categories: tuple[str, ...]
    config: dict[str, Any]
    secrets: str | None = Field(default=None, repr=False)
    delivery: dict[str, Any]
    mappings: dict[str, Any]


class Document(BaseModel):
    """A pipeline, as it was or will be published."""

    model_config = ConfigDict(frozen=True)

    name: str
    settings: PipelineSettings
    integrations: dict[str, Entry] = {}

    def having(self, slug: str, entry: Entry) -> "Document":
        """The document with one integration put in or replaced."""
        return self.model_copy(update={"integrations": {**self.integrations, slug: entry}})

    def without(self, slug: str) -> "Document":
        """The document without one integration."""
        return self.model_copy(update={"integrations": {k: v for k, v in self.integrations.items() if k != slug}})


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a plan: `~ pipelines.shop.rate_limit_rps 1000 -> 500`. Secrets are shown as "changed" only."""

    sign: Literal["+", "~", "-"]
    path: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.sign} {self.path} {self.detail}".rstrip()


def entry(integration: Integration, current: Entry | None, box: Box) -> Entry:
    """A checked integration as an entry that takes the place of `current`: same vendor, same id."""
    config, clear = secrets.split(integration.settings)
    same = current is not None and current.vendor == integration.vendor
    # A fresh encryption of the same secrets would look like a change.
    kept = current is not None and box.decrypt(current.secrets) == clear
    return Entry(
        id=current.id if current is not None and same else None,
        name=integration.name,
        vendor=integration.vendor,
        variant=integration.variant,
        enabled=integration.enabled,
        delivery_mode=integration.delivery_mode,
        consent_categories=integration.consent_categories,
        config=config,
        secrets=current.secrets if current is not None and kept else box.encrypt(clear),
        delivery=dict(integration.delivery),
        mappings=dict(integration.mappings),
    )


def table(item: Entry, clear: dict[str, Any]) -> dict[str, Any]:
    """An entry as it would be written in the configuration file, with these in the place of its secrets."""
    written = item.model_dump(mode="json", exclude={"id", "secrets"})
    return {**written, "config": {**item.config, **clear}}


def diff(old: Document | None, new: Document, path: str, box: Box) -> list[Change]:
    """What `new` changes, one line per key; what is new or gone as a whole is one line."""
    if old is None:
        changes = [Change("+", path, new.name)]
    else:
        before = {"name": old.name, **old.settings.model_dump(mode="json")}
        after = {"name": new.name, **new.settings.model_dump(mode="json")}
        changes = list(lines(before, after, path))
    there = {} if old is None else old.integrations
    for slug, item in new.integrations.items():
        place = f"{path}.integrations.{slug}"
        if slug not in there:
            changes.append(Change("+", place, f"{item.vendor}, {item.variant}"))
        elif item != there[slug]:
            changes += lines(_clear(there[slug], box), _clear(item, box), place)
    gone = [slug for slug in there if slug not in new.integrations]
    return changes + [Change("-", f"{path}.integrations.{slug}", there[slug].vendor) for slug in gone]


def _clear(item: Entry, box: Box) -> dict[str, Any]:
    return table(item, {name: SecretStr(dumps(value)) for name, value in box.decrypt(item.secrets).items()})


def lines(old: Any, new: Any, path: str) -> Iterator[Change]:
    """What differs between two trees of tables, key by key."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*new, *(key for key in old if key not in new)]:
            yield from lines(old.get(key, NOTHING), new.get(key, NOTHING), f"{path}.{key}")
    elif old is NOTHING:
        yield Change("+", path, _shown(new))
    elif new is NOTHING:
        yield Change("-", path, _shown(old))
    elif old != new:
        secret = isinstance(old, SecretStr) or isinstance(new, SecretStr)
        yield Change("~", path, "changed" if secret else f"{_shown(old)} -> {_shown(new)}")


def _shown(value: Any) -> str:
    return "changed" if isinstance(value, SecretStr) else dumps(value)
