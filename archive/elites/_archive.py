"""What an archive is: it says in which cell a candidate stands and what it is worth; ``CellStore`` says who occupies a cell.

``Archive`` is all that a search asks of one, ``CellArchive`` what archives have in common: one more is a subclass with ``cell_of``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from archive.elites._cells import AddResult, CellsState, CellStore
from archive.records._values import Axis

Descriptors = Mapping[str, float]
Other = TypeVar("Other", bound="CellArchive")


@runtime_checkable
class Archive(Protocol):
    """Elites by cell.  Deterministic: the same calls in the same order leave the same state, in any process.

    Keys are non-negative integers.  ``space`` is the version of the descriptor space, ``n_cells`` how many cells there can be, or
    are where candidates make them.
    """

    cells: CellStore
    space: int
    n_cells: int

    def cell_of(self, descriptors: Descriptors) -> int:
        """The cell of a candidate with these descriptors, below ``n_cells``.  It is asked once for each candidate and space."""

    def value(self, mean: float, sd: float) -> float:
        """What a posterior is worth: occupants are compared by it."""

    def would_enter(self, cell: int, mean: float, sd: float) -> bool:
        """Whether a posterior like this would take a place in ``cell`` now."""

    def add_or_update(self, key: int, cell: int, mean: float, sd: float) -> AddResult:
        """Add ``key`` to ``cell``, or judge it again if it is known (its cell stays)."""

    def retract(self, key: int) -> AddResult:
        """Forget ``key`` and promote the cell's next best."""

    def rebin(self, axes: Sequence[Axis], descriptors_of: Callable[[int], Descriptors]) -> Archive:
        """The same candidates judged again, in order of arrival, on other axes; ``space`` counts up.

        Raises:
            ValueError: this archive has no axes.
        """

    def dump(self) -> Mapping[str, object]:
        """The state, for a checkpoint: numbers, texts, tuples, arrays, axes and what ``CellStore.dump`` gives."""

    def load(self, state: Mapping[str, object]) -> None:
        """Take the state of ``dump``, on an archive that was made with the same arguments."""


class ArchiveMaker(Protocol):
    """Makes an empty archive, for a problem with these axes or with none."""

    def __call__(self, *, axes: Sequence[Axis], capacity: int, elites_per_cell: int) -> Archive:
        """An archive of at most ``capacity`` candidates if it has one cell only, of ``elites_per_cell`` in each if it has several.

        Raises:
            ValueError: there can be none for these axes; the message says why.
        """


class CellArchive:
    """An archive judged by posterior lower bounds, ties keeping the incumbent.  Subclasses say how many cells there are and which
    is whose.

    Args:
        n_cells: Number of cells.
        capacity: Most occupants of one cell.
        lcb_sds: A candidate is worth its posterior mean less this many posterior standard deviations.
        space: Version of the descriptor space.

    Adding is O(1) in the number of cells.  Not safe to share between threads.
    """

    def __init__(self, *, n_cells: int, capacity: int, lcb_sds: float = 1.0, space: int = 1) -> None:
        self.cells = CellStore(capacity=capacity)
        self.n_cells = n_cells
        self.lcb_sds = lcb_sds
        self.space = space

    def cell_of(self, descriptors: Descriptors) -> int:
        """The cell of a candidate with these descriptors."""
        raise NotImplementedError

    def value(self, mean: float, sd: float) -> float:
        """Lower bound of a posterior: what occupants are compared by."""
        return mean - self.lcb_sds * sd

    def would_enter(self, cell: int, mean: float, sd: float) -> bool:
        """Whether a posterior like this would take a place in ``cell`` now."""
        return self.cells.would_enter(cell, self.value(mean, sd))

    def add_or_update(self, key: int, cell: int, mean: float, sd: float) -> AddResult:
        """Add ``key`` to ``cell``, or judge it again if it is known (its cell stays)."""
        worth = self.value(mean, sd)
        return self.cells.update(key, worth) if self.cells.is_known(key) else self.cells.add(key, cell, worth)

    def retract(self, key: int) -> AddResult:
        """Forget ``key`` and promote the cell's next best."""
        return self.cells.retract(key)

    def rebin(self, axes: Sequence[Axis], descriptors_of: Callable[[int], Descriptors]) -> Archive:
        """There are no axes to change, unless a subclass has some.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"{type(self).__name__} has no axes; expected an archive with some.")

    def _judged_again(self, other: Other, descriptors_of: Callable[[int], Descriptors]) -> Other:
        """Everyone who is known here, put into ``other`` in order of arrival."""
        state = self.cells.dump()
        for _, key, worth in sorted(zip(state.orders, state.keys, state.values, strict=True)):
            other.cells.add(key, other.cell_of(descriptors_of(key)), worth)
        return other

    def dump(self) -> Mapping[str, object]:
        """The state, for a checkpoint."""
        return {"space": self.space, "cells": self.cells.dump()}

    def load(self, state: Mapping[str, object]) -> None:
        """Take the state of ``dump``."""
        space, cells = state["space"], state["cells"]
        assert isinstance(space, int)
        assert isinstance(cells, CellsState)
        self.space, self.cells = space, CellStore.load(cells, capacity=self.cells.capacity)
