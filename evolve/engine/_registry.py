"""The one place where names become classes.  What makes and runs candidates is imported when it is built: readers need neither."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from archive import Archive, ArchiveMaker, AxisInfo, FlatArchive, GridArchive
from evolve._errors import ConfigError
from evolve.config._schema import ExecutorConfig, RunConfig, SearchConfig
from evolve.problem._contract import Contract, Problem
from evolve.problem._environment import check_environment
from evolve.propose._registry import OPERATORS, make_operator
from evolve.search._parts import Parts
from evolve.search._policies import POLICIES

if TYPE_CHECKING:
    from evolve.execute import Executor, Sink
    from evolve.propose import Operator


def check_names(config: RunConfig) -> None:
    """Find out that there is something of every name in a configuration, and that the operators can serve the policy.

    Raises:
        ConfigError: there is not.
    """
    _check_known("search.archive", config.search.archive, (AUTO, *ARCHIVES))
    mechanical = [name for name, spec in OPERATORS.items() if not spec.model]
    for name in config.search.operators:
        _check_known("search.operators", name, mechanical, many=True)
    asked = list(config.search.operators)
    if config.llm.provider != "none":
        for name in config.llm.operators:
            _check_known("llm.operators", name, [name for name in OPERATORS if name not in mechanical], many=True)
        asked += config.llm.operators
    policy = POLICIES[config.search.policy]
    if policy.given or any(OPERATORS[name].edits or not policy.edits_only for name in asked):
        return
    used = [name for name in mechanical if OPERATORS[name].edits or not policy.edits_only]
    raise ConfigError(
        f"search.operators must be a list out of {', '.join(used)} for the policy {config.search.policy}, found "
        f"{list(config.search.operators)!r}; type for example search.operators=[{used[0]}]"
    )


def _check_known(key: str, name: str, known: Sequence[str], *, many: bool = False) -> None:
    if name in known:
        return
    close = difflib.get_close_matches(name, known, n=1)
    example = f"[{known[0]}]" if many else known[0]
    more = f"did you mean {close[0]}?" if close else f"type for example {key}={example}"
    raise ConfigError(f"{key} must be {'a list out' if many else 'one'} of {', '.join(known)}, found {name!r}; {more}")


def parts_of(config: RunConfig) -> Parts:
    """What the search of this configuration is put together from."""
    return Parts({name: OPERATORS[name] for name in (*config.search.operators, *config.llm.operators)}, make_archive)


def make_archive(contract: Contract, config: SearchConfig) -> Archive:
    """An empty archive of the configured name.

    Raises:
        ConfigError: there can be none of this name for the problem.
    """
    axes = tuple(axis.info for axis in contract.axes)
    name = config.archive if config.archive != AUTO else "grid" if axes else "topk"
    try:
        return ARCHIVES[name](axes=axes, keep=config.keep, cells_keep=contract.cells_keep)
    except ValueError as error:
        raise ConfigError(f"search.archive={name} cannot be used with {contract.name}: {error}") from error


def _grid(*, axes: Sequence[AxisInfo], keep: int, cells_keep: int) -> Archive:
    return GridArchive(axes=axes, keep=cells_keep)


def _topk(*, axes: Sequence[AxisInfo], keep: int, cells_keep: int) -> Archive:
    return FlatArchive(keep=keep)


AUTO = "auto"  # an archive by what the problem has
ARCHIVES: Mapping[str, ArchiveMaker] = {"grid": _grid, "topk": _topk}


def build_operators(names: Iterable[str]) -> dict[str, Operator]:
    """The operators of these names, by name."""
    return {name: make_operator(name) for name in names}


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
