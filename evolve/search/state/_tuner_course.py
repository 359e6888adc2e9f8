"""What tuners gained on one set of numbers, so that they are not lent tickets for the last digits of these."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from archive import difference

LOOK_BACK = 6  # generations, in few dimensions
_BY_ROOT = 2.0  # generations, times the root of the dimension: in many a generation gains less than it scatters
_LEAST = 1e-3  # of all that was gained: less is digits


@dataclass(frozen=True, slots=True)
class TunerCourse:
    """The generations of tuners on the same numbers, restarts included; what others find there meanwhile does not count.

    ``paths`` are the numbers' names; ``start`` is the score of the program as it was, raised to the best of the first generation: a
    broken program is no measure.  ``bests`` are the best so far as the last generations closed, None where all had failed.
    ``is_anew`` says whether the distribution was made wide again since the first.
    """

    paths: tuple[str, ...] = ()
    start: float | None = None
    bests: tuple[float | None, ...] = ()
    is_anew: bool = False

    @property
    def look_back(self) -> int:
        """Over how many generations gains are counted."""
        return max(LOOK_BACK, round(_BY_ROOT * math.sqrt(len(self.paths))))

    def closed(self, best: float | None) -> TunerCourse:
        """The course after a generation; ``best`` is its best score, None where all failed."""
        top = _largest([*self.bests[-1:], best])
        start = _largest([self.start, best]) if _largest(self.bests) is None else self.start
        return replace(self, start=start, bests=(*self.bests, top)[-2 * self.look_back - 1 :])

    def is_gaining(self, history: Sequence[float | None]) -> bool:
        """Whether the last generations did better than those before, by more than a thousandth of what was gained; true of few.

        From the first restart on only a better best counts: generations that began anew get better without finding anything new.

        Args:
            history: The best score of each generation since the last restart.
        """
        look_back = self.look_back
        if len(self.bests) <= 2 * look_back:
            return True
        top, before = self.bests[-1], self.bests[0]
        least = _LEAST * _rise(top, self.start)
        if _rise(top, before) > least:
            return True
        last = [best for best in history[-2 * look_back :] if best is not None]
        if self.is_anew or len(last) < 2 * look_back:
            return not self.is_anew
        return difference(fmean(last[look_back:]), fmean(last[:look_back])) > least


def _rise(top: float | None, before: float | None) -> float:
    return max(0.0, difference(top, before)) if top is not None and before is not None else 0.0


def _largest(scores: Sequence[float | None]) -> float | None:
    return max((score for score in scores if score is not None), default=None)
