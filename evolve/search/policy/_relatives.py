"""Related problems of a run, and which of their programs is offered to a problem."""

from __future__ import annotations

from evolve.budget._cpu_budget import INITIAL
from evolve.search.state._operators import Parent
from evolve.search.state._state import ProblemState

_FIRST = 8  # children of a related problem, before its best is offered
_AGAIN, _AGAIN_IN_VAIN = 2, 4  # times as many as at the last time: so what teaches nothing costs little


def relatives(state: ProblemState) -> list[ProblemState]:
    """Problems of the run whose programs may be of use to this one: of the same declared family or, where none is declared, with a
    descriptor of the same name.  None where ideas are not shared."""
    if state.run.suite.share_ideas != "true":
        return []
    return [one for one in state.others if not one.failure and _is_related(state, one)]


def _is_related(one: ProblemState, other: ProblemState) -> bool:
    mine, theirs = one.contract, other.contract
    if mine.family or theirs.family:
        return mine.family == theirs.family
    return bool({axis.name for axis in mine.axes} & {axis.name for axis in theirs.axes})


def offered(state: ProblemState) -> str:
    """The best program of a related problem that is worth a look here, "" where there is none: where the other has come further
    since the last time, and that program is not known here."""
    again = _AGAIN if _has_gained(state) else _AGAIN_IN_VAIN
    for one in relatives(state):
        best, seen = one.population.best_so_far, state.changes.taken.get(one.problem, 0)
        if best is None or best == INITIAL or one.population.n_credited < max(_FIRST, again * seen):
            continue
        if (id_ := one.population.candidates[best].id) not in state.population.by_id:
            return id_
    return ""


def _has_gained(state: ProblemState) -> bool:
    """Whether what was taken from a related problem was a gain, of late."""
    makers = (state.maker(number) for number in state.changes.gains)
    return any(maker is not None and maker.parent is Parent.RELATIVE for maker in makers)


def on_offered(state: ProblemState, id_: str) -> None:
    """A program of a related problem was offered."""
    for one in relatives(state):
        if id_ in one.population.by_id:
            state.changes.taken[one.problem] = one.population.n_credited
