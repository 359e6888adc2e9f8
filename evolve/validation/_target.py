"""``evolve validate PROBLEM FILES --target X``: the rule of races to a fixed target, beside one that may be looked at any time.

The program is measured on seeds from the system's entropy until the e-value reaches 100 or the runs are spent.  The t-test's
p-value is that of all runs together, as the NanoGPT speedrun has it; it holds if the number of runs was fixed beforehand.  On a
deterministic problem there is nothing to test: the score decides, once another fresh process and another seed have given it again.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from archive import Attempt, BlockEntry, Measurement, Status
from evolve.confirm import beats_target, beats_target_any_time
from evolve.execute import Block, EntryReport, Report
from evolve.problem.contract._contract import Problem
from evolve.search._rng import fresh_seeds
from evolve.validation._measure import MakeExecutor

RUNS = 20
LEVEL = 0.01
BAR = 100.0  # the e-value of the same level
REPEATED = 2  # runs of a deterministic problem
_PROGRAM = "candidate"


@dataclass(frozen=True, slots=True)
class TargetTest:
    """``beaten`` by the rule that may be looked at any time (``e_value``); ``p_value`` is the race's own t-test.  On a
    deterministic problem the score itself decides, and there is neither."""

    target: float
    beaten: bool
    e_value: float | None
    p_value: float | None
    scores: tuple[float, ...]
    failed: str = ""


def compare_with_target(
    problem: Problem,
    files: Mapping[str, str],
    target: float,
    make_executor: MakeExecutor,
    *,
    runs: int = RUNS,
    tell: Callable[[str], None],
) -> TargetTest:
    """Measure a program against a target, in the problem's own sign.

    Args:
        problem: loaded with its assets.
        files: the program, whole.
        target: what its mean must beat.
        make_executor: makes an executor; it is closed again.
        runs: at most; a deterministic problem takes two.
        tell: called with a line after each run.

    Raises:
        EnvironmentFault: what the executor raises where this machine cannot run a sandbox.
    """
    sign = -1.0 if problem.contract.maximize else 1.0  # as a loss
    if not problem.contract.noisy:
        return _decided(target, sign, _measured(problem, files, make_executor, REPEATED), tell)
    scores: list[float] = []
    e_value = 1.0
    for result in _measured(problem, files, make_executor, runs):
        if result.status is not Status.OK or result.score is None:
            return TargetTest(target, False, 0.0, 1.0, tuple(scores), _failure(result))
        scores.append(result.score)
        e_value = beats_target_any_time([sign * score for score in scores], sign * target)
        tell(f"run {len(scores)}: {result.score:.10g}, e = {e_value:.3g}")
        if e_value >= BAR:
            break
    p_value = beats_target([sign * score for score in scores], sign * target)
    return TargetTest(target, e_value >= BAR, e_value, p_value, tuple(scores))


def _decided(target: float, sign: float, results: Iterator[Measurement], tell: Callable[[str], None]) -> TargetTest:
    """The same of a deterministic problem: by its score, which has to come again."""
    scores: list[float] = []
    for result in results:
        if result.status is not Status.OK or result.score is None:
            return TargetTest(target, False, None, None, tuple(scores), _failure(result))
        scores.append(result.score)
        tell(f"run {len(scores)}: {result.score:.10g}")
    if len(set(scores)) > 1:
        found = f"it scored {' and '.join(map(repr, scores))} although noise: deterministic; write noise: noisy in problem.yaml"
        return TargetTest(target, False, None, None, tuple(scores), found)
    return TargetTest(target, sign * scores[0] < sign * target, None, None, tuple(scores))


def _failure(result: Measurement) -> str:
    return f"{result.status}: {result.reason}"


def _measured(problem: Problem, files: Mapping[str, str], make_executor: MakeExecutor, runs: int) -> Iterator[Measurement]:
    """Measurements on fresh seeds, one after another, for as long as they are asked for."""
    reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
    executor, stage = make_executor({problem.id: problem}, reports.put), problem.contract.stages[-1]
    try:
        for number, seed in enumerate(fresh_seeds(runs)):
            attempt = Attempt("race", number)
            executor.submit(Block(attempt, problem.id, (BlockEntry(_PROGRAM, stage.name, seed),), {_PROGRAM: files}, stage.needs))
            result = None
            while isinstance(report := reports.get(), EntryReport):
                result = report.result
            if result is None:
                result = Measurement(_PROGRAM, stage.name, seed, Status.EVALUATOR_ERROR, reason=report.reason)
            yield result
    finally:
        executor.close(drain=False)
