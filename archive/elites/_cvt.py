"""CVT-MAP-Elites: as many cells as are asked for, whatever the number of axes, of about equal size.

References:
    Vassiliades, Chatzilygeroudis and Mouret 2018, https://arxiv.org/abs/1610.05729
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, cast

import numpy as np

from archive.elites._archive import CellArchive, Descriptors
from archive.elites._box import Box, check_axes
from archive.records._values import Axis

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

_SAMPLES, _SAMPLES_PER_CELL = 10_000, 25
_ROUNDS = 20  # of k-means; what they still move is small beside a cell


@lru_cache(maxsize=4)  # islands have the same
def centroids(n_cells: int, n_axes: int, seed: int) -> np.ndarray:
    """(n_cells, n_axes) points of the unit box, each in the middle of what is nearest to it: k-means on uniform samples.

    Lloyd's steps in a fixed order of additions, so that one seed gives one set of cells wherever it is computed.
    """
    from scipy.spatial import cKDTree  # takes a while to import, and only those with such an archive need it

    samples = np.random.Generator(np.random.Philox(seed)).random((max(_SAMPLES, _SAMPLES_PER_CELL * n_cells), n_axes))
    points = samples[:n_cells].copy()
    for _ in range(_ROUNDS):
        owner = cKDTree(points).query(samples)[1]
        counts = np.bincount(owner, minlength=n_cells)
        sums = np.stack([np.bincount(owner, weights=column, minlength=n_cells) for column in samples.T], axis=1)
        moved = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], points)
        if np.array_equal(moved, points):
            break
        points = moved
    return points


class CVTArchive(CellArchive):
    """Elites of the cells of a centroidal Voronoi tessellation: a candidate stands in the cell of the nearest centroid.

    Args:
        axes: One entry a descriptor; values outside an axis are clipped to its range.  Their bins mean nothing here.
        n_cells: Number of cells.
        seed: Of the samples that the cells are made from.
        capacity: Most occupants of one cell.
        lcb_sds: A candidate is worth its posterior mean less this many posterior standard deviations.
        space: Version of the descriptor space; ``rebin`` counts it up.

    Raises:
        ValueError: fewer than one cell, no axes, or one that has no range.

    The centroids are found when the first candidate comes.  A cell is found in O(log n_cells).  Deterministic; not safe to share
    between threads.
    """

    def __init__(
        self, *, axes: Sequence[Axis], n_cells: int, seed: int, capacity: int = 1, lcb_sds: float = 1.0, space: int = 1
    ) -> None:
        check_axes(axes, "a tessellation")
        if n_cells < 1:
            raise ValueError(f"n_cells is {n_cells} but a tessellation has at least one; pass n_cells >= 1.")
        super().__init__(n_cells=n_cells, capacity=capacity, lcb_sds=lcb_sds, space=space)
        self.axes, self.seed = tuple(axes), seed
        self._box = Box(axes)
        self._centroids: np.ndarray | None = None
        self._tree: cKDTree | None = None

    @property
    def centroids(self) -> np.ndarray:
        """(n_cells, n_axes), each axis running from 0 to 1."""
        if self._centroids is None:
            self._centroids = centroids(self.n_cells, len(self.axes), self.seed)
        return self._centroids

    def cell_of(self, descriptors: Descriptors) -> int:
        """The cell of the nearest centroid.

        Raises:
            KeyError: an axis has no value.
            ValueError: a value is NaN or infinite.
        """
        place = self._box.place(descriptors, clipped=True)
        if self._tree is None:
            from scipy.spatial import cKDTree

            self._tree = cKDTree(self.centroids)
        return int(self._tree.query(place)[1])

    def rebin(self, axes: Sequence[Axis], descriptors_of: Callable[[int], Descriptors]) -> CVTArchive:
        """The same candidates judged again in order of arrival, the same cells over other ranges."""
        other = CVTArchive(
            axes=axes,
            n_cells=self.n_cells,
            seed=self.seed,
            capacity=self.cells.capacity,
            lcb_sds=self.lcb_sds,
            space=self.space + 1,
        )
        if len(other.axes) == len(self.axes):
            other._centroids = self._centroids
        return self._judged_again(other, descriptors_of)

    def dump(self) -> Mapping[str, object]:
        """The state, for a checkpoint: with the centroids, which need not be found again."""
        return {**super().dump(), "axes": self.axes, "centroids": self.centroids}

    def load(self, state: Mapping[str, object]) -> None:
        """Take the state of ``dump``."""
        self.axes = cast("tuple[Axis, ...]", state["axes"])
        self._box, self._tree = Box(self.axes), None
        self._centroids = cast(np.ndarray, state["centroids"])
        super().load(state)
