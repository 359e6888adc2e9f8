"""What to try next: each policy turns the state of the search into a draft of a propose ticket, or declines.

``map_elites`` is the engine's own; the others are the baselines every claim about it is compared with.  Policies read the state and
change nothing; all randomness comes from the generator of the ticket.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from archive import Arm, ProposeIssued, Sample
from evolve.budget import _model_limits as accounts
from evolve.budget._cpu_budget import SEED
from evolve.budget._usage import affordable
from evolve.search._kinship import related
from evolve.select import inspirations, tournament

if TYPE_CHECKING:
    from evolve.search._search import Search

TUNE = "tune"
SEED_ARM = -1  # of what no arm made
EVALUATIONS_PER_LITERAL = 100  # below this, changing one number at a time learns more than changing all


@dataclass(frozen=True, slots=True)
class Draft:
    """A propose ticket before it has a number.  ``parents`` and ``inspirations`` are row numbers."""

    arm: int
    parents: tuple[int, ...]
    inspirations: tuple[int, ...] = ()
    propensity: float = 1.0
    baseline: float | None = None
    sample: Sample | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """How a policy decides (``draft``, which changes nothing), and what it remembers: when a ticket was handed out for the first
    time, and when it is known what became of a child.  What it remembers lies in the search (``incumbent``, ``tickets_of_round``),
    whose ``apply`` is the only one to call these two."""

    draft: Callable[[Search, np.random.Generator], Draft | None]
    operators: tuple[str, ...] = ()  # which of the configured operators it uses without a model; none named: all
    given: bool = False  # makes no children, and is over when what was given has been measured
    titled: bool = True  # on noisy problems: whether the search has an incumbent, whom children must beat
    issued: Callable[[Search, ProposeIssued], None] = lambda search, issued: None
    settled: Callable[[Search, int, float | None], None] = lambda search, number, score: None


def map_elites(search: Search, rng: np.random.Generator) -> Draft | None:
    """The tuner has a share of its own; the bandit chooses between the others, a tournament of posterior draws their parent.

    The share is fixed because a tuner's first samples earn nothing: they learn the shape of the problem that later ones use, and
    a bandit that pays for gains would never see those.
    """
    people, config = search.people, search.config
    if not people.elites:
        return None
    arms, share = search.bandit.arms, tune_share(search)
    tune = next((i for i, arm in enumerate(arms) if arm.operator == TUNE), None) if _may_tune(search) else None
    allowed = [arm.operator != TUNE and _has_parents(search, arm) for arm in arms]
    if tune is not None and (not any(allowed) or rng.random() < share):
        draft = _tune(search, rng, tune, share if any(allowed) else 1.0)
        if draft is not None:
            return draft
    if not any(allowed):
        return None
    arm, propensity = search.bandit.choose(allowed, rng.random())
    parents = _parents(search, rng, arm)
    others = inspirations(people.elites, _leader(search), parents[0], rng, count=config.inspirations)
    others = tuple(one for one in others if one not in parents)
    return Draft(arm, parents, others, propensity * (1.0 - share if tune is not None else 1.0), people.score(_leader(search)))


def external_parents(search: Search, rng: np.random.Generator, parent: int | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Parents and inspirations for a person or an agent; ``parent`` where it was named."""
    people = search.people
    if parent is None:
        parent = _parent(search, rng, SEED_ARM) if people.elites else SEED
    others = inspirations(people.elites, _leader(search), parent, rng, count=search.config.inspirations) if people.elites else ()
    return (parent,), others


def _has_parents(search: Search, arm: Arm) -> bool:
    """Whether the archive has what an operator needs, and its model may be asked."""
    if arm.model and not accounts.allowed(search, arm):
        return False
    if arm.operator == accounts.REPAIR:
        return bool(search.memory.broken)
    if arm.operator == accounts.SIMPLIFY:
        return _leader(search) != SEED and search.people.rows[_leader(search)].cold
    if arm.operator == accounts.CROSSOVER:
        return len(list(islice((one for one in search.people.elites if search.people.rows[one].cold), 2))) > 1
    return arm.operator != "crossover" or len(search.people.elites) > 1


def _parents(search: Search, rng: np.random.Generator, arm: int) -> tuple[int, ...]:
    """Whom an operator works on: a failed child, the best, a pair, or whoever wins a tournament."""
    operator = search.bandit.arms[arm].operator
    if operator == accounts.REPAIR:
        return (search.memory.broken[-1],)
    if operator == accounts.SIMPLIFY:
        return (_leader(search),)
    first = _parent(search, rng, arm)
    if operator != accounts.CROSSOVER:
        return (first,)
    kin = None
    for other in (_parent(search, rng, arm) for _ in range(4)):
        if other != first and not related(search, first, other):  # a program has what its ancestor has to give
            return (first, other)
        kin = other if kin is None and other != first else kin
    return (first, _other(search, first) if kin is None else kin)


def _other(search: Search, first: int) -> int:
    """Some elite that may breed and is not this one."""
    return next(one for one in search.people.elites if one != first and search.people.rows[one].cold)


def independent(search: Search, rng: np.random.Generator) -> Draft | None:
    """Independent sampling: every child is one edit of the seed program."""
    return _child_of(search, rng, SEED)


def hill_climb(search: Search, rng: np.random.Generator) -> Draft | None:
    """Sequential hill climb: every child is an edit of the best so far."""
    return _child_of(search, rng, _leader(search))


def best_of_n(search: Search, rng: np.random.Generator) -> Draft | None:
    """Rounds of ``search.batch`` children of the incumbent; the best of a round, if better, is the next incumbent."""
    made = search.tickets_of_round
    if made >= search.config.batch:
        if search.tickets.proposals or search.tickets.blocks or search.people.ready:
            return None
        return _child_of(search, rng, _leader(search))
    return _child_of(search, rng, search.incumbent)


def _begin_round(search: Search, issued: ProposeIssued) -> None:
    """Count the tickets of a round; the first of the next one says who its incumbent is."""
    if search.tickets_of_round >= search.config.batch:
        search.tickets_of_round, search.incumbent = 0, search.people.by_id[issued.parents[0]]
    search.tickets_of_round += 1


def one_plus_one(search: Search, rng: np.random.Generator) -> Draft | None:
    """(1+1): one child at a time; it replaces its parent unless it is worse."""
    if search.tickets.proposals or search.tickets.blocks or search.people.ready:
        return None
    return _child_of(search, rng, search.incumbent)


def _replace_unless_worse(search: Search, number: int, score: float | None) -> None:
    best = search.people.score(search.incumbent)
    if score is not None and (best is None or score >= best):
        search.incumbent = number


def given(search: Search, rng: np.random.Generator) -> Draft | None:
    """No children: the programs that were given are all there is."""
    return None


_EDITS = ("ast_edit",)  # what only edits, one parent at a time
POLICIES: Mapping[str, Policy] = {
    "map_elites": Policy(map_elites),
    "independent": Policy(independent, _EDITS, titled=False),
    "best_of_n": Policy(best_of_n, _EDITS, issued=_begin_round),
    "hill_climb": Policy(hill_climb, _EDITS),
    "given": Policy(given, titled=False, given=True),
    "one_plus_one": Policy(one_plus_one, _EDITS, settled=_replace_unless_worse),
}


def _leader(search: Search) -> int:
    """Whom the search builds on: the best so far or, on a noisy problem, who has shown to be the best."""
    if search.contract.noisy and search.policy.titled:
        return search.contest.champion
    return search.people.leader if search.people.leader is not None else SEED


def tune_share(search: Search) -> float:
    """The tuner's share: what is configured, less where the budget is too small for an evolution strategy in so many numbers."""
    tuner = search.tuning.tuner
    if tuner is None:
        return search.config.tune_share
    enough = EVALUATIONS_PER_LITERAL * len(tuner.literals)
    return search.config.tune_share * min(1.0, affordable(search.budget, search.spend, search.slots) / enough)


def _may_tune(search: Search) -> bool:
    return search.tuning.can_sample or (not search.tuning.opening and search.people.rows[_leader(search)].cold)


def _parent(search: Search, rng: np.random.Generator, arm: int) -> int:
    """A parent that this arm may use: what came from a warm start breeds only by the operator that made it."""
    people, config = search.people, search.config
    rows = people.rows
    parent = tournament(
        people.elites,
        people.posterior,
        lambda number: rows[number].bred,
        rng,
        size=config.tournament,
        uniform_share=config.uniform_share,
        eligible=lambda number: rows[number].cold or rows[number].arm == arm,
    )
    return SEED if parent is None else parent


def _tune(search: Search, rng: np.random.Generator, arm: int, propensity: float) -> Draft | None:
    tuning = search.tuning
    if tuning.can_sample and not tuning.wants(search.people.leader, search.people):
        sample = tuning.draw(rng)
        return Draft(arm, (tuning.base,), (), propensity, search.people.score(_leader(search)), sample)
    for parent in (_leader(search), _parent(search, rng, arm), SEED):
        if search.people.rows[parent].cold and not tuning.spent_on(parent):
            return Draft(arm, (parent,), (), propensity)
    return None


def _child_of(search: Search, rng: np.random.Generator, parent: int) -> Draft | None:
    """A child of a given parent; the operators that only edit, equally often: models where there are any."""
    arms = [i for i, arm in enumerate(search.bandit.arms) if arm.operator == "llm_mutate" and accounts.allowed(search, arm)]
    if not arms and any(search.accounts.may_ask(arm.model) for arm in search.bandit.arms if arm.model):
        return None  # they are all busy
    arms = arms or [i for i, arm in enumerate(search.bandit.arms) if arm.operator in _EDITS]
    if not arms:
        return None
    return Draft(arms[int(rng.integers(len(arms)))], (parent,), (), 1.0 / len(arms), search.people.score(parent))
