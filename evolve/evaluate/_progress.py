"""The learning curve of one measurement while it is made, and whether it is still worth making."""

from __future__ import annotations

import math
from bisect import bisect_right

from archive import Curve

MAX_POINTS = 4096


class Progress:
    """What an evaluator reports of a measurement under way, beside what is still promising.

    Args:
        bars: At each share of the run (``x``, in rising order) the worst value (``y``, as ``Curve.lately``) that is
            promising; None: all are.
        minimize: Whether less is better.
        audited: It is not ended, however bad it is.
    """

    def __init__(self, bars: Curve | None = None, *, minimize: bool = False, audited: bool = False) -> None:
        self._bars = bars
        self._sign = -1.0 if minimize else 1.0
        self.audited = audited
        self._x: list[float] = []
        self._y: list[float] = []
        self.lost = ""  # where that was first seen, for a person; "" while it is promising

    def report(self, x: float, y: float) -> None:
        """One more point, further on than those before.  What is no number is no point, and promises nothing either."""
        if math.isnan(x) or (self._x and x <= self._x[-1]):
            return
        if math.isfinite(x) and math.isfinite(y):
            self._x.append(x)
            self._y.append(y)
            if len(self._x) > MAX_POINTS:
                del self._x[1::2], self._y[1::2]
        bar = self._bar(x)
        if self.lost or bar is None:
            return
        stands = Curve(tuple(self._x), tuple(self._y)).lately(x) if math.isfinite(y) else y
        if not self._sign * stands >= self._sign * bar:
            self.lost = f"at {x:.2f} of the run its learning curve stood at {stands:.4g}, and {bar:.4g} was asked for"

    @property
    def curve(self) -> Curve | None:
        """What was reported; None without a point."""
        return Curve(tuple(self._x), tuple(self._y), "share of the run", "reported") if self._x else None

    def _bar(self, x: float) -> float | None:
        """The bar at ``x``: between two the laxer one, as nothing is known there; none before the first."""
        if self._bars is None or not self._bars.x or x < self._bars.x[0]:
            return None
        i = bisect_right(self._bars.x, x)
        near = self._bars.y[i - 1 : i + 1]
        return min(near) if self._sign > 0 else max(near)
