"""Programs on measurement seeds, all on the same ones, through an executor.

Seed by seed, so that whenever it ends every program was measured on as many; within a seed in an order drawn from it.  A program
that failed once is not measured again.  What was lost, void or not judged is repeated, and not for ever.
"""

from __future__ import annotations

import math
import queue
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from archive import Attempt, BlockEntry, BlockStatus, Measurement, Status
from evolve._counted import counted
from evolve._errors import EnvironmentFault, UsageError
from evolve.execute import Block, BlockReport, EntryReport, Executor, Report
from evolve.problem.contract._contract import Problem
from evolve.validation._measure import MakeExecutor

TRIES = 3
_EVERY_S = 5.0  # between two lines that say how far it is
Entry = tuple[str, int]  # a program and a seed


@dataclass(frozen=True, slots=True)
class Scores:
    """What came of it: scores by program, on the same seeds in the same order, and how the other programs failed."""

    seeds: tuple[int, ...]
    scores: Mapping[str, tuple[float, ...]]
    failed: Mapping[str, Measurement]
    results: tuple[Measurement, ...]


@dataclass(slots=True)
class Bench:
    """Where programs are measured.

    ``keep`` is called with each result, ``tell`` with a line now and then.  After ``wall_s`` seconds since it was made no seed is
    begun that would end later than that; None sets no limit.
    """

    problem: Problem
    make_executor: MakeExecutor
    keep: Callable[[Measurement], None]
    tell: Callable[[str], None]
    wall_s: float | None = None
    clock: Callable[[], float] = time.monotonic
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock()

    def measure(
        self,
        programs: Mapping[str, Mapping[str, str]],
        seeds: Sequence[int],
        known: Iterable[Measurement] = (),
        *,
        share: float = 1.0,
        least: int = 0,
    ) -> Scores:
        """Measure every program on every seed, or on fewer where the time is over.

        Args:
            programs: files by program.
            seeds: in this order.
            known: results that are there already.
            share: of ``wall_s``, for these.
            least: seeds for which there has to be time.

        Raises:
            EnvironmentFault: the evaluator itself fails, or the machine.
            UsageError: the time is too short for the least.
        """
        limit = None if self.wall_s is None else self.began + self.wall_s * share - self.clock()
        work = _Work(self, programs, seeds, known, limit, least)
        executor = self.make_executor({self.problem.id: self.problem}, work.reports.put)
        try:
            work.drive(executor)
        finally:
            executor.close(drain=False)
        return work.scores()


class _Work:
    """Programs and seeds that are being measured."""

    def __init__(
        self,
        bench: Bench,
        programs: Mapping[str, Mapping[str, str]],
        seeds: Sequence[int],
        known: Iterable[Measurement],
        limit_s: float | None,
        least: int,
    ) -> None:
        self.bench, self.programs, self.seeds, self.limit_s, self.least = bench, programs, seeds, limit_s, least
        self.reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self.results: dict[Entry, Measurement] = {}
        self.failed: dict[str, Measurement] = {}
        self.tries: Counter[Entry] = Counter()
        self.again: deque[list[Entry]] = deque()
        self.in_hand: dict[int, tuple[list[Entry], list[Measurement]]] = {}
        self.n_blocks, self.began, self.told = 0, bench.clock(), bench.clock()
        for result in known:
            if result.candidate in programs and result.seed in seeds:
                self._take(result)
        self.begun_with = len(self.results)

    def drive(self, executor: Executor) -> None:
        """Have all of it measured that there is time for."""
        blocks = self._blocks(executor)
        while True:
            while len(self.in_hand) < executor.slots and (block := next(blocks, None)):
                self._submit(executor, block)
            if not self.in_hand:
                return
            report = self.reports.get()
            entries, results = self.in_hand[report.attempt.ticket]
            if isinstance(report, EntryReport):
                results.append(report.result)
            else:
                del self.in_hand[report.attempt.ticket]
                self._on_end(entries, results, report)
                self._say()

    def scores(self) -> Scores:
        """On the seeds for which every program that never failed has a score."""
        ok = [program for program in self.programs if program not in self.failed]
        whole = tuple(seed for seed in self.seeds if all((program, seed) in self.results for program in ok))
        table = {program: tuple(self.results[program, seed].score or 0.0 for seed in whole) for program in ok}
        return Scores(whole, table, self.failed, tuple(self.results.values()))

    # ---------------------------------------------------------------------------------------- what is next

    def _blocks(self, executor: Executor) -> Iterator[list[Entry]]:
        """What to measure next, for as long as there is time; what must be repeated before a further seed."""
        for number, seed in enumerate(self.seeds):
            yield from self._repeated()
            if not self._has_time(number):
                break
            order = [program for program in self.programs if (program, seed) not in self.results]
            random.Random(seed).shuffle(order)
            batch = self.bench.problem.contract.stages[-1].batch_size
            size = max(min(batch, math.ceil(len(order) / executor.slots)), 1)
            for first in range(0, len(order), size):
                yield from self._wanted([(program, seed) for program in order[first : first + size]])
        while self.again or self.in_hand:
            yield from self._repeated()
            if self.in_hand:
                yield []  # nothing for now

    def _repeated(self) -> Iterator[list[Entry]]:
        while self.again:
            yield from self._wanted(self.again.popleft())

    def _wanted(self, entries: list[Entry]) -> Iterator[list[Entry]]:
        left = [entry for entry in entries if entry[0] not in self.failed]
        if left:
            yield left

    def _has_time(self, number: int) -> bool:
        """Whether a further seed may be begun."""
        done = len(self.results) - self.begun_with
        if self.limit_s is None or done <= 0:
            return True
        spent = self.bench.clock() - self.began
        each = spent / done * (len(self.programs) - len(self.failed))
        if number < self.least:
            need = each * (self.least - number)
            if spent + need > self.limit_s:
                found = f"{each:.3g} s for a seed of all {counted(len(self.programs), 'program')}"
                raise UsageError(
                    f"expected budget.wall_s to leave room for {self.least} seeds, found {found}; type the same with "
                    f"budget.wall_s={math.ceil(2 * each * self.least)} to go on with what is measured."
                )
            return True
        return spent + each <= self.limit_s

    # ---------------------------------------------------------------------------------------- what came

    def _submit(self, executor: Executor, entries: list[Entry]) -> None:
        problem, stage = self.bench.problem, self.bench.problem.contract.stages[-1]
        self.n_blocks += 1
        self.in_hand[self.n_blocks] = entries, []
        asked = tuple(BlockEntry(program, stage.name, seed) for program, seed in entries)
        files = {program: self.programs[program] for program, _ in entries}
        executor.submit(Block(Attempt("ablate", self.n_blocks), problem.id, asked, files, stage.needs))

    def _on_end(self, entries: list[Entry], results: list[Measurement], end: BlockReport) -> None:
        """A block is over: take what counts, and see to what is to be repeated."""
        judged = [result for result in results if result.status is not Status.EVALUATOR_ERROR]
        if end.status is not BlockStatus.VOID:
            for result in judged:
                self._take(result)
                self.bench.keep(result)
        left = [entry for entry in entries if entry not in self.results and entry[0] not in self.failed]
        if not left:
            return
        why = next((result.reason for result in results if result.status is Status.EVALUATOR_ERROR), end.reason)
        culprit = entries[end.lost] if end.lost is not None else None
        for entry in [culprit] if culprit in left else left:
            self.tries[entry] += 1
            if self.tries[entry] >= TRIES:
                self._give_up(entry, why, lost=entry == culprit)
        self.again.extend([entry] for entry in left if entry not in self.results)  # apart, so that none costs the others

    def _give_up(self, entry: Entry, why: str, *, lost: bool) -> None:
        if not lost:
            raise EnvironmentFault(
                f"one measurement did not come to its end {TRIES} times: {why or 'no reason given'}; see to that, then type the "
                "same to go on with what is measured."
            )
        stage = self.bench.problem.contract.stages[-1].name
        result = Measurement(entry[0], stage, entry[1], Status.CRASH, reason=f"its grader ended {TRIES} times: {why}")
        self._take(result)
        self.bench.keep(result)

    def _take(self, result: Measurement) -> None:
        self.results[result.candidate, result.seed] = result
        if result.status is not Status.OK or result.score is None:
            self.failed.setdefault(result.candidate, result)

    def _say(self) -> None:
        now = self.bench.clock()
        if now - self.told >= _EVERY_S:
            self.told = now
            of = len(self.programs) * len(self.seeds)
            self.bench.tell(f"{len(self.results)} of at most {counted(of, 'measurement')}, {now - self.began:.0f} s")
