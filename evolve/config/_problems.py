"""The problems that a configuration names."""

from __future__ import annotations

from evolve.adapters._choose import load_problem
from evolve.adapters._suite import load_suite
from evolve.config._schema import ProblemConfig
from evolve.problem.contract._contract import Problem


def load_problems(config: ProblemConfig) -> tuple[Problem, ...]:
    """One problem, or those of a suite.  Raises as ``load_problem`` and ``load_suite``."""
    return load_suite(config.names) if config.names else (load_problem(config.name, config.params),)
