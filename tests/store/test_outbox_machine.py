"""The outbox against a model: whatever happens in whatever order, nothing is lost, doubled, overtaken or stuck."""

from collections import defaultdict
from dataclasses import dataclass

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from signal_actor import identity
from signal_actor.store import letters, outbox
from signal_actor.store.letters import Filter
from signal_actor.store.outbox import Leased
from tests import stage

INTEGRATIONS = (1, 2)
VISITORS = st.sampled_from(["ann", "bob", "cy"])
STATES = st.sampled_from(["done", "done", "skipped", "dead", "pending", "pending", "snoozed"])
FINAL = {"done", "skipped", "dead"}


@dataclass
class Row:
    """What the model knows of a delivery."""

    visitor: int
    state: str
    due_at: int | None
    attempts: int = 0
    lease: int | None = None
    sent_after_done: bool = False


class Outbox(RuleBasedStateMachine):
    """Accepting, leasing, settling, crashing, replaying, discarding, jumping clocks, integrations that come and go."""

    @initialize()
    def open(self) -> None:
        self.connection = stage.in_memory()
        stage.add_pipeline(self.connection)
        for key in INTEGRATIONS:
            stage.add_integration(self.connection, key)
        self.now = stage.NOW
        self.model: dict[tuple[int, int], Row] = {}
        self.enabled = set(INTEGRATIONS)
        self.open_leases: dict[int, tuple[int, list[Leased]]] = {}
        self.closed_leases: list[tuple[int, int, list[Leased]]] = []
        self.names = 0
        self.last_id = 0

    def teardown(self) -> None:
        if hasattr(self, "connection"):
            self.drain()
            self.connection.close()

    # What happens ------------------------------------------------------------------------------------------------

    @rule(visitors=st.lists(VISITORS, min_size=1, max_size=4), again=st.booleans())
    def accept(self, visitors: list[str], again: bool) -> None:
        batch = []
        for visitor in visitors:
            self.names += 1
            batch.append(stage.track(f"m{self.names}", visitor))
        new = len(batch)
        if again:  # the same messages a second time, in the same call
            batch += [dict(event) for event in batch]
        assert stage.accept(self.connection, *batch, now=self.now) == new
        ids = [
            row[0] for row in self.connection.execute("select id from event where id > ? order by id", (self.last_id,))
        ]
        assert len(ids) == new
        for event_id, event in zip(ids, batch, strict=False):
            for key in self.enabled:
                self.model[event_id, key] = Row(identity.order_key(event), "pending", self.now)
        self.last_id = ids[-1]

    @rule(key=st.sampled_from(INTEGRATIONS), heads=st.integers(1, 3), more=st.integers(0, 3))
    def lease(self, key: int, heads: int, more: int) -> None:
        number = len(self.open_leases) + len(self.closed_leases) + 1
        before = self.chains(key)
        leased = outbox.lease(
            self.connection, key, lease=number, now=self.now, until=self.now + 70_000, heads=heads, items=heads + more
        )
        assert len(leased) <= heads + more
        assert [row.event_id for row in leased] == sorted(row.event_id for row in leased)
        taken = defaultdict(list)
        for row in leased:
            model = self.model[row.event_id, key]
            assert model.state == "pending", "leased twice, or after its end"
            assert model.due_at is not None and model.due_at <= self.now, "leased before it was due"
            assert row.attempts == model.attempts + 1
            taken[row.visitor].append(row.event_id)
        assert len(taken) <= heads
        for visitor, ids in taken.items():
            chain = before[visitor]
            assert all(self.model[event_id, key].state == "pending" for event_id in chain), "two leases of one visitor"
            assert ids == chain[: len(ids)], "somebody was overtaken"
        if len(leased) < heads:  # then everybody who could go went
            for visitor, chain in before.items():
                first = self.model[chain[0], key]
                free = all(self.model[event_id, key].state == "pending" for event_id in chain)
                assert not free or first.due_at > self.now or visitor in taken, "a due head was passed over"
        for row in leased:
            model = self.model[row.event_id, key]
            model.state, model.lease, model.due_at = "leased", number, self.now + 70_000
            model.attempts += 1
        if leased:
            self.open_leases[number] = (key, list(leased))

    @precondition(lambda self: self.open_leases)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.open_leases)), label="lease")
        key, held = self.open_leases[number]
        count = data.draw(st.integers(1, len(held)), label="how many")
        part, rest = held[:count], held[count:]
        settlements = []
        for row in part:
            state = data.draw(STATES, label="outcome")
            wait = data.draw(st.sampled_from([0, 1_000, 3_600_000]), label="wait")
            give_back = state == "snoozed"
            due_at = self.now if give_back else self.now + wait
            state = "pending" if give_back else state
            settlements.append(stage.settlement(row, state, now=self.now, due_at=due_at, give_back=give_back))
            model = self.model[row.event_id, key]
            model.state, model.lease = state, None
            model.due_at = due_at if state == "pending" else None
            model.attempts -= give_back
        self._settle(key, number, settlements)
        if rest:
            self.open_leases[number] = (key, rest)
        else:
            del self.open_leases[number]
        self.closed_leases.append((number, key, part))

    @precondition(lambda self: self.closed_leases)
    @rule(data=st.data(), state=st.sampled_from(["done", "dead", "pending"]))
    def settle_too_late(self, data: st.DataObject, state: str) -> None:
        number, key, part = data.draw(st.sampled_from(self.closed_leases), label="lease")
        self._settle(key, number, [stage.settlement(row, state, now=self.now, due_at=self.now) for row in part])

    def _settle(self, key: int, number: int, settlements: list[outbox.Settlement]) -> None:
        outbox.settle(
            self.connection, key, lease=number, settlements=settlements, attempt=None, health=None, now=self.now
        )

    @precondition(lambda self: self.open_leases)
    @rule(only=st.sampled_from([None, *INTEGRATIONS]))
    def crash(self, only: int | None) -> None:
        """The process ends, or one actor does, with leases in hand."""
        lost = {n: (key, held) for n, (key, held) in self.open_leases.items() if only in (None, key)}
        released = outbox.recover(self.connection, now=self.now, integration_id=only)
        assert released == sum(len(held) for _, held in lost.values())
        for number, (key, held) in lost.items():
            del self.open_leases[number]
            self.closed_leases.append((number, key, held))
            for row in held:
                model = self.model[row.event_id, key]
                model.state, model.lease, model.due_at = "pending", None, self.now

    @precondition(lambda self: self.open_leases)
    @rule(data=st.data())
    def extend(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.open_leases)), label="lease")
        key, held = self.open_leases[number]
        outbox.extend(self.connection, key, lease=number, until=self.now + 90_000)
        for row in held:
            self.model[row.event_id, key].due_at = self.now + 90_000

    @rule(data=st.data(), state=st.sampled_from(letters.REPLAYABLE))
    def replay(self, data: st.DataObject, state: str) -> None:
        chosen = self._choose(data, state)
        count = letters.replay(self.connection, Filter(state=state, event_ids=chosen), author="ann", now=self.now)
        assert count == self._change(chosen, state, "pending", self.now)

    @rule(data=st.data(), state=st.sampled_from(letters.DISCARDABLE))
    def discard(self, data: st.DataObject, state: str) -> None:
        chosen = self._choose(data, state)
        count = letters.discard(self.connection, Filter(state=state, event_ids=chosen), author="ann", now=self.now)
        assert count == self._change(chosen, state, "skipped", None)

    def _choose(self, data: st.DataObject, state: str) -> tuple[int, ...]:
        candidates = sorted({event_id for (event_id, _), row in self.model.items() if row.state == state})
        if not candidates:
            return ()
        return tuple(data.draw(st.lists(st.sampled_from(candidates), unique=True, max_size=3), label="events"))

    def _change(self, chosen: tuple[int, ...], before: str, after: str, due_at: int | None) -> int:
        changed = 0
        for (event_id, _), row in self.model.items():
            if event_id in chosen and row.state == before:
                row.state, row.due_at = after, due_at
                row.attempts = 0 if after == "pending" else row.attempts
                changed += 1
        return changed

    @rule(by=st.sampled_from([1, 500, 5_000, 3_600_000, 90_000_000]))
    def clock_goes_on(self, by: int) -> None:
        self.now += by

    @rule(by=st.sampled_from([1, 5_000, 90_000_000]))
    def clock_is_set_back(self, by: int) -> None:
        self.now -= by

    @rule()
    def due_times_are_pulled_in(self) -> None:
        latest = self.now + 3_600_000
        outbox.pull_in(self.connection, latest_due=latest)
        heads = self.connection.execute(
            "select event_id, integration_id from delivery where state = 'pending' and behind = 0"
        ).fetchall()
        for place in heads:
            self.model[place].due_at = min(self.model[place].due_at, latest)

    @rule(key=st.sampled_from(INTEGRATIONS))
    def integration_goes_or_comes_back(self, key: int) -> None:
        self.enabled ^= {key}
        self.connection.execute("update integration set enabled = ? where id = ?", (key in self.enabled, key))

    # What always holds -------------------------------------------------------------------------------------------

    @invariant()
    def the_model_is_right(self) -> None:
        found = self.connection.execute(
            "select event_id, integration_id, visitor, state, due_at, attempts, lease, finished_at is null"
            " from delivery"
        ).fetchall()
        assert {(row[0], row[1]) for row in found} == self.model.keys(), "a delivery was lost or made up"
        for event_id, key, visitor, state, due_at, attempts, lease, unfinished in found:
            row = self.model[event_id, key]
            assert (visitor, state, due_at, attempts, lease) == (
                row.visitor,
                row.state,
                row.due_at,
                row.attempts,
                row.lease,
            )
            assert unfinished == (state not in FINAL)

    @invariant()
    def every_visitor_has_a_head_or_something_in_flight(self) -> None:
        heads = set(
            self.connection.execute(
                "select event_id, integration_id from delivery where state = 'pending' and not behind"
            )
        )
        expected = set()
        for key in INTEGRATIONS:
            for chain in self.chains(key).values():
                states = {self.model[event_id, key].state for event_id in chain}
                leases = {self.model[event_id, key].lease for event_id in chain} - {None}
                assert len(leases) <= 1, "a visitor is in two hands"
                if "leased" not in states:
                    expected.add((chain[0], key))
        assert heads == expected

    @invariant()
    def the_next_due_time_is_that_of_the_heads(self) -> None:
        for key in INTEGRATIONS:
            due = [
                self.model[chain[0], key].due_at
                for chain in self.chains(key).values()
                if all(self.model[event_id, key].state == "pending" for event_id in chain)
            ]
            assert outbox.next_due(self.connection, key) == min(due, default=None)

    def chains(self, key: int) -> dict[int, list[int]]:
        """What every visitor still has open with an integration, in order of acceptance."""
        found: dict[int, list[int]] = defaultdict(list)
        for (event_id, owner), row in sorted(self.model.items()):
            if owner == key and row.state not in FINAL:
                found[row.visitor].append(event_id)
        return found

    def drain(self) -> None:
        """In the end everything comes to its end, each visitor's events in order."""
        outbox.recover(self.connection, now=self.now)
        far = max([self.now, *(row.due_at for row in self.model.values() if row.due_at)])
        finished: dict[tuple[int, int], list[int]] = defaultdict(list)
        for number in range(10_000, 10_000 + 2 * len(self.model)):
            for key in INTEGRATIONS:
                leased = outbox.lease(self.connection, key, lease=number, now=far, until=far, heads=2, items=3)
                for row in leased:
                    finished[key, row.visitor].append(row.event_id)
                self._settle(key, number, [stage.settlement(row, now=far) for row in leased])
        assert all(ids == sorted(ids) for ids in finished.values())
        stuck = self.connection.execute("select count(*) from delivery where finished_at is null").fetchone()[0]
        assert stuck == 0, "something is stuck for ever"


TestOutbox = Outbox.TestCase
TestOutbox.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
