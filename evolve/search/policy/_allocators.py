"""Which arm gets the next ticket, with what probability, and what the gain of its child is counted from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from archive import TunerSample
from evolve.budget._cpu_budget import INITIAL
from evolve.budget._usage import affordable_evaluations
from evolve.search.policy._arms import may_draw
from evolve.search.policy._selectors import ParentSelector, leader
from evolve.search.state._state import ProblemState

EVALUATIONS_PER_LITERAL = 100  # below this, changing one number at a time learns more than changing all


@dataclass(frozen=True, slots=True)
class Allocation:
    """The arm that gets the ticket.  ``base`` is the program that the tuner works on: then no parent is selected; ``sample`` what
    it is to try, without one it lists the program's literals."""

    arm: int
    propensity: float
    base: int | None = None
    sample: TunerSample | None = None


class OperatorAllocator(Protocol):
    """Chooses among the arms that a selector has parents for."""

    earned: ClassVar[bool] = False  # whether what an operator gets follows from what it was expected to earn, the tuner included

    def allocate(self, state: ProblemState, parents: ParentSelector, rng: np.random.Generator, now: float) -> Allocation | None:
        """The arm of the next ticket; None where none may have it now."""
        ...

    def chances(self, state: ProblemState, parents: ParentSelector, now: float) -> np.ndarray:
        """With what probability each arm is drawn for the next ticket, whether or not there is room for it; zero of all where none
        may have it."""
        ...

    def baseline(self, state: ProblemState, parent: int) -> float | None:
        """What the gain of a child of ``parent`` is counted from, as its ticket is given."""
        ...

    def counted_from(self, state: ProblemState, baseline: float) -> float:
        """The same once the child is measured."""
        return baseline


@dataclass(frozen=True)
class Uniform(OperatorAllocator):
    """Every arm equally often: those of models where there are any, and nothing while they are all busy."""

    def allocate(self, state: ProblemState, parents: ParentSelector, rng: np.random.Generator, now: float) -> Allocation | None:
        arms = _drawn_from(state, parents, now)
        return Allocation(arms[int(rng.integers(len(arms)))], 1.0 / len(arms)) if arms else None

    def chances(self, state: ProblemState, parents: ParentSelector, now: float) -> np.ndarray:
        found, arms = np.zeros(len(state.bandit.arms)), _drawn_from(state, parents, now)
        found[arms] = 1.0 / max(len(arms), 1)
        return found

    def baseline(self, state: ProblemState, parent: int) -> float | None:
        return state.population.score(parent)


@dataclass(frozen=True)
class BanditWithTuner(OperatorAllocator):
    """The tuner has a share of its own; the bandit chooses between the others.

    The share is fixed because a tuner's first samples earn nothing: they learn the shape of the problem that later ones use, and
    a bandit that pays for gains would never see those.
    """

    def allocate(self, state: ProblemState, parents: ParentSelector, rng: np.random.Generator, now: float) -> Allocation | None:
        if not state.population.elites:
            return None
        share, tuner, allowed = tuner_share(state), _tuner(state), _allowed(state, parents, now)
        if tuner is not None and (not any(allowed) or rng.random() < share):
            given = tuned(state, parents, rng, tuner, share if any(allowed) else 1.0)
            if given is not None:
                return given
        if not any(allowed):
            return None
        arm, propensity = state.bandit.choose(allowed, rng.random())
        return Allocation(arm, propensity * (1.0 - share if tuner is not None else 1.0))

    def chances(self, state: ProblemState, parents: ParentSelector, now: float) -> np.ndarray:
        tuner, allowed = _tuner(state), _allowed(state, parents, now)
        found = np.zeros(len(allowed))
        if not state.population.elites:
            return found
        share = 0.0 if tuner is None else tuner_share(state) if any(allowed) else 1.0
        if any(allowed):
            found += (1.0 - share) * state.bandit.probabilities(allowed)
        if tuner is not None:
            found[tuner] += share
        return found

    def baseline(self, state: ProblemState, parent: int) -> float | None:
        return state.population.score(leader(state))


def _drawn_from(state: ProblemState, parents: ParentSelector, now: float) -> list[int]:
    """The arms that ``Uniform`` draws from."""
    every = state.bandit.arms
    served = [(i, arm) for i, arm in enumerate(every) if parents.serves(state, state.operators[arm.operator])]
    arms = [i for i, arm in served if arm.model and may_draw(state, arm, now)]
    if not arms and any(state.run.model_limits.is_available(arm.model) for arm in every if arm.model):
        return []
    return arms or [i for i, arm in served if not arm.model]


def _tuner(state: ProblemState) -> int | None:
    """The tuner's arm, where it may have a ticket."""
    return next((i for i, arm in enumerate(state.bandit.arms) if state.tunes(arm)), None) if may_tune(state) else None


def _allowed(state: ProblemState, parents: ParentSelector, now: float) -> list[bool]:
    return [
        (not arm.model or may_draw(state, arm, now)) and parents.serves(state, state.operators[arm.operator])
        for arm in state.bandit.arms
    ]


def tuner_share(state: ProblemState) -> float:
    """The tuner's share: what is configured, less where the budget is too small for its numbers."""
    return state.run.config.tuner_share * pays_for_tuning(state)


def pays_for_tuning(state: ProblemState) -> float:
    """How much of what an evolution strategy in so many numbers needs the budget pays for, at most 1; 1 while none is in hand."""
    tuner = state.tuner_session.tuner
    if tuner is None:
        return 1.0
    enough = EVALUATIONS_PER_LITERAL * len(tuner.literals)
    return min(1.0, affordable_evaluations(state.budget, state.usage, state.run.slots) / enough)


def may_tune(state: ProblemState, *, warm: bool = False) -> bool:
    """Whether the tuner has a sample to hand out, or a program to open on: one from a fresh process, or any with ``warm``."""
    session = state.tuner_session
    return session.can_sample or (not session.opening and (warm or state.population.candidates[leader(state)].measured_cold))


def tuned(
    state: ProblemState, parents: ParentSelector, rng: np.random.Generator, arm: int, propensity: float, *, warm: bool = False
) -> Allocation | None:
    """A sample of the tuner in hand; else a program to open one on; None where all have nothing left to gain."""
    session, population, best = state.tuner_session, state.population, parents.tuned(state)
    if session.can_sample and not session.should_reopen_on(best, population):
        return Allocation(arm, propensity, session.base, session.draw(rng))
    for base in (best, parents.parent(state, rng, arm), INITIAL):
        if (warm or population.candidates[base].measured_cold) and not session.is_exhausted(base):
            return Allocation(arm, propensity, base)
    return None
