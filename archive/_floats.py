"""Arithmetic that ends in a finite number whatever finite scores it is given.

Sums, differences and squares of scores leave the range of a float long before the scores do.  What a person is shown is computed
without the detour (``mean_of``, ``sd_of``, ``difference``); statistics, which cannot do without squares, take scores as ``tame``
gives them.  For ordinary numbers all of it is what the plain formula gives, up to rounding.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

LARGEST = sys.float_info.max
_ROUNDING = 1e-12  # of a score: another order of the same sums differs by less
TAME = 1e150  # squares of differences of such numbers, summed over millions, are still numbers


def tame(score: float) -> float:
    """``score`` within +-1e150: what is beyond counts as that in the statistics of a noisy problem."""
    return max(-TAME, min(TAME, score))


def bounded(value: float) -> float:
    """``value``, or the largest number of its sign where a computation ran over; NaN, which only two of those give, is 0."""
    return 0.0 if value != value else max(-LARGEST, min(LARGEST, value))


def difference(a: float, b: float) -> float:
    """``a - b``, at most the largest number there is."""
    return bounded(a - b)


def is_better(score: float, before: float) -> bool:
    """Whether a score is higher than one before by more than rounding."""
    return difference(score, before) > _ROUNDING * max(abs(score), abs(before))


def mean_of(values: Sequence[float]) -> float:
    """The mean of one or more finite numbers, summed exactly."""
    try:
        return math.fsum(values) / len(values)
    except OverflowError:
        return bounded(math.fsum(value * 2.0**-64 for value in values) / len(values) * 2.0**64)


def sd_of(values: Sequence[float]) -> float:
    """The standard deviation (n - 1) of two or more finite numbers."""
    low, high = min(values), max(values)
    if low == high:
        return 0.0
    power = math.frexp(max(abs(low), abs(high)))[1]
    near_one = [math.ldexp(value, -power) for value in values]
    mean = math.fsum(near_one) / len(near_one)
    gaps = [value - mean for value in near_one]
    largest = max(map(abs, gaps))
    square = math.fsum((gap / largest) ** 2 for gap in gaps) / (len(gaps) - 1)
    try:
        return math.ldexp(largest * math.sqrt(square), power)
    except OverflowError:
        return LARGEST
