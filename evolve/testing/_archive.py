"""The contract every archive keeps, as tests.

    class TestMine(ArchiveContract):
        @pytest.fixture
        def make(self):
            return lambda *, capacity: MyArchive(capacity=capacity)

``make`` gives an empty archive; ``descriptors`` may be overridden where its axes have other names.  The same calls are made of it
and of ``ArchiveOracle``, which holds everything in lists and looks at all of them each time.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping

import numpy as np

from archive import AddResult, AddStatus, Archive
from evolve.runs import _checkpoint

Make = Callable[..., Archive]


class ArchiveOracle:
    """What an archive must do, said as plainly as possible.

    Free places of a cell go to newcomers, taken ones to whoever is strictly worth more than the worst occupant (of equals, the
    latest to take a place).  A free place goes to the best of the bench (of equals, the first that was added).
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.worth: dict[int, float] = {}
        self.cell: dict[int, int] = {}
        self.added: list[int] = []
        self.seated: dict[int, list[int]] = {}  # cell -> keys in the order in which they took a place

    def occupants(self, cell: int) -> list[int]:
        """Best first."""
        return sorted(self.seated.get(cell, ()), key=lambda key: -self.worth[key])

    def bench(self, cell: int) -> list[int]:
        return [key for key in self.added if self.cell[key] == cell and key not in self.seated.get(cell, ())]

    def would_enter(self, cell: int, worth: float) -> bool:
        held = self.occupants(cell)
        return len(held) < self.capacity or worth > self.worth[held[-1]]

    def add(self, key: int, cell: int, worth: float) -> None:
        enters = self.would_enter(cell, worth)
        self.worth[key], self.cell[key] = worth, cell
        self.added.append(key)
        if enters:
            self._seat(key, cell)

    def update(self, key: int, worth: float) -> None:
        cell, changed = self.cell[key], worth != self.worth[key]
        self.worth[key] = worth
        seated = self.seated[cell]
        if not changed:
            return
        if key not in seated:
            if worth > self.worth[self.occupants(cell)[-1]]:
                self._seat(key, cell)
            return
        rival = self._first_of_bench(cell)
        seated.remove(key)
        seated.append(rival if rival is not None and self.worth[rival] > worth else key)

    def retract(self, key: int) -> None:
        cell = self.cell.pop(key)
        self.added.remove(key)
        seated = self.seated[cell]
        if key in seated:
            seated.remove(key)
            rival = self._first_of_bench(cell)
            if rival is not None:
                seated.append(rival)
        del self.worth[key]

    def _seat(self, key: int, cell: int) -> None:
        seated = self.seated.setdefault(cell, [])
        if len(seated) == self.capacity:
            seated.remove(self.occupants(cell)[-1])
        seated.append(key)

    def _first_of_bench(self, cell: int) -> int | None:
        return max(self.bench(cell), key=lambda key: self.worth[key], default=None)  # max keeps the first of equals


class Watched:
    """An archive and its oracle, told the same things; ``check`` compares all that can be seen of them."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.oracle = ArchiveOracle(archive.cells.capacity)
        self.shown: dict[tuple[int, int], int] = {}

    def put(self, key: int, cell: int, mean: float, sd: float) -> None:
        worth = self.archive.value(mean, sd)
        if self.archive.cells.is_known(key):
            self._took(self.archive.add_or_update(key, cell, mean, sd))
            self.oracle.update(key, worth)
            return
        enters = self.archive.would_enter(cell, mean, sd)
        empty = not self.archive.cells.occupants(cell)
        added = self.archive.add_or_update(key, cell, mean, sd)
        assert bool(added) == enters == self.oracle.would_enter(cell, worth)
        assert added.status is (AddStatus.NEW if empty else AddStatus.IMPROVED if enters else AddStatus.NOT_ADDED)
        self._took(added)
        self.oracle.add(key, cell, worth)

    def retract(self, key: int) -> None:
        added = self.archive.retract(key)
        self._took(added)
        if key in self.oracle.worth:
            self.oracle.retract(key)
        else:
            assert not added

    def _took(self, added: AddResult) -> None:
        assert len(added.changes) == bool(added)
        for change in added.changes:
            assert 0 <= change.slot < self.archive.cells.capacity
            if change.key is None:
                del self.shown[change.cell, change.slot]
            else:
                self.shown[change.cell, change.slot] = change.key

    def check(self) -> None:
        cells, oracle = self.archive.cells, self.oracle
        seen = {(cell, rank): key for cell, rank, key in cells.items()}
        assert seen == self.shown
        assert len(seen) == len(cells) == len(cells.elites)
        assert set(cells.elites) == set(seen.values())
        assert cells.n_filled == len({cell for cell, _ in seen})
        assert dict(cells.placed_cells()) == oracle.cell
        for cell in {*oracle.cell.values(), *oracle.seated}:
            held, bench = cells.occupants(cell), oracle.bench(cell)
            assert list(held) == oracle.occupants(cell)
            assert len(held) == min(cells.capacity, len(held) + len(bench))
            assert all(cells.value(key) == oracle.worth[key] for key in (*held, *bench))
            if bench:  # an elite is never worse than anything else known in its cell
                assert min(map(cells.value, held)) >= max(map(cells.value, bench))
            assert not any(key in cells for key in bench)


class ArchiveContract:
    """Subclass it and provide the fixture ``make``."""

    def descriptors(self, value: float) -> Mapping[str, float]:
        """Descriptors of a candidate that stands at ``value``, between 0 and 1, on every axis."""
        return {"x": value, "y": value}

    def test_whatever_the_order_it_agrees_with_the_oracle(self, make: Make) -> None:
        for seed, capacity in enumerate((1, 1, 2, 5)):
            rng = random.Random(seed)
            watched = Watched(make(capacity=capacity))
            for step in range(400):
                key = rng.randrange(60)
                known = watched.archive.cells.is_known(key)
                if rng.random() < 0.25:
                    watched.retract(key)
                else:
                    cell = watched.archive.cells.cell(key) if known else self._a_cell(watched.archive, rng)
                    watched.put(key, cell, float(rng.randrange(6)), rng.choice((0.0, 0.5)))
                if step % 20 == 0:
                    watched.check()
            watched.check()

    def test_adding_twice_changes_nothing(self, make: Make) -> None:
        archive = make(capacity=2)
        cell = archive.cell_of(self.descriptors(0.5))
        assert archive.add_or_update(1, cell, 1.0, 0.1)
        before = archive.cells.dump()
        assert not archive.add_or_update(1, cell, 1.0, 0.1)
        assert archive.cells.dump() == before

    def test_a_tie_keeps_the_incumbent(self, make: Make) -> None:
        archive = make(capacity=1)
        cell = archive.cell_of(self.descriptors(0.5))
        archive.add_or_update(1, cell, 1.0, 0.0)
        assert not archive.add_or_update(2, cell, 1.0, 0.0)
        archive.add_or_update(3, cell, 2.0, 0.0)
        assert not archive.add_or_update(3, cell, 1.0, 0.0)
        assert archive.cells.occupants(cell) == (3,)

    def test_uncertainty_counts_against_a_candidate(self, make: Make) -> None:
        archive = make(capacity=1)
        cell = archive.cell_of(self.descriptors(0.5))
        archive.add_or_update(1, cell, 1.0, 0.0)
        assert not archive.would_enter(cell, 1.5, 2.0)
        assert archive.would_enter(cell, 1.5, 0.1)

    def test_retraction_promotes_the_next_best(self, make: Make) -> None:
        archive = make(capacity=1)
        cell = archive.cell_of(self.descriptors(0.5))
        for key, mean in enumerate((1.0, 3.0, 2.0, -5.0)):
            archive.add_or_update(key, cell, mean, 0.0)
        for expected in (2, 0, 3):
            archive.retract(archive.cells.occupants(cell)[0])
            assert archive.cells.occupants(cell) == (expected,)
        archive.retract(3)
        assert archive.cells.occupants(cell) == ()
        assert archive.cells.n_filled == 0

    def test_it_is_all_that_a_search_asks_for(self, make: Make) -> None:
        archive = make(capacity=1)
        assert isinstance(archive, Archive)
        rng = random.Random(0)
        for _ in range(100):
            cell = self._a_cell(archive, rng)
            assert type(cell) is int
            assert 0 <= cell < archive.n_cells

    def test_a_checkpoint_keeps_it_whole(self, make: Make) -> None:
        rng, archive = random.Random(1), make(capacity=2)
        for key in range(60):
            archive.add_or_update(key, self._a_cell(archive, rng), float(rng.randrange(9)), 0.5)
        for key in range(0, 60, 7):
            archive.retract(key)
        arrays: list[np.ndarray] = []
        text = json.dumps(_checkpoint.encoded(archive.dump(), arrays))
        again = make(capacity=2)
        again.load(_checkpoint.decoded(json.loads(text), arrays))
        for key in range(60, 90):
            cell = self._a_cell(archive, rng)
            assert again.add_or_update(key, cell, float(key % 9), 0.0) == archive.add_or_update(key, cell, float(key % 9), 0.0)
        assert again.cells.dump() == archive.cells.dump()
        assert again.space == archive.space

    def test_a_worth_that_is_no_number_is_refused(self, make: Make) -> None:
        archive = make(capacity=1)
        cell = archive.cell_of(self.descriptors(0.5))
        before = archive.cells.dump()
        for mean, sd in ((float("nan"), 0.0), (1.0, float("nan"))):
            try:
                archive.add_or_update(1, cell, mean, sd)
            except ValueError:
                continue
            raise AssertionError("a NaN entered the archive")
        assert archive.cells.dump() == before

    def _a_cell(self, archive: Archive, rng: random.Random) -> int:
        return archive.cell_of(self.descriptors(rng.random()))
