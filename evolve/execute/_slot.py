"""One slot: a lease on a share of a machine that runs one block at a time on graders of its own."""

from __future__ import annotations

import select
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from archive import BlockEntry, BlockStatus, Measurement, Status
from evolve._errors import EnvironmentFault, ProblemError
from evolve._version import __version__
from evolve.evaluate.grader._wire import Prepare
from evolve.evaluate.isolation._gpu import SIGNAL, Gpu
from evolve.evaluate.isolation._hardware import hardware_of
from evolve.execute._base import Block, BlockReport, EntryReport
from evolve.execute._cards import Cards
from evolve.execute._gpus import measure
from evolve.execute._process import CancelEvent, GraderDied, GraderProcess, GraderRefused, Interrupted
from evolve.problem._data import check_data, marks_of
from evolve.problem._files import copy_pieces
from evolve.problem._load import candidate_assets_folder
from evolve.problem.contract._contract import Problem

VOID_DRIFT = 0.05  # above it the block is void; between TRUSTED_DRIFT and it, its times are marked (``BlockClosed.noisy_machine``)
PATIENCE_S = 30.0  # for which a slot tries to load a problem that some slot has loaded before
_FIRST_TRIES = 2  # at a problem that nobody could load yet
_PAUSE_S = 0.5  # before the second try; it doubles
MAX_DRIFT = 1e9  # a number that JSON can hold, whatever calibrate() says


class CardFailed(Exception):
    """A GPU of the block is not well: what was measured on it says nothing of the candidate."""


class SlotUnfit(Exception):
    """This slot cannot load a problem that was loaded before: a fault of the machine, not of the problem or a candidate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotSettings:
    """What all slots of an executor share.

    ``threads`` is what numerical libraries in a grader may use.  ``loaded`` are the problems that some slot has loaded.
    """

    problems: Mapping[str, Problem]
    tier: str
    machine: str
    scratch: Path
    grace_s: float
    threads: int
    patience_s: float = PATIENCE_S
    loaded: set[str] = field(default_factory=set)


class Slot:
    """Runs blocks, one after another, in the thread that calls ``run``.

    It keeps one grader a problem, started when first needed and again after one died.  ``wake`` may be rung from any thread: the
    block that runs then ends as cancelled.  The calling thread must live until ``close``, or the kernel kills the graders.
    """

    def __init__(self, settings: SlotSettings, number: int) -> None:
        self.wake = CancelEvent()
        self._settings = settings
        self.rests_until = 0.0  # on the monotonic clock: it could not load a problem, others may be luckier
        self._number = number
        self._graders: dict[str, GraderProcess] = {}
        self._marks: dict[str, tuple[tuple[int, ...], ...]] = {}  # of the data that a problem's grader was started with
        self._copies: dict[str, Path] = {}  # what a grader may write beside evaluate.py stays with it

    def run(
        self, block: Block, report: Callable[[EntryReport], None], gpus: tuple[Gpu, ...] = (), cards: Cards | None = None
    ) -> BlockReport:
        """Run the block's entries in order; hand each to ``report`` when it ends; return how the block ended.

        Args:
            gpus: lent to it.
            cards: who to ask how they are.
        """
        lease = _BlockRun(self, block, report, gpus, cards)
        try:
            return lease.run()
        except Interrupted:
            self._drop(block.problem)
            return BlockReport(block.attempt, BlockStatus.CANCELLED, tuple(lease.skipped), reason="cancelled while it ran")
        except SlotUnfit as error:
            self.rests_until = time.monotonic() + self._settings.patience_s
            return BlockReport(block.attempt, BlockStatus.LOST, tuple(lease.skipped), reason=str(error))
        except CardFailed as error:
            self._drop(block.problem)
            return BlockReport(block.attempt, BlockStatus.LOST, tuple(lease.skipped), reason=str(error), lost=lease.index)
        except (GraderDied, OSError) as error:
            reason = str(error)
            if cards is not None and gpus and (wrong := cards.examine(gpus)):
                reason = f"{reason}; of its GPUs {wrong}"
            return BlockReport(block.attempt, BlockStatus.LOST, tuple(lease.skipped), reason=reason, lost=lease.index)

    def let_go(self, kept: Callable[[str], bool]) -> None:
        """End the graders that were started with a GPU which is not this slot's any more: they may still have memory of it."""
        for problem, grader in list(self._graders.items()):
            if not all(kept(gpu.uuid) for gpu in grader.gpus):
                self._drop(problem)

    def grader(self, problem: str, gpus: tuple[Gpu, ...] = ()) -> GraderProcess:
        """The slot's grader for ``problem``, started if there is none alive; more than once where it does not load at first.

        With ``gpus`` it is one that was started with them: a process that has looked for GPUs does not look again.

        Raises:
            GraderRefused: it cannot serve the problem, which nobody has loaded yet.
            SlotUnfit: the same, where it has been loaded before or the machine is to blame.
            Interrupted: ``wake`` was rung meanwhile.
        """
        grader = self._graders.get(problem)
        marks = marks_of(self._settings.problems[problem].contract)  # data that was replaced is looked at anew
        if grader is not None and grader.alive and gpus in ((), grader.gpus) and self._marks.get(problem) == marks:
            return grader
        self._drop(problem)
        give_up, pause = time.monotonic() + self._settings.patience_s, _PAUSE_S
        for tries in count(1):
            try:
                self._graders[problem] = self._start(problem, gpus)
            except (GraderDied, GraderRefused, OSError) as error:
                known = problem in self._settings.loaded or not _blames_problem(error)
                if time.monotonic() + pause > give_up if known else tries == _FIRST_TRIES:
                    raise (SlotUnfit if known else GraderRefused)(str(error)) from error
                self._pause(pause)
                pause *= 2
            else:
                self._settings.loaded.add(problem)
                break
        return self._graders[problem]

    def _pause(self, seconds: float) -> None:
        """Wait, unless ``wake`` is rung."""
        if select.select([self.wake], [], [], seconds)[0]:
            raise Interrupted

    def close(self) -> None:
        """End the graders and remove what they left."""
        self.wake.clear()
        for problem, grader in list(self._graders.items()):
            grader.close()
            self._drop(problem)
        self.wake.close()

    @property
    def settings(self) -> SlotSettings:
        return self._settings

    def _start(self, problem: str, gpus: tuple[Gpu, ...]) -> GraderProcess:
        settings = self._settings
        folder = Path(tempfile.mkdtemp(prefix=f"slot-{self._number}-", dir=settings.scratch))
        names = list(settings.problems)
        # Sandbox factories name their control groups by number: no two graders may share one.
        number = self._number * len(names) + names.index(problem)
        copy = self._copies[problem] = settings.scratch / f"{folder.name}-problem"
        try:
            self._marks[problem] = marks_of(settings.problems[problem].contract)
            check_data(settings.problems[problem].contract)
            own = copy_for_grader(settings.problems[problem], copy)
            prepare = _prepare(own, settings, number)
            return GraderProcess(prepare, folder=folder, threads=settings.threads, wake=self.wake, gpus=gpus)
        except (ProblemError, EnvironmentFault, GraderRefused, GraderDied, Interrupted, OSError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            self._drop(problem)
            if isinstance(error, ProblemError | EnvironmentFault):
                raise GraderRefused(str(error), passing=isinstance(error, EnvironmentFault)) from error
            raise

    def _drop(self, problem: str) -> None:
        grader = self._graders.pop(problem, None)
        if grader is not None:
            grader.kill()
            shutil.rmtree(grader.folder, ignore_errors=True)
        if problem in self._copies:
            shutil.rmtree(self._copies.pop(problem), ignore_errors=True)


def _blames_problem(error: Exception) -> bool:
    """Whether what kept a grader from loading is the problem's own doing, as far as can be told."""
    return isinstance(error, GraderDied | GraderRefused) and not error.passing


class _BlockRun:
    """One run of one block."""

    def __init__(
        self, slot: Slot, block: Block, report: Callable[[EntryReport], None], gpus: tuple[Gpu, ...], cards: Cards | None
    ) -> None:
        self._slot = slot
        self._gpus = gpus
        self._cards = cards if gpus else None
        self._timed = self._cards is not None and measure(block.needs)[1] == 1.0
        self._strangers: set[int] = set()
        self._block = block
        self._report = report
        self._contract = slot.settings.problems[block.problem].contract
        self._failed: set[str] = set()
        self.skipped: list[int] = []
        self.index: int | None = None  # the entry that runs now

    def run(self) -> BlockReport:
        calibrated = any(self._contract.stage(entry.stage).calibrated for entry in self._block.entries)
        try:
            before = self._grader().calibrate() if calibrated else 0.0
        except GraderRefused as error:
            self._refused(0, str(error))
            return self._closed(BlockStatus.OK)
        self._entries()
        if not calibrated:
            return self._closed(BlockStatus.OK)
        try:
            after = self._grader().calibrate()
        except GraderRefused as error:
            return self._closed(BlockStatus.VOID, reason=f"the calibration after the block failed: {error}")
        drift = min(abs(after / before - 1.0), MAX_DRIFT)
        if drift > VOID_DRIFT:
            reason = f"the reference work took {before:.4g} s before the block and {after:.4g} s after it"
            return self._closed(BlockStatus.VOID, drift, reason)
        return self._closed(BlockStatus.OK, drift)

    def _grader(self) -> GraderProcess:
        return self._slot.grader(self._block.problem, self._gpus)

    def _entries(self) -> None:
        self._strangers = self._look()
        for index, entry in enumerate(self._block.entries):
            if entry.candidate in self._failed:
                self.skipped.append(index)
                continue
            try:
                result = self._measure(index, entry)
            except GraderRefused as error:
                self._refused(index, str(error))
                return
            hardware = hardware_of(self._gpus_of(entry))
            self._report(EntryReport(self._block.attempt, index, result, hardware))
            if ends_candidate(result):
                self._failed.add(entry.candidate)

    def _measure(self, index: int, entry: BlockEntry) -> Measurement:
        grader = self._grader()
        stage = self._contract.stage(entry.stage)
        files = self._block.files[entry.candidate]
        self.index = index
        result = self._seen(grader.measure(entry, files, stage, self._slot.settings.grace_s, self._gpus_of(entry)))
        self.index = None
        return result

    def _gpus_of(self, entry: BlockEntry) -> tuple[Gpu, ...]:
        return self._gpus[: measure(self._contract.stage(entry.stage).needs)[0]]

    def _look(self) -> set[int]:
        """Whoever else computes on the GPUs of what is timed."""
        return self._cards.strangers(self._gpus) if self._cards is not None and self._timed else set()

    def _seen(self, result: Measurement) -> Measurement:
        """The measurement, with what was seen of its GPUs.

        Raises:
            CardFailed: one is not well.
        """
        if self._cards is not None and (wrong := self._cards.wrong(self._gpus, result)):
            raise CardFailed(f"of its GPUs {wrong}; the measurement ended with: {result.reason}")
        before, self._strangers = self._strangers, self._look()
        return replace(result, signals=(*result.signals, SIGNAL)) if before | self._strangers else result

    def _refused(self, first: int, reason: str) -> None:
        """The problem cannot be loaded: that is what becomes of this entry and all after it."""
        for index, entry in enumerate(self._block.entries[first:], first):
            self._report(EntryReport(self._block.attempt, index, self._error(entry, reason)))

    def _error(self, entry: BlockEntry, reason: str) -> Measurement:
        settings = self._slot.settings
        return Measurement(
            candidate=entry.candidate,
            stage=entry.stage,
            seed=entry.seed,
            status=Status.EVALUATOR_ERROR,
            reason=reason,
            feedback=reason,
            start=entry.start,
            tier=settings.tier,
            machine=settings.machine,
            evaluator=settings.problems[self._block.problem].evaluator,
        )

    def _closed(self, status: BlockStatus, drift: float | None = None, reason: str = "") -> BlockReport:
        return BlockReport(self._block.attempt, status, tuple(self.skipped), drift=drift, reason=reason)


def ends_candidate(result: Measurement) -> bool:
    """Whether what is left of a candidate in a block is skipped."""
    return result.status not in (Status.OK, Status.EVALUATOR_ERROR)


def copy_for_grader(problem: Problem, target: Path) -> Problem:
    """The problem in a copy of its folder at ``target``; its assets are shared.

    Raises:
        ProblemError: the folder changed since the problem was loaded.
    """
    target.mkdir(exist_ok=True)
    copy_pieces(problem.folder, problem.pieces, target)
    return replace(problem, folder=target)


def _prepare(problem: Problem, settings: SlotSettings, number: int) -> Prepare:
    candidate_assets = candidate_assets_folder(problem)
    return Prepare(
        engine=__version__,
        slot=number,
        tier=settings.tier,
        machine=settings.machine,
        folder=str(problem.folder),
        assets=None if problem.assets is None else str(problem.assets),
        candidate_assets=None if candidate_assets is None else str(candidate_assets),
        contract=problem.contract,
        params=problem.params,
        seed=problem.initial_files,
        evaluator=problem.evaluator,
    )
