"""What to try next: each policy turns the state of the search into a draft of a propose ticket, or declines.

``map_elites`` is the engine's own; the others are the baselines every claim about it is compared with.  Policies read the state and
change nothing; all randomness comes from the generator of the ticket.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np

from archive import Arm, ProposeIssued, TunerSample
from evolve.budget._cpu_budget import INITIAL
from evolve.budget._usage import affordable_evaluations
from evolve.search import _arms as accounts
from evolve.search._kinship import related
from evolve.search._operators import Parent
from evolve.search._state import ProblemState
from evolve.select import inspirations, tournament

EXTERNAL = "external"  # the operator of people and agents
NO_ARM = -1  # of what no arm made
EVALUATIONS_PER_LITERAL = 100  # below this, changing one number at a time learns more than changing all


@dataclass(frozen=True, slots=True)
class PlannedProposal:
    """A propose ticket before it has a number.  ``parents`` and ``inspirations`` are row numbers."""

    arm: int
    parents: tuple[int, ...]
    inspirations: tuple[int, ...] = ()
    propensity: float = 1.0
    baseline: float | None = None
    sample: TunerSample | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """How a policy decides (``draft``, which changes nothing), and what it remembers: when a ticket was handed out for the first
    time, and when it is known what became of a child.  What it remembers lies in the search (``incumbent``, ``round_size``),
    whose ``apply`` is the only one to call these two."""

    plan: Callable[[ProblemState, np.random.Generator, float], PlannedProposal | None]
    edits_only: bool = False  # of the operators it uses those that make a child of any one parent
    fixed_candidates: bool = False  # makes no children, and is over when what was given has been measured
    keeps_champion: bool = True  # on noisy problems: whether the search has an incumbent, whom children must beat
    on_issued: Callable[[ProblemState, ProposeIssued], None] = lambda state, issued: None
    on_credited: Callable[[ProblemState, int, float | None], None] = lambda state, number, score: None


def map_elites(state: ProblemState, rng: np.random.Generator, now: float) -> PlannedProposal | None:
    """The tuner has a share of its own; the bandit chooses between the others, a tournament of posterior draws their parent.

    The share is fixed because a tuner's first samples earn nothing: they learn the shape of the problem that later ones use, and
    a bandit that pays for gains would never see those.
    """
    population, config = state.population, state.run.config
    if not population.elites:
        return None
    arms, share = state.bandit.arms, tune_share(state)
    tune = next((i for i, arm in enumerate(arms) if state.tunes(arm)), None) if _may_tune(state) else None
    allowed = [_has_parents(state, arm, now) for arm in arms]
    if tune is not None and (not any(allowed) or rng.random() < share):
        draft = _tune(state, rng, tune, share if any(allowed) else 1.0)
        if draft is not None:
            return draft
    if not any(allowed):
        return None
    arm, propensity = state.bandit.choose(allowed, rng.random())
    parents = _parents(state, rng, arm)
    others = inspirations(population.elites, _leader(state), parents[0], rng, count=config.inspirations)
    others = tuple(one for one in others if one not in parents)
    return PlannedProposal(
        arm, parents, others, propensity * (1.0 - share if tune is not None else 1.0), population.score(_leader(state))
    )


def external_parents(state: ProblemState, rng: np.random.Generator, parent: int | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Parents and inspirations for a person or an agent; ``parent`` where it was named."""
    population = state.population
    if parent is None:
        parent = _parent(state, rng, NO_ARM) if population.elites else INITIAL
    others = (
        inspirations(population.elites, _leader(state), parent, rng, count=state.run.config.inspirations)
        if population.elites
        else ()
    )
    return (parent,), others


def _has_parents(state: ProblemState, arm: Arm, now: float) -> bool:
    """Whether the bandit may choose an operator: the archive has what it needs, and its model may be asked."""
    spec = state.operators[arm.operator]
    if arm.model and not accounts.may_draw(state, arm, now):
        return False
    match spec.parent:
        case Parent.TUNED:
            return False  # the tuner's share is not the bandit's to give
        case Parent.FAILED:
            return bool(state.memory.repairable)
        case Parent.LEADER:
            return _leader(state) != INITIAL and state.population.candidates[_leader(state)].measured_cold
        case Parent.AMONG_ELITES:
            return len(state.population.elites) > 1
        case Parent.ELITE if spec.n_parents > 1:
            return (
                len(list(islice((one for one in state.population.elites if state.population.candidates[one].measured_cold), 2))) > 1
            )
    return True


def _parents(state: ProblemState, rng: np.random.Generator, arm: int) -> tuple[int, ...]:
    """Whom an operator works on: a failed child, the best, a pair, or whoever wins a tournament."""
    spec = state.operators[state.bandit.arms[arm].operator]
    if spec.parent is Parent.FAILED:
        return (state.memory.repairable[-1],)
    if spec.parent is Parent.LEADER:
        return (_leader(state),)
    first = _parent(state, rng, arm)
    if spec.n_parents == 1:
        return (first,)
    kin = None
    for other in (_parent(state, rng, arm) for _ in range(4)):
        if other != first and not related(state, first, other):  # a program has what its ancestor has to give
            return (first, other)
        kin = other if kin is None and other != first else kin
    return (first, _other(state, first) if kin is None else kin)


def _other(state: ProblemState, first: int) -> int:
    """Some elite that may breed and is not this one."""
    return next(one for one in state.population.elites if one != first and state.population.candidates[one].measured_cold)


def independent(state: ProblemState, rng: np.random.Generator, now: float) -> PlannedProposal | None:
    """Independent sampling: every child is one edit of the initial program."""
    return _plan_edit(state, rng, INITIAL, now)


def hill_climb(state: ProblemState, rng: np.random.Generator, now: float) -> PlannedProposal | None:
    """Sequential hill climb: every child is an edit of the best so far."""
    return _plan_edit(state, rng, _leader(state), now)


def best_of_n(state: ProblemState, rng: np.random.Generator, now: float) -> PlannedProposal | None:
    """Rounds of ``search.best_of_n`` children of the incumbent; the best of a round, if better, is the next incumbent."""
    made = state.round_size
    if made >= state.run.config.best_of_n:
        if state.run.tickets.proposals or state.run.tickets.blocks or state.population.queue:
            return None
        return _plan_edit(state, rng, _leader(state), now)
    return _plan_edit(state, rng, state.incumbent, now)


def _begin_round(state: ProblemState, issued: ProposeIssued) -> None:
    """Count the tickets of a round; the first of the next one says who its incumbent is."""
    if state.round_size >= state.run.config.best_of_n:
        state.round_size, state.incumbent = 0, state.population.by_id[issued.parents[0]]
    state.round_size += 1


def one_plus_one(state: ProblemState, rng: np.random.Generator, now: float) -> PlannedProposal | None:
    """(1+1): one child at a time; it replaces its parent unless it is worse."""
    if state.run.tickets.proposals or state.run.tickets.blocks or state.population.queue:
        return None
    return _plan_edit(state, rng, state.incumbent, now)


def _replace_unless_worse(state: ProblemState, number: int, score: float | None) -> None:
    best = state.population.score(state.incumbent)
    if score is not None and (best is None or score >= best):
        state.incumbent = number


def fixed_candidates(state: ProblemState, rng: np.random.Generator, now: float) -> PlannedProposal | None:
    """No children: the programs that were given are all there is."""
    return None


POLICIES: Mapping[str, Policy] = {
    "map_elites": Policy(map_elites),
    "independent": Policy(independent, edits_only=True, keeps_champion=False),
    "best_of_n": Policy(best_of_n, edits_only=True, on_issued=_begin_round),
    "hill_climb": Policy(hill_climb, edits_only=True),
    "fixed_candidates": Policy(fixed_candidates, keeps_champion=False, fixed_candidates=True),
    "one_plus_one": Policy(one_plus_one, edits_only=True, on_credited=_replace_unless_worse),
}


def policy_of(state: ProblemState) -> Policy:
    """The policy of the run."""
    return POLICIES[state.run.config.policy]


def _leader(state: ProblemState) -> int:
    """Whom the search builds on: the best so far or, on a noisy problem, who has shown to be the best."""
    if state.contract.noisy and policy_of(state).keeps_champion:
        return state.champion_test.champion
    return state.population.leader if state.population.leader is not None else INITIAL


def tune_share(state: ProblemState) -> float:
    """The tuner's share: what is configured, less where the budget is too small for an evolution strategy in so many numbers."""
    tuner = state.tuner_session.tuner
    if tuner is None:
        return state.run.config.tuner_share
    enough = EVALUATIONS_PER_LITERAL * len(tuner.literals)
    return state.run.config.tuner_share * min(
        1.0, affordable_evaluations(state.run.budget, state.run.usage, state.run.slots) / enough
    )


def _may_tune(state: ProblemState) -> bool:
    return state.tuner_session.can_sample or (
        not state.tuner_session.opening and state.population.candidates[_leader(state)].measured_cold
    )


def _parent(state: ProblemState, rng: np.random.Generator, arm: int) -> int:
    """A parent that this arm may use: what came from a warm start breeds only by the operator that made it."""
    population, config = state.population, state.run.config
    rows = population.candidates
    parent = tournament(
        population.elites,
        population.posterior,
        lambda number: rows[number].n_children,
        rng,
        size=config.tournament,
        uniform_share=config.uniform_parent_share,
        eligible=lambda number: rows[number].measured_cold or rows[number].arm == arm,
    )
    return INITIAL if parent is None else parent


def _tune(state: ProblemState, rng: np.random.Generator, arm: int, propensity: float) -> PlannedProposal | None:
    tuning = state.tuner_session
    if tuning.can_sample and not tuning.should_reopen_on(state.population.leader, state.population):
        sample = tuning.draw(rng)
        return PlannedProposal(arm, (tuning.base,), (), propensity, state.population.score(_leader(state)), sample)
    for parent in (_leader(state), _parent(state, rng, arm), INITIAL):
        if state.population.candidates[parent].measured_cold and not tuning.is_exhausted(parent):
            return PlannedProposal(arm, (parent,), (), propensity)
    return None


def _plan_edit(state: ProblemState, rng: np.random.Generator, parent: int, now: float) -> PlannedProposal | None:
    """A child of a given parent; the operators that only edit, equally often: models where there are any."""
    edits = [(i, arm) for i, arm in enumerate(state.bandit.arms) if state.operators[arm.operator].edits]
    arms = [i for i, arm in edits if arm.model and accounts.may_draw(state, arm, now)]
    if not arms and any(state.run.model_limits.is_available(arm.model) for arm in state.bandit.arms if arm.model):
        return None  # they are all busy
    arms = arms or [i for i, arm in edits if not arm.model]
    if not arms:
        return None
    return PlannedProposal(arms[int(rng.integers(len(arms)))], (parent,), (), 1.0 / len(arms), state.population.score(parent))
