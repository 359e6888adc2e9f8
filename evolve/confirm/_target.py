"""Rules for a fixed target, as races have them: "the mean is below 3.28".  Losses: lower is better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from archive import bounded, difference, mean_of, sd_of

LEVEL = 0.01
_MIN_RUNS = 5
_MIN_LEVELS = 3
_MAX_LOG = 700.0  # of a ratio: beyond it nothing is decided any more
_SCALE = 1.0  # of the t mixture's prior on effect over sd


def beats_target(losses: Sequence[float], target: float) -> float:
    """The p-value of "the mean loss is below ``target``": the one-sided t-test of the NanoGPT speedrun, accepted below 0.01.

    It holds for a number of runs that was fixed beforehand; looking after every run makes it wrong three to seven times as often.

    Returns:
        1.0 with fewer than two runs, or where all are equal: their spread is not known.
    """
    from scipy.special import stdtr

    n = len(losses)
    if n < 2:
        return 1.0
    gap, spread = difference(target, mean_of(losses)), sd_of(losses) / math.sqrt(n)
    return 1.0 if spread == 0.0 else float(stdtr(n - 1, -gap / spread))


def beats_target_any_time(losses: Sequence[float], target: float) -> float:
    """The e-value of the same statement, valid however often one looks: accepted from 100 on for the level 0.01.

    The likelihood ratio of the t statistic under effects |N(0, 1)| in units of the unknown standard deviation against no effect
    (Lai 1976; Grünwald, de Heide and Koolen 2024 on the t-test e-value), by quadrature.  It takes scores to be about normal: a few
    runs of a coarse score (a count, an error rate, rounded losses) may agree by chance, so the spread is taken to be at least the
    distance of neighbouring scores, and fewer than five runs or three different scores show nothing.

    Returns:
        1.0 where nothing is shown yet.
    """
    import numpy as np

    n, levels = len(losses), sorted(set(losses))
    if n < _MIN_RUNS or len(levels) < _MIN_LEVELS:
        return 1.0
    step = min(difference(after, before) for before, after in pairwise(levels))
    gap, spread = difference(target, mean_of(losses)), max(sd_of(losses), step)
    t = bounded(gap / spread * math.sqrt(n))
    effects = (np.arange(250) + 0.5) * (6.0 / 250)  # in sds; the prior beyond 6 weighs nothing
    weights = np.exp(-0.5 * (effects / _SCALE) ** 2)
    return float(np.sum(weights * np.exp(np.minimum(_log_t_ratio(t, n, effects), _MAX_LOG))) / weights.sum())


def _log_t_ratio(t: float, n: int, effects):  # type: ignore[no-untyped-def]
    """Log density ratio of the noncentral to the central t at ``t``, for effects (k,) in standard deviations.

    Both are integrals over the scale r of r^(n-1) exp(-r^2/2 (1 + t^2/nu) ...); the ratio is that of two such sums on one grid.
    """
    import numpy as np

    nu = n - 1
    u = t / math.hypot(math.sqrt(nu), t)
    grid = np.linspace(1e-6, math.sqrt(nu) + 12.0, 500)
    base = nu * np.log(grid) - 0.5 * grid**2
    shift = np.sqrt(n) * effects[:, None] * u
    top = base[None, :] + shift * grid[None, :] - 0.5 * n * effects[:, None] ** 2
    return _log_sum(top) - _log_sum(base[None, :])


def _log_sum(rows):  # type: ignore[no-untyped-def]
    import numpy as np

    high = rows.max(axis=1, keepdims=True)
    return high[:, 0] + np.log(np.exp(rows - high).sum(axis=1))
