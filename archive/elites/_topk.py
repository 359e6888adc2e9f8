"""An archive without descriptors: the best ``keep`` of all."""

from __future__ import annotations

from archive.elites._archive import CellArchive, Descriptors


class FlatArchive(CellArchive):
    """The best ``keep`` candidates, in one cell.  See ``CellArchive`` for the meaning of the arguments."""

    def __init__(self, *, keep: int = 32, caution: float = 1.0) -> None:
        super().__init__(n_cells=1, keep=keep, caution=caution)

    def cell_of(self, descriptors: Descriptors) -> int:
        """Always cell 0."""
        return 0
