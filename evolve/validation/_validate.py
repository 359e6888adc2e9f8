"""Whether a problem is sound, or a program better than another: what a run would do, in one call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from evolve._errors import UsageError
from evolve.config._schema import BudgetConfig as Budget
from evolve.config._schema import RunConfig
from evolve.engine.api._arguments import files_of, loaded, run_config
from evolve.engine.registry._registry import build_executor, need_machine
from evolve.evaluate import Check
from evolve.problem.contract._contract import Problem
from evolve.validation._compare import Comparison, compare
from evolve.validation._problem import ValidationReport, validate_problem


@dataclass(frozen=True, slots=True)
class Validation:
    """What was found of a problem, or of a program for it.

    ``report`` holds every check and the measurements they rest on; ``comparison`` the evidence where a program was compared: its
    report card (noisy problems) or the exact verdict.
    """

    report: ValidationReport
    comparison: Comparison | None = None

    @property
    def ok(self) -> bool:
        """Whether no check failed; hints do not count."""
        return self.report.ok

    @property
    def checks(self) -> tuple[Check, ...]:
        """What was looked at, in order: ``name``, ``ok``, ``found``, ``remedy``."""
        return self.report.checks

    @property
    def confirmed(self) -> bool | None:
        """Whether the program is shown to be better; None where none was compared, or a check failed before."""
        return None if self.comparison is None else self.comparison.confirmed


def validate(
    problem: str | Path | Problem,
    files: Mapping[str, str] | None = None,
    *,
    against: Mapping[str, str] | None = None,
    quick: bool = False,
    budget: Budget | None = None,
    seed: int = 0,
    slots: int | None = None,
    sandbox: str = "strict",
) -> Validation:
    """Check a problem; or give a program the treatment that a run gives its candidates, up to a vault of fresh seeds.

    Args:
        problem: A built-in problem's name, the path of a problem folder, or what ``load_problem`` gives.
        files: The program, whole, by relative path; without it the problem itself is checked.
        against: The program that it must be better than, whole; by default the problem's initial one.
        quick: Only whether the program runs: a few measurements, no comparison.
        budget: What a comparison on a noisy problem may spend; by default 250 measurements.
        seed: Decides the order of what is measured.
        slots: Measurements at once; by default one for each CPU.
        sandbox: ``strict``, or ``none``, which confines nothing.

    Raises:
        UsageError: an argument that is none, or ``against`` without ``files``.
        ProblemError: no such problem, or it breaks its contract.
        EnvironmentFault: no sandbox, a missing package, a full disk.

    Example:
        >>> problem = evolve.load_problem("circle_packing", n=32)
        >>> print(evolve.validate(problem, files=run.best.files, against=run.initial.files).confirmed)
    """
    if files is None and (against is not None or quick):
        raise UsageError("against and quick are about a program; give its files too: validate(problem, files={...}).")
    known = loaded(problem)
    config, _ = run_config(known, seed=seed, budget=budget, slots=slots, sandbox=sandbox)
    program = None if files is None else dict(files_of(files))
    other = dict(known.initial_files if against is None else files_of(against))
    need_machine(config, known)
    report = report_on(known, config, program)
    if program is None or quick or not report.ok:
        return Validation(report)
    return Validation(report, compare(known, program, other, config))


def report_on(problem: Problem, config: RunConfig, files: Mapping[str, str] | None) -> ValidationReport:
    """The checks of a problem, or of a program for it, measured one at a time.  Raises as ``validate_problem``."""
    one_slot = replace(config, executor=replace(config.executor, slots=1))
    return validate_problem(problem, lambda _, sink: build_executor(one_slot, (problem,), sink), files)
