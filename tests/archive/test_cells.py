"""The laws of cells, against an oracle that looks at everything each time."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from archive import AddStatus, CellStore, TopKArchive
from evolve.testing import Watched

WORTHS = st.sampled_from([-2.0, -1.0, -0.0, 0.0, 1.0, 1.5, 2.0, float("inf"), float("-inf")])


class Laws(RuleBasedStateMachine):
    """Any order of adding, judging again, retracting, saving and loading."""

    capacity = 1

    def __init__(self) -> None:
        super().__init__()
        self.watched = Watched(TopKArchive(capacity=self.capacity, lcb_sds=0.0))
        self.next_key = 0

    @rule(cell=st.integers(0, 2), worth=WORTHS)
    def add(self, cell, worth):
        self.watched.put(self.next_key, cell, worth, 0.0)
        self.next_key += 1

    @precondition(lambda self: self.watched.oracle.added)
    @rule(data=st.data(), worth=WORTHS)
    def judge_again(self, data, worth):
        key = data.draw(st.sampled_from(self.watched.oracle.added))
        self.watched.put(key, self.watched.archive.cells.cell(key), worth, 0.0)

    @precondition(lambda self: self.watched.oracle.added)
    @rule(data=st.data())
    def retract(self, data):
        self.watched.retract(data.draw(st.sampled_from(self.watched.oracle.added)))

    @precondition(lambda self: self.next_key)
    @rule(data=st.data(), cell=st.integers(0, 2), worth=WORTHS)
    def come_back(self, data, cell, worth):
        key = data.draw(st.integers(0, self.next_key - 1))
        if not self.watched.archive.cells.is_known(key):
            self.watched.put(key, cell, worth, 0.0)

    @precondition(lambda self: self.watched.oracle.added)
    @rule(data=st.data())
    def add_twice(self, data):
        cells = self.watched.archive.cells
        key = data.draw(st.sampled_from(self.watched.oracle.added))
        before = cells.dump()
        with pytest.raises(KeyError, match="was added before"):
            cells.add(key, cells.cell(key), 9.0)
        assert cells.dump() == before

    @rule()
    def retract_a_stranger(self):
        self.watched.retract(self.next_key + 1)

    @rule()
    def save_and_load(self):
        cells = self.watched.archive.cells
        state = cells.dump()
        self.watched.archive.cells = CellStore.load(state, capacity=self.capacity)
        assert self.watched.archive.cells.dump() == state

    @invariant()
    def agrees_with_the_oracle(self):
        self.watched.check()


class LawsOfThree(Laws):
    capacity = 3


TestOneOccupant = Laws.TestCase
TestThreeOccupants = LawsOfThree.TestCase
TestOneOccupant.settings = TestThreeOccupants.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_both_halves_of_a_loaded_copy_go_the_same_way():
    cells = CellStore(capacity=2)
    for key in range(60):
        cells.add(key, key % 3, float(key * 7 % 11))
        if key % 4 == 0:
            cells.update(key, float(key % 5))
    twin = CellStore.load(cells.dump(), capacity=2)
    for key in range(0, 60, 2):
        assert cells.retract(key) == twin.retract(key)
        assert cells.update(key + 1, 3.0) == twin.update(key + 1, 3.0)
        assert cells.elites == twin.elites
    assert cells.dump() == twin.dump()


def test_a_bench_does_not_grow_with_updates():
    cells = CellStore()
    for key in range(100):
        cells.add(key, 0, float(key))
    for step in range(20_000):
        cells.update(step * 37 % 100, float(step * 13 % 1009))
    assert sum(map(len, cells._reserve.values())) <= 512


def test_entries_left_behind_by_a_key_that_came_back_elsewhere_are_not_promoted():
    cells = CellStore()
    cells.add(1, 0, 1.0)
    cells.add(2, 0, 1.0)  # bench of cell 0
    cells.retract(2)
    cells.add(3, 5, 2.0)
    cells.add(2, 5, 1.0)  # bench of cell 5, worth as much as before
    cells.retract(1)
    assert cells.occupants(0) == ()
    assert cells.occupants(5) == (3,)


def test_statuses_are_ordered_and_truthy_when_something_changed():
    assert not AddStatus.NOT_ADDED
    assert AddStatus.NOT_ADDED < AddStatus.IMPROVED < AddStatus.NEW


@pytest.mark.parametrize("capacity", [0, -1])
def test_no_place_at_all_is_an_error(capacity):
    with pytest.raises(ValueError, match="at least one occupant"):
        CellStore(capacity=capacity)


@pytest.mark.parametrize("ask", ["cell", "value"])
def test_asking_for_a_stranger_is_an_error(ask):
    with pytest.raises(KeyError):
        getattr(CellStore(), ask)(7)


def test_judging_a_stranger_again_is_an_error():
    with pytest.raises(KeyError):
        CellStore().update(7, 1.0)
