"""Known changes that are worth making once more: which programs an operator that repeats one is given."""

from __future__ import annotations

from evolve.budget._cpu_budget import INITIAL
from evolve.search.policy._kinship import is_ancestor
from evolve.search.state._operators import OperatorSpec, Parent
from evolve.search.state._state import ProblemState

Change = tuple[int, int, int]  # rows: the program it is made to, then from which program to which it led

_FURTHEST = 32  # generations back


def known_changes(state: ProblemState, spec: OperatorSpec, target: int) -> list[Change]:
    """What an operator may make once more to ``target``, the most promising first, without what it was given before."""
    match spec.parent:
        case Parent.STEP:
            found = _last_step(state, target)
        case Parent.MIRRORED:
            found = _worse_children(state, target)
        case Parent.GAINS:
            found = _gains_elsewhere(state, target)
        case _:
            found = _way_back(state, target)
    return [change for change in found if not state.changes.was_given(spec.name, change)]


def _last_step(state: ProblemState, target: int) -> list[Change]:
    """The step that led to the target, where it was a gain."""
    population = state.population
    if not population.candidates[target].parents:
        return []
    parent = population.candidates[target].parents[0]
    before, now = population.score(parent), population.score(target)
    return [(target, parent, target)] if before is not None and now is not None and now > before else []


def _worse_children(state: ProblemState, target: int) -> list[Change]:
    """From a child that did worse to the target: made to the target that is the child's step the other way.  The newest first."""
    now = state.population.score(target)
    scored = ((child, state.population.score(child)) for child in reversed(state.memory.children.get(target, ())))
    return [(target, child, target) for child, score in scored if score is not None and now is not None and score < now]


def _gains_elsewhere(state: ProblemState, target: int) -> list[Change]:
    """Steps that were gains on other lines of descent, the newest first."""
    rows = state.population.candidates
    others = (child for child in reversed(state.changes.gains) if child != target and not is_ancestor(state, child, target))
    return [(target, rows[child].parents[0], child) for child in others]


def _way_back(state: ProblemState, target: int) -> list[Change]:
    """Steps on the way to the target, each from its end to its beginning; not the last one, which would lead to the parent."""
    rows, child, found = state.population.candidates, target, list[Change]()
    while rows[child].parents and len(found) < _FURTHEST:
        parent = rows[child].parents[0]
        if child != target:
            found.append((target, child, parent))
        child = parent
        if child == INITIAL:
            break
    return found
