"""An unstructured archive: who is far enough from everyone founds a cell of its own, others compete with whoever is nearest.

References:
    Lehman and Stanley 2011, https://doi.org/10.1162/EVCO_a_00025 (novelty as the mean distance to the nearest neighbours), and
    https://doi.org/10.1145/2001576.2001606 (competition among those that are near)
    ``ProximityArchive`` of pyribs, https://docs.pyribs.org/en/stable/api/ribs.archives.ProximityArchive.html
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np

from archive.elites._archive import CellArchive, Descriptors
from archive.elites._box import Box, check_axes
from archive.elites._nearest import NearestPoints
from archive.records._values import Axis


class NoveltyArchive(CellArchive):
    """Elites of cells that candidates found: one whose mean distance to the nearest founders is at least ``distance`` founds the
    next cell, any other stands in the cell of the nearest founder.

    Args:
        axes: One entry a descriptor.  Distances are in ranges of an axis; values beyond it count as they are.  Their bins mean
            nothing here.
        distance: Least novelty of a founder.
        neighbors: How many founders novelty is the mean distance to; with 1 no two founders are nearer than ``distance``.
        capacity: Most occupants of one cell.
        lcb_sds: A candidate is worth its posterior mean less this many posterior standard deviations.
        space: Version of the descriptor space; ``rebin`` counts it up.

    Raises:
        ValueError: no axes, one that has no range, a distance that is no number above 0, fewer than one neighbour.

    There are as many cells as were founded (``n_cells``); one is found in O(log^2) of their number.  Founders stay where they are,
    also when they are retracted.  Deterministic; not safe to share between threads.
    """

    def __init__(
        self,
        *,
        axes: Sequence[Axis],
        distance: float,
        neighbors: int = 1,
        capacity: int = 1,
        lcb_sds: float = 1.0,
        space: int = 1,
    ) -> None:
        check_axes(axes, "an archive by distance")
        if not 0.0 < distance < math.inf:
            raise ValueError(f"distance is {distance}; expected a number above 0.")
        if neighbors < 1:
            raise ValueError(f"neighbors is {neighbors}; expected at least 1.")
        super().__init__(n_cells=0, capacity=capacity, lcb_sds=lcb_sds, space=space)
        self.axes, self.distance, self.neighbors = tuple(axes), distance, neighbors
        self._box, self._founders = Box(axes), NearestPoints(len(axes))

    @property
    def founders(self) -> np.ndarray:
        """(number of cells, n_axes): where each cell was founded, each axis running from 0 to 1."""
        return np.array(self._founders.points, dtype=np.float64).reshape(-1, len(self.axes))

    def cell_of(self, descriptors: Descriptors) -> int:
        """The cell of the nearest founder; or a new one, which is founded by asking.

        Raises:
            KeyError: an axis has no value.
            ValueError: a value is NaN or infinite.
        """
        place = self._box.place(descriptors, clipped=False)
        near = self._founders.nearest(place, self.neighbors)
        if near and (near[0][0] == 0.0 or sum(distance for distance, _ in near) / len(near) < self.distance):
            return near[0][1]
        self._founders.add(place)
        self.n_cells = len(self._founders)
        return self.n_cells - 1

    def rebin(self, axes: Sequence[Axis], descriptors_of: Callable[[int], Descriptors]) -> NoveltyArchive:
        """The same candidates judged again in order of arrival, distances being in ranges of these axes."""
        other = NoveltyArchive(
            axes=axes,
            distance=self.distance,
            neighbors=self.neighbors,
            capacity=self.cells.capacity,
            lcb_sds=self.lcb_sds,
            space=self.space + 1,
        )
        return self._judged_again(other, descriptors_of)

    def dump(self) -> Mapping[str, object]:
        """The state, for a checkpoint."""
        return {**super().dump(), "axes": self.axes, "founders": self.founders}

    def load(self, state: Mapping[str, object]) -> None:
        """Take the state of ``dump``."""
        self.axes = cast("tuple[Axis, ...]", state["axes"])
        self._box, self._founders = Box(self.axes), NearestPoints(len(self.axes))
        for place in cast(np.ndarray, state["founders"]).tolist():
            self._founders.add(place)
        self.n_cells = len(self._founders)
        super().load(state)
