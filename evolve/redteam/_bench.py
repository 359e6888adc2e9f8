"""``evolve redteam``: run cheats and honest twins against a problem's evaluator; say what caught each, or that nothing did.

Everything goes through the real executor, grader and sandbox.  Nothing here prints, and nothing is kept.
"""

from __future__ import annotations

import contextlib
import queue
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from archive import Attempt, BlockEntry, BlockStatus, Measurement, StartMode, Status
from evolve._errors import ProblemError, UsageError
from evolve.budget._cpu_budget import run_limit
from evolve.execute import Block, BlockReport, EntryReport, Executor, Report, Sink
from evolve.problem.contract._contract import Problem
from evolve.redteam._cases import GeneralProgram, OwnProgram, editable_python, general_programs, own_programs, splice_attack
from evolve.redteam._rules import Baseline, Finding, ProgramRuns, judge_general, judge_own, with_scatter
from evolve.redteam._traps import Canaries, HostState, planted_environment
from evolve.search._rng import fresh_seeds

INITIAL = "seed"
SOURCES = ("own", "general")
INITIAL_RUNS = 3  # of the initial program, on a noisy problem
RUNS = 2  # of every other program there
ROOM_BYTES = 1 << 16  # an attack's text makes the initial program longer than its problem may allow
ROOM_CPU_S = 2.0  # and dearer than a cheap problem's budget may allow

MakeExecutor = Callable[[Mapping[str, Problem], Sink], Executor]
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RedteamReport:
    """The findings in order, the problem's own first; ``notes`` say what was not tried and why."""

    problem: str
    tier: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every cheat was caught and every honest twin accepted."""
        return all(finding.good for finding in self.findings)


@dataclass(frozen=True, slots=True)
class _Program:
    """A program to be measured.  ``key`` names it to the executor; one that is ``roomy`` may be longer and cost more than the
    problem allows, by what an attack's text adds."""

    key: str
    files: Mapping[str, str]
    relaxed_limits: bool = False
    outlives_call: bool = False


def redteam_problem(
    problem: Problem, make_executor: MakeExecutor, *, only: Sequence[str] = (), tell: Tell = lambda line: None
) -> RedteamReport:
    """Try the problem's own corpus and the general one.

    Args:
        problem: loaded with its assets.
        make_executor: makes an executor; it is closed again.
        only: names of programs, also as the report has them (``own/NAME``), ``own`` or ``general``; nothing means all.
        tell: takes a line when a program has been measured.

    Raises:
        ProblemError: ``redteam/`` breaks its format, or the initial program itself does not work.
        UsageError: ``only`` names nothing that is there, or there is nothing to try.
        EnvironmentFault: what the executor raises where this machine cannot run a sandbox.
    """
    own, general, notes = _chosen(problem, only)
    roomy = replace(
        problem, id=f"{problem.id}+room", contract=replace(problem.contract, max_bytes=problem.contract.max_bytes + ROOM_BYTES)
    )
    with planted_environment() as planted, _bench(problem, roomy, make_executor, tell) as bench:
        honest = bench.measure_initial()
        traces = bench.measure([_Program(f"own/{one.name}", one.files) for one in own], {})
        with contextlib.ExitStack() as stack:
            outside = HostState.of(problem)
            traps = {f"general/{one.name}": stack.enter_context(Canaries(outside, problem, planted)) for one in general}
            texts = {one.name: splice_attack(problem, one.text, traps[f"general/{one.name}"].plan) for one in general}
            programs = [_Program(f"general/{one.name}", texts[one.name], True, one.outlives_call) for one in general]
            traces |= bench.measure(programs, traps)
    return RedteamReport(problem.id, bench.tier, _judge(own, general, traces, honest), tuple(notes))


def _chosen(problem: Problem, only: Sequence[str]) -> tuple[list[OwnProgram], list[GeneralProgram], list[str]]:
    """What is to be tried, and what is not and why."""
    own, general, notes = list(own_programs(problem)), list(general_programs(noisy=problem.contract.noisy)), []
    if not own:
        notes.append("the problem has no redteam/ folder: only what can be tried on any problem was tried")
    if not editable_python(problem):
        general = []
        notes.append("no editable file is Python: what can be tried on any Python program was not tried")
    names = {*SOURCES, *(one.name for one in own), *(one.name for one in general)}
    whole = {f"own/{one.name}" for one in own} | {f"general/{one.name}" for one in general}  # as the report has them
    if unknown := [name for name in only if name not in names | whole]:
        raise UsageError(f"expected one of {', '.join(sorted(names))}, found {unknown[0]!r}.")
    if only:
        asked = {one.name for one in own if {"own", one.name, f"own/{one.name}"} & {*only}}
        compared = {name for one in own if one.name in asked for name in one.expected.compared}
        own = [one for one in own if one.name in asked | compared]
        general = [one for one in general if {"general", one.name, f"general/{one.name}"} & {*only}]
        notes = []
    if problem.contract.caveat:
        notes.append(f"the score is {problem.contract.caveat}: who forges it in a way that is not tried here is not caught")
    if not (own or general):
        raise UsageError(
            f"{problem.contract.name}: expected something to try, found no redteam/ folder and no editable Python file."
        )
    return own, general, notes


def _judge(
    own: Sequence[OwnProgram], general: Sequence[GeneralProgram], traces: Mapping[str, ProgramRuns], honest: Baseline
) -> tuple[Finding, ...]:
    honest = with_scatter(honest, [traces[f"general/{one.name}"] for one in general if not one.cheat])
    others = {one.name: traces[f"own/{one.name}"] for one in own}
    findings = [judge_own(one, others[one.name], honest, others) for one in own]
    findings += [judge_general(one, traces[f"general/{one.name}"], honest) for one in general]
    return tuple(findings)


# ---------------------------------------------------------------------------------------------------------------- measuring


@contextlib.contextmanager
def _bench(problem: Problem, roomy: Problem, make_executor: MakeExecutor, tell: Tell) -> Iterator[_Harness]:
    reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
    executor = make_executor({problem.id: problem, roomy.id: roomy}, reports.put)
    try:
        yield _Harness(problem, roomy, executor, reports, tell)
    finally:
        executor.close(drain=False)


class _Harness:
    """Measures programs at the problem's last stage: one block each, on the same seeds as the initial program."""

    def __init__(
        self, problem: Problem, roomy: Problem, executor: Executor, reports: queue.SimpleQueue[Report], tell: Tell
    ) -> None:
        self.tier = ""
        self._problem = problem
        self._roomy = roomy
        self._executor = executor
        self._reports = reports
        self._tell = tell
        self._stage = problem.contract.stages[-1]
        self._starts = (StartMode.WARM, StartMode.COLD) if self._stage.start is StartMode.WARM else (StartMode.COLD,)
        self._noisy = problem.contract.noisy
        self._seeds = fresh_seeds(max(INITIAL_RUNS, RUNS))
        self._cpu_limit_s: float | None = None
        self._blocks = 0

    def measure_initial(self) -> Baseline:
        """The initial program, as the others will be measured.

        Raises:
            ProblemError: it fails, or is not as deterministic as its contract says.
        """
        (trace,) = self.measure([_Program(INITIAL, self._problem.initial_files)], {}).values()
        bad = [run for run in trace.runs if run.status is not Status.OK]
        again = f"run `evolve validate {shlex.quote(str(self._problem.folder))}` first"
        if bad or trace.lost or not trace.runs:
            why = f"{bad[0].status}: {bad[0].reason}" if bad else trace.lost
            raise ProblemError(f"{self._problem.contract.name}: expected an initial program that works, found {why}; {again}.")
        if not self._noisy and len({run.score for run in trace.runs}) > 1:
            scores = ", ".join(f"{run.score:.10g}" for run in trace.runs)
            raise ProblemError(f"{self._problem.contract.name}: expected one score from one seed, found {scores}; {again}.")
        self.tier = trace.runs[0].tier
        if self._problem.contract.compute_rule == "cpu_budget":
            self._cpu_limit_s = run_limit([run.cpu_s for run in trace.runs])
        return Baseline(trace.runs, self._noisy, self._problem.contract.maximize)

    def measure(self, programs: Sequence[_Program], traps: Mapping[str, Canaries]) -> dict[str, ProgramRuns]:
        """Every program, however it ends, with the traps of those that have some."""
        blocks = {}
        for program in programs:
            block = self._block(program)
            blocks[block.attempt] = (program, block)
            self._executor.submit(block)
        results: dict[Attempt, dict[int, Measurement]] = {attempt: {} for attempt in blocks}
        traces: dict[str, ProgramRuns] = {}
        while len(traces) < len(programs):
            report = self._reports.get()
            program, block = blocks[report.attempt]
            if isinstance(report, EntryReport):
                results[report.attempt][report.index] = report.result
            else:
                traces[program.key] = _trace(program, block, results[report.attempt], report, traps.get(program.key))
                self._tell(f"{len(traces)}/{len(programs)} {program.key}")
        return traces

    def _block(self, program: _Program) -> Block:
        limit = None if program.key == INITIAL else self._cpu_limit_s
        limit = limit + ROOM_CPU_S if limit is not None and program.relaxed_limits else limit
        entries = []
        for seed, start in self._plan(program):
            one = BlockEntry(program.key, self._stage.name, seed, start, limit)
            entries += [one, one, replace(one, candidate=INITIAL, cpu_limit_s=None)] if program.outlives_call else [one]
        problem = self._roomy if program.relaxed_limits else self._problem
        self._blocks += 1
        files = {program.key: program.files, INITIAL: self._problem.initial_files}
        return Block(Attempt("redteam", self._blocks), problem.id, tuple(entries), files, self._stage.needs)

    def _plan(self, program: _Program) -> list[tuple[int, StartMode]]:
        """Seeds and starts: of a noisy problem several seeds, of any every way to start that its stage allows."""
        n = (INITIAL_RUNS if program.key == INITIAL else RUNS) if self._noisy else len(self._starts)
        seeds = [self._seeds[i if self._noisy else 0] for i in range(n)]
        return [(seed, self._starts[i % len(self._starts)]) for i, seed in enumerate(seeds)]


def _trace(
    program: _Program, block: Block, results: Mapping[int, Measurement], end: BlockReport, traps: Canaries | None
) -> ProgramRuns:
    ran = [results[index] for index in sorted(results)]
    runs = tuple(result for result in ran if result.candidate == program.key)
    victims = tuple(result for result in ran if result.candidate != program.key)
    lost = "" if end.status is BlockStatus.OK else end.reason or str(end.status)
    return ProgramRuns(runs, victims, lost, traps.tripped(runs) if traps is not None else ())
