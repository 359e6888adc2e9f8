"""Which measurements of a program are wild, and whether the step to it was a wide one: what its relatives say.

A step from parent to child is drawn from a narrow or from a wide distribution, and so is a measurement: most scatter by the noise,
and a few are off by any amount, for instance where a machine was busy.  One measurement far from the parent's is either; that
the children stand where the parent stands, or that the same program was measured elsewhere too, says which.  Everything here is in
units of the noise's standard deviation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

_WIDE = 0.2  # of the steps are wide
_WILD = 0.01  # of the measurements are wild
_APART = 25.0  # ratio of the variances of wide and narrow steps
_FAR = 100.0  # least variance of a wild measurement
_LEAST = 0.01  # variance of a narrow step: who cannot be told apart is not the same
_FEW = 5  # steps, before anything is said of their size
_AGREE = 4.0  # as far as this from each other, measurements and relatives may all be right
_ODDS_WIDE, _ODDS_WILD = (math.log(part / (1.0 - part)) for part in (_WIDE, _WILD))
_LOGS_WIDE, _LOGS_WILD = ((math.log1p(-part), math.log(part)) for part in (_WIDE, _WILD))
NOTHING = 1e-9  # of one measurement: less is known of nobody
_NO_MORE = 1.0 / _FAR  # is what a measurement counts that is wild
_CERTAIN = 20.0  # standard deviations from the others: wild for certain, heavy though the noise's tails may be
_MOST = 4  # measurements, from which on not more than half are wild: it is how they scatter

Known = tuple[float, float]  # mean and variance of what a relative is worth, by all but what the program itself says


def narrow_step(gaps: Sequence[Known]) -> float:
    """Variance of a narrow step, by the gaps between children and parents as measured and the variances of these: as if half of
    the gaps were narrow steps and nothing else."""
    if len(gaps) < _FEW:
        return 1.0
    # 1.4826 is what makes the median of absolute values a standard deviation.
    return max((1.4826 * median(abs(gap) for gap, _ in gaps)) ** 2 - median(error for _, error in gaps), _LEAST)


def step_precision(gap: float, error: float, narrow: float) -> float:
    """One over the variance of a step, by how likely it was a narrow one; ``error`` is the variance of the gap without the step."""
    wide = _chance(gap, narrow + error, _APART * narrow + error, _ODDS_WIDE)
    return (1.0 - wide) / narrow + wide / _reach(gap, _APART * narrow)


def weight_of(gap: float, error: float, narrow: float) -> float:
    """What a measurement counts, from 0 to 1, by how likely it is not wild; ``error``: the variance of what it is held against."""
    far = max(_FAR, _APART * narrow)
    wild = _chance(gap, 1.0 + error, far + error, _ODDS_WILD)
    return (1.0 - wild) + wild / _reach(gap, far)


def judged(scores: Sequence[float], above: Known | None, below: Sequence[Known], narrow: float) -> tuple[list[float], float]:
    """What each measurement of a program counts, and the precision of the step to it from the parent ``above``."""
    if len(scores) == 1 and not below:
        return _judged_once(scores[0], above, narrow)
    worth = _likeliest(scores, above, below, narrow)
    weights = [weight_of(score - worth, 0.0, narrow) for score in scores]
    steps = [1.0 / (error + 1.0 / step_precision(mean - worth, error, narrow)) for mean, error in below]
    weight = math.fsum(weights) + math.fsum(steps)
    pull = _product(weights, scores) + _product(steps, [mean for mean, _ in below])
    precision = 0.0
    if above is not None:
        precision = step_precision(pull / weight - above[0], 1.0 / weight + above[1], narrow)
        told = 1.0 / (1.0 / precision + above[1])
        weight, pull = weight + told, pull + told * above[0]
    found = []
    for one, score in zip(weights, scores, strict=True):
        rest = weight - one  # all that is known of the program but by this measurement
        found.append(weight_of(score - (pull - one * score) / rest, 1.0 / rest, narrow) if rest > NOTHING else 1.0)
    return found, precision


def far_off(scores: Sequence[float], weights: Sequence[float], above: Known | None, below: Sequence[Known]) -> list[int]:
    """Which measurements of a program are wild for certain, by what each counts: people are shown the mean of the others."""
    near = [score for weight, score in zip(weights, scores, strict=True) if weight > _NO_MORE]
    around = near or [mean for mean, _ in (below if above is None else (*below, above))]
    if len(near) == len(scores) or not around:  # each far from the others, and nobody else known: none can be told
        return []
    middle = median(around)
    far = [i for i, score in enumerate(scores) if weights[i] <= _NO_MORE and abs(score - middle) >= _CERTAIN]
    return far if 2 * len(far) <= max(len(scores), _MOST) else []


def is_alone(score: float, relatives: Sequence[Known], narrow: float) -> bool:
    """Whether the one measurement of a program is so far from all relatives, by noise and by steps, that it may well be wild."""
    far = _CERTAIN * max(1.0, math.sqrt(narrow))
    return bool(relatives) and all(abs(score - mean) >= far for mean, _ in relatives)


def _judged_once(score: float, above: Known | None, narrow: float) -> tuple[list[float], float]:
    """The same of a program of which nobody else knows anything but its parent: most are of this kind."""
    if above is None:
        return [1.0], 0.0
    gap, error = score - above[0], above[1]
    precision = step_precision(gap, 1.0 + error, narrow)
    return [weight_of(gap, 1.0 / precision + error, narrow)], precision


def _likeliest(scores: Sequence[float], above: Known | None, below: Sequence[Known], narrow: float) -> float:
    """What the program is worth if its measurements, its parent or most of its children are right."""
    starts = [median(scores), *(scores if len(scores) == 2 else ())]
    starts += [above[0]] if above is not None else []
    starts += [median(mean for mean, _ in below)] if below else []
    if max(*starts, *scores) - min(*starts, *scores) < _AGREE:
        return median(starts)

    def likelihood(worth: float) -> float:
        found = math.fsum(_log_of(score - worth, 1.0, max(_FAR, _APART * narrow), _LOGS_WILD) for score in scores)
        steps = below if above is None else (*below, above)
        return found + math.fsum(_log_of(mean - worth, narrow + var, _APART * narrow + var, _LOGS_WIDE) for mean, var in steps)

    return max(starts, key=likelihood)


def _product(weights: Sequence[float], values: Sequence[float]) -> float:
    return math.fsum(weight * value for weight, value in zip(weights, values, strict=True))


def _chance(gap: float, small: float, large: float, log_odds: float) -> float:
    """How likely a gap is drawn from the larger of two variances.  Written out, for it is asked several times a measurement."""
    square = gap * gap
    reach = large if large >= square else square
    odds = log_odds + -0.5 * (square / reach + math.log(reach)) - -0.5 * (square / small + math.log(small))
    return 1.0 / (1.0 + math.exp(-max(-500.0, min(500.0, odds))))


def _log_of(gap: float, small: float, large: float, logs: tuple[float, float]) -> float:
    """The logarithm of the density of a gap drawn from either, but for what is the same for all; ``logs`` of the chances."""
    first = logs[0] + _log_density(gap, small)
    second = logs[1] + _log_density(gap, _reach(gap, large))
    return max(first, second) + math.log1p(math.exp(-abs(first - second)))


def _reach(gap: float, large: float) -> float:
    """The variance of what has a long tail: no gap is too large for it."""
    return max(large, gap * gap)


def _log_density(gap: float, variance: float) -> float:
    return -0.5 * (gap * gap / variance + math.log(variance))
