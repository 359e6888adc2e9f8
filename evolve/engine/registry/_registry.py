"""The one place where names become classes.  What makes and runs candidates is imported when it is built: readers need neither."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from archive import Archive, ArchiveMaker
from evolve._errors import ConfigError, EvolveError, UsageError
from evolve._plugins import need_plugin, offered
from evolve.config._llm import GIVEN
from evolve.config._require import require_known
from evolve.config._schema import RAY, ExecutorConfig, OwnOperator, RunConfig, SearchConfig
from evolve.engine.registry._archives import ARCHIVES, check_archive_keys, check_axes, check_rebinning
from evolve.engine.registry._plugins import load_archive, load_executor, load_operator, source_of
from evolve.problem.contract._contract import Contract, Problem
from evolve.problem.contract._environment import check_environment
from evolve.problem.contract._placement import check_placement
from evolve.propose._registry import ADOPT, OPERATORS, SETTING, make_operator
from evolve.search.policy._policies import POLICIES
from evolve.search.state._operators import OperatorSpec
from evolve.search.state._parts import Parts

if TYPE_CHECKING:
    from archive import Hardware
    from evolve.engine.registry._own_operators import GivenOperator
    from evolve.execute import Executor, Sink
    from evolve.propose import Operator


def _local(
    problems: Mapping[str, Problem], config: ExecutorConfig, *, tier: str, sink: Sink, measured: Hardware | None
) -> Executor:
    from evolve.execute import LocalExecutor

    return LocalExecutor(problems, slots=n_slots(config), tier=tier, sink=sink, measured=measured)


def _ray(problems: Mapping[str, Problem], config: ExecutorConfig, *, tier: str, sink: Sink, measured: Hardware | None) -> Executor:
    from evolve.execute.cluster import ClusterExecutor

    return ClusterExecutor(problems, slots=config.slots, tier=tier, sink=sink, address=config.address or "", measured=measured)


STAND_IN = "a stand-in"  # the source of an archive that is not there
# What is shipped, by name; archives stand in _archives.py, operators in evolve.propose, policies in evolve.search, providers in
# evolve.engine.models._stack.
EXECUTORS: Mapping[str, Callable[..., Executor]] = {"local": _local, RAY: _ray}


def check_names(config: RunConfig) -> None:
    """Find out that there is something of every name in a configuration, and that the operators can serve the policy.

    Raises:
        ConfigError: there is not.
        PluginBroken: there is, and it cannot be used.
    """
    from evolve.engine.models._stack import PROVIDERS

    search, llm = config.search, config.llm
    _check_once(config)
    _check_known("search.policy", search.policy, POLICIES)
    _check_known("search.archive", search.archive, ARCHIVES, "archive")
    check_archive_keys(search)
    _check_known("executor.kind", config.executor.kind, EXECUTORS, "executor")
    if llm.provider != GIVEN:
        _check_known("llm.provider", llm.provider, PROVIDERS)
    models = [name for name, spec in OPERATORS.items() if spec.model]
    mechanical = [name for name in OPERATORS if name not in models]
    for name in _named_operators(search):
        _check_known("search.operators", name, mechanical, "operator", many=True)
    for name in llm.operators:
        _check_known("llm.operators", name, models, many=True)
    need_named(config)
    policy, specs = POLICIES[search.policy], parts_of(config).operators
    asked = (*search.operator_names, *(llm.operators if llm.provider != "none" else ()))
    _check_floors(search.family_floor, sorted({specs[name].family for name in asked}))
    if policy.fixed_candidates or any(specs[name].edits or not policy.edits_only for name in asked):
        return
    used = [name for name in mechanical if OPERATORS[name].edits or not policy.edits_only]
    raise ConfigError(
        f"search.operators must be a list out of {', '.join(used)} for the policy {search.policy}, found "
        f"{list(search.operators)!r}; type for example search.operators=[{used[0]}]"
    )


def _check_once(config: RunConfig) -> None:
    """Find out that no list names one thing twice.  Not a rule of the sections: runs that were made with such a list still open."""
    search, llm, sampling = config.search, config.llm, config.llm.sampling
    lists = {
        "search.operators": search.operator_names,
        "llm.models": llm.models,
        "llm.operators": llm.operators,
        "llm.sampling.edit_formats": sampling.edit_formats,
        "llm.sampling.dialect": sampling.dialect,
    }
    for key, names in lists.items():
        twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
        if twice is not None:
            once = ",".join(dict.fromkeys(names))
            raise ConfigError(f"{key} must name each once, found {twice!r} twice; type {key}=[{once}]")


def _check_floors(floor: float, families: Sequence[str]) -> None:
    """Find out that every family can have its least share.  Not a rule of the section either: which families there are, only the
    operators say."""
    if floor * len(families) > 1:
        raise ConfigError(
            f"search.family_floor is kept for each of {len(families)} families of operators ({', '.join(families)}), and must be "
            f"at most {1 / len(families):.3g}, found {floor!r}; type for example search.family_floor={0.5 / len(families):.2g}"
        )


def _check_known(key: str, name: str, shipped: Iterable[str], kind: str = "", *, many: bool = False) -> None:
    if name not in shipped:
        require_known(key, name, [*shipped, *(offered(kind) if kind else ())], many=many)


def need_named(config: RunConfig) -> None:
    """Find out that what a configuration names of other people's packages can be used.

    Raises:
        MissingPackage: it is not installed.
        PluginBroken: it is, and cannot be used.
        UsageError: two packages offer it.
    """
    load = {"operator": load_operator, "archive": load_archive, "executor": load_executor}
    for kind, name in _not_shipped(config):
        load[kind](need_plugin(kind, name, config.plugins.get(f"{kind} {name}", "")))


def plugins_of(config: RunConfig) -> dict[str, str]:
    """The packages that what a configuration names is of, where it is not shipped: for whoever finds it missing some day."""
    return {f"{kind} {name}": need_plugin(kind, name, "").package for kind, name in _not_shipped(config)}


def _named_operators(config: SearchConfig) -> list[str]:
    """The operators that go by a name alone: not those that somebody gave as objects."""
    return [name for name in config.operators if OwnOperator.of(name) is None]


def _not_shipped(config: RunConfig) -> list[tuple[str, str]]:
    named = [*(("operator", name) for name in _named_operators(config.search)), ("archive", config.search.archive)]
    shipped = {"operator": OPERATORS, "archive": ARCHIVES, "executor": EXECUTORS}
    return [(kind, name) for kind, name in (*named, ("executor", config.executor.kind)) if name not in shipped[kind]]


def parts_of(config: RunConfig) -> Parts:
    """What the search of this configuration is put together from.

    What is not installed any more, or cannot be used, has a stand-in: good enough to read a run, and ``need_named`` comes before
    driving one.
    """
    names = (*config.search.operator_names, *config.llm.operators)
    given = {own.name: OperatorSpec(own.name, own.family, n_parents=own.n_parents) for own in config.search.own_operators.values()}
    maker, source = _archive_of(config)

    def make(contract: Contract, config: SearchConfig) -> Archive:
        check_axes(contract, config)
        axes = tuple(axis.info for axis in contract.axes)
        try:
            archive = maker(axes=axes, capacity=config.archive_size, elites_per_cell=contract.elites_per_cell)
        except ValueError as error:
            raise ConfigError(
                f"search.archive={config.archive} cannot be used with the problem {contract.name}: {error}"
            ) from error
        if source != STAND_IN:
            check_rebinning(archive, axes, contract, config)
        return archive

    return Parts({name: OPERATORS.get(name) or given.get(name) or _own_spec(name) for name in names}, make, source)


def _own_spec(name: str) -> OperatorSpec:
    """The spec of somebody else's operator; of one that is not there as much as a search needs that hands it no ticket."""
    try:
        return load_operator(need_plugin("operator", name, "")).spec
    except EvolveError:
        return OperatorSpec(name, family=name)


def _archive_of(config: RunConfig) -> tuple[ArchiveMaker, str]:
    """What makes the archive, and what says that its code is another."""
    name = config.search.archive
    if name in ARCHIVES:
        return ARCHIVES[name](config), ""
    try:
        plugin = need_plugin("archive", name, "")
        return load_archive(plugin), source_of(plugin)
    except EvolveError:
        return ARCHIVES["auto"](config), STAND_IN  # so no checkpoint counts for it


def stand_in_words(config: RunConfig) -> str:
    """What whoever reads a run must know of an archive that is not there ("" where it is)."""
    name = config.search.archive
    try:
        if name not in ARCHIVES:
            load_archive(need_plugin("archive", name, config.plugins.get(f"archive {name}", "")))
    except EvolveError as error:
        return f"the elites stand here as a shipped archive would have them: {error}"
    return ""


def build_operators(names: Iterable[str]) -> dict[str, Operator]:
    """The operators of these names, by name.

    Raises: as ``need_named``.
    """
    return {name: make_operator(name) if name in OPERATORS else load_operator(need_plugin("operator", name, "")) for name in names}


def operators_of(config: SearchConfig, own: Sequence[GivenOperator], run: str = "") -> dict[str, Operator]:
    """All operators of a run by name; ``own`` are those that somebody gave as objects, ``run`` is its folder.

    Raises:
        UsageError: one is missing among ``own``.
    """
    from evolve.engine.registry._own_operators import Absent, Checked

    given = {one.name: one if isinstance(one, Absent) else Checked(one) for one in own}
    missing = [name for name in config.own_operators if name not in given]
    if missing:
        where = repr(run) if run else "RUN"
        raise UsageError(
            f"the run has an operator of its own, {missing[0]}, that was not given; in Python: "
            f"evolve.open_run({where}, operators=[...]).optimize(), with all of {', '.join(config.own_operators)}."
        )
    built = build_operators(_named_operators(config))
    return {name: built[name] if name in built else given[name] for name in config.operator_names}


def for_problems(config: RunConfig, contracts: Sequence[Contract]) -> RunConfig:
    """A configuration for a run of these problems: where nobody named operators, there are more for several problems at once, which
    may learn from each other, and for training scripts."""
    search, default = config.search, tuple(SearchConfig().operators)
    if search.policy != "auto" or tuple(search.operators) != default:
        return config
    several = (ADOPT.name,) if len(contracts) > 1 and config.suite.share_ideas == "true" else ()
    training = (SETTING.name,) if any(contract.learning_curve for contract in contracts) else ()
    return replace(config, search=replace(search, operators=(*default, *several, *training))) if several or training else config


def n_slots(config: ExecutorConfig) -> int:
    """Blocks at once: as configured, else one for each CPU this process may use."""
    return config.slots or len(os.sched_getaffinity(0))


def need_machine(config: RunConfig, *problems: Problem) -> None:
    """Find out that this machine can run the candidates of problems, before anything is made or written.  What they see is put
    together once where it is the same: that takes a second.

    Raises:
        SandboxMissing: the tier asked for is not to be had here.
        EnvironmentFault: what candidates may import cannot be shown to them, a variable that the evaluator needs is not set, there
            are fewer GPUs than it needs, or the problem's data is not here.
    """
    from evolve.evaluate import VisibleFiles, open_sandbox_factory
    from evolve.execute import need_gpus
    from evolve.problem._data import check_data
    from evolve.problem._load import candidate_assets_folder

    contracts = [problem.contract for problem in problems]
    for contract in contracts:
        check_environment(contract)
    if config.executor.kind == "local":
        need_gpus(contracts)
    views = [VisibleFiles.of(one.contract, candidate_assets_folder(one)) for one in problems]
    if config.executor.kind == RAY:
        views = [replace(view, data=()) for view in views]  # it lies on the nodes, each of which looks for itself
    else:
        for contract in contracts:
            check_data(contract)
    for view in dict.fromkeys(views):
        open_sandbox_factory(config.sandbox.tier, view).close()


def need_place(config: RunConfig, *problems: Problem) -> None:
    """See that the run's executor has the nodes that problems ask for; what is only looked at or measured once is not asked.

    Raises:
        EnvironmentFault: this machine alone is no cluster.
    """
    if config.executor.kind == "local":
        for problem in problems:
            check_placement(problem.contract)


def need_executor(config: RunConfig, problems: Sequence[Problem]) -> None:
    """Find out that an executor can be made, before a run is made: somebody else's is made and closed, a cluster is asked.

    Raises: as ``build_executor``.
    """
    if config.executor.kind == RAY:
        from evolve.execute.cluster import need_cluster

        need_cluster(problems, config.executor.address or "")
    elif config.executor.kind not in EXECUTORS:
        build_executor(config, problems, lambda report: None).close(drain=False)


def build_executor(config: RunConfig, problems: Sequence[Problem], sink: Sink, measured: Hardware | None = None) -> Executor:
    """The executor of a run; ``measured`` is what those of its scores were measured on that hang on speed.

    Raises:
        SandboxMissing: the tier asked for is not to be had here.
        EnvironmentFault: the hardware is not that of the run's scores.
        MissingPackage, PluginBroken: the executor is somebody else's, and not there or not to be used.
    """
    kind, by_id = config.executor.kind, {problem.id: problem for problem in problems}
    if kind in EXECUTORS:
        return EXECUTORS[kind](by_id, config.executor, tier=config.sandbox.tier, sink=sink, measured=measured)
    make = load_executor(need_plugin("executor", kind, ""))
    return make(by_id, slots=n_slots(config.executor), tier=config.sandbox.tier, sink=sink)
