"""Programs whose better score comes from a warm start alone: no best is called by it before a fresh process has given it again."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from archive import difference
from evolve.search._schedule import final_block
from evolve.search._stopping import search_is_over
from evolve.search.state._population import Population
from evolve.search.state._state import ProblemState
from evolve.views._outlook import ending_limits, raising
from evolve.views.candidate._score import score_of


@dataclass(frozen=True, slots=True)
class Unchecked:
    """How many programs score better than the best that is reported, and wait to be measured from a fresh process; the best of
    them, its score in the problem's own sign; and what to type to have them measured ("" where a driver does it, or none would)."""

    programs: int
    best_id: str
    best_score: float
    command: str = ""


def nothing_better(waits: Unchecked | None) -> str:
    """What a run says whose best is the initial program."""
    return f"nothing better than the initial program {'was found' if waits is None else 'is known for certain yet'}"


def unchecked(state: ProblemState, best: int | None, now: float, *, run: str = "") -> Unchecked | None:
    """Those of a search that reports ``best``, at Unix time ``now``; None without any.  ``run`` is its folder if nobody drives."""
    population = state.population
    leader = population.leader
    if (
        leader is None
        or best is None
        or population.candidates[leader].measured_cold
        or best != state.steadiness.standing(population)
    ):
        return None
    bar, steadiness = _shown(population, best), state.steadiness
    scores = {one: _shown(population, one) for one in population.elites if not population.candidates[one].measured_cold}
    better = {
        one: score
        for one, score in scores.items()
        if score is not None and (bar is None or (score > bar and not steadiness.within_noise(difference(score, bar))))
    }
    if not better:
        return None
    first = score_of(population, max(better, key=lambda one: (better[one], -one)))
    return Unchecked(len(better), first.id, first.score, _command(state, now, run) if run else "")


def _shown(population: Population, number: int) -> float | None:
    """A score as people see it, higher is better: without measurements that are far off."""
    score = population.score(number)
    return population.posterior_as_measured(number)[0] if score is not None and population.contract.noisy else score


def _command(state: ProblemState, now: float, run: str) -> str:
    why = search_is_over(state, now)
    if not why or state.blocks or final_block(state, now) is not None:
        return f"evolve resume {shlex.quote(run)}"
    names = ending_limits(state, why)
    return raising(state, now, run, *names) if names else ""
