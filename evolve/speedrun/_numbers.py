"""The statistics of a record: losses against the target, times against the baseline, what a difference of losses is worth."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from evolve.speedrun._record import RunSet

PAIRWISE_PER_STEP = 0.0045 / 100  # loss, track 3: what 200 steps less cost of a tuned baseline, by its rules
MARGIN = 0.004  # of track 3: 3.09 times the assumed standard deviation of 0.0013


@dataclass(frozen=True, slots=True)
class Sample:
    """Losses against a target: ``p`` is one-sided (their mean is below it), ``rounding`` how far each may be off as it is printed,
    ``p_best`` and ``p_worst`` the least and largest p of losses that print the same."""

    n: int
    mean: float
    sd: float | None
    t: float | None
    p: float | None
    p_best: float | None
    p_worst: float | None
    rounding: float


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of two sets of runs; ``p`` is one-sided (the first is faster), by Welch."""

    mean: float
    sd: float | None
    base_mean: float | None = None
    base_sd: float | None = None
    t: float | None = None
    p: float | None = None


@dataclass(frozen=True, slots=True)
class EqualLoss:
    """What would be gained at the baseline's loss.  ``measured`` says that the rate is from two step counts of the baseline."""

    loss_per_step: float
    measured: bool
    extra_steps: float
    gain_s: float
    gain_at_equal_loss_s: float


def sample_of(texts: Sequence[str], target: float) -> Sample:
    """Losses as they were printed."""
    losses = [float(text) for text in texts]
    rounding = max((0.5 * 10.0 ** -len(text.partition(".")[2]) for text in texts if "." in text), default=0.0)
    mean = statistics.fmean(losses) if losses else math.nan
    if len(losses) < 2 or not math.isfinite(mean):
        return Sample(len(losses), mean, None, None, None, None, None, rounding)
    sd = statistics.stdev(losses)
    t, p = _below(mean, sd, len(losses), target)
    possible = _possible(losses, rounding, target)
    return Sample(len(losses), mean, sd, t, p, min(possible), max(possible), rounding)


def _below(mean: float, sd: float, n: int, target: float) -> tuple[float | None, float]:
    if sd == 0:
        return None, 0.0 if mean < target else 1.0
    t = (mean - target) / (sd / math.sqrt(n))
    return t, student(n - 1, t)


def _possible(losses: Sequence[float], rounding: float, target: float) -> list[float]:
    """p of losses that print the same, at the corners among which are its least and its largest.

    p grows with the mean and, below the target, with the spread: the lowest k of them are moved one way and the others the other
    way, for every k.
    """
    low_first = sorted(losses)
    moves = [(k, by) for k in range(len(losses)) for by in (rounding, -rounding)]
    corners = ([loss + (by if i < k else -by) for i, loss in enumerate(low_first)] for k, by in moves)
    return [_below(statistics.fmean(one), statistics.stdev(one), len(one), target)[1] for one in corners]


def student(df: float, t: float) -> float:
    """Student's distribution function, by the continued fraction of the incomplete beta function (Lentz).

    scipy has it too, for a third of a second of importing: more than reading twenty logs takes.
    """
    half = 0.5 * _beta(df / 2, 0.5, df / (df + t * t))
    return half if t <= 0 else 1 - half


def _beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # where the fraction converges slowly
        return 1 - _beta(b, a, 1 - x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    c, d, value = 1.0, 0.0, 1.0
    for i in range(400):
        m = i // 2
        if i == 0:
            term = 1.0
        elif i % 2 == 0:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        else:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / (1 + term * d)
        c = 1 + term / c
        value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * (value - 1)


def times_of(runs: RunSet, baseline: RunSet | None) -> Times:
    """Seconds to the last validation."""
    mine = [run.seconds for run in runs.runs]
    sd = statistics.stdev(mine) if len(mine) > 1 else None
    if baseline is None or not baseline.runs:
        return Times(statistics.fmean(mine), sd)
    theirs = [run.seconds for run in baseline.runs]
    base_sd = statistics.stdev(theirs) if len(theirs) > 1 else None
    first = Times(statistics.fmean(mine), sd, statistics.fmean(theirs), base_sd)
    if sd is None or base_sd is None or sd == base_sd == 0:
        return first
    a, b = sd**2 / len(mine), base_sd**2 / len(theirs)
    t = (first.mean - statistics.fmean(theirs)) / math.sqrt(a + b)
    df = (a + b) ** 2 / (a**2 / (len(mine) - 1) + b**2 / (len(theirs) - 1))
    return Times(first.mean, sd, first.base_mean, base_sd, t, student(df, t))


def equal_loss(runs: RunSet, baselines: Sequence[RunSet]) -> EqualLoss | None:
    """Seconds gained if the record trained on, or stopped earlier, to the baseline's mean loss."""
    if not baselines or not (rate := _rate(baselines)):
        return None
    per_step, measured = rate
    base = baselines[0]
    mine, theirs = (statistics.fmean(run.loss for run in one.runs) for one in (runs, base))
    seconds, base_s = (statistics.fmean(run.seconds for run in one.runs) for one in (runs, base))
    step_s = seconds / statistics.fmean(run.trial.total for run in runs.runs)
    extra = (mine - theirs) / per_step
    if not all(math.isfinite(value) for value in (extra, seconds, base_s)):
        return None
    return EqualLoss(per_step, measured, extra, base_s - seconds, base_s - seconds - extra * step_s)


def _rate(baselines: Sequence[RunSet]) -> tuple[float, bool] | None:
    """Loss a step is worth: of two step counts of the baseline, else of the last stretch of its curve, which is steeper."""
    counts: dict[int, list[float]] = {}
    for one in baselines:
        if one.runs[0].log.machine.gpu == baselines[0].runs[0].log.machine.gpu:
            for run in one.runs:
                counts.setdefault(run.trial.total, []).append(run.loss)
    if len(counts) > 1:
        short, long = min(counts), max(counts)
        rate = (statistics.fmean(counts[short]) - statistics.fmean(counts[long])) / (long - short)
        return (rate, True) if rate > 0 else None
    slopes = []
    for run in baselines[0].runs:
        points = [(line.step, float(line.loss())) for line in run.trial.validations[-2:] if line.loss()]
        if len(points) == 2 and points[1][0] > points[0][0]:
            slopes.append((points[0][1] - points[1][1]) / (points[1][0] - points[0][0]))
    slope = statistics.fmean(slopes) if slopes else math.nan
    return (slope, False) if slope > 0 else None


def margin(losses: Sequence[float], target: float) -> float:
    """Of track 3: how far below the target, in units that must be at least 0.004."""
    return (target - statistics.fmean(losses)) * math.sqrt(len(losses)) if losses else math.nan


def earliest_step(runs: RunSet, target: float, readout: str) -> tuple[int, float, float] | None:
    """Of track 3: the first step that every run has validated at and that passes, with the mean loss and the margin there."""
    at: dict[int, list[float]] = {}
    for run in runs.runs:
        for line in run.trial.validations:
            if text := line.loss(readout):
                at.setdefault(line.step, []).append(float(text))
    for step in sorted(at):
        if len(at[step]) == len(runs.runs) and margin(at[step], target) >= MARGIN - 1e-12:
            return step, statistics.fmean(at[step]), margin(at[step], target)
    return None


def pairwise(loss: float, n: int, steps: int, base_loss: float, base_n: int, base_steps: int) -> float:
    """Of track 3: how much better than another result, each step less counted with what it costs; 0.004 is significant."""
    gained = base_loss - loss + PAIRWISE_PER_STEP * (base_steps - steps)
    return gained / math.sqrt(1 / n + 1 / base_n)
