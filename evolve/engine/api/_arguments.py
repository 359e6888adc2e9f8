"""What callers of the Python API give, as what the engine takes: each is checked, and refused in one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from evolve._errors import ConfigError, UsageError
from evolve._renamed import VALUES
from evolve.adapters._choose import load_problem as read_problem
from evolve.adapters._suite import names_of
from evolve.config._llm import GIVEN, LlmConfig
from evolve.config._schema import (
    BudgetConfig,
    ProblemConfig,
    RunConfig,
    SandboxConfig,
    SearchConfig,
    StopConfig,
)
from evolve.engine.api._executors import executor_config
from evolve.engine.registry._own_operators import GivenOperator, operator_text, own_operators
from evolve.problem.contract._contract import Param, Problem
from evolve.propose._registry import OPERATORS

if TYPE_CHECKING:
    from evolve.models import Provider


_PROVIDER = ("prices_from", "request_bytes", "call", "catalogue", "close")


def problem_config(problem: object) -> ProblemConfig:
    """Which problem is meant by a name, a path, or a problem that was loaded.

    Raises:
        UsageError: something else.
    """
    if isinstance(problem, Problem):
        return ProblemConfig(name=str(problem.folder), params=dict(problem.params))
    if isinstance(problem, Path):
        return ProblemConfig(name=str(problem.expanduser().resolve()))
    if isinstance(problem, str):
        names = names_of(problem)
        return ProblemConfig(name=names[0] if len(names) == 1 else problem, names=names if len(names) > 1 else ())
    if isinstance(problem, Sequence) and problem:
        return _suite_config(problem)
    raise UsageError(f"expected a problem's name, its folder or what load_problem gives, found {_said(problem)}.")


def _suite_config(problems: Sequence[object]) -> ProblemConfig:
    """The problems of a suite.  Params are one problem's, so a problem that was loaded with others than its own is none of it."""
    each = [problem_config(one) for one in problems]
    if len(each) == 1:
        return each[0]
    for one in each:
        if one.names:
            raise UsageError(f"expected a list of problems, found the list or folder {one.name} in it; name each problem.")
        if one.params and read_problem(one.name, prepare=False).params != one.params:
            raise UsageError(
                f"expected problems with their own params in a run of several, found {one.name} with {one.params}; put the values "
                "into problem.yaml in a copy of it."
            )
    names = tuple(one.name for one in each)
    return ProblemConfig(name=f"[{','.join(names)}]", names=names)


def load_problem(where: str | Path, /, **params: Param) -> Problem:
    """Read a problem: the folder, its contract, the packages and assets it needs.

    Args:
        where: The name of a built-in problem, a folder's path, or ``ADAPTER:PATH``.  A folder that another engine's problem lies in
            is converted.
        params: Values for its params; the others keep their defaults.

    Raises:
        ProblemError: no such problem, the folder breaks the contract, or a param is unknown, of another type or out of its bounds.
        MissingPackage: a distribution that it requires is not installed.
        EnvironmentFault: the cache folder cannot be written.

    Example:
        >>> problem = evolve.load_problem("circle_packing", n=32)
        >>> print(problem.contract.metric, problem.contract.goal, list(problem.initial_files))
    """
    if not isinstance(where, str | Path):
        raise UsageError(f"expected a problem's name or its folder, found {_said(where)}.")
    return read_problem(where, params)


def loaded(problem: object) -> Problem:
    """The problem that is meant by a name, a path, or itself.  Raises as ``load_problem``."""
    return problem if isinstance(problem, Problem) else load_problem(problem)  # type: ignore[arg-type]


def budget_config(budget: object) -> BudgetConfig:
    """The limits that were given.

    Raises:
        UsageError: no budget.
        ConfigError: a limit that is no number.
    """
    if budget is None:
        return BudgetConfig()
    if not isinstance(budget, BudgetConfig):
        raise UsageError(f"expected a budget, as evolve.Budget(wall_s=180), found {_said(budget)}.")
    return budget


def budget_changes(budget: object) -> dict[str, object]:
    """The limits that a budget names.  Raises as ``budget_config``."""
    found = budget_config(budget)
    return {one.name: value for one in fields(BudgetConfig) if (value := getattr(found, one.name)) is not None}


def search_config(operators: object, policy: str, archive: str) -> tuple[SearchConfig, tuple[GivenOperator, ...]]:
    """How to search with these operators (None: those of the policy), and those that are objects.

    Raises:
        UsageError: one that is none.
    """
    given = _operators_of(policy) if operators is None else operators
    if isinstance(given, str | Mapping) or not isinstance(given, Sequence):
        raise UsageError(f'expected a list of operators, as ["tune", "crossover"], found {_said(given)}.')
    own = own_operators(given)
    if ("search.policy", policy) in VALUES:
        raise UsageError(f"policy={policy!r} is called {VALUES['search.policy', policy]!r} now.")
    texts = tuple(operator_text(one) for one in given)
    return SearchConfig(policy=policy, archive=archive, operators=texts), own


def _operators_of(policy: str) -> tuple[str, ...]:
    """What a policy uses where nobody says: operators that make a known change once more are for the default policy."""
    return tuple(name for name in SearchConfig().operators if policy == SearchConfig().policy or not OPERATORS[name].repeats)


def models_config(models: object) -> tuple[LlmConfig, Provider | None]:
    """Which models are asked, and the object that answers for them where one was given.

    Raises:
        UsageError: neither a choice of models nor a provider.
    """
    if models is None:
        return LlmConfig(), None
    from evolve.models import Models

    if isinstance(models, Models):
        return models.config, None
    name = getattr(models, "name", None)
    if isinstance(name, str) and name and all(hasattr(models, key) for key in _PROVIDER):
        return LlmConfig(provider=GIVEN, models=(name,)), models  # type: ignore[return-value]
    raise UsageError(f'expected models, as evolve.models.Anthropic(["claude-haiku-5-5"]), or a provider, found {_said(models)}.')


def run_config(
    problem: object,
    *,
    out: object = None,
    seed: object = 0,
    budget: object = None,
    operators: object = None,
    llm: LlmConfig | None = None,
    policy: str = "auto",
    archive: str = "auto",
    target: float | None = None,
    patience: int | None = None,
    slots: int | None = None,
    executor: object = None,
    sandbox: str = "strict",
) -> tuple[RunConfig, tuple[GivenOperator, ...]]:
    """The configuration of a run, and its operators that are objects.

    Raises:
        UsageError: an argument of another type or range; the message says which.
    """
    if out is not None and not isinstance(out, str | Path):
        raise UsageError(f"out must be the path of a folder, found {_said(out)}.")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ConfigError(f"seed must be a whole number from 0, found {seed!r}.")
    search, own = search_config(operators, text_of("policy", policy), text_of("archive", archive))
    for name, value in (("target", target), ("patience", patience), ("slots", slots)):
        need_number(name, value, whole=name != "target")
    config = RunConfig(
        problem=problem_config(problem),
        search=search,
        llm=llm or LlmConfig(),
        budget=budget_config(budget),
        stop=StopConfig(target=target, patience=patience),
        executor=executor_config(executor, slots),
        sandbox=SandboxConfig(tier=sandbox),
        seed=seed,
        out=None if out is None else str(out),
    )
    return config, own


def need_number(name: str, value: object, *, whole: bool = False) -> None:
    """Find out that an argument is a number, or None.

    Raises:
        ConfigError: it is not.
    """
    kinds: tuple[type, ...] = (int,) if whole else (int, float)
    if value is not None and (isinstance(value, bool) or not isinstance(value, kinds)):
        raise ConfigError(f"{name} must be a {'whole ' if whole else ''}number, found {_said(value)}.")


def text_of(name: str, value: object) -> str:
    """An argument that is a text.

    Raises:
        UsageError: it is not.
    """
    if not isinstance(value, str):
        raise UsageError(f"{name} must be a text, found {_said(value)}.")
    return value


def files_of(files: object) -> Mapping[str, str]:
    """Files by path.

    Raises:
        UsageError: something else.
    """
    if not isinstance(files, Mapping) or not all(isinstance(one, str) for pair in files.items() for one in pair):
        raise UsageError(f'expected files as a mapping from path to text, as {{"main.py": "..."}}, found {_said(files)}.')
    return files


def ranges_of(axes: object) -> dict[str, list[float]]:
    """Ranges by descriptor.

    Raises:
        UsageError: something else.
    """
    found = axes.items() if isinstance(axes, Mapping) else ()
    good = [
        isinstance(name, str)
        and isinstance(given, list | tuple)
        and len(given) in (2, 3)
        and all(isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one) for one in given)
        for name, given in found
    ]
    if not good or not all(good):
        raise UsageError(
            f'expected ranges by descriptor, as {{"x": (0, 10)}} or {{"x": (0, 10, 20)}} with bins, found {_said(axes)}.'
        )
    return {name: list(given) for name, given in found}


def _said(value: object) -> str:
    text = repr(value)
    return f"{text if len(text) <= 80 else text[:80] + '...'} ({type(value).__name__})"
