"""What speaks against a claim although its vault speaks for it: unequal compute, rare losses, age, memory.  Reads the search only.

See ``evolve.confirm`` for the statistics (``_rare``, ``_age``), docs/design/claims.md for what each is in practice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

from evolve.confirm import (
    LEVEL,
    Cell,
    Comparison,
    Confirmation,
    Effect,
    Gap,
    Memory,
    Pool,
    Tails,
    Trend,
    Verdict,
    compared,
    decide_by_test,
    fading,
    interval,
    lasting,
    margin,
    median_gap,
    memory,
    pool,
    runs_needed,
    tails,
    trend,
    upper_tail,
)
from evolve.search.state._state import ProblemState

MOST_RUNS = 150  # of one candidate, to exclude a rare loss
_MEMORY_LEVEL = 0.1  # of the F test; a low bar: what it costs is claims, what a high one costs is truth
_FADING_LEVEL = 0.02  # of differences that shrink after their vaults


class Doubts:
    """The judge of vaults, at one moment of a search."""

    def __init__(self, state: ProblemState) -> None:
        self._state = state
        self._trends: dict[int, Trend | None] = {}

    def __call__(self, vault: Confirmation) -> Verdict:
        """What is thought of a complete vault."""
        plain = decide_by_test(vault)
        if plain.p_value >= LEVEL or vault.effect is None:
            return plain
        confirmations, cpu_budget = self._state.confirmations, self._state.population.cpu_budget
        gap = compared(*confirmations.test_scores(vault), paired=vault.paired)
        aged = self._at_equal_age(vault, gap, gate=True)
        p_value = max(plain.p_value, upper_tail(aged))
        if p_value >= LEVEL:
            return Verdict(p_value, _too_old(gap, aged))
        if self._memory is not None:
            runs = self._comparison(vault, gate=True)
            p_value = max(p_value, upper_tail(lasting(aged, runs, self._memory)))
            if p_value >= LEVEL:
                return Verdict(p_value, _too_short(self._memory, len(runs.later)))
        if cpu_budget is not None and (why := cpu_budget.claim_excess(vault.candidate)):
            return Verdict(p_value, why)
        return self._rare(vault, p_value)

    def effect(self, vault: Confirmation) -> Effect | None:
        """The effect of a vault as it is to be reported: as if both were of equal age, and over all moments where that matters."""
        if vault.effect is None:
            return None
        gap = compared(*self._state.confirmations.estimate_scores(vault), paired=vault.paired)
        moved = self._at_equal_age(vault, gap, gate=False)
        if self._memory is not None:
            moved = lasting(moved, self._comparison(vault, gate=False), self._memory)
        return vault.effect if moved is gap else interval(moved)

    def median(self, vault: Confirmation) -> float | None:
        """Difference of the medians of the runs that the effect is from."""
        if vault.effect is None:
            return None
        ours, theirs = self._state.confirmations.estimate_scores(vault)
        return median_gap(ours, theirs, paired=vault.paired)

    def span_s(self, vault: Confirmation) -> float | None:
        """From the end of the vault's first run to that of its last; None while it has none."""
        bank = self._state.confirmations.confirmations[vault.control]
        times = [at for at, seed, _ in self._state.repeats.of(vault.candidate) if seed in vault.candidate_scores]
        times += [at for at, seed, _ in self._state.repeats.of(vault.reference) if seed in bank.control_scores]
        return max(times) - min(times) if times else None

    # ------------------------------------------------------------------------------------------------ inside

    def _at_equal_age(self, vault: Confirmation, gap: Gap, *, gate: bool) -> Gap:
        if vault.reference not in self._trends:
            self._trends[vault.reference] = trend(self._state.repeats.scores(vault.reference))
        slope = self._trends[vault.reference]
        if slope is None:
            return gap
        repeats, (own, bank) = self._state.repeats, self._state.confirmations.unpaired_runs(vault, gate=gate)
        ours, theirs = repeats.ages(vault.candidate), repeats.ages(vault.reference)
        by, error = slope.shift([theirs[seed] for seed in bank], [ours[seed] for seed in own])
        return gap.moved(by, error, slope.df) if by < 0.0 else gap

    @cached_property
    def _tails(self) -> dict[int, Tails]:
        typical = math.sqrt(self._state.population.pooled[-1].typical)
        repeats = self._state.repeats
        return {number: tails(repeats.scores(number), typical) for number, runs in repeats.by_row.items() if len(runs) > 1}

    @cached_property
    def _memory(self) -> Memory | None:
        """What programs have of it, where it is seen."""
        found = memory(self._cells())
        return found if found is not None and (found.p_value < _MEMORY_LEVEL or self._fading < _FADING_LEVEL) else None

    @cached_property
    def _fading(self) -> float:
        claims = [vault for vault in self._state.confirmations.confirmations if vault.effect is not None and not vault.failed]
        return fading([self._comparison(vault, gate=False) for vault in claims])

    def _cells(self) -> dict[Cell, Sequence[float]]:
        """The panel's, and the estimates' of vaults, which no test has chosen: those of one group are one moment."""
        confirmations, panel = self._state.confirmations, self._state.panel
        cells = panel.cells()
        for vault in confirmations.confirmations:
            if vault.effect is not None and not vault.failed:
                moment = panel.time_of(vault.control), f"vault {vault.control}"
                cells[vault.candidate, moment], cells[vault.reference, moment] = confirmations.estimate_scores(vault)
        return cells

    def _comparison(self, vault: Confirmation, *, gate: bool) -> Comparison:
        confirmations = self._state.confirmations
        ours, theirs = confirmations.test_scores(vault) if gate else confirmations.estimate_scores(vault)
        later = self._state.panel.after(vault.number, vault.candidate, vault.reference)
        return Comparison(ours, theirs, later, vault.paired)

    @cached_property
    def _pool(self) -> Pool:
        return pool(self._tails.values())

    def _rare(self, vault: Confirmation, p_value: float) -> Verdict:
        """Whether the rest of the runs are better by more than rare ones may take away."""
        ours, theirs, everyone = self._tails[vault.candidate], self._tails[vault.reference], self._pool
        asked = margin(ours, theirs, everyone)
        if asked <= 0.0:
            return Verdict(p_value)
        confirmations = self._state.confirmations
        own, bank = (a + b for a, b in zip(confirmations.test_scores(vault), confirmations.estimate_scores(vault), strict=True))
        own, bank = [one for one in own if ours.holds(one)], [one for one in bank if theirs.holds(one)]
        low = interval(compared(own, bank, paired=False)).low if min(len(own), len(bank)) > 1 else -math.inf
        if low > asked:
            return Verdict(p_value)
        wants = runs_needed(ours, theirs, everyone, low, MOST_RUNS) if ours.n < MOST_RUNS else 0
        return Verdict(p_value, _too_rare(ours, theirs, everyone, wants), wants)


def _too_old(gap: Gap, aged: Gap) -> str:
    by = f"{gap.mean - aged.mean:.3g} of a difference of {gap.mean:.3g}"
    return f"the reference's scores change with how often it has run, which explains {by}: no difference is shown at equal age"


def _too_short(memory: Memory, later: int) -> str:
    seen = f"{memory.programs} programs at {memory.moments} moments"
    looked = f"and the {later} moments after it" if later > 1 else "and the moment after it" if later else "(close in time)"
    return (
        f"programs score differently at another moment, each for itself, by an sd of up to {memory.sd:.3g} (seen in {seen}): "
        f"the runs of its vault {looked} do not show that the difference lasts"
    )


def _too_rare(ours: Tails, theirs: Tails, everyone: Pool, wants: int) -> str:
    if everyone.low and everyone.loss * everyone.low >= everyone.gain * everyone.high:
        seen = f"{everyone.low - ours.low} of {everyone.n - ours.n} runs of other programs"
        why = f"a loss of the kind seen in {seen} ({everyone.loss:.3g} on average) cannot be excluded yet"
        why += f": {ours.low} in its own {ours.n} runs"
    else:
        seen = f"{theirs.high} of {theirs.n} runs of the reference"
        why = f"rare gains ({everyone.gain:.3g} on average), seen in {seen}, may explain the difference"
    return f"{why}; {wants - ours.n} more runs without one may" if wants else why
