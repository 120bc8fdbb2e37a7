"""Batching: which leased events go to the vendor together, within its limits and each visitor's order."""

from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from signal_actor.delivery.rules import TRIES_IN_COMPANY


class Bounds(Protocol):
    """What one request may hold; None means no such rule. `destinations.base.Limits` is one."""

    @property
    def items(self) -> int: ...
    @property
    def body_bytes(self) -> int | None: ...
    @property
    def identifies(self) -> int | None: ...
    @property
    def visitors(self) -> int | None: ...


K = TypeVar("K")


class Parcel(NamedTuple, Generic[K]):
    """One prepared event. `key` is the caller's own handle on it; `size` is in bytes of JSON."""

    key: K
    payload: Any
    visitor: int
    size: int
    identify: bool
    attempts: int


FRAME = 512  # bytes that a vendor's envelope adds around the payloads
COMMA = 1


def batches(parcels: Sequence[Parcel[K]], limits: Bounds) -> list[list[Parcel[K]]]:
    """Cuts parcels, in order of acceptance, into batches that are sent one after the other.

    A batch is closed as soon as the next parcel does not fit, so that order needs no further thought. An event that
    failed often enough in company goes alone: it may be what fails the others.
    """
    found: list[list[Parcel[K]]] = []
    load = _Load(limits)
    for parcel in parcels:
        if not found or not load.takes(parcel):
            found.append([])
            load = _Load(limits)
        load.add(parcel)
        found[-1].append(parcel)
    return found


def halves(batch: list[Parcel[K]]) -> list[list[Parcel[K]]]:
    """A refused batch in two, in order; a few rounds of it leave the offending events alone."""
    middle = len(batch) // 2
    return [batch[:middle], batch[middle:]]


class _Load:
    """What a batch holds so far, against the limits."""

    def __init__(self, limits: Bounds) -> None:
        self.limits = limits
        self.items = 0
        self.bytes = FRAME
        self.identifies = 0
        self.visitors: set[int] = set()
        self.closed = False

    def takes(self, parcel: Parcel[Any]) -> bool:
        limits = self.limits
        return not (
            self.closed
            or (self.items and parcel.attempts > TRIES_IN_COMPANY)
            or self.items >= limits.items
            or (limits.body_bytes is not None and self.bytes + parcel.size > limits.body_bytes)
            or (limits.identifies is not None and parcel.identify and self.identifies >= limits.identifies)
            or (
                limits.visitors is not None
                and len(self.visitors) >= limits.visitors
                and parcel.visitor not in self.visitors
            )
        )

    def add(self, parcel: Parcel[Any]) -> None:
        self.items += 1
        self.bytes += parcel.size + COMMA
        self.identifies += parcel.identify
        self.visitors.add(parcel.visitor)
        self.closed = parcel.attempts > TRIES_IN_COMPANY
