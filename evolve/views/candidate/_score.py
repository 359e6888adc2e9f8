"""How a candidate stands, for people: its score in the problem's own sign."""

from __future__ import annotations

from dataclasses import dataclass

from evolve.search.state._population import Population


@dataclass(frozen=True, slots=True)
class CandidateScore:
    """A candidate's score and how well it is known, in the problem's own sign."""

    id: str
    score: float
    sd: float
    n: int
    cold: bool


def score_of(population: Population, number: int) -> CandidateScore:
    """How a measured candidate stands.

    Raises:
        KeyError: it has no ok measurement at the last stage.
    """
    mean, sd = population.posterior_as_measured(number)
    row = population.candidates[number]
    return CandidateScore(row.id, population.sign * mean, sd, population.n_measured(number), row.measured_cold)
