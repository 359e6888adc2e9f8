"""The engine's own selector: a main climb, excursions and the archive are ways of choosing a parent, and earn their share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evolve.budget._cpu_budget import INITIAL
from evolve.search.policy._changes import known_change
from evolve.search.policy._kinship import related
from evolve.search.policy._relatives import offered
from evolve.search.policy._selectors import ParentSelector, Selection, leader
from evolve.search.state._climbs import EXCURSION, MAIN, NONE, SELECTORS
from evolve.search.state._operators import OperatorSpec, Parent
from evolve.search.state._state import ProblemState
from evolve.select import inspirations, tournament

_TOURNAMENT = 4
_UNIFORM_SHARE = 0.1
_NEAR_SDS = 2.0  # standard deviations that an elite may be better than its mean
_FROM_MAIN, _FROM_INITIAL = 0.5, 0.1  # chances of where an excursion leaves from; else from an elite


@dataclass(frozen=True)
class Portfolio(ParentSelector):
    """The main climb, the excursion under way or an elite of the archive, by what each has earned.  An operator that makes a known
    change once more makes it to where the main climb stands."""

    edits_only = False

    def parent(self, state: ProblemState, rng: np.random.Generator, arm: int) -> int:
        return _chosen(state, rng)[0]

    def tuned(self, state: ProblemState) -> int:
        """Whoever leads, unless the main climb, which drifts over what is as good, has not taken it: then where that stands."""
        first, score = super().tuned(state), state.population.score
        return first if state.contract.noisy or score(first) == score(state.climbs.main) else state.climbs.main

    def serves(self, state: ProblemState, spec: OperatorSpec) -> bool:
        if spec.repeats:
            return known_change(state, spec, main_climb(state)) is not None
        match spec.parent:
            case Parent.TUNED:
                return False  # the allocator knows whether there is something to tune
            case Parent.FAILED:
                return bool(state.memory.repairable)
            case Parent.LEADER:
                return leader(state) != INITIAL
            case Parent.RELATIVE:
                return bool(offered(state))
        return len(state.population.elites) > 1 or (spec.parent is Parent.ELITE and spec.n_parents == 1)

    def select(self, state: ProblemState, rng: np.random.Generator, arm: int) -> Selection:
        spec, selector = state.operators[state.bandit.arms[arm].operator], ""
        if spec.repeats:
            change = known_change(state, spec, main_climb(state))
            assert change is not None  # it is served
            return Selection(change)
        if spec.parent is Parent.RELATIVE:
            return Selection((main_climb(state),), offered=offered(state))
        if spec.parent is Parent.FAILED:
            parents: tuple[int, ...] = (state.memory.repairable[-1],)
        elif spec.parent is Parent.LEADER:
            parents = (leader(state),)
        else:
            first, selector = _chosen(state, rng)
            parents = (first,) if spec.n_parents == 1 else (first, _mate(state, rng, first))
        return Selection(parents, _shown(state, rng, parents), selector)


def is_chosen(spec: OperatorSpec) -> bool:
    """Whether one of the ways of choosing a parent says what this operator works on."""
    return not spec.repeats and spec.parent in (Parent.ELITE, Parent.AMONG_ELITES)


def main_climb(state: ProblemState) -> int:
    """Where the main climb stands; on a noisy problem at whom the search builds on."""
    return leader(state) if state.contract.noisy else state.climbs.main


def _chosen(state: ProblemState, rng: np.random.Generator) -> tuple[int, str]:
    """A parent, and the way it was chosen.  On a noisy problem there are no excursions: who stands higher would be luck."""
    climbs, elites = state.climbs, bool(state.population.elites)
    index, _ = climbs.earned.choose([True, elites and not state.contract.noisy, elites], rng.random())
    selector = SELECTORS[index]
    if selector == MAIN:
        return main_climb(state), selector
    if selector == EXCURSION:
        return (_start(state, rng) if climbs.excursion == NONE else climbs.excursion), selector
    return _elite(state, rng), selector


def _start(state: ProblemState, rng: np.random.Generator) -> int:
    """Where an excursion leaves from."""
    u = rng.random()
    if u < _FROM_MAIN:
        return main_climb(state)
    return INITIAL if u > 1 - _FROM_INITIAL else _elite(state, rng)


def _is_hopeful(state: ProblemState, elite: int) -> bool:
    """Whether an elite may be as good as the best was some gains ago."""
    reach = state.climbs.reach
    mean, sd = state.population.posterior(elite)
    return reach is None or mean + _NEAR_SDS * sd >= reach


def _elite(state: ProblemState, rng: np.random.Generator) -> int:
    """Who wins a small tournament in the archive, warm results among them; where none of those drawn is hopeful, the main climb."""
    population = state.population
    chosen = tournament(
        population.elites,
        population.posterior,
        lambda number: population.candidates[number].n_children,
        rng,
        size=_TOURNAMENT,
        uniform_share=_UNIFORM_SHARE,
        eligible=lambda number: _is_hopeful(state, number),
    )
    return main_climb(state) if chosen is None else chosen


def _mate(state: ProblemState, rng: np.random.Generator, first: int) -> int:
    """Another elite, of different descent where one is found."""
    others = [other for other in (_elite(state, rng) for _ in range(4)) if other != first]
    stranger = next((other for other in others if not related(state, first, other)), None)
    if stranger is not None:
        return stranger
    return others[0] if others else next(one for one in state.population.elites if one != first)


def _shown(state: ProblemState, rng: np.random.Generator, parents: tuple[int, ...]) -> tuple[int, ...]:
    """Other programs to look at: the leader, and draws from the better half of the elites; the hopeless are not shown."""
    population, count = state.population, state.run.config.inspirations
    if not population.elites:
        return ()
    ranked = sorted(population.elites, key=lambda number: (-population.posterior(number)[0], number))
    better = [one for one in ranked[: max(len(ranked) // 2, 1 + count)] if _is_hopeful(state, one)] or ranked[:1]
    shown = inspirations(better, leader(state), parents[0], rng, count=count)
    return tuple(one for one in shown if one not in parents)
