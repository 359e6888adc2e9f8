"""The limits that a run begins with, and others from then on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

from archive import BudgetSet
from evolve.config._schema import RunConfig
from evolve.problem.contract._contract import Budget, Problem
from evolve.search.claims._openings import next_budget
from evolve.search.state._state import ProblemState, RunState


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


def on_budget(run: RunState, problems: Mapping[str, ProblemState], record: BudgetSet) -> None:
    """Other limits hold: the run's, or those of one problem of several whose search is over."""
    if record.problem in problems:
        part = {one: getattr(record, one) for one in ("wall_s", "cpu_s", "evaluations", "candidates")}
        problems[record.problem].part.fixed = replace(run.budget, **part)
        return
    share = run.budget.confirm_share if record.confirm is None else record.confirm
    limits = {one.name: getattr(record, one.name) for one in fields(Budget) if one.name != "confirm_share"}
    run.budget = Budget(**limits, confirm_share=share)
    run.model_limits.on_budget(run.budget, run.tickets.next_ticket)
    for state in problems.values():
        state.part.fixed = state.part.fixed if state.failure else None
        next_budget(state)
        state.final_comparison, state.final_scores = None, []
