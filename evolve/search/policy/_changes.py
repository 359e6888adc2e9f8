"""Known changes that are worth making once more: which programs an operator that repeats one is given."""

from __future__ import annotations

from collections.abc import Iterator

from evolve.budget._cpu_budget import INITIAL
from evolve.search._notes import bottleneck, reopened
from evolve.search.policy._kinship import ancestors
from evolve.search.state._changes import Change
from evolve.search.state._operators import OperatorSpec, Parent
from evolve.search.state._state import ProblemState

_NEWEST = 32  # children, or generations, that are looked at
_GOES_ON = 0.6  # of the last step's gain, below which a step is not made once more


def known_change(state: ProblemState, spec: OperatorSpec, target: int) -> Change | None:
    """What an operator may make once more to ``target``: the most promising that it was not given before."""
    match spec.parent:
        case Parent.STEP:
            found = _last_step(state, spec, target)
        case Parent.MIRRORED:
            found = _worse_children(state, target)
        case Parent.GAINS:
            again = _discarded(state, target)
            return _first_new(state, spec, again) or _gain_elsewhere(state, spec, target)
        case _:
            found = _way_back(state, target)
    return _first_new(state, spec, found)


def _first_new(state: ProblemState, spec: OperatorSpec, found: Iterator[Change]) -> Change | None:
    return next((change for change in found if not state.changes.was_given(spec.name, change)), None)


def _last_step(state: ProblemState, spec: OperatorSpec, target: int) -> Iterator[Change]:
    """The step that led to the target, where it was a gain; where it went on from another, it must have gained about as much."""
    rows, gained = state.population.candidates, _gained(state, target)
    if gained is None or gained <= 0:
        return
    parent = rows[target].parents[0]
    arm, before = rows[target].arm, _gained(state, parent)
    goes_on = arm >= 0 and state.bandit.arms[arm].operator == spec.name
    if not goes_on or before is None or gained >= _GOES_ON * before:
        yield target, parent, target


def _gained(state: ProblemState, child: int) -> float | None:
    """What a program gained over its parent; None for one that has none, or where either has no score."""
    population = state.population
    if not population.candidates[child].parents:
        return None
    before, now = population.worth(population.candidates[child].parents[0]), population.worth(child)
    return None if before is None or now is None else now - before


def _worse_children(state: ProblemState, target: int) -> Iterator[Change]:
    """From a child that did worse to the target: made to the target that is the child's step the other way.  The newest first."""
    now, children = state.population.worth(target), state.memory.children.get(target, ())
    for child in children[: -_NEWEST - 1 : -1]:
        worth = state.population.worth(child)
        if worth is not None and now is not None and worth < now:
            yield target, child, target


def _discarded(state: ProblemState, target: int) -> Iterator[Change]:
    """Steps that were no gain while something else limited programs, for a target that is limited by what the best is limited by
    now.  The newest first."""
    found, rows = reopened(state), state.population.candidates
    if found is None or bottleneck(state, target) != found.now:
        return
    for child in range(found.since - 1, max(found.since - 1 - _NEWEST, INITIAL), -1):
        parents, gained = rows[child].parents, _gained(state, child)
        if gained is not None and gained <= 0 and bottleneck(state, parents[0]) == found.before:
            yield target, parents[0], child


def _gain_elsewhere(state: ProblemState, spec: OperatorSpec, target: int) -> Change | None:
    """A step that was a gain on another line of descent, the newest first.  Asked for far more often than it changes."""
    kept = state.changes.elsewhere
    if spec.name not in kept or kept[spec.name][0] != target:
        kept[spec.name] = target, _found_elsewhere(state, spec, target)
    return kept[spec.name][1]


def _found_elsewhere(state: ProblemState, spec: OperatorSpec, target: int) -> Change | None:
    rows = state.population.candidates
    changes = [(target, rows[child].parents[0], child) for child in reversed(state.changes.gains) if child != target]
    new = [change for change in changes if not state.changes.was_given(spec.name, change)]
    line = ancestors(state, target, since=min(change[2] for change in new)) if new else ()
    return next((change for change in new if change[2] not in line), None)


def _way_back(state: ProblemState, target: int) -> Iterator[Change]:
    """Steps on the way to the target, each from its end to its beginning; not the last one, which would lead to the parent."""
    rows, child = state.population.candidates, target
    for _ in range(_NEWEST):
        if not rows[child].parents:
            return
        parent = rows[child].parents[0]
        if child != target:
            yield target, child, parent
        child = parent
