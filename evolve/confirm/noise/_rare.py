"""Rare losses and gains: what a few quiet runs cannot show, and what other programs' runs say of it.

n runs without a loss leave a loss of probability 4.6 / n open, at 99 %.  That losses of such a size exist at all is known from the
runs of all programs; a claim has to hold with the candidate's rate of losses at its upper bound and the reference's at its lower
one, and with gains the other way round (a reference that is rarely lucky looks worse than it is in most samples).

A run is *rare* where its program's sorted scores have a gap of ten typical standard deviations between it and the rest, on whose
other side are three in four of its runs, and these lie within ten of each other: so what scatters widely has no rare runs, and
Student's t with 4 degrees of freedom gives one in some five thousand runs.  The rates' bounds are Clopper and Pearson's (1934), the
upper one Beta(k + 1, n - k).  The size is the mean over all rare runs.  Where the reference shows at least five, at a rate within a
factor of two of all others', they are the problem's and not a program's: everyone has them alike, and they cancel.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

GAP = 10.0  # typical standard deviations
FEW = 4  # at most one run in so many is rare
SEEN = 2  # rare runs of all programs from which on they are reckoned with; of gains, one of the reference is enough
COMMON = 5  # of the reference alone, to say that everyone has them
UPPER, LOWER = 0.99, 0.95


@dataclass(frozen=True, slots=True)
class Tails:
    """A program's runs: how many, how many are rare on either side, the rest's bounds, and how far off the rare ones are in all."""

    n: int
    low: int
    high: int
    floor: float
    ceiling: float
    lost: float = 0.0
    gained: float = 0.0

    def holds(self, score: float) -> bool:
        """Whether a run is not rare."""
        return self.floor <= score <= self.ceiling


@dataclass(frozen=True, slots=True)
class Pool:
    """The rare runs of all programs: how many of ``n``, and their mean size."""

    n: int
    low: int
    high: int
    loss: float
    gain: float


def tails(scores: Sequence[float], typical_sd: float) -> Tails:
    """Which of a program's runs are rare, where one run of most programs has this standard deviation."""
    ordered, n = sorted(scores), len(scores)
    gap, most = GAP * typical_sd, n // FEW
    low = max((i for i in range(1, most + 1) if ordered[i] - ordered[i - 1] > gap), default=0)
    high = max((i for i in range(1, most + 1) if ordered[n - i] - ordered[n - i - 1] > gap), default=0)
    if not (low or high) or typical_sd <= 0.0 or ordered[n - high - 1] - ordered[low] > gap:
        return Tails(n, 0, 0, -math.inf, math.inf)
    bulk = ordered[low : n - high]
    middle = bulk[len(bulk) // 2]
    lost, gained = sum(middle - one for one in ordered[:low]), sum(one - middle for one in ordered[n - high :] if high)
    return Tails(n, low, high, bulk[0], bulk[-1], lost, gained)


def pool(programs: Iterable[Tails]) -> Pool:
    """The rare runs of all programs."""
    n = low = high = 0
    lost = gained = 0.0
    for one in programs:
        n, low, high = n + one.n, low + one.low, high + one.high
        lost, gained = lost + one.lost, gained + one.gained
    return Pool(n, low, high, lost / max(low, 1), gained / max(high, 1))


def rate_bound(k: int, n: int, level: float, *, upper: bool) -> float:
    """Clopper and Pearson's one-sided bound of a rate, from ``k`` of ``n``."""
    from scipy.special import betaincinv

    if upper:
        return 1.0 if k >= n else float(betaincinv(k + 1, n - k, level))
    return 0.0 if k == 0 else float(betaincinv(k, n - k + 1, 1.0 - level))


def margin(candidate: Tails, reference: Tails, everyone: Pool) -> float:
    """By how much the candidate's other runs must be better than the reference's for its mean to be so, rates at their bounds."""
    found = 0.0
    if everyone.low >= SEEN and not _common(reference.low, reference.n, everyone.low, everyone.n):
        ours = rate_bound(candidate.low, candidate.n, UPPER, upper=True)
        theirs = rate_bound(reference.low, reference.n, LOWER, upper=False)
        found += everyone.loss * max(ours - theirs, 0.0)
    if (everyone.high >= SEEN or reference.high) and not _common(reference.high, reference.n, everyone.high, everyone.n):
        theirs = rate_bound(reference.high, reference.n, UPPER, upper=True)
        ours = rate_bound(candidate.high, candidate.n, LOWER, upper=False)
        found += everyone.gain * max(theirs - ours, 0.0)
    return found


def runs_needed(candidate: Tails, reference: Tails, everyone: Pool, gap: float, most: int) -> int:
    """Runs of the candidate in all, with no further rare one, after which ``gap`` exceeds the margin; 0 if ``most`` are too few."""

    def enough(n: int) -> bool:
        grown = Tails(n, candidate.low, candidate.high, candidate.floor, candidate.ceiling)
        return margin(grown, reference, everyone) < gap

    if not enough(most):
        return 0
    low, high = candidate.n, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _common(k: int, n: int, everyone_k: int, everyone_n: int) -> bool:
    """Whether the others have rare runs about as often as the reference, which has ``k`` in ``n``."""
    others, runs = everyone_k - k, everyone_n - n
    return k >= COMMON and 0.5 * others * n <= k * runs <= 2.0 * others * n
