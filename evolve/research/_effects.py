"""Contributions with intervals under one error rate, from a table of scores: programs by measurement seeds.  Pure.

Every program is measured on the same seeds.  With y the score of program p on seed s, higher is better,

    y(p, s) = m(p) + b(s) + e(p, s)

b is what a seed does to all programs alike; it drops out of every contrast c = sum over p of w(p) m(p) with weights that sum to 0,
which all contributions are.  Where the e have one variance, it is estimated by the residuals of the two-way layout, with
(p - 1)(n - 1) degrees of freedom, and

    c +- t(1 - a / 2k) s sqrt(sum w^2 / n)

is the interval: Scheffé, The Analysis of Variance (1959), chapter 4, with the level a shared among the k intervals by Bonferroni's
inequality, so that all of them hold together with probability 1 - a (Hsu, Multiple Comparisons (1996), section 1.3).  Where the
variances differ, each contrast is computed seed by seed, and those n numbers give its interval by Student's t with n - 1 degrees of
freedom: exact whatever the variances and covariances are, and wider.  Which of the two it is Bartlett's test says (Proc. R. Soc. A
160 (1937) 268) on the residuals, at a level at which it is wrong in one table of five: a variance that is taken as common and is
not costs the error rate, the other mistake costs some width.

Without noise there is one seed, and contrasts are exact up to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archive import tame

if TYPE_CHECKING:
    import numpy as np

LEVEL = 0.05
POWER = 0.8
MIN_RUNS = 3  # of a noisy program: fewer say nothing of the noise
_SAME_VARIANCE = 0.2  # level of the test of variances
_ROUNDING = 1e-12  # of the largest score: a difference that is smaller is none

Table = Mapping[str, Sequence[float]]  # scores by program, on the same seeds in the same order
Weights = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Interval:
    """A contribution and the interval that it lies in; all intervals of a map hold together with probability 0.95."""

    effect: float
    low: float
    high: float

    @property
    def helps(self) -> bool:
        """Whether it is shown to be more than nothing."""
        return self.low > 0

    @property
    def hurts(self) -> bool:
        """Whether it is shown to be less than nothing."""
        return self.high < 0

    @property
    def shown(self) -> bool:
        """Whether 0 is outside."""
        return self.helps or self.hurts


@dataclass(frozen=True, slots=True)
class Scatter:
    """What the intervals of a table rest on.

    ``sd`` is that of one measurement, beside what the seed does to all programs; ``df`` its degrees of freedom.  ``pooled`` says
    whether all programs share it; ``n_intervals`` share the level.  Of a deterministic problem ``exact``.
    """

    n: int
    sd: float
    df: int
    n_intervals: int
    pooled: bool = True
    exact: bool = False


def quantile(n_intervals: int, df: int, level: float = LEVEL) -> float:
    """How many standard errors each of so many intervals reaches, for all of them to hold together."""
    from scipy.special import stdtrit

    return float(stdtrit(df, 1 - level / (2 * max(n_intervals, 1))))


def scatter_of(table: Table, n_intervals: int, *, exact: bool = False) -> Scatter:
    """What the intervals of a table rest on.

    Args:
        table: two programs or more; three seeds or more where it is not exact.
        n_intervals: how many intervals hold together, those included that other tables give.
        exact: whether the problem is deterministic.
    """
    import numpy as np

    scores = _array(table)
    p, n = scores.shape
    if exact:
        return Scatter(n, 0.0, 0, n_intervals, exact=True)
    size = float(np.abs(scores).max()) or 1.0
    near_one = scores / size  # so that squares stay numbers
    residuals = near_one - near_one.mean(axis=1, keepdims=True) - near_one.mean(axis=0, keepdims=True) + near_one.mean()
    df = (p - 1) * (n - 1)
    sd = size * math.sqrt(float((residuals**2).sum()) / df)
    seen = sd > _ROUNDING * size  # else small scores may scatter, beside the largest ones unseen
    return Scatter(n, sd, df, n_intervals, pooled=seen and _are_alike((residuals**2).sum(axis=1) / (n - 1), n - 1))


def _are_alike(variances: np.ndarray, df: int) -> bool:
    """Whether Bartlett's test lets these variances, of ``df`` degrees of freedom each, pass as one; none where one is 0."""
    import numpy as np
    from scipy.special import chdtrc

    p = len(variances)
    if p < 3 or not variances.max() > 0:  # of two, residuals are alike whatever the programs are
        return True
    if not variances.min() > 0:
        return False
    spread = df * (p * math.log(variances.mean()) - float(np.log(variances).sum()))
    return bool(chdtrc(p - 1, spread / (1 + (p + 1) / (3 * p * df))) >= _SAME_VARIANCE)


def interval(table: Table, weights: Weights, scatter: Scatter) -> Interval:
    """The interval of one contrast: the sum of the programs' means, each with its weight."""
    import numpy as np

    scores = _array({program: table[program] for program in weights})
    by_seed = np.asarray(list(weights.values())) @ scores
    effect = float(by_seed.mean())
    half = _ROUNDING * float(np.abs(scores).max())
    if not scatter.exact:
        n = scores.shape[1]
        if scatter.pooled:
            error = scatter.sd * math.sqrt(sum(weight**2 for weight in weights.values()) / n)
        else:
            size = float(np.abs(by_seed).max()) or 1.0
            error = size * float((by_seed / size).std(ddof=1)) / math.sqrt(n)
        half += quantile(scatter.n_intervals, scatter.df if scatter.pooled else n - 1) * error
    if scatter.exact and abs(effect) <= half:
        return Interval(0.0, 0.0, 0.0)
    return Interval(effect, effect - half, effect + half)


def n_contrasts(contrasts: Sequence[Weights]) -> int:
    """How many of the contrasts are different ones: one that is asked for twice, or with the other sign, is one interval."""
    different = set()
    for weights in contrasts:
        own = frozenset((program, weight) for program, weight in weights.items() if weight)
        other = frozenset((program, -weight) for program, weight in own)
        if other not in different:
            different.add(own)
    return len(different)


def runs_needed(n_intervals: int, n_programs: int, effect_sd: float = 1.0) -> int:
    """How many measurements each of so many programs needs for a difference of ``effect_sd`` standard deviations of one measurement
    to be shown four times out of five; at least 3."""
    from scipy.special import ndtri

    n = MIN_RUNS
    while (quantile(n_intervals, (n_programs - 1) * (n - 1)) + float(ndtri(POWER))) * math.sqrt(2 / n) > effect_sd and n < 10**6:
        n = max(n + 1, int(n * 1.02))
    return n


def _array(table: Table) -> np.ndarray:
    import numpy as np

    return np.array([[tame(score) for score in scores] for scores in table.values()], dtype=float)
