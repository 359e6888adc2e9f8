"""An archive without descriptors: the best ``keep`` of all."""

from __future__ import annotations

from collections.abc import Mapping

from archive.elites._cells import Added, Cells


class FlatArchive:
    """The best ``keep`` candidates, in one cell.  See ``GridArchive`` for the meaning of the arguments."""

    def __init__(self, *, keep: int = 32, caution: float = 1.0) -> None:
        self.cells = Cells(keep=keep)
        self.caution = caution
        self.space = 1
        self.n_cells = 1

    def cell_of(self, descriptors: Mapping[str, float]) -> int:
        """Always cell 0."""
        return 0

    def worth(self, mean: float, sd: float) -> float:
        """Lower bound of a posterior."""
        return mean - self.caution * sd

    def would_enter(self, cell: int, mean: float, sd: float) -> bool:
        """Whether a posterior like this would take a place now."""
        return self.cells.would_enter(cell, self.worth(mean, sd))

    def put(self, key: int, cell: int, mean: float, sd: float) -> Added:
        """Add ``key``, or judge it again if it is known."""
        worth = self.worth(mean, sd)
        return self.cells.update(key, worth) if self.cells.knows(key) else self.cells.add(key, cell, worth)

    def retract(self, key: int) -> Added:
        """Forget ``key`` and promote the next best."""
        return self.cells.retract(key)
