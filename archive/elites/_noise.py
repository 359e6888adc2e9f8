"""The variance of one measurement, pooled over candidates, that a few wild ones cannot inflate.

A program that diverges now and then scatters a hundred times as much as its siblings; three repeats of it would hide what all the
others show.  With ``v`` degrees of freedom and the sum of squares ``M2`` of each replicated candidate,

    typical = median of M2 / (v (1 - 2 / (9 v))^3)    the divisor is the median of chi-square(v): Wilson and Hilferty 1931
    outlier : M2 > typical max(v + 2 sqrt(14 v) + 28, 10 v)
    pooled  = sum M2 / sum v of all that are no outliers

The first bound is exceeded by one chi-square(v) in a million (Laurent and Massart 2000, lemma 1); the second keeps a program in the
pool that was measured often and scatters somewhat more, as the initial program does on a machine that drifts.

At most a tenth of the candidates are far, the farthest: where more are, outliers are how the problem is, and count as its noise.
``archive.query._tables`` says the same in SQL, by the same constants.  The order of arrival does not matter, up to rounding.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from math import fsum, sqrt

TAIL = 14.0  # log of a million, rounded up
WILD = 10.0  # times the typical variance
FEW = 10  # at most one in so many is far
_CANCELS = 1e6  # a sum of which one part is so many times the rest says nothing about the rest


def far_bound(df: int) -> float:
    """What M2 / variance of an honest candidate exceeds once in a million, or less; ten times its mean at least."""
    return max(df + 2.0 * sqrt(TAIL * df) + 2.0 * TAIL, WILD * df)


def median_of(df: int) -> float:
    """The median of M2 / variance."""
    return df * (1.0 - 2.0 / (9.0 * df)) ** 3


class RobustNoise:
    """Sums of squares by candidate, and their pooled variance, with O(log k) comparisons an update.  Not thread-safe."""

    __slots__ = ("_by_id", "_excess", "_far", "_own", "df", "within")

    def __init__(self) -> None:
        self.df = 0  # of those that are not far
        self.within = 0.0  # their sum of squares
        self._by_id: dict[str, tuple[int, float]] = {}
        self._own: list[float] = []  # each one's estimate of the variance, sorted
        self._excess: list[tuple[float, str]] = []  # (M2 / bound, candidate), sorted
        self._far: set[str] = set()

    def __contains__(self, candidate: str) -> bool:
        return candidate in self._by_id

    def update(self, candidate: str, df: int, m2: float) -> None:
        """A candidate has ``df`` (from 1) measurements beyond its first, and this sum of squares: new, or in place of its last."""
        if candidate in self._by_id:
            self._take_out(candidate)
        self._by_id[candidate] = df, m2
        insort(self._own, m2 / median_of(df))
        insort(self._excess, (m2 / far_bound(df), candidate))
        self._far.add(candidate)  # not counted yet
        self._settle()

    def is_outlier(self, candidate: str) -> bool:
        """Whether a candidate scatters so much more than the others that it is not counted."""
        return candidate in self._far

    def own_variance(self, candidate: str) -> float:
        """A candidate's own variance.  KeyError when it was not measured twice."""
        df, m2 = self._by_id[candidate]
        return m2 / df

    @property
    def typical(self) -> float:
        """The median of the candidates' own variances; 0 without any."""
        k = len(self._own)
        return (self._own[(k - 1) // 2] + self._own[k // 2]) / 2.0 if k else 0.0

    def load(self, all_stats: Iterable[tuple[str, int, float]], df: int, within: float) -> None:
        """Fill an empty one with (candidate, df, M2), as a dump has them, and the sums as they were, to the last bit."""
        self._by_id = {candidate: (own, m2) for candidate, own, m2 in all_stats}
        self._own = sorted(m2 / median_of(own) for own, m2 in self._by_id.values())
        self._excess = sorted((m2 / far_bound(own), candidate) for candidate, (own, m2) in self._by_id.items())
        self._far = self._farthest()
        self.df, self.within = df, within

    def _take_out(self, candidate: str) -> None:
        df, m2 = self._by_id.pop(candidate)
        del self._own[bisect_left(self._own, m2 / median_of(df))]
        del self._excess[bisect_left(self._excess, (m2 / far_bound(df), candidate))]
        if candidate in self._far:
            self._far.discard(candidate)
        else:
            self._uncount([(df, m2)])

    def _farthest(self) -> set[str]:
        k = len(self._own)
        if k < FEW:
            return set()
        typical = (self._own[(k - 1) // 2] + self._own[k // 2]) / 2.0
        far: set[str] = set()
        while typical > 0.0 and len(far) < k // FEW and self._excess[-1 - len(far)][0] > typical:
            far.add(self._excess[-1 - len(far)][1])
        return far

    def _settle(self) -> None:
        """Who is far now leaves the sums, and who is so no longer enters them."""
        before, self._far = self._far, self._farthest()
        for candidate in sorted(before - self._far):
            df, m2 = self._by_id[candidate]
            self.df, self.within = self.df + df, self.within + m2
        self._uncount([self._by_id[candidate] for candidate in sorted(self._far - before)])

    def _uncount(self, gone: list[tuple[int, float]]) -> None:
        for df, m2 in gone:
            self.df, self.within = self.df - df, self.within - m2
        if any(m2 > _CANCELS * self.within for _, m2 in gone):
            self.within = fsum(m2 for candidate, (_, m2) in self._by_id.items() if candidate not in self._far)
