"""When a training run is known to lose: bars on its learning curve, from the curves of runs that were made to their end.

At each share of the run what it ends with is regressed on how its curve stands there.  A bar is where the upper end of the
prediction for one more run falls below what is asked for: whoever stands worse there ends below it, but for one time in
``1 / WRONG`` (over all bars together).  Runs are compared at equal shares, as in median
stopping (Golovin and others 2017); a regression also says how well a share foretells the end.

Sources: Domhan, Springenberg and Hutter 2015, *Speeding up automatic hyperparameter optimization of deep neural networks by
extrapolation of learning curves*, IJCAI; Golovin and others 2017, https://doi.org/10.1145/3097983.3098043.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from archive import Curve

SHARES = (0.2, 0.35, 0.5, 0.65, 0.8)  # of the run, where there are bars
WRONG = 0.01  # how often a run that would have been good enough is ended
FEWEST = 10  # runs that a bar is made of
_TELLS = 4.0  # standard errors of the slope, below which a curve says too little at that share
_KEPT = 0.75  # of the runs, the better ones, are regressed on: those that diverged bend the line


@dataclass(frozen=True, slots=True)
class CompleteRun:
    """A run that was made to its end: how its curve stood at each of ``SHARES`` (NaN: not known), and its score.  More is better
    in both."""

    at: tuple[float, ...]
    score: float


def standing(curve: Curve) -> tuple[float, ...]:
    """How a curve stood at each of ``SHARES``; NaN where it had ended before, or had not begun."""
    return tuple(curve.lately(share) if curve.x and share <= curve.x[-1] else math.nan for share in SHARES)


def bars(runs: Sequence[CompleteRun], wanted: float, parent: CompleteRun | None = None) -> list[tuple[float, float]]:
    """(share, value) of each bar: below ``value`` there a run ends below ``wanted``.  Empty where too little is known.

    Args:
        runs: Of any programs of one problem.
        wanted: The score that is asked for.
        parent: That of the program's parent, where it is known: a curve that promised less than the run came to makes the bars
            laxer by as much, since what makes it so may have been inherited.
    """
    found = []
    better = sorted(runs, key=lambda run: -run.score)[: max(FEWEST, math.ceil(_KEPT * len(runs)))]
    for i, share in enumerate(SHARES):
        line = _line([(run.at[i], run.score) for run in better if math.isfinite(run.at[i])])
        if line is None:
            continue
        start, slope, sd = line
        known = parent is not None and math.isfinite(parent.at[i])
        lag = max(parent.score - (start + slope * parent.at[i]), 0.0) if parent is not None and known else 0.0
        found.append((share, (wanted - lag - sd - start) / slope))
    return found


def _line(points: Sequence[tuple[float, float]]) -> tuple[float, float, float] | None:
    """The regression through (y, score): where it starts, its slope, and how far above it one more run may end; None where there
    are too few points or its slope may be none."""
    n = len(points)
    if n < FEWEST:
        return None
    mean_y, mean_score = sum(y for y, _ in points) / n, sum(score for _, score in points) / n
    spread = sum((y - mean_y) ** 2 for y, _ in points)
    if spread <= 0.0:
        return None
    slope = sum((y - mean_y) * (score - mean_score) for y, score in points) / spread
    start = mean_score - slope * mean_y
    sd = math.sqrt(sum((score - start - slope * y) ** 2 for y, score in points) / (n - 2))
    if slope <= 0.0 or slope < _TELLS * sd / math.sqrt(spread):
        return None
    return start, slope, _quantile(n - 2) * sd * math.sqrt(1.0 + 2.0 / n)


def _quantile(freedom: int) -> float:
    """Of Student's t, one-sided, at ``WRONG`` shared out over the bars."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 1.0 - WRONG / len(SHARES)))
