"""A grader process as its executor sees it: started, spoken to with a deadline, killed with everything below it."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from archive import BlockEntry, Measurement, Status
from evolve.evaluate._outcome import clean, line
from evolve.evaluate.grader._wire import (
    Calibrate,
    Calibrated,
    Close,
    Frames,
    GraderReady,
    Measure,
    MeasureDone,
    Message,
    Phase,
    Prepare,
    Rejected,
    WireError,
    encode,
)
from evolve.evaluate.isolation._gpu import Gpu, environment
from evolve.execute._tree import kill_tree
from evolve.problem.contract._contract import Stage
from evolve.problem.contract._environment import ALWAYS, passed, without_values

LOAD_LIMIT_S = 300.0  # importing evaluate.py with a large framework on a busy machine
CALIBRATE_LIMIT_S = 300.0
CLOSE_LIMIT_S = 5.0
SEND_LIMIT_S = 60.0  # an idle grader always reads
LOG_TAIL_BYTES = 8192
_CHUNK = 1 << 18
_PACKAGES = Path(__file__).parents[2]  # where `evolve` and `archive` are imported from
# -P: the working folder is no place to import from; faulthandler: a crash leaves its trace in the log.
_PROGRAM = (sys.executable, "-P", "-X", "faulthandler", "-m", "evolve.evaluate.grader._grader")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class GraderDied(Exception):
    """The process ended, or spoke nonsense and was killed; the message says how and shows the end of its log.  ``passing`` where
    somebody else killed it."""

    def __init__(self, reason: str, *, passing: bool = False) -> None:
        super().__init__(reason)
        self.passing = passing


class GraderRefused(Exception):
    """The grader is well and says why it cannot do what was asked; ``passing`` where a later one may."""

    def __init__(self, reason: str, *, passing: bool = False) -> None:
        super().__init__(reason)
        self.passing = passing


class Interrupted(Exception):
    """The wait was given up because ``CancelEvent.set`` was called."""


class _Overrun(Exception):
    """The deadline passed."""


class CancelEvent:
    """Ends a wait from another thread.  Rung once, it stays rung until ``clear``."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        return self._fd

    def set(self) -> None:
        os.eventfd_write(self._fd, 1)

    def clear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._fd)

    def close(self) -> None:
        os.close(self._fd)


@dataclass(slots=True)
class _TimeAccount:
    """Whose time it is within one measurement: the candidate's (inside a sandbox call) or the evaluator's."""

    began: float
    inside: bool = False
    since: float = 0.0
    candidate_s: float = 0.0
    candidate_cpu_s: float = 0.0

    def turn(self, phase: Phase, now: float) -> None:
        self.candidate_s += self.inside_s(now)
        self.inside, self.since, self.candidate_cpu_s = phase.inside, now, phase.cpu_s

    def inside_s(self, now: float) -> float:
        """How long the sandbox call that runs now has taken."""
        return now - self.since if self.inside else 0.0

    def blames_candidate(self, now: float) -> bool:
        """The one who runs now; between calls, the one who took more of the time."""
        return self.inside or self.candidate_s > (now - self.began) / 2


class GraderProcess:
    """One grader.  Owned by one thread, which must live as long as the process: the kernel kills it when that thread ends."""

    def __init__(self, prepare: Prepare, *, folder: Path, threads: int, wake: CancelEvent, gpus: tuple[Gpu, ...] = ()) -> None:
        """Start the process and wait until it has loaded the problem.  Of GPUs its evaluator sees those in ``gpus``.

        Raises:
            GraderRefused: the problem cannot be served; the message says why.
            GraderDied: the process ended while loading, or took too long.
            OSError: the machine refuses another process, pipe or socket.
            Interrupted: ``wake`` was rung.
        """
        self.prepare = prepare
        self.folder = folder
        self.gpus = gpus
        self._frames = Frames()
        self._log = bytearray()
        self._closed = False
        ours, theirs = socket.socketpair()
        log, log_end = os.pipe()
        os.set_blocking(log, False)
        try:
            self._process = subprocess.Popen(
                [*_PROGRAM, str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=log_end,
                stderr=log_end,
                cwd=folder,
                env=_environment(folder, threads, prepare.contract.environment) | environment(gpus),
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        except OSError:
            ours.close()
            os.close(log)
            raise
        finally:
            theirs.close()
            os.close(log_end)
        self._socket, self._log_fd, self._wake = ours, log, wake
        self._selector = selectors.DefaultSelector()
        for channel in (self._socket, self._log_fd, wake):
            self._selector.register(channel, selectors.EVENT_READ)
        try:
            self.ready = self._load()
        except BaseException:
            self.kill()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return not self._closed and self._ended() is None

    def measure(
        self, entry: BlockEntry, files: Mapping[str, str], stage: Stage, grace_s: float, gpus: tuple[Gpu, ...] = ()
    ) -> Measurement:
        """Measure one candidate.  A measurement that overruns its stage by ``grace_s`` ends with the grader's death and a
        verdict on whoever was running.

        Raises:
            GraderDied: the infrastructure failed.
            Interrupted: ``wake`` was rung; the grader is killed.
        """
        clock = _TimeAccount(time.monotonic())
        try:
            self._send(Measure(entry=entry, files=files, gpus=gpus))
            while True:
                message = self._receive(clock.began + stage.time_s + grace_s)
                if isinstance(message, MeasureDone):
                    return message.result
                if isinstance(message, Rejected):
                    raise self._died(f"gave up: {message.reason}")
                if not isinstance(message, Phase):
                    raise self._died(f"answered with {type(message).__name__}")
                clock.turn(message, time.monotonic())
        except _Overrun:
            return self._overrun(entry, stage, clock)
        except Interrupted:
            self.kill()
            raise

    def calibrate(self) -> float:
        """Seconds the reference work takes now.

        Raises:
            GraderRefused: ``calibrate()`` failed.
            GraderDied: the infrastructure failed, or the work did not end.
            Interrupted: ``wake`` was rung; the grader is killed.
        """
        try:
            message = self._ask(Calibrate(), CALIBRATE_LIMIT_S)
        except _Overrun:
            raise self._died(f"took more than {CALIBRATE_LIMIT_S:g} s to calibrate") from None
        except Interrupted:
            self.kill()
            raise
        if isinstance(message, Rejected):
            raise GraderRefused(message.reason, passing=message.passing)
        if not isinstance(message, Calibrated):
            raise self._died(f"answered with {type(message).__name__}")
        return message.seconds

    def close(self) -> None:
        """End the process in good order if it can be had, and everything below it in any case.  Idempotent."""
        if not self._closed:
            with contextlib.suppress(GraderDied, Interrupted, _Overrun):
                self._ask(Close(), CLOSE_LIMIT_S)
        self.kill()

    def kill(self) -> None:
        """Kill the process and everything below it.  Idempotent."""
        if self._closed:
            return
        self._closed = True
        if self._process.returncode is None:
            kill_tree(self._process.pid)
            self._process.wait()
        self._drain_log()
        self._selector.close()
        self._socket.close()
        os.close(self._log_fd)

    # -------------------------------------------------------------------------------------------- talking

    def _load(self) -> GraderReady:
        try:
            message = self._ask(self.prepare, LOAD_LIMIT_S)
        except _Overrun:
            raise self._died(f"took more than {LOAD_LIMIT_S:g} s to load evaluate.py") from None
        if isinstance(message, Rejected):
            raise GraderRefused(message.reason, passing=message.passing)
        if not isinstance(message, GraderReady):
            raise self._died(f"answered with {type(message).__name__}")
        return message

    def _ask(self, message: Message, limit_s: float) -> Message:
        deadline = time.monotonic() + limit_s
        self._send(message)
        return self._receive(deadline)

    def _send(self, message: Message) -> None:
        self._socket.settimeout(SEND_LIMIT_S)
        try:
            self._socket.sendall(encode(message))
        except OSError as error:
            raise self._died(f"does not listen ({error.strerror or error})") from error
        self._socket.settimeout(0.0)

    def _receive(self, deadline: float) -> Message:
        """The next message, with the log drained meanwhile."""
        while True:
            try:
                message = self._frames.pop()
            except WireError as error:
                raise self._died(f"sent {error}") from error
            if message is not None:
                return message
            left = deadline - time.monotonic()
            if left <= 0:
                raise _Overrun
            self._wait(left)

    def _wait(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            if key.fileobj is self._wake:
                raise Interrupted
            if key.fileobj is self._socket:
                data = self._read()
                if not data:
                    raise self._died("ended")
                self._frames.feed(data)
            else:
                self._drain_log()

    def _read(self) -> bytes:
        try:
            return self._socket.recv(_CHUNK)
        except BlockingIOError:
            raise self._died("said nothing although it seemed to") from None
        except OSError:
            return b""

    def _drain_log(self) -> None:
        """Keep the last lines; a flood costs time, not memory."""
        while True:
            try:
                data = os.read(self._log_fd, _CHUNK)
            except BlockingIOError:
                return
            if not data:
                if self._log_fd in self._selector.get_map():
                    self._selector.unregister(self._log_fd)
                return
            self._log += data
            del self._log[:-LOG_TAIL_BYTES]

    # -------------------------------------------------------------------------------------------- endings

    def _ended(self) -> os.waitid_result | None:
        """How it ended by itself, if it did.  It is not reaped: until then its number is no other's, and what it left is found."""
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)

    def _died(self, how: str) -> GraderDied:
        """Kill what is left; the error to raise."""
        ended = self._ended()
        passing = ended is not None and (ended.si_code, ended.si_status) == (os.CLD_KILLED, signal.SIGKILL)
        self.kill()
        code = self._process.returncode
        end = (signal.strsignal(-code) or f"signal {-code}").lower() if code < 0 else f"exit status {code}"
        return GraderDied(f"the grader {how} ({end}){self._last_words()}", passing=passing)

    def _last_words(self) -> str:
        tail = clean(self._log.decode(errors="replace"), 600).strip()
        return without_values(f"; its log ends: {tail}", self.prepare.contract.environment) if tail else ""

    def _overrun(self, entry: BlockEntry, stage: Stage, clock: _TimeAccount) -> Measurement:
        now = time.monotonic()
        candidate = clock.blames_candidate(now)
        self.kill()
        reason = feedback = f"ran longer than the {stage.time_s:g} s of stage {stage.name}"
        if not candidate:
            feedback = f"evaluate() {reason} and was killed{self._last_words()}"
            reason = line(feedback)
        return Measurement(
            candidate=entry.candidate,
            stage=entry.stage,
            seed=entry.seed,
            status=Status.TIMEOUT if candidate else Status.EVALUATOR_ERROR,
            reason=reason,
            feedback=feedback,
            start=entry.start,
            tier=self.ready.tier,
            machine=self.prepare.machine,
            wall_s=now - clock.began,
            cpu_s=clock.candidate_cpu_s + clock.inside_s(now),  # of a killed call only the time is known
            evaluator=self.prepare.evaluator,
        )


def _environment(folder: Path, threads: int, named: Sequence[str]) -> dict[str, str]:
    """All a grader inherits: what an interpreter needs to start, one slot's share of the cores for numerical libraries, and what
    the problem names.  No home and no keys but those."""
    share = {name: str(threads) for name in _THREADS}
    own = {"TMPDIR": str(folder), "PYTHONPATH": str(_PACKAGES)}
    asked = passed(named)
    if "PYTHONPATH" in asked:
        own["PYTHONPATH"] = os.pathsep.join((str(_PACKAGES), asked["PYTHONPATH"]))
    return {"PATH": os.defpath, "LANG": "C.UTF-8", **passed(ALWAYS), **share, **asked, **own}
