"""What a tier must offer: start the stub for one request, with everything a watch needs."""

from __future__ import annotations

import os
import py_compile
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from archive import Start
from evolve.evaluate._limits import Limits
from evolve.evaluate._request import Folders, Request, sealed
from evolve.evaluate._watch import Measured, Running

_STUBS = ("_stub", "_stub_server")


@dataclass(frozen=True, slots=True)
class Started:
    """A process tree under way; ``Watch`` takes it from here."""

    running: Running
    meter: Measured
    reply_fd: int
    log_fd: int
    start: Start
    folder: Path | None = None  # a spare's own files, to be removed at the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One launch: what to do, under which limits, and the folders of this trial outside.

    ``inputs`` maps names under ``/input`` to files outside; ``inline`` names those whose bytes lie in ``folder/input`` already.
    """

    request: Request
    limits: Limits
    folder: Path
    inputs: Mapping[str, Path] = field(default_factory=dict)
    gpus: bool = False

    @property
    def candidate(self) -> Path:
        """The folder with the candidate's files."""
        return self.folder / "candidate"

    @property
    def input(self) -> Path:
        """The folder with this launch's inputs."""
        return self.folder / "input"


class Tier(Protocol):
    """A way to run candidates."""

    name: str
    policy: str  # hash of everything that decides what a candidate can reach

    def folders(self, folder: Path) -> Folders:
        """Where things will lie for a candidate whose trial uses ``folder`` outside."""

    def python(self, arguments: Sequence[str]) -> list[str]:
        """The command line of the candidate's interpreter."""

    def environment(self, limits: Limits, folders: Folders) -> dict[str, str]:
        """The whole environment of a command."""

    def start(self, job: Job) -> Started:
        """Start the stub on a job."""


def compile_stubs(target: Path) -> None:
    """The stubs as ``.pyc`` files: compiling them at each start would cost milliseconds."""
    target.mkdir()
    for name in _STUBS:
        source = Path(__file__).with_name(f"{name}.py")
        if source.exists():
            unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
            py_compile.compile(
                str(source), str(target / f"{name}.pyc"), dfile=f"{name}.py", doraise=True, invalidation_mode=unchecked
            )


class Pipes:
    """The three descriptors a launch needs on both sides."""

    def __init__(self, request_fd: int) -> None:
        self.request_fd = request_fd
        self.reply_r, self.reply_w = os.pipe2(os.O_CLOEXEC)
        self.log_r, self.log_w = os.pipe2(os.O_CLOEXEC)

    @classmethod
    def of(cls, packed: bytes) -> Pipes:
        """With the whole request readable from the first moment."""
        return cls(sealed(packed))

    def inner(self, *more: int) -> list[int]:
        """What the program gets as 0, 1, 2, ..."""
        return [self.request_fd, self.log_w, self.log_w, self.reply_w, *more]

    def close_inner(self) -> None:
        """Our copies of the program's ends; without this no end of file ever comes."""
        for fd in (self.request_fd, self.reply_w, self.log_w):
            os.close(fd)

    def close_outer(self) -> None:
        """Ours, when nothing was started."""
        os.close(self.reply_r)
        os.close(self.log_r)


def lay_inputs(folder: Path, inputs: Mapping[str, bytes | Path]) -> dict[str, Path]:
    """Write the inputs given as bytes below ``folder`` and placeholders for those given as paths, which are returned."""
    folder.mkdir()
    paths: dict[str, Path] = {}
    for name, content in inputs.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            place.write_bytes(content)
        elif content.is_dir():
            place.mkdir()
            paths[name] = content.resolve()
        else:
            place.touch()
            paths[name] = content.resolve(strict=True)
    return paths


def remove(folder: Path) -> None:
    """Remove a trial's folder, whatever a candidate without walls may have done in it."""
    shutil.rmtree(folder, ignore_errors=True)
