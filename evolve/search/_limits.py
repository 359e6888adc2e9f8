"""The limits that a run begins with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evolve.config._schema import RunConfig
from evolve.problem.contract._contract import Budget, Problem


def budget_of(config: RunConfig, problem: Problem, *more: Problem) -> Budget:
    """The run's limits: what was asked for; where nothing at all was, the problem's defaults, of several in sum."""
    asked = config.budget
    given = _in_sum([one.contract.budget for one in (problem, *more)])
    confirm = given.confirm_share if asked.confirm_share is None else asked.confirm_share
    models = {"usd": asked.usd, "tokens": asked.tokens, "calls": asked.calls}
    machine = {"wall_s": asked.wall_s, "cpu_s": asked.cpu_s, "evaluations": asked.evaluations, "candidates": asked.candidates}
    if any(limit is not None for limit in (*machine.values(), *models.values())):
        return Budget(**machine, **models, confirm_share=confirm)  # type: ignore[arg-type]
    return replace(given, confirm_share=confirm)


def _in_sum(budgets: Sequence[Budget]) -> Budget:
    """The problems' own limits in sum: those that all of them have."""
    if len(budgets) == 1:
        return budgets[0]
    names = ("wall_s", "cpu_s", "evaluations", "candidates")
    found = {name: [getattr(one, name) for one in budgets] for name in names}
    sums = {name: sum(limits) for name, limits in found.items() if all(limit is not None for limit in limits)}
    return Budget(**sums, confirm_share=max(one.confirm_share for one in budgets))
