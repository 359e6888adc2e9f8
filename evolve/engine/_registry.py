"""The one place where names become classes.  What makes and runs candidates is imported when it is built: readers need neither."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from evolve.config._schema import ExecutorConfig, RunConfig
from evolve.problem._contract import Problem
from evolve.problem._environment import check_environment

if TYPE_CHECKING:
    from evolve.execute import Executor, Sink
    from evolve.propose import Operator


def build_operators(names: Iterable[str]) -> dict[str, Operator]:
    """The operators of these names, by name."""
    from evolve.propose import AstEdit, ConstantTuner, Crossover

    operators: Mapping[str, type[Operator]] = {"tune": ConstantTuner, "ast_edit": AstEdit, "crossover": Crossover}
    return {name: operators[name]() for name in names}


def n_slots(config: ExecutorConfig) -> int:
    """Blocks at once: as configured, else one for each CPU this process may use."""
    return config.slots or len(os.sched_getaffinity(0))


def need_machine(config: RunConfig, problem: Problem) -> None:
    """Find out that this machine can run the problem's candidates, before anything is made or written.

    Raises:
        SandboxMissing: the tier asked for is not to be had here.
        EnvironmentFault: what candidates may import cannot be shown to them, or a variable that the evaluator needs is not set.
    """
    from evolve.evaluate import View, open_launcher
    from evolve.problem._load import candidate_assets_folder

    check_environment(problem.contract)
    view = View(
        imports=problem.contract.candidate_imports, toolbox=problem.contract.toolbox, assets=candidate_assets_folder(problem)
    )
    open_launcher(config.sandbox.tier, view).close()


def build_executor(config: RunConfig, problem: Problem, sink: Sink) -> Executor:
    """The executor of a run.

    Raises:
        SandboxMissing: the tier asked for is not to be had here.
    """
    from evolve.execute import LocalExecutor

    return LocalExecutor({problem.id: problem}, slots=n_slots(config.executor), tier=config.sandbox.tier, sink=sink)
