"""MAP-Elites on a grid: equal bins along declared axes.

References:
    Mouret 2015, https://arxiv.org/abs/1504.04909
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np

from archive.elites._archive import CellArchive
from archive.elites._box import check_axes
from archive.records._values import Axis

_INFINITY = math.inf
_MAX_CELLS = 2**63 - 1


class GridArchive(CellArchive):
    """Elites of a grid over behaviour space, judged by posterior lower bounds, ties keeping the incumbent.

    Args:
        axes: One entry a descriptor; values outside an axis are clipped to its range, so every finite descriptor has a cell.
        capacity: Most occupants of one cell.
        lcb_sds: A candidate is worth its posterior mean less this many posterior standard deviations.
        space: Version of the descriptor space; ``rebin`` counts it up.

    Raises:
        ValueError: no axes; an axis whose high is not above its low, or whose range is not a number; fewer than one bin; more
            cells than an int64 can count.

    Adding is O(1) in the number of cells.  Deterministic; not safe to share between threads.
    """

    def __init__(self, *, axes: Sequence[Axis], capacity: int = 1, lcb_sds: float = 1.0, space: int = 1) -> None:
        check_axes(axes, "a grid")
        super().__init__(n_cells=math.prod(axis.bins for axis in axes), capacity=capacity, lcb_sds=lcb_sds, space=space)
        self.axes = tuple(axes)
        if self.n_cells > _MAX_CELLS:
            raise ValueError(
                f"the axes make {self.n_cells} cells but at most {_MAX_CELLS} can be numbered; use fewer bins or axes."
            )
        self._scales = tuple((axis.name, axis.low, axis.high, axis.bins) for axis in axes)

    def cell_of(self, descriptors: Mapping[str, float]) -> int:
        """Cell index of one behaviour descriptor, in [0, n_cells).

        Raises:
            KeyError: an axis has no value.
            ValueError: a value is NaN or infinite.
        """
        cell = 0
        for name, low, high, bins in self._scales:
            value = descriptors[name]
            if not -_INFINITY < value < _INFINITY:
                raise ValueError(f"descriptor {name} is {value}; expected a finite number.")
            cell *= bins
            if value >= high:
                cell += bins - 1
            elif value > low:
                cell += min(int((value - low) * bins / (high - low)), bins - 1)  # rounding may reach bins just below high
        return cell

    def index_of(self, descriptors: np.ndarray) -> np.ndarray:
        """Cell index of each behaviour descriptor.

        Args:
            descriptors: (n, n_axes) array, in the units of ``axes``.

        Returns:
            (n,) int64 array of flat cell indices in [0, n_cells).

        Raises:
            ValueError: ``descriptors`` is not (n, n_axes).
            ValueError: ``descriptors`` has NaN or infinite entries.
        """
        descriptors = np.asarray(descriptors, dtype=np.float64)
        if descriptors.ndim != 2 or descriptors.shape[1] != len(self.axes):
            raise ValueError(f"descriptors has shape {descriptors.shape}; expected (n, {len(self.axes)}), one column an axis.")
        if not np.isfinite(descriptors).all():
            raise ValueError("descriptors has NaN or infinite entries; expected finite numbers.")
        low = np.array([axis.low for axis in self.axes])
        high = np.array([axis.high for axis in self.axes])
        bins = np.array([axis.bins for axis in self.axes])
        steps = np.minimum((np.clip(descriptors, low, high) - low) * bins / (high - low), bins - 1).astype(np.int64)
        return np.asarray(np.ravel_multi_index(tuple(steps.T), tuple(bins)), dtype=np.int64)

    def rebin(self, axes: Sequence[Axis], descriptors_of: Callable[[int], Mapping[str, float]]) -> GridArchive:
        """The same candidates, occupants and reserve, judged again in order of arrival on other axes (space counts up)."""
        grid = GridArchive(axes=axes, capacity=self.cells.capacity, lcb_sds=self.lcb_sds, space=self.space + 1)
        return self._judged_again(grid, descriptors_of)

    def dump(self) -> Mapping[str, object]:
        """The state, for a checkpoint; other axes may have been put in force."""
        return {**super().dump(), "axes": self.axes}

    def load(self, state: Mapping[str, object]) -> None:
        """Take the state of ``dump``."""
        axes = cast("tuple[Axis, ...]", state["axes"])
        GridArchive.__init__(self, axes=axes, capacity=self.cells.capacity, lcb_sds=self.lcb_sds)
        super().load(state)
