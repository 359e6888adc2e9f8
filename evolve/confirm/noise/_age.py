"""Scores that change with how often a program has run: what wears, fills up or warms.

The reference has run most, so it is the oldest; whoever is compared with it is young.  Its own runs show the trend: least squares
of its scores on log2 of the run's number.  Where that is significant at 0.01 (two-sided), a comparison is made as if both were of
equal age, if that is to the candidate's disadvantage: the difference is moved by slope x (mean log2 age of the reference's runs -
that of the candidate's), and the error of what it is moved by is added.

A machine that slows down for everyone shows the same trend in the reference; then the correction costs claims, and makes none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from archive import difference, mean_of

MIN_RUNS = 20  # of the reference
LEVEL = 0.01


@dataclass(frozen=True, slots=True)
class Trend:
    """Change of the score with each doubling of the number of runs, its standard error, and the degrees of freedom of that."""

    slope: float
    error: float
    df: int

    def shift(self, reference_ages: Sequence[int], candidate_ages: Sequence[int]) -> tuple[float, float]:
        """By how much a difference (candidate minus reference) is to be moved, never up, and the standard error of that."""
        apart = _mean_log2(reference_ages) - _mean_log2(candidate_ages)
        moved = self.slope * apart
        return (moved, self.error * abs(apart)) if moved < 0.0 else (0.0, 0.0)


def trend(scores: Sequence[float]) -> Trend | None:
    """The trend of a program's scores, in the order of its runs; None where none is significant."""
    from scipy.special import stdtrit

    n = len(scores)
    if n < MIN_RUNS:
        return None
    ages = [math.log2(age) for age in range(1, n + 1)]
    x0, y0 = sum(ages) / n, mean_of(scores)
    xx = sum((x - x0) * (x - x0) for x in ages)
    gaps = [difference(score, y0) for score in scores]
    slope = sum((x - x0) / xx * gap for x, gap in zip(ages, gaps, strict=True))
    left = [gap - slope * (x - x0) for x, gap in zip(ages, gaps, strict=True)]
    error = math.hypot(*left) / math.sqrt((n - 2) * xx)
    if not error < math.inf or abs(slope) <= float(stdtrit(n - 2, 1.0 - LEVEL / 2)) * error:
        return None
    return Trend(slope, error, n - 2)


def _mean_log2(ages: Sequence[int]) -> float:
    return sum(math.log2(age) for age in ages) / len(ages)
