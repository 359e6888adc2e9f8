"""The box that declared axes span: where a candidate stands in it, in parts of each axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from archive.records._values import Axis

_FAR = 1e6  # ranges beyond an axis, where a distance is still a number


def check_axes(axes: Sequence[Axis], what: str) -> None:
    """Find out that ``what``, an archive, can be made over these axes.

    Raises:
        ValueError: there are none; one whose high is not above its low, or whose range is not a number; fewer than one bin.
    """
    if not axes:
        raise ValueError(f"axes is empty but {what} needs at least one; type search.archive=topk for none.")
    for axis in axes:
        if not (axis.high > axis.low and axis.bins >= 1 and math.isfinite((axis.high - axis.low) * axis.bins)):
            raise ValueError(
                f"axis {axis.name} runs from {axis.low} to {axis.high} in {axis.bins} bins; expected high > low, bins >= 1."
            )


class Box:
    """The unit box over some axes, which ``check_axes`` has seen."""

    def __init__(self, axes: Sequence[Axis]) -> None:
        self._scales = tuple((axis.name, axis.low, axis.high - axis.low) for axis in axes)

    def place(self, descriptors: Mapping[str, float], *, clipped: bool) -> list[float]:
        """Where a candidate stands, each axis running from 0 to 1; beyond it only where that is not ``clipped``.

        Raises:
            KeyError: an axis has no value.
            ValueError: a value is NaN or infinite.
        """
        low, high = (0.0, 1.0) if clipped else (-_FAR, _FAR)
        found = []
        for name, start, width in self._scales:
            value = descriptors[name]
            if not -math.inf < value < math.inf:
                raise ValueError(f"descriptor {name} is {value}; expected a finite number.")
            found.append(min(max((value - start) / width, low), high))
        return found
