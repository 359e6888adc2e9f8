"""Runs made, and opened: what gives a ``Run``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evolve._errors import UsageError
from evolve.config._schema import BudgetConfig as Budget
from evolve.engine import _session
from evolve.engine.api._arguments import models_config, run_config
from evolve.engine.api._executors import RayExecutor
from evolve.engine.api._run import Run
from evolve.engine.registry._own_operators import GivenOperator as Operator
from evolve.engine.registry._own_operators import own_operators
from evolve.problem.contract._contract import Problem

if TYPE_CHECKING:
    from evolve.models import Models, Provider


def create_run(
    problem: str | Path | Problem | Sequence[str | Path | Problem],
    *,
    out: str | Path | None = None,
    seed: int = 0,
    budget: Budget | None = None,
    operators: Sequence[str | Operator] | None = None,
    models: Models | Provider | None = None,
    policy: str = "auto",
    archive: str = "auto",
    target: float | None = None,
    patience: int | None = None,
    slots: int | None = None,
    executor: str | RayExecutor | None = None,
    sandbox: str = "strict",
) -> Run:
    """Make a run.  Its initial program is there; nothing is measured before ``optimize``, or before a child is told and waited for.

    Args:
        problem: A built-in problem's name, the path of a problem folder, or what ``load_problem`` gives; or several of these, for
            one run of all.
        out: The run's folder; by default a new one below ``runs/``.
        seed: Decides every draw of the search itself.
        budget: What it may spend; by default the problem's own.
        operators: Names, as ``tune`` and ``crossover``, and objects that are an ``Operator``; by default those of the policy.
            A run with an object can be gone on with only where it is given again: ``open_run(path, operators=[...])``.
        models: Language models: ``evolve.models.Anthropic([...])``, ``evolve.models.ChatCompletions([...], base_url=...)``, or a
            provider object as ``evolve.models.Scripted(...)``.
        policy: ``auto``; ``map_elites``; ``fixed_candidates``, which makes no children of its own; or a baseline: ``independent``,
            ``best_of_n``, ``hill_climb``, ``one_plus_one``.
        archive: Where the elites stand: ``grid``, cells along the problem's descriptors; ``topk``, the best of all; ``auto``, the
            grid where there are descriptors.
        target: A score, in the problem's own sign, that ends the search.
        patience: Measured children since the best last changed that end it.
        slots: Measurements at once; by default one for each CPU.
        executor: Where they run: ``"local"``, on this machine; ``"ray"`` or a ``RayExecutor``, on a Ray cluster; or the name of an
            installed package's.
        sandbox: ``strict``, or ``none``, which confines nothing.

    Raises:
        UsageError: an argument that is none, a folder that is not empty, or no operator that can change the initial program.
        ProblemError: no such problem, or it breaks its contract.
        EnvironmentFault: no sandbox, a missing package.

    Example:
        >>> run = evolve.create_run("circle_packing", out="runs/first", budget=evolve.Budget(evaluations=500))
    """
    llm, provider = models_config(models)
    config, own = run_config(
        problem,
        out=out,
        seed=seed,
        budget=budget,
        operators=operators,
        llm=llm,
        policy=policy,
        archive=archive,
        target=target,
        patience=patience,
        slots=slots,
        executor=executor,
        sandbox=sandbox,
    )
    return Run(_session.create(config, operators=own, provider=provider).path, own, provider)


def open_run(path: str | Path, *, operators: Sequence[Operator] = (), models: Provider | None = None) -> Run:
    """Open a run that is there, live or ended, to read it or to go on with it.  Locks nothing.

    Args:
        path: Its folder.
        operators: The objects it was made with, where it is to be gone on with.
        models: The provider object it was made with, likewise.

    Raises:
        RunError: no run in that folder.
        UsageError: an operator that is none.

    Example:
        >>> print(evolve.open_run("runs/first").best.score)
    """
    if not isinstance(path, str | Path):
        raise UsageError(f"expected the path of a run's folder, found {path!r}.")
    return Run(Path(path), own_operators(operators), models)
