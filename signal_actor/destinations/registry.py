"""Registry: the destinations there are: the built-in ones by name, and those of other packages by entry point.

A package adds its own with an entry point of the group `signal_actor.destinations` that is a `Destination`.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any

from signal_actor import mapping
from signal_actor.destinations.base import Destination
from signal_actor.destinations.insider import INSIDER
from signal_actor.destinations.ninetailed import NINETAILED
from signal_actor.destinations.ometria import OMETRIA
from signal_actor.destinations.webhook import WEBHOOK
from signal_actor.errors import UsageError

GROUP = "signal_actor.destinations"

BUILT_IN: tuple[Destination[Any], ...] = (NINETAILED, INSIDER, OMETRIA, WEBHOOK)


@cache
def destinations() -> Mapping[str, Destination[Any]]:
    """All destinations by slug, loaded once: when the process starts, not when this module is imported."""
    return load()


def load(entries: Iterable[EntryPoint] | None = None) -> Mapping[str, Destination[Any]]:
    """All destinations by slug. Raises UsageError for one that cannot be loaded, is none, or takes another's slug."""
    found = {destination.slug: destination for destination in BUILT_IN}
    for entry in entry_points(group=GROUP) if entries is None else entries:
        origin = f"destination {entry.name!r} of package {entry.dist.name if entry.dist else entry.value!r}"
        destination = _load(entry, origin)
        if destination.slug in found:
            raise UsageError(f"{origin}: the slug {destination.slug!r} is taken; remove one of the two packages")
        found[destination.slug] = destination
    return MappingProxyType(found)


def _load(entry: EntryPoint, origin: str) -> Destination[Any]:
    try:
        destination = entry.load()
    except Exception as problem:  # whatever a stranger's module raises must not look like our own failure
        raise UsageError(f"{origin}: cannot be loaded ({problem!r}); mend or remove the package") from problem
    if not isinstance(destination, Destination):
        raise UsageError(f"{origin}: {entry.value} is no Destination; point the entry at one")
    for variant, document in destination.variants.items():
        if problems := mapping.check(document):
            raise UsageError(f"{origin}: variant {variant!r}: {'; '.join(problems)}")
    if "default" not in destination.variants:
        raise UsageError(f"{origin}: has no variant 'default'")
    return destination
