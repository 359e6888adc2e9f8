"""What speaks against a claim although its vault speaks for it: unequal compute, rare losses, age, memory.  Reads the search only.

See ``evolve.confirm`` for the statistics (``_rare``, ``_age``), docs/design/claims.md for what each is in practice.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

from evolve.confirm import (
    LEVEL,
    Effect,
    Gap,
    Memory,
    Pool,
    Tails,
    Trend,
    Vault,
    Verdict,
    by_its_gate,
    compared,
    interval,
    margin,
    median_gap,
    pool,
    runs_needed,
    tails,
    trend,
    upper_tail,
)

if TYPE_CHECKING:
    from evolve._search import Search

MOST_RUNS = 150  # of one candidate, to exclude a rare loss


class Doubts:
    """The judge of vaults, at one moment of a search."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self._trends: dict[int, Trend | None] = {}

    def __call__(self, vault: Vault) -> Verdict:
        """What is thought of a complete vault."""
        plain = by_its_gate(vault)
        if plain.p_value >= LEVEL or vault.effect is None:
            return plain
        docket, frame = self.search.docket, self.search.people.frame
        gap = compared(*docket.gate_scores(vault), paired=vault.paired)
        aged = self._at_equal_age(vault, gap, gate=True)
        p_value = max(plain.p_value, upper_tail(aged))
        if p_value >= LEVEL:
            return Verdict(p_value, _too_old(gap, aged))
        if self._memory is not None:
            p_value = max(p_value, upper_tail(aged.moved(0.0, math.sqrt(2.0) * self._memory.sd, self._memory.df)))
            if p_value >= LEVEL:
                return Verdict(p_value, _too_short(self._memory))
        if frame is not None and (why := frame.claim_excess(vault.candidate)):
            return Verdict(p_value, why)
        return self._rare(vault, p_value)

    def effect(self, vault: Vault) -> Effect | None:
        """The effect of a vault as it is to be reported: as if both were of equal age."""
        if vault.effect is None:
            return None
        gap = compared(*self.search.docket.estimate_scores(vault), paired=vault.paired)
        moved = self._at_equal_age(vault, gap, gate=False)
        return vault.effect if moved is gap else interval(moved)

    def median(self, vault: Vault) -> float | None:
        """Difference of the medians of the runs that the effect is from."""
        if vault.effect is None:
            return None
        ours, theirs = self.search.docket.estimate_scores(vault)
        return median_gap(ours, theirs, paired=vault.paired)

    def span_s(self, vault: Vault) -> float | None:
        """From the end of the vault's first run to that of its last; None while it has none."""
        bank = self.search.docket.vaults[vault.bank]
        times = [at for at, seed, _ in self.search.repeats.of(vault.candidate) if seed in vault.own]
        times += [at for at, seed, _ in self.search.repeats.of(vault.reference) if seed in bank.theirs]
        return max(times) - min(times) if times else None

    # ------------------------------------------------------------------------------------------------ inside

    def _at_equal_age(self, vault: Vault, gap: Gap, *, gate: bool) -> Gap:
        if vault.reference not in self._trends:
            self._trends[vault.reference] = trend(self.search.repeats.scores(vault.reference))
        slope = self._trends[vault.reference]
        if slope is None:
            return gap
        repeats, (own, bank) = self.search.repeats, self.search.docket.halves(vault, gate=gate)
        ours, theirs = repeats.ages(vault.candidate), repeats.ages(vault.reference)
        by, error = slope.shift([theirs[seed] for seed in bank], [ours[seed] for seed in own])
        return gap.moved(by, error, slope.df) if by < 0.0 else gap

    @cached_property
    def _tails(self) -> dict[int, Tails]:
        typical = math.sqrt(self.search.people.pooled[-1].typical)
        repeats = self.search.repeats
        return {number: tails(repeats.scores(number), typical) for number, runs in repeats.by_row.items() if len(runs) > 1}

    @cached_property
    def _memory(self) -> Memory | None:
        return self.search.panel.memory()

    @cached_property
    def _pool(self) -> Pool:
        return pool(self._tails.values())

    def _rare(self, vault: Vault, p_value: float) -> Verdict:
        """Whether the rest of the runs are better by more than rare ones may take away."""
        ours, theirs, everyone = self._tails[vault.candidate], self._tails[vault.reference], self._pool
        asked = margin(ours, theirs, everyone)
        if asked <= 0.0:
            return Verdict(p_value)
        docket = self.search.docket
        own, bank = (a + b for a, b in zip(docket.gate_scores(vault), docket.estimate_scores(vault), strict=True))
        own, bank = [one for one in own if ours.holds(one)], [one for one in bank if theirs.holds(one)]
        low = interval(compared(own, bank, paired=False)).low if min(len(own), len(bank)) > 1 else -math.inf
        if low > asked:
            return Verdict(p_value)
        wants = runs_needed(ours, theirs, everyone, low, MOST_RUNS) if ours.n < MOST_RUNS else 0
        return Verdict(p_value, _too_rare(ours, theirs, everyone, wants), wants)


def _too_old(gap: Gap, aged: Gap) -> str:
    by = f"{gap.mean - aged.mean:.3g} of a difference of {gap.mean:.3g}"
    return f"the reference's scores change with how often it has run, which explains {by}: no difference is shown at equal age"


def _too_short(memory: Memory) -> str:
    seen = f"{memory.programs} programs at {memory.moments} moments"
    return (
        f"programs score differently at another moment, each for itself, by an sd of up to {memory.sd:.3g} (seen in {seen}): "
        "the runs of its vault, close in time, do not show that the difference lasts"
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
