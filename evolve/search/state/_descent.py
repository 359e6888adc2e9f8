"""Who is best on a noisy problem, by what was measured of relatives too."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from archive import RunningStats
from evolve.budget._cpu_budget import INITIAL
from evolve.search.state._candidates import CandidateState
from evolve.select import Lineages, lineage_posterior


@dataclass(frozen=True, slots=True)
class Descent:
    """Candidates with a score at the last stage, in order of birth; what each is worth, and the standard deviation of that."""

    numbers: list[int]
    means: np.ndarray
    sds: np.ndarray

    @property
    def best(self) -> int:
        """Who is worth most; the initial program where nobody has a score."""
        return self.numbers[int(np.argmax(self.means))] if self.numbers else INITIAL

    def of(self, number: int) -> tuple[float, float]:
        """Mean and standard deviation of a candidate.

        Raises:
            KeyError: it has no score.
        """
        row = bisect_left(self.numbers, number)
        if row == len(self.numbers) or self.numbers[row] != number:
            raise KeyError(number)
        return float(self.means[row]), float(self.sds[row])

    @property
    def foremost(self) -> list[int]:
        """The best, and who is behind it by less than its standard deviation; the best first."""
        if not self.numbers:
            return []
        best = int(np.argmax(self.means))
        near = np.flatnonzero(self.means >= self.means[best] - self.sds[best])
        return [self.numbers[row] for row in near[np.argsort(-self.means[near], kind="stable")]]


class Scored(Protocol):
    """What it asks of a population."""

    candidates: list[CandidateState]

    @property
    def noise(self) -> float:
        """Variance of one measurement; 0 while unknown."""

    def stats(self, number: int) -> RunningStats | None:
        """All measurements of a candidate; None while it has none, or once it failed."""

    def posterior(self, number: int) -> tuple[float, float]:
        """Mean and standard deviation of a candidate by itself."""


def descent(population: Scored) -> Descent:
    """What is known of all by now; by posteriors of single candidates while the noise is unknown."""
    scored = [(number, stats) for number in range(len(population.candidates)) if (stats := population.stats(number)) is not None]
    numbers = [number for number, _ in scored]
    if population.noise <= 0.0:
        known = np.array([population.posterior(number) for number in numbers]).reshape(-1, 2)
        return Descent(numbers, known[:, 0], known[:, 1])
    row_of = {number: row for row, number in enumerate(numbers)}
    lineages = Lineages(
        parents=np.array([_ancestor(population, number, row_of) for number in numbers], dtype=np.int64),
        counts=np.array([float(stats.n) for _, stats in scored]),
        means=np.array([stats.mean for _, stats in scored]),
    )
    means, variances = lineage_posterior(lineages, population.noise)
    return Descent(numbers, means, np.sqrt(variances))


def _ancestor(population: Scored, number: int, row_of: dict[int, int]) -> int:
    """The row of the nearest ancestor that has a score, along first parents; -1 where there is none."""
    while parents := population.candidates[number].parents:
        number = parents[0]
        if number in row_of:
            return row_of[number]
    return -1
