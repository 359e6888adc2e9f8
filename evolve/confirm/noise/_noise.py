"""How noisy a problem is: the noise floor with its interval, its tails, what can be resolved, whether pairing pays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from archive import difference, mean_of

MIN_DF = 20  # pooled degrees of freedom below which nothing is claimed
HEAVY = 4.5  # kurtosis of the residuals above which tails are called heavy, once there are enough of them
_ENOUGH = 40  # residuals
PAIRED_FROM = 0.5  # correlation of two programs' scores at equal seeds from which pairs are compared
_MIN_PAIRS = 20


@dataclass(frozen=True, slots=True)
class Noise:
    """Standard deviation of one run, with the 90 % interval that its degrees of freedom leave.

    ``kurtosis`` of the residuals is 3 for normal noise; None while there are too few.
    """

    sd: float
    low: float
    high: float
    df: int
    kurtosis: float | None = None

    @property
    def heavy_tailed(self) -> bool:
        """Whether outliers are more frequent than under normal noise."""
        return self.kurtosis is not None and self.kurtosis > HEAVY


def describe_noise(variance: float, df: int, residuals: Sequence[float] = ()) -> Noise | None:
    """The noise floor from the pooled variance; None without degrees of freedom.

    ``residuals`` are deviations from candidates' own means, each scaled by sqrt(n / (n - 1)).
    """
    if df < 1 or variance <= 0.0:
        return None
    from scipy.special import chdtri

    sd = math.sqrt(variance)
    low, high = (sd * math.sqrt(df / float(chdtri(df, tail))) for tail in (0.05, 0.95))
    return Noise(sd, low, high, df, _kurtosis(residuals) if len(residuals) >= _ENOUGH else None)


def _kurtosis(values: Sequence[float]) -> float | None:
    largest = max(map(abs, values))
    if largest <= 0.0:
        return None
    near_one = [value / largest for value in values]
    square = math.fsum(value**2 for value in near_one) / len(values)
    return math.fsum(value**4 for value in near_one) / len(values) / square**2


def resolvable(noise_sd: float, candidate_runs: int, reference_runs: int, *, level: float = 0.01, chance: float = 0.8) -> float:
    """The smallest true difference that a comparison of so many runs finds with probability ``chance`` at ``level``."""
    from scipy.special import stdtrit

    df = candidate_runs + reference_runs - 2
    return noise_sd * math.sqrt(1 / candidate_runs + 1 / reference_runs) * float(stdtrit(df, 1 - level) + stdtrit(df, chance))


def pair_correlation(pairs: Sequence[tuple[int, float, float]]) -> float | None:
    """Correlation of scores at equal seeds, within candidates.

    Args:
        pairs: (candidate, its score, the reference's score at the same seed).

    Returns:
        None with fewer than 20 pairs beyond each candidate's first.
    """
    groups: dict[int, list[tuple[float, float]]] = {}
    for who, ours, theirs in pairs:
        groups.setdefault(who, []).append((ours, theirs))
    x_gaps: list[float] = []
    y_gaps: list[float] = []
    df = 0
    for group in groups.values():
        mx, my = (mean_of(column) for column in zip(*group, strict=True))
        dx, dy = (
            [difference(one, mean) for one in column] for column, mean in zip(zip(*group, strict=True), (mx, my), strict=True)
        )
        x_gaps, y_gaps = x_gaps + dx, y_gaps + dy
        df += len(group) - 1
    x_most, y_most = (max(map(abs, gaps), default=0.0) for gaps in (x_gaps, y_gaps))
    if df < _MIN_PAIRS or x_most <= 0.0 or y_most <= 0.0:
        return None
    xs, ys = [x / x_most for x in x_gaps], [y / y_most for y in y_gaps]
    squares = math.fsum(x * x for x in xs), math.fsum(y * y for y in ys)
    return math.fsum(x * y for x, y in zip(xs, ys, strict=True)) / math.sqrt(squares[0] * squares[1])
