"""What a run would be made from: its configuration with what the problem adds."""

from __future__ import annotations

from dataclasses import asdict, replace

from evolve.adapters._choose import load_problem
from evolve.config._schema import BudgetConfig, RunConfig
from evolve.search._search import budget_of


def with_problem(config: RunConfig) -> RunConfig:
    """With the problem's params and default budget filled in.  Raises as ``load_problem``."""
    if config.problem.names:
        return config  # its own params each has, and the limits in sum are worked out when the run is made
    problem = load_problem(config.problem.name, config.problem.params, prepare=False)
    budget = BudgetConfig(**asdict(budget_of(config, problem)))
    return replace(config, problem=replace(config.problem, params=dict(problem.params)), budget=budget)
