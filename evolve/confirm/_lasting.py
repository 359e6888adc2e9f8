"""Whether what a vault found lasts: its comparison made again at other moments, each a group of runs.

The moment of a vault and every later one give one difference d_g each, with a standard error e_g from the scatter within.  Where
programs have memory (``_slow.Memory``, of variance s^2, of which the share ``kept`` is left one moment later) the groups are the
unit: their mean has weights 1 / (e_g^2 + 2 s^2) and

    variance = sum w_g^2 e_g^2 + 2 s^2 sum w_g w_h kept^|g - h|.

With one group that is a comparison at one moment, whose variance twice s^2 is added to.  Differences that shrink after their vaults
(``fading``) are memory too, and are seen where the panel's table is too small to show it: vaults are opened for whoever was lucky.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from archive import bounded, difference, mean_of, sd_of
from evolve.confirm._holdout import Gap, compared, upper_tail
from evolve.confirm.noise._slow import Memory

Group = tuple[int, Sequence[float], Sequence[float]]  # which moment after the vault; scores of the candidate, of the reference


@dataclass(frozen=True, slots=True)
class Comparison:
    """One vault: runs of the candidate and of the reference in it, and at later moments."""

    candidate: Sequence[float]
    control: Sequence[float]
    later: list[Group]
    paired: bool = False


def lasting(gap: Gap, runs: Comparison, memory: Memory) -> Gap:
    """The difference over all moments, for programs with memory; ``gap`` is that of the vault."""
    scatter = sd_of(runs.candidate), sd_of(runs.control)
    at = [0, *(moment for moment, _, _ in runs.later)]
    means = [gap.mean, *(difference(mean_of(ours), mean_of(theirs)) for _, ours, theirs in runs.later)]
    errors = [gap.error, *(_error(scatter, ours, theirs) for _, ours, theirs in runs.later)]
    slow = math.sqrt(2.0) * memory.sd
    spreads = [math.hypot(error, slow) for error in errors]
    least = min(spreads)
    if not 0.0 < least < math.inf:
        return gap
    raw = [(least / spread) ** 2 for spread in spreads]
    weights = [one / math.fsum(raw) for one in raw]
    within = math.hypot(*(weight * error for weight, error in zip(weights, errors, strict=True)))
    alike = math.fsum(
        a * b * memory.kept ** abs(i - j) for a, i in zip(weights, at, strict=True) for b, j in zip(weights, at, strict=True)
    )
    mean = math.fsum(weight * mean for weight, mean in zip(weights, means, strict=True))
    return Gap(bounded(mean), within, gap.df).moved(0.0, slow * math.sqrt(max(alike, 0.0)), memory.df)


def fading(vaults: Sequence[Comparison]) -> float:
    """Probability that differences shrink after their vaults as much as these did, by chance: of runs that no test has seen.

    Candidates count as independent, the reference as the same in all, so that its error does not average out.
    """
    seen = [one for one in vaults if one.later and min(len(one.candidate), len(one.control)) > 1]
    if not seen:
        return 1.0
    lost = mean_of([_lost(one) for one in seen])
    own = math.hypot(*(_own_error(one.candidate, [ours for _, ours, _ in one.later]) for one in seen)) / len(seen)
    shared = max(_own_error(one.control, [theirs for _, _, theirs in one.later]) for one in seen)
    df = math.fsum(len(one.candidate) - 1 for one in seen)
    return upper_tail(Gap(lost, bounded(math.hypot(own, shared)), df))


def _lost(one: Comparison) -> float:
    later = mean_of([difference(mean_of(ours), mean_of(theirs)) for _, ours, theirs in one.later])
    return difference(compared(one.candidate, one.control, paired=one.paired).mean, later)


def _own_error(scores: Sequence[float], later: Sequence[Sequence[float]]) -> float:
    return bounded(sd_of(scores) * math.sqrt(1.0 / len(scores) + 1.0 / sum(map(len, later))))


def _error(scatter: tuple[float, float], ours: Sequence[float], theirs: Sequence[float]) -> float:
    return bounded(math.hypot(scatter[0] / math.sqrt(len(ours)), scatter[1] / math.sqrt(len(theirs))))
