"""An executor on a bench: blocks are handed to it, and everything it reports is kept."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from archive import Attempt, BlockEntry, Resources
from evolve.execute import Block, BlockReport, EntryReport, Executor, Report
from evolve.testing._probe import Probe

Make = Callable[..., Executor]
LIMIT_S = 120.0


class ExecutorBench:
    """An executor with everything it reported."""

    def __init__(self, make: Make, *probes: Probe, slots: int) -> None:
        self.reports: list[Report] = []
        self._ends: dict[Attempt, BlockReport] = {}
        self._incoming: queue.Queue[Report] = queue.Queue()
        self._tickets = iter(range(1, 1_000_000))
        self._default = probes[0].problem.id
        self.executor = make({probe.problem.id: probe.problem for probe in probes}, slots=slots, sink=self._incoming.put)

    def submit(self, *files: Mapping[str, str], problem: str = "", needs: Resources | None = None, seed: int = 0) -> Attempt:
        """One block with an entry for each of ``files``; equal files are one candidate."""
        return self.send(self.block(*files, problem=problem, needs=needs, seed=seed))

    def block(self, *files: Mapping[str, str], problem: str = "", needs: Resources | None = None, seed: int = 0) -> Block:
        names = {text["action.json"]: f"c{i}" for i, text in reversed(list(enumerate(files)))}
        entries = tuple(BlockEntry(names[text["action.json"]], "full", seed) for text in files)
        texts = {names[text["action.json"]]: text for text in files}
        return Block(Attempt("epoch", next(self._tickets)), problem or self._default, entries, texts, needs or Resources())

    def send(self, block: Block) -> Attempt:
        self.executor.submit(block)
        return block.attempt

    def next_report(self) -> Report:
        return self._keep(self._incoming.get(timeout=LIMIT_S))

    def wait(self, *attempts: Attempt) -> None:
        """Until all of them are closed."""
        for attempt in attempts:
            while attempt not in self._ends:
                self.next_report()

    def closed(self, attempt: Attempt) -> BlockReport:
        assert attempt in self._ends, f"{attempt} has no block report"
        return self._ends[attempt]

    def entries(self, attempt: Attempt) -> list[EntryReport]:
        return [report for report in self.reports if isinstance(report, EntryReport) and report.attempt == attempt]

    def run(self, *files: Mapping[str, str], **options: Any) -> tuple[BlockReport, list[EntryReport]]:
        attempt = self.submit(*files, **options)
        self.wait(attempt)
        return self.closed(attempt), self.entries(attempt)

    def take_rest(self) -> None:
        """All that is there already."""
        while True:
            try:
                self._keep(self._incoming.get_nowait())
            except queue.Empty:
                return

    def _keep(self, report: Report) -> Report:
        self.reports.append(report)
        if isinstance(report, BlockReport):
            self._ends[report.attempt] = report
        return report


@contextmanager
def open_executor_bench(make: Make, *probes: Probe, slots: int = 1) -> Iterator[ExecutorBench]:
    bench = ExecutorBench(make, *probes, slots=slots)
    try:
        yield bench
    finally:
        bench.executor.close(drain=False)
