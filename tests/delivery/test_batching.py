"""What travels together: order is kept, limits are never broken, and nothing is lost."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from signal_actor.delivery.batching import COMMA, FRAME, Parcel, batches, halves
from signal_actor.delivery.rules import TRIES_IN_COMPANY
from signal_actor.destinations.base import Limits

counts = st.none() | st.integers(1, 5)
limits = st.builds(Limits, st.integers(1, 8), st.none() | st.integers(FRAME + 1, FRAME + 400), counts, counts)


@st.composite
def parcels(draw: st.DrawFn) -> list[Parcel[int]]:
    count = draw(st.integers(0, 30))
    return [
        Parcel(
            key=key,
            payload=None,
            visitor=draw(st.integers(1, 5)),
            size=draw(st.integers(2, 200)),
            identify=draw(st.booleans()),
            attempts=draw(st.integers(1, TRIES_IN_COMPANY + 2)),
        )
        for key in range(count)
    ]


def keys(found: Sequence[Sequence[Parcel[Any]]]) -> list[int]:
    return [parcel.key for batch in found for parcel in batch]


def fits(batch: Sequence[Parcel[int]], bounds: Limits) -> bool:
    return (
        len(batch) <= bounds.items
        and (bounds.body_bytes is None or FRAME + sum(p.size + COMMA for p in batch) - COMMA <= bounds.body_bytes)
        and (bounds.identifies is None or sum(p.identify for p in batch) <= bounds.identifies)
        and (bounds.visitors is None or len({p.visitor for p in batch}) <= bounds.visitors)
        and (len(batch) == 1 or all(p.attempts <= TRIES_IN_COMPANY for p in batch))
    )


@given(parcels(), limits)
def test_nothing_is_lost_or_moved(given_parcels: list[Parcel[int]], bounds: Limits) -> None:
    found = batches(given_parcels, bounds)
    assert keys(found) == list(range(len(given_parcels)))
    assert all(found), "no batch is empty"


@given(parcels(), limits)
def test_no_limit_is_ever_broken(given_parcels: list[Parcel[int]], bounds: Limits) -> None:
    for batch in batches(given_parcels, bounds):
        assert fits(batch, bounds) or len(batch) == 1, "what is too large by itself goes alone, and is refused alone"


@given(parcels(), limits)
def test_a_batch_is_closed_only_if_the_next_one_does_not_fit(given_parcels: list[Parcel[int]], bounds: Limits) -> None:
    found = batches(given_parcels, bounds)
    for batch, following in pairwise(found):
        assert not fits([*batch, following[0]], bounds)


@given(parcels())
def test_halves_of_halves_leave_everybody_alone_and_in_order(given_parcels: list[Parcel[int]]) -> None:
    work, alone, requests = [given_parcels] if given_parcels else [], [], 0
    while work:
        batch = work.pop(0)
        requests += 1
        if len(batch) == 1:
            alone.append(batch)
        else:
            assert all(halves(batch)), "no half is empty"
            work = halves(batch) + work
    assert keys(alone) == list(range(len(given_parcels)))
    assert requests <= 2 * len(given_parcels)
