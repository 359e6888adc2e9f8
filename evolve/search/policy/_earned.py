"""The engine's own allocator: all operators earn their share, and a ticket is given as late as keeps the slots busy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evolve.budget._usage import nearest_limit
from evolve.search.policy._allocators import Allocation, OperatorAllocator, may_tune, pays_for_tuning, tuned
from evolve.search.policy._arms import is_able, n_in_flight
from evolve.search.policy._schedules import known_best
from evolve.search.policy._selectors import ParentSelector, leader
from evolve.search.state._state import ProblemState
from evolve.select import drawn

_QUICK_S = 0.02  # where a measurement takes no longer than this, each slot has its next child ready
_FOR_MODELS = 0.3  # of the tickets, where there are models
_LENT_BESIDE_MODELS = 0.1  # of what the tuner is lent where nobody else can find anything
_KEPT_AT_REST = 0.25  # of what it earned: while nobody gains, that is mostly what was expected of it
_SLACK = 0.25  # of a call: what is counted up to a whole one


@dataclass(frozen=True)
class EarnedShares(OperatorAllocator):
    """One bandit over all operators, the constant tuner among them; gains are counted from the best so far.

    Who is drawn and has no room waits, so that shares stay what was earned: a model that is busy does not turn its tickets over to
    whoever is not.  Only where time is scarcer than measurements does somebody else take the slot meanwhile.
    """

    earned = True

    def allocate(self, state: ProblemState, parents: ParentSelector, rng: np.random.Generator, now: float) -> Allocation | None:
        if not state.population.elites:
            return None
        room = {is_model: has_room(state, is_model) for is_model in (False, True)}
        if not any(room.values()):
            return None
        able = _able(state, parents, now)
        while any(able):
            arm, propensity = drawn(_shares(state, able), rng.random())
            if not room[bool(state.bandit.arms[arm].model)]:
                if _measurements_are_scarce(state, now):
                    return None
            elif not state.tunes(state.bandit.arms[arm]):
                return Allocation(arm, propensity)
            elif (given := tuned(state, parents, rng, arm, propensity, warm=True)) is not None:
                return given
            able[arm] = False
        return None

    def chances(self, state: ProblemState, parents: ParentSelector, now: float) -> np.ndarray:
        able = _able(state, parents, now) if state.population.elites else []
        return _shares(state, able) if any(able) else np.zeros(len(state.bandit.arms))

    def baseline(self, state: ProblemState, parent: int) -> float | None:
        return state.population.worth(leader(state))

    def counted_from(self, state: ProblemState, baseline: float) -> float:
        return known_best(state, baseline)


def has_room(state: ProblemState, is_model: bool) -> bool:
    """Whether a child is needed now: of an arm without a model while a slot is free, of a model's as many calls under way
    as are answered while a measurement takes place."""
    unmeasured = len(state.population.queue) + state.n_unmeasured
    width = state.run.slots * state.contract.stages[0].batch_size
    took, call_s = state.usage.measure_wall_s, state.usage.call_wall_s
    wanted = width + (round(width * min(1.0, _QUICK_S / took)) if took > 0 else 0)
    if not is_model:
        return unmeasured < wanted
    calls, most = n_in_flight(state), state.run.slots
    if took > 0 and call_s > 0:
        most = max(1, math.ceil(width * call_s / took - _SLACK))
    most = min(max(most, state.run.llm.batch), state.run.llm.max_concurrency)  # fewer would never fill a batch
    return calls < most and unmeasured + calls < wanted + most - 1


def _shares(state: ProblemState, able: Sequence[bool]) -> np.ndarray:
    """The probability of each arm: what it earned, with a part kept for models.  The tuner's is less where it has too many numbers
    for the budget or does not gain, and it is lent more where that holds what an evolution strategy needs: its first generations
    gain nothing."""
    weights, arms = state.bandit.weights(), state.bandit.arms
    earned = _with_models(state, weights, able)
    tuner = [one and state.tunes(arm) for one, arm in zip(able, arms, strict=True)]
    others = [one and not tunes for one, tunes in zip(able, tuner, strict=True)]
    if not any(others) or not any(tuner):
        return earned
    pays, is_gaining = pays_for_tuning(state), state.tuner_session.is_gaining
    kept = pays if is_gaining else pays * _KEPT_AT_REST
    if kept < 1.0:
        earned = kept * earned + (1.0 - kept) * _with_models(state, weights, others)
    lent = pays * pays * state.run.config.tuner_share if is_gaining else 0.0
    if any(one and arm.model for one, arm in zip(able, arms, strict=True)):
        lent *= _LENT_BESIDE_MODELS
    return np.asarray((1.0 - lent) * earned + lent * np.array(tuner, dtype=float))


def _with_models(state: ProblemState, weights: np.ndarray, able: Sequence[bool]) -> np.ndarray:
    """What each arm earned, with a part kept for the models that are able: nobody else changes a program's form."""
    earned = state.bandit.shares(weights, able)
    models = [one and bool(arm.model) for one, arm in zip(able, state.bandit.arms, strict=True)]
    if not any(models) or all(models):
        return earned
    return np.asarray((1.0 - _FOR_MODELS) * earned + _FOR_MODELS * state.bandit.shares(weights, models))


def _able(state: ProblemState, parents: ParentSelector, now: float) -> list[bool]:
    """Whether there is now what each arm works on, and somebody to ask."""
    return [_is_served(state, parents, index, now) for index in range(len(state.bandit.arms))]


def _is_served(state: ProblemState, parents: ParentSelector, index: int, now: float) -> bool:
    arm = state.bandit.arms[index]
    if arm.model and not is_able(state, arm, now):
        return False
    return may_tune(state, warm=True) if state.tunes(arm) else parents.serves(state, state.operators[arm.operator])


def _measurements_are_scarce(state: ProblemState, now: float) -> bool:
    """Whether the run is on its way to end with its last measurement, and not with its time or money."""
    nearest = nearest_limit(state.budget, state.usage, now)
    return nearest is not None and nearest[1] in ("budget.evaluations", "budget.candidates")
