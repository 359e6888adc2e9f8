"""What a tier must offer: start the stub for one request, with everything a monitor needs."""

from __future__ import annotations

import os
import py_compile
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from archive import StartMode
from evolve._errors import EnvironmentFault
from evolve.evaluate.child import _stub
from evolve.evaluate.child._spawn import CgroupMeter, Spawner
from evolve.evaluate.isolation._gpu import Gpu
from evolve.evaluate.isolation._limits import Limits
from evolve.evaluate.sandbox._monitor import ResourceMeter, Running
from evolve.evaluate.sandbox._request import Request, SandboxPaths, sealed
from evolve.problem.contract._contract import Stage

_STUBS = ("_stub", "_stub_program", "_stub_command", "_stub_server")


@dataclass(frozen=True, slots=True)
class RunningTree:
    """A process tree under way; ``ProcessMonitor`` takes it from here."""

    running: Running
    meter: ResourceMeter
    reply_fd: int
    log_fd: int
    start: StartMode
    folder: Path | None = None  # a spare's own, to be given back at the end
    request_w: int = -1  # where what comes behind a request that goes on is written


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One launch: what to do, under which limits, with which files.

    ``folder`` is an empty folder outside that the launch may use; ``inputs`` maps names under ``/input`` to bytes or to files and
    folders outside.  ``gpus`` are lent to it.
    """

    request: Request
    limits: Limits
    folder: Path
    files: Mapping[str, str]
    inputs: Mapping[str, bytes | Path] = field(default_factory=dict)
    gpus: tuple[Gpu, ...] = ()

    def lay(self, folder: Path) -> dict[str, Path]:
        """Write the candidate's files and the inputs given as bytes below ``folder``; placeholders for inputs given as paths, which
        are returned by name.

        Raises:
            OSError: an input cannot be found.
        """
        for path, text in self.files.items():
            _write(f"{folder}/candidate/{path}", text.encode("utf-8"))
        paths: dict[str, Path] = {}
        for name, content in self.inputs.items():
            place = f"{folder}/input/{name}"
            if isinstance(content, Path):
                paths[name] = content.resolve(strict=True)
            if isinstance(content, Path) and content.is_dir():
                os.makedirs(place)
            else:
                _write(place, content if isinstance(content, bytes) else b"")
        return paths


def _write(path: str, data: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


class Isolation(Protocol):
    """A way to run candidates."""

    name: str

    @property
    def policy(self) -> str:
        """A hash of everything that decides what a candidate can reach."""

    def places(self, folder: Path) -> SandboxPaths:
        """Where things will lie for a candidate whose trial uses ``folder`` outside."""

    def python(self, arguments: Sequence[str]) -> list[str]:
        """The command line of the candidate's interpreter."""

    def environment(self, limits: Limits, places: SandboxPaths, gpus: Sequence[Gpu] = ()) -> dict[str, str]:
        """The whole environment of a command."""

    def start(self, job: Launch) -> RunningTree:
        """Start the stub on a job."""


def compile_stubs(target: Path) -> None:
    """The stubs as ``.pyc`` files: compiling them at each start would cost milliseconds."""
    target.mkdir()
    for name in _STUBS:
        source = Path(_stub.__file__).with_name(f"{name}.py")
        unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(str(source), str(target / f"{name}.pyc"), dfile=f"{name}.py", doraise=True, invalidation_mode=unchecked)


class Pipes:
    """The three descriptors a launch needs on both sides."""

    def __init__(self, request_fd: int) -> None:
        self.request_fd = request_fd
        self.request_w = -1
        self.reply_r, self.reply_w = os.pipe2(os.O_CLOEXEC)
        self.log_r, self.log_w = os.pipe2(os.O_CLOEXEC)

    @classmethod
    def of(cls, packed: bytes) -> Pipes:
        """With the whole request readable from the first moment."""
        return cls(sealed(packed))

    @classmethod
    def going_on(cls) -> Pipes:
        """With a request that goes on: to be written to ``request_w`` once the program runs."""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        pipes = cls(reading)
        pipes.request_w = writing
        return pipes

    def send(self, packed: bytes) -> None:
        """Write the request itself, where it is not readable already; a program that has ended does not read it."""
        view = memoryview(packed)
        try:
            while self.request_w >= 0 and view:
                view = view[os.write(self.request_w, view) :]
        except BrokenPipeError:
            return

    def inner(self, *more: int) -> list[int]:
        """What the program gets as 0, 1, 2, ..."""
        return [self.request_fd, self.log_w, self.log_w, self.reply_w, *more]

    def close_inner(self) -> None:
        """Our copies of the program's ends; without this no end of file ever comes."""
        for fd in (self.request_fd, self.reply_w, self.log_w):
            os.close(fd)

    def close_outer(self) -> None:
        """Ours, when nothing was started."""
        for fd in (self.reply_r, self.log_r, self.request_w):
            if fd >= 0:
                os.close(fd)


def start_cold(spawner: Spawner, job: Launch, argv: list[str], env: dict[str, str], *more: int, user: int = 0) -> RunningTree:
    """A fresh stub on this command line, with the request on its way to it; ``more`` are descriptors that it gets beside its own.

    Raises:
        EnvironmentFault: it could not be started.
    """
    packed = job.request.pack()
    pipes = Pipes.going_on() if job.request.goes_on else Pipes.of(packed)
    try:
        child = spawner.start(argv, env, pipes.inner(*more), user=user)
    except EnvironmentFault:
        pipes.close_outer()
        raise
    finally:
        pipes.close_inner()
    pipes.send(packed)
    meter = CgroupMeter(spawner, child.pid, fresh=child)
    return RunningTree(child, meter, pipes.reply_r, pipes.log_r, StartMode.COLD, request_w=pipes.request_w)


class ScratchPool:
    """Empty folders with ``candidate`` and ``input`` in them, emptied and used again: removing one costs milliseconds on a disk."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._free: list[Path] = []
        self._made = 0

    def acquire(self) -> Path:
        """An empty one."""
        if self._free:
            return self._free.pop()
        self._made += 1
        folder = self._root / f"launch-{self._made}"
        for name in ("candidate", "input"):
            (folder / name).mkdir(parents=True)
        return folder

    def release(self, folder: Path, *, again: bool) -> None:
        """Empty it; with ``again`` for the next launch, else (a candidate could write in it) remove it."""
        if not again:
            remove(folder)
            return
        for name in ("candidate", "input"):
            with os.scandir(folder / name) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        remove(Path(entry.path))
                    else:
                        os.unlink(entry.path)
        self._free.append(folder)


def remove(folder: Path) -> None:
    """Remove a folder, whatever a candidate without walls may have done in it."""
    shutil.rmtree(folder, ignore_errors=True)


class Starts(Protocol):
    """What a trial needs of its slot: where a candidate is started, and in which folder."""

    spawner: Spawner
    folders: ScratchPool

    @property
    def isolation(self) -> Isolation:
        """How candidates are run there."""

    def start(self, job: Launch, wanted: StartMode) -> RunningTree:
        """Start a candidate as asked for, or colder where that is not to be had."""

    def give_back(self, folder: Path) -> None:
        """A folder that nobody uses any more."""

    def trial_closed(self, files: Mapping[str, str], stage: Stage, start: StartMode, gpus: tuple[Gpu, ...]) -> None:
        """A trial of these files is over."""
