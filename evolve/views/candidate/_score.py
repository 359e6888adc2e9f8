"""How a candidate stands, for people: its score in the problem's own sign."""

from __future__ import annotations

from dataclasses import dataclass

from evolve.search.state._population import Population


@dataclass(frozen=True, slots=True)
class CandidateScore:
    """A candidate's score and how well ``n`` measurements know it, in the problem's own sign; ``far_off`` counts others that are
    wild, and not in it."""

    id: str
    score: float
    sd: float
    n: int
    cold: bool
    far_off: int = 0


def score_of(population: Population, number: int) -> CandidateScore:
    """How a measured candidate stands.

    Raises:
        KeyError: it has no ok measurement at the last stage.
    """
    mean, sd = population.posterior_as_measured(number)
    row, far = population.candidates[number], len(population.far_off(number))
    return CandidateScore(row.id, population.sign * mean, sd, population.n_measured(number) - far, row.measured_cold, far)
