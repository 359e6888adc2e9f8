"""What is advised where a budget holds no child or no vault is enough, and not by far too much."""

from __future__ import annotations

from dataclasses import replace

from evolve.engine._reading import view_run
from evolve.problem.contract._contract import Budget
from evolve.views._outlook import kept_for
from evolve.views._shortfall import shortfall


def with_budget(state, budget):
    return replace(state, run=replace(state.run, budget=budget))


def test_a_count_of_measurements(noisy):
    state = view_run(str(noisy.path)).state
    assert kept_for(state) == "final runs of best and initial program"
    assert shortfall(state).needs == ("budget.evaluations=67",)
    for limit, holds in ((66, False), (67, True)):
        other = with_budget(state, replace(state.run.budget, evaluations=limit))
        assert (shortfall(other) is None) is holds
    assert kept_for(other) == "claims"
    small = shortfall(with_budget(state, replace(state.run.budget, confirm_share=0.01)))
    assert small is not None
    assert small.needs == ("budget.evaluations=2000",)  # however far that is


def test_a_time_on_the_clock(noisy):
    state = view_run(str(noisy.path)).state
    state.run.usage.measure_wall_s = 0.4
    short = shortfall(with_budget(state, Budget(wall_s=2.5)))
    assert short is not None
    ((name, much),) = [need.split("=") for need in short.needs]
    assert name == "budget.wall_s"
    for wall_s, holds in ((float(much), True), (float(much) / 2, False)):
        assert (shortfall(with_budget(state, Budget(wall_s=wall_s))) is None) is holds
