"""What measurements of relatives say of a program: a Gaussian model over the tree of descent.

A child is its parent with a change, so it is worth what the parent is worth and a little more or less: a measurement of one is half
a measurement of the other.  Most changes are small against the noise and a few are not, such as those that break a program, so a
step is drawn from a narrow or from a wide distribution, and which of the two is judged from what was measured.  Given that, means
and variances are exact: one pass from the leaves to the roots and one back (belief propagation: Pearl 1988, *Probabilistic
reasoning in intelligent systems*; on trees of Gaussians Chou, Willsky and Benveniste 1994, https://doi.org/10.1109/9.280746).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_WIDE = 0.2  # of the steps are drawn from the wide distribution
_APART = 25.0  # least ratio of the two variances
_LEAST = 0.01  # of the noise, variance of a narrow step: who cannot be told apart is not the same
_FEW = 5  # steps, before anything is said of their size
_FAR = 1e100  # standard deviations of the noise: what is further off counts as this far, so that squares are numbers
_ROUNDS = 2  # which steps are wide is judged from single measurements, then from what these come to


@dataclass(frozen=True, slots=True)
class Lineages:
    """What was measured of programs in order of birth.

    Args:
        parents: (n,) row of each program's parent, which comes before it; -1 of one that descends from none.
        counts: (n,) measurements of each, at least 1.
        means: (n,) their mean.
    """

    parents: np.ndarray
    counts: np.ndarray
    means: np.ndarray


def lineage_posterior(lineages: Lineages, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance, (n,) each, of what every program is worth, given all measurements.

    Args:
        noise: Variance of one measurement, above 0.

    Deterministic; O(n) a round.
    """
    parents, levels, unit = lineages.parents, _levels(lineages.parents), math.sqrt(noise)
    means = np.clip(lineages.means / unit, -_FAR, _FAR)
    error = 1.0 / lineages.counts
    steps = np.flatnonzero(parents >= 0)
    from_ = parents[steps]
    narrow = _narrow(means[steps] - means[from_], error[steps] + error[from_])
    value, variance = means, error
    for _ in range(_ROUNDS):
        precision = np.zeros(len(parents))
        # A parent's own uncertainty counts too: of the first round it is that of its measurements.
        precision[steps] = _precision(means[steps] - value[from_], error[steps] + variance[from_], narrow)
        value, variance = _smoothed(parents, levels, lineages.counts, means, precision)
    return value * unit, variance * noise


def _narrow(gaps: np.ndarray, error: np.ndarray) -> float:
    """Variance of a narrow step: what half of the gaps between children and parents leave beyond noise."""
    if len(gaps) < _FEW:
        return 1.0
    # 1.4826 is what makes the median of absolute values a standard deviation.
    return max((1.4826 * float(np.median(np.abs(gaps)))) ** 2 - float(np.median(error)), _LEAST)


def _precision(gaps: np.ndarray, error: np.ndarray, narrow: float) -> np.ndarray:
    """Of each step one over its variance, by how likely it was a narrow one."""
    wide = max(float(np.mean(np.square(gaps))) if len(gaps) else 0.0, _APART * narrow)
    log_odds = np.log(_WIDE / (1 - _WIDE)) + _log_density(gaps, wide + error) - _log_density(gaps, narrow + error)
    is_wide = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -500.0, 500.0)))
    return (1.0 - is_wide) / narrow + is_wide / wide


def _log_density(gaps: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return -0.5 * (np.square(gaps) / variance + np.log(variance))


def _levels(parents: np.ndarray) -> list[np.ndarray]:
    """Rows by how far they are from where their line begins, nearest first."""
    depth = np.zeros(len(parents), dtype=np.int64)
    for row, parent in enumerate(parents.tolist()):
        if parent >= 0:
            depth[row] = depth[parent] + 1
    order = np.argsort(depth, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(depth[order])) + 1)


def _smoothed(
    parents: np.ndarray, levels: list[np.ndarray], counts: np.ndarray, means: np.ndarray, precision: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance where noise is 1 and each step has this precision: what is below is gathered, then handed down."""
    weight = counts.copy()
    pull = counts * means
    up_weight, up_pull = np.zeros(len(parents)), np.zeros(len(parents))
    for rows in levels[:0:-1]:
        through = precision[rows] / (weight[rows] + precision[rows])
        up_weight[rows], up_pull[rows] = weight[rows] * through, pull[rows] * through
        np.add.at(weight, parents[rows], up_weight[rows])
        np.add.at(pull, parents[rows], up_pull[rows])
    for rows in levels[1:]:
        above = weight[parents[rows]] - up_weight[rows]  # all that is known of the parent but through this child
        through = precision[rows] / (above + precision[rows])
        weight[rows] += above * through
        pull[rows] += (pull[parents[rows]] - up_pull[rows]) * through
    return pull / weight, 1.0 / weight
