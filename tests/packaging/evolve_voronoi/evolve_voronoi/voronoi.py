"""An archive: a candidate stands in the cell of the nearest of 64 points."""

import numpy as np

from archive import CellArchive


class Voronoi(CellArchive):
    def __init__(self, *, axes, capacity, elites_per_cell):
        if not axes:
            raise ValueError("it needs descriptors, and the problem has none; type search.archive=topk")
        super().__init__(n_cells=64, capacity=elites_per_cell)
        self.axes = axes
        self.points = np.random.default_rng(0).random((self.n_cells, len(axes)))

    def cell_of(self, descriptors):
        shares = [(descriptors[axis.name] - axis.low) / (axis.high - axis.low) for axis in self.axes]
        return int(np.square(self.points - np.clip(shares, 0.0, 1.0)).sum(axis=1).argmin())
