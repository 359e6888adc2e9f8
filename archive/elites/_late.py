"""An archive that has one cell until axes are put in force: from then on those of another archive."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from archive.elites._archive import CellArchive, Descriptors
from archive.elites._grid import GridArchive
from archive.records._values import Axis


def _grid(axes: Sequence[Axis]) -> CellArchive:
    return GridArchive(axes=axes)


class LateArchive(CellArchive):
    """The best of all, and after ``rebin`` elites of the cells that another archive has.

    Args:
        capacity: Most occupants while there is one cell.
        elites_per_cell: Most occupants of one cell afterwards.
        axes: None at first.
        cells_over: The archive, still empty, whose cells there are over these axes: a grid, unless said otherwise.
        lcb_sds: A candidate is worth its posterior mean less this many posterior standard deviations.
        space: Version of the descriptor space; ``rebin`` counts it up.

    A candidate without a descriptor stands at the low end of its axis.
    """

    def __init__(
        self,
        *,
        capacity: int,
        elites_per_cell: int = 1,
        axes: Sequence[Axis] = (),
        cells_over: Callable[[Sequence[Axis]], CellArchive] = _grid,
        lcb_sds: float = 1.0,
        space: int = 1,
    ) -> None:
        self._divided = cells_over(axes) if axes else None  # says whose cell is whose, and holds nobody
        n_cells, held = (self._divided.n_cells, elites_per_cell) if self._divided else (1, capacity)
        super().__init__(n_cells=n_cells, capacity=held, lcb_sds=lcb_sds, space=space)
        self.axes, self._capacity, self._elites_per_cell, self._cells_over = tuple(axes), capacity, elites_per_cell, cells_over

    @property
    def divided(self) -> CellArchive | None:
        """The archive whose cells there are; None while there is one cell."""
        return self._divided

    def cell_of(self, descriptors: Descriptors) -> int:
        """0, or the cell that the other archive says.

        Raises:
            ValueError: a value is NaN or infinite.
        """
        if self._divided is None:
            return 0
        cell = self._divided.cell_of({axis.name: axis.low for axis in self.axes} | dict(descriptors))
        self.n_cells = self._divided.n_cells  # candidates may found cells
        return cell

    def rebin(self, axes: Sequence[Axis], descriptors_of: Callable[[int], Descriptors]) -> LateArchive:
        """The same candidates judged again in order of arrival, on these axes."""
        other = LateArchive(
            capacity=self._capacity,
            elites_per_cell=self._elites_per_cell,
            axes=axes,
            cells_over=self._cells_over,
            lcb_sds=self.lcb_sds,
            space=self.space + 1,
        )
        return self._judged_again(other, descriptors_of)

    def dump(self) -> Mapping[str, object]:
        """The state, for a checkpoint."""
        return {**super().dump(), "axes": self.axes, "divided": self._divided.dump() if self._divided else {}}

    def load(self, state: Mapping[str, object]) -> None:
        """Take the state of ``dump``."""
        axes = cast("tuple[Axis, ...]", state["axes"])
        held, per_cell, cells_over = self._capacity, self._elites_per_cell, self._cells_over
        LateArchive.__init__(self, capacity=held, elites_per_cell=per_cell, axes=axes, cells_over=cells_over, lcb_sds=self.lcb_sds)
        if self._divided is not None:
            self._divided.load(cast("Mapping[str, object]", state["divided"]))
            self.n_cells = self._divided.n_cells
        super().load(state)
