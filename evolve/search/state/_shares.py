"""What of a run's budget is one problem's, where the run has several.

A problem plans with the share of the budget that its share of the spending comes to: as if it went on so.  So the search of all of
them is over at the same time, and each has kept back what its own end takes.  From then on its part stands fixed, by a record
(``BudgetSet`` with the problem's id), and the others share what is left.  Where a run has one problem none of this is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from evolve.budget._usage import Usage
from evolve.problem.contract._contract import Budget

_Spent = Callable[[Usage], float]


def _measuring_s(usage: Usage) -> float:
    return sum(usage.wall_by_purpose.values())


_SPENT: dict[str, _Spent] = {
    "wall_s": _measuring_s,
    "cpu_s": lambda usage: usage.cpu_s,
    "evaluations": lambda usage: usage.evaluations,
    "candidates": lambda usage: usage.candidates,
}


@dataclass(slots=True)
class Part:
    """One problem's part of a run: what it has used, and what it may in all once its search is over (None until then)."""

    usage: Usage
    fixed: Budget | None = None


def budget_of(part: Part, others: Sequence[Part], total: Budget) -> Budget:
    """What a problem may spend in all, of a run that may spend ``total``."""
    if part.fixed is not None:
        return part.fixed
    limits: dict[str, float | None] = {}
    for name, spent in _SPENT.items():
        limit = getattr(total, name)
        if limit is None:
            continue
        share = (limit - _taken(others, name)) * _share(part, others, spent)
        limits[name] = max(1, math.floor(share)) if isinstance(limit, int) else share
    return replace(total, **limits)  # type: ignore[arg-type]


def usage_of(part: Part, others: Sequence[Part], total: Budget, run: Usage) -> Usage:
    """What a problem has spent.  Of the run's time as much is its own as of the run's limit: of two that take turns neither has all
    of the clock to itself."""
    wall = budget_of(part, others, total).wall_s
    pace = wall / total.wall_s if wall is not None and total.wall_s else 1.0
    return replace(part.usage, opened_at=run.opened_at, before_s=run.before_s, last_at=run.last_at, pace=pace)


def spent(usage: Usage, total: Budget, pace: float) -> Budget:
    """Limits that a problem has reached: of one that is given up."""
    limits = {name: find(usage) for name, find in _SPENT.items() if getattr(total, name) is not None}
    if total.wall_s is not None:
        limits["wall_s"] = pace * total.wall_s
    return replace(total, **limits)  # type: ignore[arg-type]


def _taken(others: Sequence[Part], name: str) -> float:
    """What of a limit belongs to those whose part is fixed."""
    return sum(getattr(one.fixed, name) or 0 for one in others if one.fixed is not None)


def _share(part: Part, others: Sequence[Part], spent: _Spent) -> float:
    """A problem's share of what those have spent that are still searched; near an equal one while they have spent little."""
    live = [part, *(one for one in others if one.fixed is None)]
    n, total = sum(one.usage.evaluations for one in live), sum(spent(one.usage) for one in live)
    own = n * spent(part.usage) / total if total > 0 else n / len(live)
    return (own + 1) / (n + len(live))
