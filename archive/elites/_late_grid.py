"""An archive that has one cell until axes are put in force: from then on a grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from archive.elites._archive import CellArchive, Descriptors
from archive.elites._grid import GridArchive
from archive.records._values import Axis


class LateGridArchive(CellArchive):
    """The best of all, and after ``rebin`` elites of a grid.

    Args:
        capacity: Most occupants while there is one cell.
        elites_per_cell: Most occupants of one cell of the grid.
        axes: None at first.
        lcb_sds: A candidate is worth its posterior mean less this many posterior standard deviations.
        space: Version of the descriptor space; ``rebin`` counts it up.

    A candidate without a descriptor stands at the low end of its axis.
    """

    def __init__(
        self, *, capacity: int, elites_per_cell: int = 1, axes: Sequence[Axis] = (), lcb_sds: float = 1.0, space: int = 1
    ) -> None:
        self._grid = GridArchive(axes=axes) if axes else None
        n_cells, held = (self._grid.n_cells, elites_per_cell) if self._grid else (1, capacity)
        super().__init__(n_cells=n_cells, capacity=held, lcb_sds=lcb_sds, space=space)
        self.axes, self._capacity, self._elites_per_cell = tuple(axes), capacity, elites_per_cell

    def cell_of(self, descriptors: Descriptors) -> int:
        """0, or the cell of the grid.

        Raises:
            ValueError: a value is NaN or infinite.
        """
        return self._grid.cell_of({axis.name: axis.low for axis in self.axes} | dict(descriptors)) if self._grid else 0

    def rebin(self, axes: Sequence[Axis], descriptors_of: Callable[[int], Descriptors]) -> LateGridArchive:
        """The same candidates judged again in order of arrival, on these axes."""
        other = LateGridArchive(
            capacity=self._capacity,
            elites_per_cell=self._elites_per_cell,
            axes=axes,
            lcb_sds=self.lcb_sds,
            space=self.space + 1,
        )
        return self._judged_again(other, descriptors_of)

    def dump(self) -> Mapping[str, object]:
        """The state, for a checkpoint."""
        return {**super().dump(), "axes": self.axes}

    def load(self, state: Mapping[str, object]) -> None:
        """Take the state of ``dump``."""
        axes = cast("tuple[Axis, ...]", state["axes"])
        held, per_cell = self._capacity, self._elites_per_cell
        LateGridArchive.__init__(self, capacity=held, elites_per_cell=per_cell, axes=axes, lcb_sds=self.lcb_sds)
        super().load(state)
