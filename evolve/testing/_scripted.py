"""An executor without processes: a function gives the answers.  For planted benchmarks, golden trajectories, engine costs."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from archive import Attempt, BlockEntry, BlockStatus, Measurement, Status
from evolve.execute._base import Block, BlockReport, EntryReport, Report, Sink

Answer = Callable[[BlockEntry, Mapping[str, str]], Measurement]


class ScriptedExecutor:
    """Answers every block at once, in ``submit``, on the caller's thread, from ``answer(entry, files)``.

    With ``hold`` above 0 up to that many answered blocks are kept back, and each further one lets go of one of them, drawn with
    ``seed``: arrivals out of order, the same on every run.  ``release`` lets go of what is kept.  Keep ``hold`` below
    ``2 * slots``, or ``room`` ends before anything is let go.

    It runs no code and knows no time: needs are ignored.
    """

    def __init__(self, answer: Answer, *, sink: Sink, slots: int = 2, hold: int = 0, seed: int = 0) -> None:
        if not 0 <= hold < 2 * slots:
            raise ValueError(f"hold is {hold}, expected 0 to {2 * slots - 1} with {slots} slots")
        self._answer = answer
        self._sink = sink
        self._slots = slots
        self._hold = hold
        self._random = random.Random(seed)
        self._held: list[tuple[Attempt, list[Report]]] = []
        self._closed = False

    @property
    def slots(self) -> int:
        return self._slots

    @property
    def room(self) -> int:
        return 0 if self._closed else max(0, 2 * self._slots - len(self._held))

    @property
    def pending(self) -> int:
        return len(self._held)

    def submit(self, block: Block) -> None:
        """Answer the block.

        Raises:
            RuntimeError: after ``close``.
        """
        if self._closed:
            raise RuntimeError("the executor is closed; make another one")
        self._held.append((block.attempt, self._reports(block)))
        self.release(self._hold)

    def release(self, keep: int = 0) -> None:
        """Hand over all but ``keep`` of the blocks kept back, in a drawn order."""
        while len(self._held) > keep:
            _, reports = self._held.pop(self._random.randrange(len(self._held)))
            for report in reports:
                self._sink(report)

    def cancel(self, attempt: Attempt) -> None:
        held = [item for item in self._held if item[0] == attempt]
        self._held = [item for item in self._held if item[0] != attempt]
        for _ in held:
            self._sink(BlockReport(attempt, BlockStatus.CANCELLED, reason="cancelled before it ran"))

    def close(self, *, drain: bool) -> None:
        self._closed = True
        if drain:
            self.release()
        for attempt in {attempt for attempt, _ in self._held}:
            self.cancel(attempt)

    def _reports(self, block: Block) -> list[Report]:
        reports: list[Report] = []
        skipped: list[int] = []
        failed: set[str] = set()
        for index, entry in enumerate(block.entries):
            if entry.candidate in failed:
                skipped.append(index)
                continue
            result = self._answer(entry, block.files[entry.candidate])
            reports.append(EntryReport(block.attempt, index, result))
            if result.status not in (Status.OK, Status.EVALUATOR_ERROR):
                failed.add(entry.candidate)
        reports.append(BlockReport(block.attempt, BlockStatus.OK, tuple(skipped)))
        return reports
