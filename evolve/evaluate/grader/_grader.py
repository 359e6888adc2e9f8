"""The grader: the trusted process that measures candidates of one problem, one at a time.

An executor starts it as ``python -P -m evolve.evaluate.grader._grader FD PARENT`` with a socket as descriptor FD, in a session of
its own, with a cleared environment and a folder of its own to work in (``TMPDIR``), and may kill it at any moment.  It imports the
problem's ``evaluate.py``, never a candidate.  Messages: ``evolve.evaluate.grader._wire``.  It never writes to a terminal: stdout
and stderr are the executor's log.

It dies with the thread that started it.  It is the reaper of everything below it, so that a daemon which left its process group
and session is still found among its children.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType, TracebackType

from archive import BlockEntry, Measurement, StartMode, Status
from evolve._errors import EvolveError
from evolve.evaluate import SandboxFactory, TrialSandbox, VisibleFiles, open_sandbox_factory
from evolve.evaluate._outcome import CheckedOutcome, OutcomeError, check_outcome, clean, line, positive, with_progress
from evolve.evaluate._progress import Progress
from evolve.evaluate._trial import Outcome, Trial
from evolve.evaluate._umask import plain_umask
from evolve.evaluate.child._spawn import HelperDied
from evolve.evaluate.grader._evaluator import fault, hide_main, load_evaluator, passing
from evolve.evaluate.grader._leftovers import Leftovers
from evolve.evaluate.grader._phased_sandbox import PhasedSandbox
from evolve.evaluate.grader._wire import (
    Calibrate,
    Calibrated,
    Channel,
    Close,
    GraderClosed,
    GraderReady,
    Measure,
    MeasureDone,
    Phase,
    Prepare,
    Rejected,
)
from evolve.evaluate.isolation._gpu import Gpu
from evolve.evaluate.screen._screen import screen
from evolve.problem.contract._environment import without_values

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_SLICES = 5  # the reference work is timed as the best of so many: interruptions only ever add


class CatchAll:
    """Runs other people's trusted code: what it raises is caught and kept, whatever it is.

    A context manager, because nothing may escape here: an evaluator's ``sys.exit``, or a ``CancelledError`` of its loop, is as
    much its own fault as a ``KeyError``.  Nobody interrupts a grader, so a ``KeyboardInterrupt`` is the evaluator's too.
    """

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def __enter__(self) -> CatchAll:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        self.error = error
        return error is not None


class Grader:
    """One problem, loaded: its evaluator and its sandbox factory, which ``launch`` opens, again when its helper was killed."""

    def __init__(
        self,
        prepare: Prepare,
        evaluator: ModuleType,
        launch: Callable[[], SandboxFactory],
        tell: Callable[[Phase], None],
        home: Path,
    ) -> None:
        self._prepare = prepare
        self._contract = prepare.contract
        self._evaluator = evaluator
        self._launch = launch
        self._factory = launch()
        self._tell = tell
        self._work: Path | None = None  # a folder that no trial has written to yet
        with plain_umask():
            self._leftovers = Leftovers(home, lambda: (self._factory.spawner.pid,))

    @property
    def factory(self) -> SandboxFactory:
        """What runs the candidates now."""
        return self._factory

    def measure(self, entry: BlockEntry, files: Mapping[str, str], gpus: tuple[Gpu, ...] = ()) -> Measurement:
        """Measure one candidate, with these GPUs and no other.  Never raises for what the candidate or the evaluator does.

        Raises:
            HelperDied: what runs the sandboxes was ended from outside; nothing is known of the candidate.
        """
        wall, cpu = time.perf_counter(), time.process_time()
        screened = screen(files, self._contract, self._prepare.seed)
        finding = screened.finding
        if finding is not None:
            judged = CheckedOutcome(status=finding.status, reason=line(finding.reason), feedback=clean(finding.reason, 1000))
            return self._measurement(entry, judged, wall, cpu, None)
        if not self._factory.alive:
            self._relaunch()
        with plain_umask():
            work = self._work or Path(tempfile.mkdtemp(prefix="trial-"))
        try:
            return replace(self._evaluate(Measure(entry=entry, files=files, gpus=gpus), work, wall, cpu), signals=screened.signals)
        finally:
            self._work = _emptied(work)
            self._end_leftovers()

    def _relaunch(self) -> None:
        """The helper was ended between two measurements: another takes its place, and nothing is lost."""
        self._factory.close()
        try:
            self._factory = self._launch()
        except (EvolveError, OSError) as error:
            raise HelperDied(f"the sandbox's spawner was ended, and another does not start: {error}") from error
        self._end_leftovers()

    def _end_leftovers(self) -> None:
        self._leftovers.end(keep=[self._factory.folder, *([self._work] if self._work else [])])

    def calibrate(self) -> float:
        """Seconds the reference work takes now: what the evaluator's own ``calibrate()`` says or takes, where it has one.

        Raises:
            OutcomeError: ``calibrate()`` returned neither None nor a positive number; and whatever it raises itself.
        """
        own: Callable[[], object] | None = getattr(self._evaluator, "calibrate", None)
        if own is None:
            return min(_timed(_matrix_work)[0] for _ in range(_SLICES))
        took, told = _timed(own)
        self._end_leftovers()
        return took if told is None else positive("what calibrate() returned", told)

    def close(self) -> None:
        """End the sandboxes."""
        self._factory.close()

    def _evaluate(self, asked: Measure, work: Path, wall: float, cpu: float) -> Measurement:
        entry, files = asked.entry, asked.files
        stage = self._contract.stage(entry.stage)
        start = _allowed_start(entry.start, stage.start)
        judged = CheckedOutcome(status=Status.EVALUATOR_ERROR)
        sandbox = self._factory.sandbox(files, stage, start=start, cpu_limit_s=entry.cpu_limit_s, gpus=asked.gpus)
        phased = PhasedSandbox(sandbox, self._tell)
        progress = Progress(entry.bars, minimize=not self._contract.maximize, audited=entry.audited)
        with CatchAll() as guard, sandbox:
            outcome: Outcome = self._evaluator.evaluate(self._trial(entry, files, work, phased, start, progress))
            judged = with_progress(check_outcome(outcome, self._contract, entry.stage), progress)
        error = phased.fault or guard.error
        if isinstance(error, HelperDied):
            raise error
        if error is not None:
            judged = fault(error, self._prepare.folder)
        return self._measurement(entry, judged, wall, cpu, sandbox)

    def _trial(
        self,
        entry: BlockEntry,
        files: Mapping[str, str],
        work: Path,
        sandbox: PhasedSandbox,
        start: StartMode,
        progress: Progress,
    ) -> Trial:
        prepare = self._prepare
        return Trial(
            files=files,
            stage=entry.stage,
            seed=entry.seed,
            params=prepare.params,
            problem=Path(prepare.folder),
            assets=None if prepare.assets is None else Path(prepare.assets),
            work=work,
            sandbox=sandbox,
            start=start,
            data={one.name: Path(one.path) for one in self._contract.data},
            progress=progress,
        )

    def _measurement(
        self, entry: BlockEntry, judged: CheckedOutcome, wall: float, cpu: float, sandbox: TrialSandbox | None
    ) -> Measurement:
        own = time.process_time() - cpu
        return Measurement(
            candidate=entry.candidate,
            stage=entry.stage,
            seed=entry.seed,
            status=judged.status,
            score=judged.score,
            reason=self._without_keys(judged.reason),
            metrics=judged.metrics,
            descriptors=judged.descriptors,
            feedback=self._without_keys(judged.feedback),
            curve=judged.curve,
            artifacts=judged.artifacts,
            output_hash=judged.output_hash or (sandbox.output_hash if sandbox else ""),
            probe_hash=judged.probe_hash,
            start=sandbox.start if sandbox else StartMode.COLD,
            tier=self._factory.tier,
            machine=self._prepare.machine,
            wall_s=time.perf_counter() - wall,
            cpu_s=sandbox.usage.cpu_s if sandbox else 0.0,
            scorer_cpu_s=own + (sandbox.scorer_usage.cpu_s if sandbox else 0.0),
            memory_mib=sandbox.usage.memory_mib if sandbox else 0.0,
            evaluator=self._prepare.evaluator,
        )

    def _without_keys(self, text: str) -> str:
        """An evaluator that quotes what a service answered may quote its key."""
        return without_values(text, self._contract.environment)


def _emptied(work: Path) -> Path | None:
    """A folder that was left empty may serve again, which spares a removal (3 ms on a journaling disk); another is removed."""
    if work.is_dir() and not any(work.iterdir()):
        return work
    shutil.rmtree(work, ignore_errors=True)
    return None


def _allowed_start(asked: StartMode, declared: StartMode) -> StartMode:
    """The stage's start; only a warm one needs the entry's leave, for a spare counts as cold."""
    return asked if declared is StartMode.WARM and asked is not StartMode.WARM else declared


def _timed(work: Callable[[], object]) -> tuple[float, object]:
    began = time.perf_counter()
    told = work()
    return time.perf_counter() - began, told


def _matrix_work() -> None:
    """The default reference work: matrix products, about 20 ms on a current core.

    By ``einsum``, which unlike ``@`` stays in one thread: threads that wait for each other time the other processes.
    """
    import numpy as np

    matrix = np.linspace(-1.0, 1.0, 160 * 160).reshape(160, 160)
    product = matrix
    for _ in range(6):
        product = np.einsum("ij,jk->ik", matrix, product)
        product /= np.abs(product).max()


def _self_test(evaluator: ModuleType, folder: str) -> None:
    """Run the evaluator's own ``selftest()``, where it has one: its parsers on known text, before they decide about anybody.

    Raises:
        OutcomeError: it raised, or said what is wrong.
    """
    own: Callable[[], object] | None = getattr(evaluator, "selftest", None)
    if own is None:
        return
    told: object = None
    with CatchAll() as guard:
        told = own()
    if guard.error is not None:
        raise OutcomeError(f"selftest() of evaluate.py failed: {fault(guard.error, folder).reason}")
    if told is not None and not isinstance(told, str):
        raise OutcomeError(
            f"selftest() of evaluate.py returned {type(told).__name__}, expected None, or text that says what is wrong"
        )
    if told:
        raise OutcomeError(f"selftest() of evaluate.py failed: {told}")


def _open(prepare: Prepare, tell: Callable[[Phase], None], home: Path) -> tuple[Grader, GraderReady]:
    """Load the problem; open its sandbox factory.  ``home`` is the folder for the grader's temporary files."""
    from evolve._version import __version__

    if prepare.engine != __version__:
        raise OutcomeError(
            f"the driver is evolve {prepare.engine}, this grader {__version__}; install the same version on {prepare.machine}"
        )
    evaluator = load_evaluator(Path(prepare.folder), home / "imports")
    _self_test(evaluator, prepare.folder)
    assets = None if prepare.candidate_assets is None else Path(prepare.candidate_assets)
    view = VisibleFiles.of(prepare.contract, assets)
    grader = Grader(prepare, evaluator, lambda: open_sandbox_factory(prepare.tier, view, slot=prepare.slot), tell, home)
    ready = GraderReady(
        engine=__version__,
        python=platform.python_version(),
        tier=grader.factory.tier,
        tier_hash=grader.factory.tier_hash,
        machine=prepare.machine,
    )
    return grader, ready


def _serve(channel: Channel, home: Path) -> None:
    """Answer until the other end is gone."""
    prepare = channel.receive()
    if not isinstance(prepare, Prepare):
        return
    with CatchAll() as guard:
        grader, ready = _open(prepare, channel.send, home)
    if guard.error is not None:
        channel.send(_refused(prepare, guard.error))
        return
    channel.send(ready)
    while not isinstance(message := channel.receive(), Close | None):
        if isinstance(message, Measure):
            try:
                channel.send(MeasureDone(result=grader.measure(message.entry, message.files, message.gpus)))
            except HelperDied as error:
                channel.send(Rejected(reason=line(str(error))))
        elif isinstance(message, Calibrate):
            with CatchAll() as guard:
                seconds = grader.calibrate()
            channel.send(Calibrated(seconds=seconds) if guard.error is None else _refused(prepare, guard.error))
    grader.close()
    if message is not None:
        channel.send(GraderClosed())


def _refused(prepare: Prepare, error: BaseException) -> Rejected:
    reason = without_values(fault(error, prepare.folder).reason, prepare.contract.environment)
    return Rejected(reason=reason, passing=passing(error))


def _bind_to(parent: int) -> bool:
    """Die with the thread that started this process; adopt what loses its parent below.  False: the parent is gone already."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    return os.getppid() == parent


def main(argv: Sequence[str]) -> int:
    """``FD PARENT``: the socket's descriptor and the pid that started this process."""
    fd, parent = int(argv[0]), int(argv[1])
    os.set_inheritable(fd, False)
    home = Path.cwd()
    if not _bind_to(parent) or not home.samefile(os.environ["TMPDIR"]):  # it removes what it finds there after each measurement
        return 1
    hide_main()
    with socket.socket(fileno=fd) as sock:
        channel = Channel(sock)
        _serve(channel, home)
        while channel.receive() is not None:  # to be killed with all below it, which would be nobody's if it ended first
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
