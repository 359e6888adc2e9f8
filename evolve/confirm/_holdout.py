"""A vault: runs on seeds that did not exist before it was opened.  Half of them decide, the other half say by how much.

The gate is Welch's test (or, where pairs are compared, the paired one), one-sided, below 0.01; the estimate comes from runs that
the gate has not seen, so it is free of the winner's curse.  Claims hold under Benjamini and Yekutieli (2001) at 0.05 over all
openings so far, which allows any dependence: openings of one milestone share a bank of reference runs.  Higher is better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import median

from archive import bounded, difference, mean_of, sd_of

LEVEL = 0.01
RATE = 0.05  # expected share of false claims
POWER = 0.9  # at which a smaller vault is enough


@dataclass(frozen=True, slots=True)
class Sizes:
    """Runs of the candidate and of the reference: for the gate, and for the estimate."""

    test: tuple[int, int]
    estimate: tuple[int, int]

    @property
    def n_candidate(self) -> int:
        """Runs of the candidate."""
        return self.test[0] + self.estimate[0]

    @property
    def n_control(self) -> int:
        """Runs of the reference."""
        return self.test[1] + self.estimate[1]


SIZES = (Sizes((4, 8), (4, 4)), Sizes((6, 12), (6, 6)), Sizes((12, 18), (12, 12)))  # smallest first


@dataclass(frozen=True, slots=True)
class Effect:
    """Difference of the means, with its 95 % interval."""

    effect: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Gap:
    """Difference of two means, its standard error, and the degrees of freedom of that."""

    mean: float
    error: float
    df: float

    def moved(self, by: float, error: float, df: float) -> Gap:
        """With something added that has an error of its own (Satterthwaite's degrees of freedom)."""
        total = bounded(math.hypot(self.error, error))
        if error <= 0.0 or total <= 0.0:
            return Gap(bounded(self.mean + by), total, self.df)
        return Gap(bounded(self.mean + by), total, 1.0 / ((self.error / total) ** 4 / self.df + (error / total) ** 4 / df))


@dataclass(slots=True)
class Confirmation:
    """One opening.  ``bank`` is the vault whose reference runs it uses (its own number where it brought them).

    Scores are kept by seed.  ``failed`` says why there can be no claim; ``test_p`` is known once the gate's runs are complete.
    """

    number: int
    candidate: int
    reference: int
    interim: int
    sizes: Sizes
    control: int
    paired: bool
    candidate_seeds: tuple[int, ...]
    control_seeds: tuple[int, ...]  # empty where the bank is another's
    candidate_scores: dict[int, float] = field(default_factory=dict)
    control_scores: dict[int, float] = field(default_factory=dict)
    failed: str = ""
    test_p: float | None = None
    effect: Effect | None = None
    confirmed: bool | None = None  # as last recorded
    withdrawn: bool = False
    e_value: float = 0.0  # what opened it
    wants: int = 0  # runs of the candidate in all, search included, after which a claim that is withheld may hold


@lru_cache(maxsize=64)
def power(effect: float, noise_sd: float, n: int, m: int) -> float:
    """Probability that the gate with ``n`` against ``m`` runs finds a true difference of ``effect``."""
    from scipy.special import nctdtr, stdtrit

    if noise_sd <= 0.0:
        return 1.0 if effect > 0 else 0.0
    df = n + m - 2
    shift = effect / noise_sd / math.sqrt(1 / n + 1 / m)
    if abs(shift) > 30:
        return 1.0 if shift > 0 else 0.0
    return 1.0 - float(nctdtr(df, shift, stdtrit(df, 1 - LEVEL)))


def choose_sizes(effect: float, noise_sd: float, affordable: float, *, last: bool = False) -> Sizes | None:
    """The smallest vault with a power of 0.9 at ``effect`` (shrunken), else the largest; None if the runs left do not hold it.

    With ``last`` there will be no other chance: then the largest that they do hold.
    """
    for sizes in SIZES:
        enough = sizes is SIZES[-1] or power(effect, noise_sd, *sizes.test) >= POWER
        if enough:
            held = [one for one in SIZES if one.n_candidate + one.n_control <= affordable]
            return sizes if sizes in held else held[-1] if held and last else None
    return None


def welch_p_value(candidate: Sequence[float], reference: Sequence[float], *, paired: bool) -> float:
    """p-value of "the candidate is better", one-sided.  ``paired`` compares the first runs in order, as many as both have."""
    return upper_tail(compared(candidate, reference, paired=paired))


def estimate(candidate: Sequence[float], reference: Sequence[float], *, paired: bool) -> Effect:
    """The difference of the means with its 95 % interval."""
    return interval(compared(candidate, reference, paired=paired))


def compared(candidate: Sequence[float], reference: Sequence[float], *, paired: bool) -> Gap:
    """The difference of the means: of the pairs, or by Welch."""
    return _paired(candidate, reference) if paired else _welch(candidate, reference)


def median_gap(candidate: Sequence[float], reference: Sequence[float], *, paired: bool) -> float:
    """The difference of the medians, or the median difference of the pairs."""
    if paired:
        return median([difference(ours, theirs) for ours, theirs in zip(candidate, reference, strict=False)])
    return difference(median(candidate), median(reference))


def interval(gap: Gap) -> Effect:
    """A difference with its 95 % interval."""
    from scipy.special import stdtrit

    half = bounded(float(stdtrit(gap.df, 0.975)) * gap.error)
    return Effect(gap.mean, difference(gap.mean, half), difference(gap.mean, -half))


def upper_tail(gap: Gap) -> float:
    """One-sided p-value of "the difference is positive"."""
    from scipy.special import stdtr

    if gap.error <= 0.0:
        return 0.0 if gap.mean > 0 else 1.0
    return float(stdtr(gap.df, -gap.mean / gap.error))


def benjamini_yekutieli(p_values: Sequence[float], rate: float = RATE) -> tuple[bool, ...]:
    """Which hypotheses are rejected at a false discovery rate of ``rate`` under any dependence (Benjamini and Yekutieli 2001)."""
    m = len(p_values)
    harmonic = math.fsum(1 / i for i in range(1, m + 1))
    order = sorted(range(m), key=lambda i: p_values[i])
    last = max((rank for rank, i in enumerate(order, 1) if p_values[i] <= rate * rank / (m * harmonic)), default=0)
    kept = set(order[:last])
    return tuple(i in kept for i in range(m))


def _paired(candidate: Sequence[float], reference: Sequence[float]) -> Gap:
    gaps = [difference(ours, theirs) for ours, theirs in zip(candidate, reference, strict=False)]
    return Gap(mean_of(gaps), sd_of(gaps) / math.sqrt(len(gaps)), float(len(gaps) - 1))


def _welch(candidate: Sequence[float], reference: Sequence[float]) -> Gap:
    """With Welch and Satterthwaite's degrees of freedom."""
    n, m = len(candidate), len(reference)
    a, b = sd_of(candidate) / math.sqrt(n), sd_of(reference) / math.sqrt(m)
    gap, error = difference(mean_of(candidate), mean_of(reference)), bounded(math.hypot(a, b))
    if error <= 0.0:
        return Gap(gap, 0.0, 1.0)
    return Gap(gap, error, 1.0 / ((a / error) ** 4 / (n - 1) + (b / error) ** 4 / (m - 1)))
