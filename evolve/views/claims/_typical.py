"""The effect of a vault without its runs that are far off: one of them makes it a number that no other run shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evolve.confirm import Confirmation, compared, interval

if TYPE_CHECKING:
    from evolve.search.state._state import ProblemState
    from evolve.views._run_view import RunView

_LEAST = 2  # runs of either, for an interval


@dataclass(frozen=True, slots=True)
class TypicalEffect:
    """Effect and 95 % interval by the runs of an estimate but for ``far_off`` of the ``runs``, which are wild; in the problem's own
    sign."""

    effect: float
    low: float
    high: float
    far_off: int
    runs: int


def typical_effect(state: ProblemState, vault: Confirmation) -> TypicalEffect | None:
    """The same where some runs are far off; None where none is, without an effect, and where too few others are left."""
    population = state.population
    far, far_reference = set(population.far_off(vault.candidate)), set(population.far_off(vault.reference))
    if vault.effect is None or not (far or far_reference):
        return None
    ours, theirs = state.confirmations.estimate_scores(vault)
    if vault.paired:
        pairs = [(a, b) for a, b in zip(ours, theirs, strict=False) if a not in far and b not in far_reference]
        own, bank = [a for a, _ in pairs], [b for _, b in pairs]
    else:
        own, bank = [a for a in ours if a not in far], [b for b in theirs if b not in far_reference]
    n = sum(a in far for a in ours) + sum(b in far_reference for b in theirs)
    if not n or min(len(own), len(bank)) < _LEAST:
        return None
    found, sign = interval(compared(own, bank, paired=vault.paired)), population.sign
    low, high = sorted((sign * found.low, sign * found.high))
    return TypicalEffect(sign * found.effect, low, high, n, len(ours) + len(theirs))


def typical_of(view: RunView, vault: int) -> TypicalEffect | None:
    """The same of a run's vault, by its number."""
    return typical_effect(view.state, view.state.confirmations.confirmations[vault])
