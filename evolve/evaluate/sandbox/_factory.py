"""One factory a slot: resolves what is visible once, keeps the spawner and its control group, hands out trial sandboxes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from archive import StartMode
from evolve._errors import EvolveError, SandboxMissing, UsageError
from evolve.evaluate._umask import plain_umask
from evolve.evaluate.child._spawn import Spawner
from evolve.evaluate.isolation._gpu import Gpu
from evolve.evaluate.isolation._limits import limits_of
from evolve.evaluate.isolation._mounts import VisibleFiles
from evolve.evaluate.sandbox._sandbox import TrialSandbox
from evolve.evaluate.sandbox.starts._cold import Bubblewrap, check
from evolve.evaluate.sandbox.starts._imports import imported_modules
from evolve.evaluate.sandbox.starts._none import NoIsolation
from evolve.evaluate.sandbox.starts._spare import PreloadedSandbox
from evolve.evaluate.sandbox.starts._start import Isolation, Launch, RunningTree, ScratchPool, remove
from evolve.evaluate.sandbox.starts._warm import ForkServer, WarmUnavailable, sendable
from evolve.problem.contract._contract import Stage

TIERS = ("strict", "none")
_PREFIX = "evolve-sandbox-"
_STALE_S = 60.0  # a folder this old is locked if its factory lives
_MAX_SERVERS = 16  # fork servers that one factory starts because candidates import ever more modules


@plain_umask()
def open_sandbox_factory(tier: str, view: VisibleFiles, *, slot: int = 0) -> SandboxFactory:
    """A sandbox factory for one slot.

    Args:
        tier: ``strict``, or ``none``, which has no walls and must be asked for by name.
        view: what candidates may see besides their own files.
        slot: number of the slot, for names only.

    Raises:
        SandboxMissing: the tier is not to be had here; the message says what is missing and what to type.
        MissingPackage: a declared distribution is not installed.
        EnvironmentFault: a declared distribution cannot be shown.
        UsageError: there is no such tier.
    """
    if tier not in TIERS:
        raise UsageError(f"a tier is one of {', '.join(TIERS)}, not {tier!r}")
    private, lock = _private_folder()
    try:
        spawner = Spawner(slot)
    except BaseException:
        os.close(lock)
        remove(private)
        raise
    try:
        way = Bubblewrap(spawner, view, private) if tier == "strict" else NoIsolation(spawner, view, private)
        if isinstance(way, Bubblewrap) and (wrong := check(way, private / "check")):
            raise SandboxMissing(f"the strict tier does not start here ({wrong}); run: evolve doctor")
    except BaseException:
        spawner.close()
        os.close(lock)
        remove(private)
        raise
    return SandboxFactory(way, spawner, private, lock)


def _private_folder() -> tuple[Path, int]:
    """A fresh folder and a descriptor that holds its lock; folders of factories that were killed are removed on the way."""
    for stale in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if stale.stat().st_uid == os.geteuid() and time.time() - stale.stat().st_mtime > _STALE_S:
                _remove_unlocked(stale)
    private = Path(tempfile.mkdtemp(prefix=_PREFIX))
    lock = os.open(private, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return private, lock


def _remove_unlocked(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while its factory lives
        remove(folder)
    finally:
        os.close(fd)


class SandboxFactory:
    """Starts candidates of one slot, one at a time.  Used from one thread; ``close`` leaves no process and no file.

    Attributes:
        tier: the tier's name, recorded with every measurement.
        tier_hash: hash of the policy: command line, filter, view, kind of control group.
        no_warm: why warm starts are no longer tried; empty while they are.
        last_refusal: why the last warm start that did not work did not.
    """

    def __init__(self, way: Bubblewrap | NoIsolation, spawner: Spawner, private: Path, lock: int) -> None:
        self.isolation: Isolation = way
        self.spawner = spawner
        self.tier = way.name
        self.tier_hash = way.policy
        self.folders = ScratchPool(private)
        self.no_warm = "" if isinstance(way, Bubblewrap) else "tier none has no fork server"
        self.last_refusal = self.no_warm
        self._private = private
        self._lock = lock
        self._servers = 0
        self._warm: ForkServer | None = None
        self._spare: PreloadedSandbox | None = None
        self._modules = way.mounts.modules if isinstance(way, Bubblewrap) else ()

    @property
    def alive(self) -> bool:
        """Whether sandboxes can be started: the slot's helper runs."""
        return self.spawner.alive

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return self._private

    def sandbox(
        self,
        files: Mapping[str, str],
        stage: Stage,
        *,
        start: StartMode,
        cpu_limit_s: float | None = None,
        gpus: tuple[Gpu, ...] = (),
    ) -> TrialSandbox:
        """A sandbox for one trial of the candidate ``files`` at ``stage``.

        Args:
            start: the fastest way to start that the problem allows; ``TrialSandbox.start`` tells what was used.
            cpu_limit_s: a tighter bound than the stage's on the candidate's CPU; breaking it is ``over_budget``.
            gpus: those lent to it; it sees no other.
        """
        return TrialSandbox(self, files, stage, start, cpu_limit_s, gpus)

    def give_back(self, folder: Path) -> None:
        """A folder of ``folders`` that a launch is done with."""
        self.folders.release(folder, again=isinstance(self.isolation, Bubblewrap))

    def start(self, job: Launch, wanted: StartMode) -> RunningTree:
        """Start a job, as ``wanted`` if that is to be had, else cold.

        Raises:
            EnvironmentFault: not even cold.
        """
        if isinstance(self.isolation, Bubblewrap):
            warm = wanted is StartMode.WARM and not job.gpus  # a fork server's children see what it sees
            if warm and not job.request.argv and sendable(job) and (started := self._start_warm(job)):
                return started
            if wanted is StartMode.SPARE and sendable(job) and (started := self._start_spare(job)):
                return started
        return self.isolation.start(job)

    def _start_warm(self, job: Launch) -> RunningTree | None:
        assert isinstance(self.isolation, Bubblewrap)
        modules = imported_modules(job.files, self.isolation.mounts.modules)
        try:
            if self._warm is None or not self._warm.fits(job, modules):
                self._new_server(job, modules)
            return self._warm.start(job) if self._warm else None
        except WarmUnavailable as error:
            self._close_warm()
            self._servers += 1
            self.last_refusal = str(error)
            self.no_warm = str(error) if self._servers >= _MAX_SERVERS else self.no_warm
            return None

    def _new_server(self, job: Launch, modules: tuple[str, ...]) -> None:
        """Another server, with what earlier candidates imported and what this one does.  A server that died is replaced freely."""
        assert isinstance(self.isolation, Bubblewrap)
        died = self._warm is not None and self._warm.dead
        grown = tuple(dict.fromkeys((*self._modules, *modules)))
        if self._warm is not None and not died and self._servers >= _MAX_SERVERS and self._warm.fits(job, ()):
            return  # it will import the rest itself, every time
        self._close_warm()
        if self.no_warm:
            return
        self._servers += 0 if died else 1
        self._modules = grown
        self._warm = ForkServer(self.isolation, job.limits, grown)

    def _start_spare(self, job: Launch) -> RunningTree | None:
        spare, self._spare = self._spare, None
        if spare is None:
            return None
        if not spare.fits(job, ()):
            spare.close()
            return None
        return spare.start(job)

    def trial_closed(self, files: Mapping[str, str], stage: Stage, start: StartMode, gpus: tuple[Gpu, ...]) -> None:
        """The slot is idle now: time to prepare what the next trial of this stage will want."""
        if start is not StartMode.SPARE or not isinstance(self.isolation, Bubblewrap) or self._spare is not None:
            return
        self._modules = tuple(dict.fromkeys((*self._modules, *imported_modules(files, self.isolation.mounts.modules))))
        self._close_warm()  # its memory would count against the spare's
        try:
            limits = limits_of(stage, wall_s=stage.time_s, cpu_s=stage.cpu_s)
            self._spare = PreloadedSandbox(self.isolation, limits, self._modules, self.folders.acquire(), gpus)
        except EvolveError:
            self._spare = None  # the next trial starts cold and says why that fails, if it does

    def _close_warm(self) -> None:
        warm, self._warm = self._warm, None
        if warm is not None:
            warm.close()

    def close(self) -> None:
        """End everything and remove the slot's files.  Idempotent."""
        warm, self._warm, spare, self._spare = self._warm, None, self._spare, None
        self.spawner.close()
        for waiting in (warm, spare):
            if waiting is not None:
                waiting.release()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
        remove(self._private)

    def __enter__(self) -> SandboxFactory:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
