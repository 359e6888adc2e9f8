"""An archive without descriptors: the best ``capacity`` of all."""

from __future__ import annotations

from archive.elites._archive import CellArchive, Descriptors


class TopKArchive(CellArchive):
    """The best ``capacity`` candidates, in one cell.  See ``CellArchive`` for the meaning of the arguments."""

    def __init__(self, *, capacity: int = 32, lcb_sds: float = 1.0) -> None:
        super().__init__(n_cells=1, capacity=capacity, lcb_sds=lcb_sds)

    def cell_of(self, descriptors: Descriptors) -> int:
        """Always cell 0."""
        return 0
