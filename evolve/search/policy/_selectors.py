"""Who breeds: for the arm that has got a ticket its parents, and what its operator is shown beside them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, Protocol

import numpy as np

from evolve.budget._cpu_budget import INITIAL
from evolve.search.policy._arms import NO_ARM
from evolve.search.policy._changes import known_change
from evolve.search.policy._kinship import related
from evolve.search.policy._schedules import round_is_full
from evolve.search.state._operators import OperatorSpec, Parent
from evolve.search.state._state import ProblemState
from evolve.select import inspirations, tournament


@dataclass(frozen=True, slots=True)
class Selection:
    """Numbers of the parents, and of the programs that are looked at beside them."""

    parents: tuple[int, ...]
    inspirations: tuple[int, ...] = ()
    selector: str = ""
    offered: str = ""  # the id of a related problem's program, to be looked at instead


class ParentSelector(Protocol):
    """As it stands here it has one program to offer, whatever the operator: that is what edits need."""

    edits_only: ClassVar[bool] = True  # of the operators it serves those that make a child of any one parent
    keeps_champion: ClassVar[bool] = True  # on noisy problems: whether there is a champion, whom children must beat

    def parent(self, state: ProblemState, rng: np.random.Generator, arm: int) -> int:
        """One program that this arm may use."""
        ...

    def tuned(self, state: ProblemState) -> int:
        """The program that the constant tuner should look at: whoever leads."""
        return state.population.leader if state.population.leader is not None else INITIAL

    def serves(self, state: ProblemState, spec: OperatorSpec) -> bool:
        """Whether there is now what an operator works on."""
        return spec.edits

    def select(self, state: ProblemState, rng: np.random.Generator, arm: int) -> Selection:
        """Whom the operator of this arm, which is served, works on."""
        return Selection((self.parent(state, rng, arm),))


@dataclass(frozen=True)
class InitialProgram(ParentSelector):
    """The program that the search starts from, always."""

    keeps_champion = False

    def parent(self, state: ProblemState, rng: np.random.Generator, arm: int) -> int:
        return INITIAL


@dataclass(frozen=True)
class Leader(ParentSelector):
    """The best so far."""

    def parent(self, state: ProblemState, rng: np.random.Generator, arm: int) -> int:
        return leader(state)


@dataclass(frozen=True)
class Incumbent(ParentSelector):
    """Whom the schedule remembers; after a full round the leader."""

    def parent(self, state: ProblemState, rng: np.random.Generator, arm: int) -> int:
        return leader(state) if round_is_full(state) else state.incumbent


@dataclass(frozen=True)
class ArchiveTournament(ParentSelector):
    """Whoever wins a tournament of posterior draws among the elites; where an operator asks for someone else, that program."""

    edits_only = False

    def parent(self, state: ProblemState, rng: np.random.Generator, arm: int) -> int:
        """What came from a warm start breeds only by the operator that made it."""
        population, config = state.population, state.run.config
        elites, rows = state.local_elites, population.candidates
        if not elites:
            return INITIAL
        parent = tournament(
            elites,
            population.posterior,
            lambda number: rows[number].n_children,
            rng,
            size=config.tournament,
            uniform_share=config.uniform_parent_share,
            eligible=lambda number: rows[number].measured_cold or rows[number].arm == arm,
        )
        return INITIAL if parent is None else parent

    def serves(self, state: ProblemState, spec: OperatorSpec) -> bool:
        population = state.population
        if spec.repeats:
            return known_change(state, spec, leader(state)) is not None
        match spec.parent:
            case Parent.TUNED | Parent.RELATIVE:
                return False  # the tuner's share is not among what is chosen from; the other is auto's
            case Parent.FAILED:
                return bool(state.memory.repairable)
            case Parent.LEADER:
                return leader(state) != INITIAL and population.candidates[leader(state)].measured_cold
            case Parent.AMONG_ELITES:
                return len(state.local_elites) > 1
            case Parent.ELITE if spec.n_parents > 1:
                return len(list(islice((one for one in state.local_elites if population.candidates[one].measured_cold), 2))) > 1
        return True

    def select(self, state: ProblemState, rng: np.random.Generator, arm: int) -> Selection:
        parents = self._parents(state, rng, arm)
        return Selection(parents, _inspirations(state, rng, parents))

    def _parents(self, state: ProblemState, rng: np.random.Generator, arm: int) -> tuple[int, ...]:
        """A failed child, the best, a pair, or whoever wins."""
        spec = state.operators[state.bandit.arms[arm].operator]
        if spec.repeats:
            change = known_change(state, spec, leader(state))
            assert change is not None  # it is served
            return change
        if spec.parent is Parent.FAILED:
            return (state.memory.repairable[-1],)
        if spec.parent is Parent.LEADER:
            return (leader(state),)
        first = self.parent(state, rng, arm)
        return (first,) if spec.n_parents == 1 else (first, self._mate(state, rng, arm, first))

    def _mate(self, state: ProblemState, rng: np.random.Generator, arm: int, first: int) -> int:
        """Of different descent where one is found: a program has what its ancestor has to give."""
        kin = None
        for other in (self.parent(state, rng, arm) for _ in range(4)):
            if other != first and not related(state, first, other):
                return other
            kin = other if kin is None and other != first else kin
        if kin is not None:
            return kin
        return next(one for one in state.local_elites if one != first and state.population.candidates[one].measured_cold)


def external_parents(state: ProblemState, rng: np.random.Generator, parent: int | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Parents and inspirations for a person or an agent, by whatever policy; ``parent`` where it was named."""
    parents = (ArchiveTournament().parent(state, rng, NO_ARM) if parent is None else parent,)
    return parents, _inspirations(state, rng, parents)


def leader(state: ProblemState) -> int:
    """Whom the search builds on: the best so far or, on a noisy problem, who has shown to be the best."""
    if state.population.by_descent:
        return state.population.descent.best
    if state.contract.noisy and state.champion_test.keeps_champion:
        return state.champion_test.champion
    return state.population.leader if state.population.leader is not None else INITIAL


def _inspirations(state: ProblemState, rng: np.random.Generator, parents: tuple[int, ...]) -> tuple[int, ...]:
    elites = state.local_elites
    if not elites:
        return ()
    best = leader(state) if len(state.population.archives) == 1 else max(elites, key=lambda one: state.population.posterior(one)[0])
    others = inspirations(elites, best, parents[0], rng, count=state.run.config.inspirations)
    return tuple(one for one in others if one not in parents)
