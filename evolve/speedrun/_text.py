"""What the text claims and what the logs give, side by side."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from evolve.speedrun._check import Case
from evolve.speedrun._claims import agrees, claimed_losses, same_losses
from evolve.speedrun._numbers import MARGIN, margin

_SIGMA = 0.0013  # the standard deviation that track 3 assumes
_SCALES = (1.0, 1e3, 1 / 60)  # seconds are told as such, in ms, or in minutes


@dataclass(frozen=True, slots=True)
class Claimed:
    """One statistic: as the text has it ("" where it has none), as the logs give it, and whether the two agree.

    Where they agree ``recomputed`` is the value that is meant, which may be in milliseconds or minutes, or at an earlier step.
    """

    name: str
    written: str
    recomputed: float | None
    agrees: bool | None


def side_by_side(case: Case) -> tuple[Claimed, ...]:
    """Number of runs, mean, standard deviation and p of the losses, mean time."""
    claims, sample, times = case.claims, case.sample, case.times
    listed = claimed_losses(claims, case.losses)
    n = len(case.runs)
    counts = [str(len(listed))] if listed else [str(n)] if n in claims.counts else [str(count) for count in claims.counts[:1]]
    seconds = [value * scale for scale in _SCALES for value in (times.mean, statistics.median(run.seconds for run in case.runs))]
    return (
        Claimed("runs", counts[0] if counts else "", float(n), counts[0] == str(n) if counts else None),
        _claimed("mean loss", claims.means, [sample.mean, *_other_means(case)]),
        _claimed("sd of losses", claims.sds, [sample.sd]),
        _claimed("p", claims.ps, [sample.p, *_other_ps(case)]),
        _claimed("mean time", claims.time_means, seconds),
    )


def losses_listed(case: Case) -> bool:
    """Whether the text lists exactly the losses of the logs."""
    return same_losses(claimed_losses(case.claims, case.losses), case.losses)


def stray_means(case: Case) -> list[str]:
    """Labelled mean losses in the text that are of no set of runs in the folder, and of no list of losses in the text."""
    sets = (case.of.record, *case.of.baselines, *case.of.aside)
    known = [statistics.fmean(run.loss for run in one.runs) for one in sets if one.runs]
    known += [statistics.fmean(one) for one in case.claims.losses] + _other_means(case)
    return [written for written in dict.fromkeys(case.claims.means) if not any(agrees(written, value) for value in known)]


def _claimed(name: str, written: Sequence[str], values: Sequence[float | None]) -> Claimed:
    known = [value for value in values if value is not None]
    first = known[0] if known else None
    if not written or first is None:
        return Claimed(name, "", first, None)
    for value in known:
        for one in written:
            if agrees(one, value):
                return Claimed(name, one, value, True)
    return Claimed(name, min(written, key=lambda one: abs(float(one) - first)), first, False)


def _other_means(case: Case) -> list[float]:
    """Of runs of one step count; of track 3 at every common step, by every readout: a text may tell any of them."""
    of_counts = [statistics.fmean(run.loss for run in case.of.record.where(steps).runs) for steps in case.of.record.steps]
    return of_counts + [statistics.fmean(losses) for losses in _common(case)]


def _other_ps(case: Case) -> list[float]:
    """One- and two-sided p of times; of track 3 those of its z-test."""
    times = [case.times.p, 2 * case.times.p] if case.times.p is not None else []
    normal = statistics.NormalDist()
    margins = [margin(losses, case.of.target) for losses in _common(case)]
    return times + [normal.cdf(-one / _SIGMA) for one in margins if one > MARGIN / 2]


def _common(case: Case) -> list[list[float]]:
    at: dict[tuple[str, int], list[float]] = {}
    for run in case.runs if case.of.track == 3 else ():
        for line in run.trial.validations:
            for name, text in line.losses:
                at.setdefault((name, line.step), []).append(float(text))
    return [losses for losses in at.values() if len(losses) == len(case.runs)]
