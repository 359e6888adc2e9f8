"""Programs measured outside of any run, with the grader and sandbox that a run uses.  Nothing is recorded."""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from archive import Attempt, BlockEntry, BlockStatus, Measurement
from evolve._errors import EnvironmentFault, UsageError
from evolve.engine.api._arguments import files_of, loaded, need_number, run_config
from evolve.engine.registry._registry import build_executor, need_machine
from evolve.execute import Block, BlockReport, EntryReport, Executor, Report, Sink
from evolve.problem.contract._contract import Problem
from evolve.search._rng import fresh_seeds

MakeExecutor = Callable[[Mapping[str, Problem], Sink], Executor]
_PROGRAM = "program"
_MOST_BITS = 63  # of a seed


def measure(
    problem: str | Path | Problem,
    files: Mapping[str, str] | None = None,
    *,
    n: int = 1,
    seeds: Sequence[int] | None = None,
    stage: str = "",
    sandbox: str = "strict",
) -> tuple[Measurement, ...]:
    """Measure a program with a problem's evaluator, one measurement after the other.  Nothing is recorded.

    Args:
        problem: A built-in problem's name, the path of a problem folder, or what ``load_problem`` gives.
        files: The program, whole, by relative path; by default the initial one.
        n: How many measurements, each on a seed from the system's entropy.
        seeds: These measurement seeds instead, whole numbers below 2**63; equal seeds give equal conditions.
        stage: Of the problem; by default the last, which its score is of.
        sandbox: ``strict``, or ``none``, which confines nothing.

    Returns:
        One ``Measurement`` each, in order.  A program that fails is no error: see ``status`` and ``reason``.

    Raises:
        UsageError: an argument that is none, or no such stage.
        ProblemError: no such problem, or it breaks its contract.
        EnvironmentFault: no sandbox, a missing package, or a grader that does not finish.

    Example:
        >>> (result,) = evolve.measure("circle_packing")
        >>> print(result.status, result.score, result.wall_s)
    """
    need_number("n", n, whole=True)
    known = loaded(problem)
    name = stage or known.contract.stages[-1].name
    if name not in (one.name for one in known.contract.stages):
        stages = ", ".join(one.name for one in known.contract.stages)
        raise UsageError(f"expected a stage of {known.contract.name} ({stages}), found {stage!r}.")
    drawn = fresh_seeds(n) if seeds is None else _seeds(seeds)
    if not drawn:
        raise UsageError(f"expected at least one measurement, found n={n}, seeds={seeds!r}.")
    config, _ = run_config(known, slots=1, sandbox=sandbox)
    need_machine(config, known)
    entries = [BlockEntry(_PROGRAM, name, seed) for seed in drawn]
    program = known.initial_files if files is None else files_of(files)
    results, end = measure_block(known, lambda _, sink: build_executor(config, (known,), sink), entries, {_PROGRAM: program})
    if end.status is not BlockStatus.OK:
        raise EnvironmentFault(f"the grader did not finish: {end.reason}; run: evolve doctor")
    return tuple(results)


def measure_block(
    problem: Problem, make_executor: MakeExecutor, entries: Sequence[BlockEntry], files: Mapping[str, Mapping[str, str]]
) -> tuple[list[Measurement], BlockReport]:
    """Run the entries as one block; the measurements that came, in order, and how the block ended."""
    reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
    executor = make_executor({problem.id: problem}, reports.put)
    results = []
    try:
        attempt = Attempt("validate", 0)
        executor.submit(Block(attempt, problem.id, tuple(entries), files, problem.contract.stages[-1].needs))
        while isinstance(report := reports.get(), EntryReport):
            results.append(report.result)
    finally:
        executor.close(drain=False)
    return results, report


def _seeds(seeds: object) -> tuple[int, ...]:
    if not isinstance(seeds, Sequence) or isinstance(seeds, str):
        raise UsageError(f"expected a list of seeds, found {seeds!r}.")
    for one in seeds:
        if isinstance(one, bool) or not isinstance(one, int) or one < 0 or one.bit_length() > _MOST_BITS:
            raise UsageError(f"expected seeds that are whole numbers from 0 to below 2**{_MOST_BITS}, found {one!r}.")
    return tuple(seeds)
