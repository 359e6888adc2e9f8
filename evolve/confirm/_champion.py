"""Who is champion, what claims are made against, and who may still be better: derived from every run of every candidate.

The *champion* steers the search.  A candidate becomes champion when its likelihood ratio against the champion, an e-value, reaches
20, and then everyone's evidence restarts: the champion is compared by the runs it made since, not by those it was chosen for.  Its
predecessor stays a contender.  The *reference* is the last confirmed program, at first the initial program; evidence against it
opens vaults.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from archive import RunningStats
from evolve.confirm._evidence import (
    E_CHAMPION,
    E_CLAIM,
    FUTILE,
    FUTILE_TITLE,
    MAX_RUNS,
    SPREAD_SD,
    WORTH_SD,
    SampleStats,
    e_value_of,
    futile,
    log_e_value,
    log_ratio,
    shrunk_variance,
)
from evolve.confirm.noise._noise import MIN_DF, PAIRED_FROM, pair_correlation

FIRST_CHAMPION_RUNS = (
    4,
    16,
)  # runs that a new champion gets before anyone else: at least, for anyone can take its place then; and at most
FAR_BEHIND = 1e-3  # likelihood ratio at which a candidate is given up even while the champion is new: some ten sd of one run
MIN_RUNS_CHAMPION = 2  # runs of its own before a candidate becomes champion: what scatters more than the others shows by then
MIN_RUNS_CLAIM = 4  # and before one enters a vault, which costs ten times as many
_PAIRS_KEPT = 256
_HALVES_KEPT = 64
NOBODY = -1
_LOG_CHAMPION, _LOG_CLAIM = math.log(E_CHAMPION), math.log(E_CLAIM)


class CandidateStats(Protocol):
    """What the test asks about candidates.  Scores are turned so that higher is better."""

    @property
    def noise(self) -> float:
        """Variance of one run, pooled; 0 while unknown."""

    @property
    def df(self) -> int:
        """Degrees of freedom of the noise."""

    def noise_of(self, number: int) -> float:
        """Variance of one run of a candidate: pooled, or its own where it scatters far more than the others."""

    def stats(self, number: int) -> RunningStats | None:
        """All runs of a candidate at the last stage; None while it has none, or once it failed."""


@dataclass(frozen=True, slots=True)
class _Bar:
    """What candidates are compared with, worked out once for all of them: the runs of the target that it was not chosen for, every
    run of the champion, the noise, how well it is known, and the difference worth finding."""

    fresh: SampleStats
    everything: SampleStats
    noise: float
    df: int
    worth: float


class ChampionTest:
    """Champion, reference, and the candidates that may still be better.

    Args:
        keeps_champion: whether there is a champion; without, candidates are compared with the reference only.
    """

    def __init__(self, *, keeps_champion: bool) -> None:
        self.keeps_champion = keeps_champion
        self.champion = 0
        self.previous_champion = NOBODY
        self.reference = 0
        self.earlier_references: list[tuple[int, RunningStats]] = []  # earlier references with their runs, the newest last
        self.champion_runs = RunningStats()  # since it became champion
        self.reference_runs = RunningStats()  # since it was confirmed
        self.contenders: dict[int, float] = {}  # may still be better -> log of its e-value when last looked at
        self.qualified: dict[int, float] = {}  # may enter a vault -> log of its e-value against the reference
        self.unpaired_runs: dict[int, tuple[int, float]] = {}  # seed -> who ran at it last, and its score
        self.pairs: list[tuple[int, float, float]] = []  # (candidate, its score, the reference's) at equal seeds

    @property
    def target(self) -> int:
        """Whom candidates are compared with while the search goes on."""
        return self.champion if self.keeps_champion else self.reference

    @property
    def is_paired(self) -> bool:
        """Whether scores at equal seeds are known to go together well enough to be compared in pairs."""
        correlation = pair_correlation(self.pairs)
        return correlation is not None and correlation >= PAIRED_FROM

    def on_measured(self, number: int, score: float, known: CandidateStats) -> None:
        """A run of a candidate ended ok."""
        if number == self.champion:
            self.champion_runs.add(score)
        if number == self.reference:
            self.reference_runs.add(score)
        if number in (self.champion, self.reference):
            self._look_at_all(known)
        self._look(number, known)

    def add_paired_run(self, seed: int, number: int, score: float) -> None:
        """A run that may be half of a pair: with the other one at the same seed they are kept."""
        other = self.unpaired_runs.pop(seed, None)
        if other is None:
            self.unpaired_runs = dict([*self.unpaired_runs.items()][1 - _HALVES_KEPT :])
            self.unpaired_runs[seed] = (number, score)
        elif self.target in (number, other[0]):
            (who, ours), theirs = (other, score) if number == self.target else ((number, score), other[1])
            self.pairs = [*self.pairs[1 - _PAIRS_KEPT :], (who, ours, theirs)]

    def on_failed(self, number: int, known: CandidateStats) -> None:
        """A candidate failed or was retracted: it is out, and what it held goes back to whom it had it from."""
        self.contenders.pop(number, None)
        self.qualified.pop(number, None)
        self.on_unconfirmed(number, known)
        if number == self.previous_champion:
            self.previous_champion = NOBODY
        if number == self.champion:
            heir = self.previous_champion if self.previous_champion != NOBODY else self.reference
            self.previous_champion = NOBODY
            self._promote(heir, known)

    def challenger(self, known: CandidateStats) -> tuple[int, float] | None:
        """Who becomes champion now, with the e-value that it does by."""
        if not self.keeps_champion or self.champion_runs.n < FIRST_CHAMPION_RUNS[0]:
            return None
        ready = [
            number
            for number, evidence in self.contenders.items()
            if evidence >= _LOG_CHAMPION and (stats := known.stats(number)) is not None and stats.n >= MIN_RUNS_CHAMPION
        ]
        best = max(ready, key=lambda number: (self.contenders[number], -number), default=None)
        return None if best is None else (best, e_value_of(self.contenders[best]))

    def promote(self, number: int, known: CandidateStats) -> None:
        """The champion changes."""
        self.previous_champion = self.champion
        self._promote(number, known)

    def on_confirmed(self, number: int, runs: RunningStats, known: CandidateStats) -> None:
        """A claim holds: later claims are made against this program, by ``runs`` that it was not chosen for."""
        self.earlier_references.append((self.reference, self.reference_runs))
        self.reference, self.reference_runs = number, runs
        self.contenders.pop(number, None)
        self.qualified.clear()
        self._look_at_all(known)

    def on_unconfirmed(self, number: int, known: CandidateStats) -> None:
        """A claim holds no more: the reference before it takes its place again."""
        if number == self.reference and self.earlier_references:
            self.reference, self.reference_runs = self.earlier_references.pop()
        self.earlier_references = [one for one in self.earlier_references if one[0] != number]
        self._look_at_all(known)

    def next_to_measure(self, busy: Collection[int], count: int, *, fresh: int) -> list[int]:
        """Up to ``count`` candidates worth another run now, the most promising first; before them the champion, until it has
        ``fresh`` runs that it was not chosen for."""
        first = []
        if self.keeps_champion and self.champion not in busy and self.champion_runs.n < fresh:
            first.append(self.champion)
        waiting = [number for number in self.contenders if number not in busy and number != self.champion]
        waiting.sort(key=lambda number: (-self.contenders[number], number))
        return (first + waiting)[:count]

    def has_contenders(self, *, fresh: int) -> bool:
        """Whether ``next_to_measure`` has or will have somebody to measure again."""
        return (self.keeps_champion and self.champion_runs.n < fresh) or any(number != self.champion for number in self.contenders)

    def evidence(self, number: int, known: CandidateStats) -> float:
        """Log of the e-value of "better than the reference", from all runs of the candidate and the reference's fresh ones."""
        stats = known.stats(number)
        if stats is None or known.noise <= 0.0:
            return 0.0
        ours, theirs = _runs(number, stats, known), _runs(self.reference, self.reference_runs, known)
        return log_e_value(ours, theirs, SPREAD_SD * math.sqrt(known.noise))

    # ------------------------------------------------------------------------------------------------ inside

    def _promote(self, number: int, known: CandidateStats) -> None:
        before, self.champion, self.champion_runs = self.champion, number, RunningStats()
        if number == self.reference:
            self.champion_runs = RunningStats(self.reference_runs.n, self.reference_runs.mean, self.reference_runs.m2)
        self.contenders.pop(number, None)
        if before != number and known.stats(before) is not None:
            self.contenders[before] = 0.0
        self._look_at_all(known)

    def _look_at_all(self, known: CandidateStats) -> None:
        bar = self._bar(known)
        for number in dict.fromkeys((*self.contenders, *self.qualified, self.champion)):
            self._judge(number, known, bar)

    def _look(self, number: int, known: CandidateStats) -> None:
        self._judge(number, known, self._bar(known))

    def _bar(self, known: CandidateStats) -> _Bar:
        """What candidates are compared with while the search goes on."""
        fresh = _runs(self.target, self.champion_runs if self.keeps_champion else self.reference_runs, known)
        runs = known.stats(self.champion)
        everything = fresh if runs is None else _runs(self.champion, runs, known)
        return _Bar(fresh, everything, known.noise, known.df, WORTH_SD * math.sqrt(known.noise))

    def _judge(self, number: int, known: CandidateStats, bar: _Bar) -> None:
        """Judge a candidate anew: still a contender, or not; ready for a vault, or not."""
        stats = known.stats(number)
        if stats is None:
            self.contenders.pop(number, None)
            return
        asked = not self.keeps_champion or stats.n >= MIN_RUNS_CLAIM  # else nobody asks for its evidence
        evidence = self.evidence(number, known) if asked else 0.0
        if evidence >= _LOG_CLAIM and stats.n >= MIN_RUNS_CLAIM and number != self.reference:
            self.qualified[number] = evidence
        else:
            self.qualified.pop(number, None)
        if number == self.target:
            return
        ours = _runs(number, stats, known)
        ratio = log_ratio(ours, bar.fresh, bar.worth)
        done = not self.keeps_champion and number in self.qualified and known.df >= MIN_DF
        if done or self._hopeless(number, ours, ratio, bar):
            self.contenders.pop(number, None)
        else:
            self.contenders[number] = ratio if self.keeps_champion else evidence

    def _hopeless(self, number: int, ours: SampleStats, ratio: float, bar: _Bar) -> bool:
        limit = 2 * MAX_RUNS if number == self.previous_champion else MAX_RUNS
        if ours.n >= limit or bar.noise <= 0.0:
            return ours.n >= limit
        # A champion's first few runs say little about it, and its predecessor is not given up before all of them are there; but
        # who is far behind all that is known of it is not measured again for that.
        if self.keeps_champion and bar.fresh.n < FIRST_CHAMPION_RUNS[number == self.previous_champion]:
            return bar.everything.n > 0 and futile(ours, bar.everything, bar.worth, FAR_BEHIND)
        if not self.keeps_champion and bar.df < MIN_DF:
            return False  # one wild run among a few makes the noise whatever it is, and of those who are compared there are few
        return bar.fresh.n > 0 and ratio <= math.log(FUTILE_TITLE if self.keeps_champion else FUTILE)


def _runs(number: int, stats: RunningStats, known: CandidateStats) -> SampleStats:
    return SampleStats(stats.n, stats.mean, shrunk_variance(stats.n, stats.m2, known.noise_of(number)))


def rank(qualified: Mapping[int, float]) -> list[int]:
    """Candidates by their evidence, the strongest first."""
    return sorted(qualified, key=lambda number: (-qualified[number], number))
