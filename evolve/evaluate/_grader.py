"""The grader: the trusted process that measures candidates of one problem, one at a time.

An executor starts it as ``python -P -m evolve.evaluate._grader FD PARENT`` with a socket as descriptor FD, in a session of its own
with a cleared environment, and may kill it at any moment.  It imports the problem's ``evaluate.py``, never a candidate.  Messages:
``evolve.evaluate._wire``.  It never writes to a terminal: stdout and stderr are the executor's log.

It dies with the thread that started it.  It is the reaper of everything below it, so that a daemon which left its process group
and session is still found among its children.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType, TracebackType

from archive import Entry, Measurement, Start, Status
from evolve.evaluate import Launcher, TrialSandbox, View, open_launcher
from evolve.evaluate._screen import screen
from evolve.evaluate._trial import Array, JsonValue, Outcome, Reply, Trial
from evolve.evaluate._verdict import Judged, OutcomeError, clean, judge, line, positive
from evolve.evaluate._wire import Calibrate, Calibrated, Channel, Close, Closed, Measure, Phase, Prepare, Ready, Refused, Verdict

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_MODULE = "_evolve_evaluate"  # a name that no evaluate.py imports
_SLICES = 5  # the reference work is timed as the best of so many: interruptions only ever add


class Guard:
    """Runs other people's trusted code: what it raises is caught and kept, whatever it is.

    A context manager, because nothing may escape here: an evaluator's ``sys.exit`` is as much its own fault as a ``KeyError``.
    """

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def __enter__(self) -> Guard:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        self.error = error
        return isinstance(error, Exception | SystemExit)


class PhasedSandbox:
    """The trial's sandbox; tells the executor when a candidate runs, so that an overrun can be laid at the right door."""

    def __init__(self, sandbox: TrialSandbox, tell: Callable[[Phase], None]) -> None:
        self._sandbox = sandbox
        self._tell = tell

    def call(
        self,
        entry: str,
        args: Mapping[str, object],
        returns: Mapping[str, Array | JsonValue],
        *,
        inputs: Mapping[str, bytes | Path] | None = None,
        budgeted: bool = True,
    ) -> Reply:
        return self._inside(lambda: self._sandbox.call(entry, args, returns, inputs=inputs, budgeted=budgeted))

    def call_many(
        self,
        entry: str,
        calls: Sequence[Mapping[str, object]],
        returns: Sequence[Mapping[str, Array | JsonValue]],
        *,
        inputs: Mapping[str, bytes | Path] | None = None,
        budgeted: bool = True,
    ) -> Reply:
        return self._inside(lambda: self._sandbox.call_many(entry, calls, returns, inputs=inputs, budgeted=budgeted))

    def run(
        self,
        argv: Sequence[str],
        *,
        inputs: Mapping[str, bytes | Path] | None = None,
        outputs: Mapping[str, int] | None = None,
        env: Mapping[str, str] | None = None,
        budgeted: bool = True,
    ) -> Reply:
        return self._inside(lambda: self._sandbox.run(argv, inputs=inputs, outputs=outputs, env=env, budgeted=budgeted))

    def _inside(self, call: Callable[[], Reply]) -> Reply:
        self._tell(Phase(inside=True, cpu_s=self._sandbox.usage.cpu_s))
        try:
            return call()
        finally:
            self._tell(Phase(inside=False, cpu_s=self._sandbox.usage.cpu_s))


class Grader:
    """One problem, loaded: its evaluator and a launcher of sandboxes."""

    def __init__(self, prepare: Prepare, evaluator: ModuleType, launcher: Launcher, tell: Callable[[Phase], None]) -> None:
        self._prepare = prepare
        self._contract = prepare.contract
        self._evaluator = evaluator
        self._launcher = launcher
        self._tell = tell
        self._work: Path | None = None  # a folder that no trial has written to yet

    def measure(self, entry: Entry, files: Mapping[str, str]) -> Measurement:
        """Measure one candidate.  Never raises for what the candidate or the evaluator does."""
        wall, cpu = time.perf_counter(), time.process_time()
        screened = screen(files, self._contract, self._prepare.seed)
        finding = screened.finding
        if finding is not None:
            judged = Judged(status=finding.status, reason=line(finding.reason), feedback=clean(finding.reason, 1000))
            return self._measurement(entry, judged, wall, cpu, None)
        work = self._work or Path(tempfile.mkdtemp(prefix="trial-"))
        try:
            return replace(self._evaluate(entry, files, work, wall, cpu), signals=screened.signals)
        finally:
            self._work = _emptied(work)

    def calibrate(self) -> float:
        """Seconds the reference work takes now: what the evaluator's own ``calibrate()`` says or takes, where it has one.

        Raises:
            OutcomeError: ``calibrate()`` returned neither None nor a positive number; and whatever it raises itself.
        """
        own: Callable[[], object] | None = getattr(self._evaluator, "calibrate", None)
        if own is None:
            return min(_timed(_matrix_work)[0] for _ in range(_SLICES))
        took, told = _timed(own)
        return took if told is None else positive("what calibrate() returned", told)

    def close(self) -> None:
        """End the sandboxes."""
        self._launcher.close()

    def _evaluate(self, entry: Entry, files: Mapping[str, str], work: Path, wall: float, cpu: float) -> Measurement:
        stage = self._contract.stage(entry.stage)
        start = _allowed_start(entry.start, stage.start)
        judged = Judged(status=Status.EVALUATOR_ERROR)
        sandbox: TrialSandbox | None = None
        with Guard() as guard:
            sandbox = self._launcher.sandbox(files, stage, start=start, cpu_limit_s=entry.cpu_limit_s)
            with sandbox:
                outcome: Outcome = self._evaluator.evaluate(self._trial(entry, files, work, sandbox, start))
                judged = judge(outcome, self._contract, entry.stage)
        if guard.error is not None:
            judged = _fault(guard.error, self._prepare.folder)
        return self._measurement(entry, judged, wall, cpu, sandbox)

    def _trial(self, entry: Entry, files: Mapping[str, str], work: Path, sandbox: TrialSandbox, start: Start) -> Trial:
        prepare = self._prepare
        return Trial(
            files=files,
            stage=entry.stage,
            seed=entry.seed,
            params=prepare.params,
            problem=Path(prepare.folder),
            assets=None if prepare.assets is None else Path(prepare.assets),
            work=work,
            sandbox=PhasedSandbox(sandbox, self._tell),
            start=start,
        )

    def _measurement(self, entry: Entry, judged: Judged, wall: float, cpu: float, sandbox: TrialSandbox | None) -> Measurement:
        own = time.process_time() - cpu
        return Measurement(
            candidate=entry.candidate,
            stage=entry.stage,
            seed=entry.seed,
            status=judged.status,
            score=judged.score,
            reason=judged.reason,
            metrics=judged.metrics,
            descriptors=judged.descriptors,
            feedback=judged.feedback,
            curve=judged.curve,
            artifacts=judged.artifacts,
            output_hash=judged.output_hash or (sandbox.output_hash if sandbox else ""),
            probe_hash=judged.probe_hash,
            start=sandbox.start if sandbox else Start.COLD,
            tier=self._launcher.tier,
            machine=self._prepare.machine,
            wall_s=time.perf_counter() - wall,
            cpu_s=sandbox.usage.cpu_s if sandbox else 0.0,
            scorer_cpu_s=own + (sandbox.scorer_usage.cpu_s if sandbox else 0.0),
            memory_mib=sandbox.usage.memory_mib if sandbox else 0.0,
            evaluator=self._prepare.evaluator,
        )


def _emptied(work: Path) -> Path | None:
    """A folder that was left empty may serve again, which spares a removal (3 ms on a journaling disk); another is removed."""
    if work.is_dir() and not any(work.iterdir()):
        return work
    shutil.rmtree(work, ignore_errors=True)
    return None


def _allowed_start(asked: Start, declared: Start) -> Start:
    """The stage's start; only a warm one needs the entry's leave, for a spare counts as cold."""
    return asked if declared is Start.WARM and asked is not Start.WARM else declared


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


def _fault(error: BaseException, folder: str) -> Judged:
    """An exception of the evaluator as an outcome: where it was raised in the problem's own files, and the innermost calls."""
    if isinstance(error, OutcomeError):
        return Judged(status=Status.EVALUATOR_ERROR, reason=line(str(error)), feedback=clean(str(error), 1000))
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(folder)]
    where = f"{Path(own[-1].filename).name}:{own[-1].lineno}: " if own else ""
    what = "".join(traceback.format_exception_only(error)).strip()
    calls = "".join(f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}: {frame.line}\n" for frame in (own or frames)[-6:])
    return Judged(status=Status.EVALUATOR_ERROR, reason=line(where + what), feedback=clean(calls + what, 2000))


def _load_evaluator(folder: Path) -> ModuleType:
    """Import ``evaluate.py`` by path.  Its folder joins the import path, last, for helpers beside it."""
    path = folder / "evaluate.py"
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module  # dataclasses and typing look modules up by name
    sys.path.append(str(folder))
    sys.dont_write_bytecode = True  # the folder may be read-only, and its contents are hashed
    spec.loader.exec_module(module)
    if not callable(getattr(module, "evaluate", None)):
        raise OutcomeError(f"{path} has no function evaluate(trial); define one that returns an evolve.Outcome")
    return module


def _self_test(evaluator: ModuleType, folder: str) -> None:
    """Run the evaluator's own ``selftest()``, where it has one: its parsers on known text, before they decide about anybody.

    Raises:
        OutcomeError: it raised, or said what is wrong.
    """
    own: Callable[[], object] | None = getattr(evaluator, "selftest", None)
    if own is None:
        return
    told: object = None
    with Guard() as guard:
        told = own()
    if guard.error is not None:
        raise OutcomeError(f"selftest() of evaluate.py failed: {_fault(guard.error, folder).reason}")
    if told is not None and not isinstance(told, str):
        raise OutcomeError(
            f"selftest() of evaluate.py returned {type(told).__name__}, expected None, or text that says what is wrong"
        )
    if told:
        raise OutcomeError(f"selftest() of evaluate.py failed: {told}")


def _open(prepare: Prepare, tell: Callable[[Phase], None]) -> tuple[Grader, Ready]:
    """Load the problem; open its sandbox launcher."""
    from evolve import __version__

    if prepare.engine != __version__:
        raise OutcomeError(
            f"the driver is evolve {prepare.engine}, this grader {__version__}; install the same version on {prepare.machine}"
        )
    evaluator = _load_evaluator(Path(prepare.folder))
    _self_test(evaluator, prepare.folder)
    assets = None if prepare.candidate_assets is None else Path(prepare.candidate_assets)
    view = View(imports=prepare.contract.candidate_imports, assets=assets)
    launcher = open_launcher(prepare.tier, view, slot=prepare.slot)
    ready = Ready(
        engine=__version__,
        python=platform.python_version(),
        tier=launcher.tier,
        tier_hash=launcher.tier_hash,
        machine=prepare.machine,
    )
    return Grader(prepare, evaluator, launcher, tell), ready


def _serve(channel: Channel) -> None:
    """Answer until the other end is gone."""
    prepare = channel.receive()
    if not isinstance(prepare, Prepare):
        return
    with Guard() as guard:
        grader, ready = _open(prepare, channel.send)
    if guard.error is not None:
        channel.send(Refused(reason=_fault(guard.error, prepare.folder).reason))
        return
    channel.send(ready)
    while not isinstance(message := channel.receive(), Close | None):
        if isinstance(message, Measure):
            channel.send(Verdict(result=grader.measure(message.entry, message.files)))
        elif isinstance(message, Calibrate):
            with Guard() as guard:
                seconds = grader.calibrate()
            if guard.error is None:
                channel.send(Calibrated(seconds=seconds))
            else:
                channel.send(Refused(reason=_fault(guard.error, prepare.folder).reason))
    grader.close()
    if message is not None:
        channel.send(Closed())


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
    if not _bind_to(parent):
        return 1
    with socket.socket(fileno=fd) as sock:
        _serve(Channel(sock))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
