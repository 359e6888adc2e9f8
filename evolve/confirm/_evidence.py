"""Evidence that one program is better than another, which may be looked at after every run.

For two groups of runs with means that differ by D and V = var_c / n_c + var_r / n_r, the score S = D / V is, as runs arrive, a
Brownian motion with drift (true difference) at information I = 1 / V (Jennison and Turnbull, Group Sequential Methods, 1999, ch. 3:
the canonical joint distribution; it covers unequal variances and a reference that is itself estimated).  Against it stand

- ``log_e_value``: the likelihood ratio of a true difference d ~ |N(0, spread^2)| against 0: for claims, whatever their size;
- ``log_ratio``: the likelihood ratio of the one difference worth finding against 0: for a new champion, since it decides sooner.

Under "not better" the expectation of either is at most 1 whenever one stops, so P(it ever exceeds B) <= 1 / B (Ville 1939; Robbins
1970 for the mixture).

Variances are estimated, each candidate's own shrunk towards the pooled one, so the bound holds approximately; what is claimed is
decided on fresh seeds besides (``evolve.confirm._holdout``).  Scores are turned so that higher is better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from archive import difference

E_CHAMPION = 20.0  # steers the search, nothing else
E_CLAIM = 300.0  # may enter a vault
WORTH_SD = 1.25  # the difference worth finding, in standard deviations of one run
SPREAD_SD = 1.0  # of the differences that are expected, in the same unit
FUTILE = 0.2  # likelihood ratio at which a candidate is given up that was compared with the reference, for a claim of its own
FUTILE_TITLE = 1 / 3  # and one that contends with the champion: there will be others (benchmarks/planted_truth.py, docs/log.md)
NOT_WORSE_SD = 0.25  # of one run: what a simplification may cost
MAX_RUNS = 30  # of one candidate: a smaller difference than 30 runs show is left alone
MAX_LOG = 1e300  # of the evidence: it is ordered by, so it stays a number however far off a program is
_MAX_E = 700.0  # log of the largest e-value that is written down
_FARTHEST = 1e145  # in standard deviations, so that squares of it stay within ``MAX_LOG``
PRIOR_DF = 10.0  # how many runs of its own a candidate's variance must have to count as much as the pooled one


@dataclass(frozen=True, slots=True)
class SampleStats:
    """What is known of a program's runs: how many, their mean, and the variance of one."""

    n: int
    mean: float
    variance: float


def shrunk_variance(n: int, m2: float, noise: float) -> float:
    """Variance of one run of a candidate with ``n`` runs and the sum of squares ``m2``, given the pooled variance ``noise``."""
    return (PRIOR_DF * noise + m2) / (PRIOR_DF + max(n - 1, 0))


def log_e_value(candidate: SampleStats, reference: SampleStats, spread: float, margin: float = 0.0) -> float:
    """Log of the e-value of "the candidate's mean exceeds the reference's by more than ``margin``".

    Args:
        candidate: its runs, every one of them, the first included.
        reference: runs that were not what it was chosen for.
        spread: scale of the differences expected, in the score's unit.
        margin: a negative one asks for "not worse by as much" (non-inferiority).

    Returns:
        0 with no runs on one side, or without noise.
    """
    from scipy.special import erfcx, log_ndtr

    variance = _variance(candidate, reference)
    if variance <= 0.0 or spread <= 0.0:
        return 0.0
    sd = math.sqrt(variance)
    gap = difference(difference(candidate.mean, reference.mean), margin)
    z, wide = (max(-_FARTHEST, min(_FARTHEST, length / sd)) for length in (gap, spread))
    ratio = wide * wide
    reach = z * (wide / math.sqrt(1.0 + ratio))
    if reach < 0.0:  # reach^2 / 2 + log_ndtr(reach), whose parts cancel
        bulk = math.log(0.5 * float(erfcx(-reach / math.sqrt(2.0))))
    else:
        bulk = 0.5 * reach * reach + float(log_ndtr(reach))
    return math.log(2.0) - 0.5 * math.log1p(ratio) + bulk


def e_value_of(log_e: float) -> float:
    """The e-value of a logarithm, at most exp(700): to be written down and shown, never to be compared."""
    return math.exp(min(log_e, _MAX_E))


def log_e_not_worse(candidate: SampleStats, reference: SampleStats, noise_sd: float) -> float:
    """Log of the e-value of "not worse by a quarter of a standard deviation of one run": for simplifications, which need not gain.

    So fine a difference takes some two hundred runs of each where the two are equal.
    """
    margin = NOT_WORSE_SD * noise_sd
    return log_e_value(candidate, reference, spread=margin, margin=-margin)


def log_ratio(candidate: SampleStats, reference: SampleStats, worth: float) -> float:
    """Log of the likelihood ratio of a difference of ``worth`` against none; 0 with no runs on one side, or without noise."""
    variance = _variance(candidate, reference)
    if variance <= 0.0:
        return 0.0
    gap = difference(difference(candidate.mean, reference.mean), 0.5 * worth)
    found = worth * gap / variance
    if not -MAX_LOG < found < MAX_LOG:  # ran over, or out of it and back (inf * 0)
        found = (worth / math.sqrt(variance)) * (gap / math.sqrt(variance))
    return max(-MAX_LOG, min(MAX_LOG, found))


def futile(candidate: SampleStats, reference: SampleStats, worth: float, bar: float = FUTILE) -> bool:
    """Whether the runs speak against a difference of ``worth``, by a likelihood ratio of ``bar`` to 1."""
    return log_ratio(candidate, reference, worth) <= math.log(bar)


def _variance(candidate: SampleStats, reference: SampleStats) -> float:
    """Of the difference of the means; 0 while it cannot be known."""
    if candidate.n == 0 or reference.n == 0:
        return 0.0
    return candidate.variance / candidate.n + reference.variance / reference.n
