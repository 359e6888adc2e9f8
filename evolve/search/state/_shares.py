"""What of a run's budget is one problem's, where the run has several.

A problem plans with the share of the budget that its share of the spending comes to: as if it went on so.  So the search of all of
them is over at about the same time, and each has kept back what its own end takes (of the clock, which they share, all keep back
what all take).  From then on its part stands fixed, by a record (``BudgetSet`` with the problem's id), and the others share what is
left.  Where a run has one problem none of this is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from evolve.budget._ledger import Amount
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
    """One problem's part of a run: what it has used, what it may in all once its search is over (None until then), and what its
    calls of models came to."""

    usage: Usage
    fixed: Budget | None = None
    models: Amount = field(default_factory=Amount)


@dataclass(slots=True)
class Pool:
    """The parts of all problems of a run.  ``sums``, and ``owed_s``, the seconds of a slot that the ends of all of them take, are
    worked out once between two records: None once one may have changed them."""

    parts: tuple[Part, ...]
    sums: _Sums | None = None
    owed_s: float | None = None

    def in_sum(self) -> _Sums:
        """What those have in sum that are still searched, and what the others hold."""
        if self.sums is None:
            live = [one.usage for one in self.parts if one.fixed is None]
            fixed = [one.fixed for one in self.parts if one.fixed is not None]
            self.sums = _Sums(
                live=len(live),
                evaluations=sum(one.evaluations for one in live),
                spent={name: sum(map(spent, live)) for name, spent in _SPENT.items()},
                taken={name: sum(getattr(one, name) or 0 for one in fixed) for name in _SPENT},
            )
        return self.sums


@dataclass(frozen=True, slots=True)
class _Sums:
    live: int
    evaluations: int
    spent: Mapping[str, float]
    taken: Mapping[str, float]


def budget_of(part: Part, pool: Pool, total: Budget) -> Budget:
    """What a problem may spend in all, of a run that may spend ``total``."""
    if part.fixed is not None:
        return part.fixed
    sums = pool.in_sum()
    limits: dict[str, float | None] = {}
    for name, spent in _SPENT.items():
        limit = getattr(total, name)
        if limit is None:
            continue
        share = (limit - sums.taken[name]) * _share(spent(part.usage), sums, name)
        limits[name] = max(1, math.floor(share)) if isinstance(limit, int) else share
    return replace(total, **limits)  # type: ignore[arg-type]


def usage_of(part: Part, budget: Budget, total: Budget, run: Usage) -> Usage:
    """What a problem has spent whose own budget this is.  Of the run's time as much is its own as of the run's limit: of two that
    take turns neither has all of the clock to itself."""
    wall = budget.wall_s
    pace = wall / total.wall_s if wall is not None and total.wall_s else 1.0
    return part.usage.by_clock_of(run, pace)


def spent(usage: Usage, total: Budget, pace: float) -> Budget:
    """Limits that a problem has reached: of one that is given up."""
    limits = {name: find(usage) for name, find in _SPENT.items() if getattr(total, name) is not None}
    if total.wall_s is not None:
        limits["wall_s"] = pace * total.wall_s
    return replace(total, **limits)  # type: ignore[arg-type]


def _share(spent: float, sums: _Sums, name: str) -> float:
    """The share of who has spent so much in what those have spent that are still searched; near an equal one while they have spent
    little."""
    n, total = sums.evaluations, sums.spent[name]
    own = n * spent / total if total > 0 else n / sums.live
    return (own + 1) / (n + sums.live)
