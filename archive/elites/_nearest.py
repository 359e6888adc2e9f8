"""The nearest of a growing set of points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

_LOOSE = 64  # points that are looked at one by one, before they become a tree


class NearestPoints:
    """Points in order of arrival, and the nearest of them to a place.

    Trees of doubling sizes (the logarithmic method of Bentley and Saxe 1980, https://doi.org/10.1016/0196-6774(80)90015-2), so a
    point costs O(log^2 n) to add and to look for.  How the points are spread over trees follows from their number alone: the same
    points in the same order give the same answers.
    """

    def __init__(self, n_axes: int) -> None:
        self.points: list[Sequence[float]] = []
        self._trees: list[tuple[int, cKDTree]] = []  # the first point of each, larger trees first
        self._start = 0  # the first point in none
        self._loose = np.empty((_LOOSE, n_axes))

    def __len__(self) -> int:
        return len(self.points)

    def add(self, point: Sequence[float]) -> None:
        """One more."""
        self._loose[len(self.points) - self._start] = point
        self.points.append(point)
        if len(self.points) - self._start == _LOOSE:
            self._grow()

    def nearest(self, place: Sequence[float], k: int) -> list[tuple[float, int]]:
        """Distance and number of the ``k`` nearest, nearest first; of fewer where there are not as many."""
        loose = self._loose[: len(self.points) - self._start] - np.asarray(place)
        distances = np.sqrt(np.square(loose).sum(axis=1)).tolist()
        found = [(distance, self._start + i) for i, distance in enumerate(distances)]
        for start, tree in self._trees:
            near = tree.query(place, k=[*range(1, min(k, tree.n) + 1)])
            found += [(float(distance), start + int(i)) for distance, i in zip(*near, strict=True)]
        return sorted(found)[:k]

    def _grow(self) -> None:
        """The loose points become a tree, together with those that are no larger."""
        from scipy.spatial import cKDTree  # takes a while to import

        start, n = self._start, len(self.points)
        while self._trees and self._trees[-1][1].n <= n - start:
            start = self._trees.pop()[0]
        self._trees.append((start, cKDTree(np.array(self.points[start:]))))
        self._start = n
