"""A run's folder: who may write it, and what lies where.

RUN/run.json      what this folder is
RUN/problem/      a copy of the problem, so that the run is whole by itself
RUN/problem.tar   the same once more, as it was recorded, whatever becomes of the copy
RUN/problems/     of a run of several problems: the same of each, as NAME/ and NAME.tar
RUN/journal/      the truth
RUN/journal.md    the same for readers: the lab journal, made of it
RUN/results.tsv   the table of results of a problem that came with one, continued; of one of several NAME.results.tsv
RUN/inbox/        requests of other processes
RUN/checkpoint.*  the search's state at some record; may be deleted at any time
RUN/lock          held by the driver; says whose it is and how far that one is
RUN/program.md    how to do research on the problem, where the run has its own instructions
RUN/prompts/      templates of prompts, where the run has its own
RUN/ablation/     what `evolve ablate` found of candidates, by id; no part of the run
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path

from archive import JournalError, JournalMissing, read_journal
from evolve._errors import RunError, RunLocked, UsageError
from evolve.problem._files import RUN_FILE

FORMAT = 1
PROBLEMS = "problems"
_LOOKS = 5
_OURS = {RUN_FILE, "inbox", "problem", "problem.tar", "problem.part", PROBLEMS, "journal", "lock", "program.md", "prompts"}


@dataclass(frozen=True, slots=True)
class RunDir:
    """A run's folder and its id; ``part`` is whose copy is meant, of a run of several problems."""

    path: Path
    id: str
    part: str = ""

    @property
    def problem(self) -> Path:
        return self.path / PROBLEMS / self.part if self.part else self.path / "problem"

    @property
    def problem_tar(self) -> Path:
        return self.path / PROBLEMS / f"{self.part}.tar" if self.part else self.path / "problem.tar"

    @property
    def prompts(self) -> Path:
        return self.path / "prompts"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint"


@contextmanager
def create(out: str | None, problem: str) -> Iterator[RunDir]:
    """Make a run's folder: ``out``, or ``runs/<problem>-<time>-<random>``.

    If the context ends with an error before anything but the run's making is recorded, all that was made is removed again.

    Raises:
        UsageError: the folder exists and is not empty, or cannot be made.
    """
    name = f"{problem}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    path = Path(out).expanduser() if out else Path("runs") / name
    made = [one for one in (path, *path.parents) if not one.exists()]
    run = _make(path, problem)
    try:
        yield run
    except BaseException:
        if _n_records(path, 2) < 2:
            _clear(path)
            for folder in made:
                with suppress(OSError):  # somebody put something there meanwhile
                    folder.rmdir()
        raise


def _make(path: Path, problem: str) -> RunDir:
    try:
        if path.exists() and any(path.iterdir()):
            if not _is_husk(path):
                raise UsageError(
                    f"out={path} exists and is not empty; choose another folder, or type: evolve resume {shlex.quote(str(path))}"
                )
            _clear(path)
        path.mkdir(parents=True, exist_ok=True)
        (path / "inbox").mkdir()
        run = RunDir(path, secrets.token_hex(8))
        (path / RUN_FILE).write_text(json.dumps({"format": FORMAT, "run": run.id, "problem": problem}) + "\n")
    except OSError as error:
        raise UsageError(f"out={path} cannot be made ({error.strerror}); choose a folder that you may write.") from error
    return run


def _is_husk(path: Path) -> bool:
    """Whether a run was begun here and killed before its first record, with nothing else beside it."""
    names = {one.name for one in path.iterdir() if not one.name.startswith(".copy-")}
    return RUN_FILE in names <= _OURS and not is_driven(RunDir(path, "")) and _n_records(path, 1) == 0


def _n_records(path: Path, most: int) -> int:
    """How many records a run has, of the first ``most``; a journal that cannot be read counts as full."""
    try:
        return sum(1 for _ in islice(read_journal(path), most))
    except JournalMissing:
        return 0
    except (JournalError, OSError):
        return most


def _clear(path: Path) -> None:
    """Remove what a start makes."""
    for one in list(path.iterdir()):
        if one.name in _OURS or one.name.startswith(".copy-"):
            if one.is_dir() and not one.is_symlink():
                shutil.rmtree(one, ignore_errors=True)
            else:
                one.unlink(missing_ok=True)


def open_folder(path: Path) -> RunDir:
    """The run in an existing folder.

    Raises:
        RunError: it holds no run, or one of another format.
    """
    try:
        found = json.loads((path / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"expected a run's folder, found no {RUN_FILE} in {path}; name a folder that evolve run made.") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise RunError(f"{path} holds a run of another format than {FORMAT}; open it with the version of evolve that made it.")
    return RunDir(path, str(found["run"]))


class Hold(StrEnum):
    """Who has a run: nobody; whoever carries out a request and lets go; a driver that opens it, and whose first records are not
    there yet; a driver that has opened it."""

    NOBODY = "nobody"
    ERRAND = "errand"
    OPENING = "opening"
    OPEN = "open"


class RunLock:
    """Only one driver at a time.  The kernel lets go of the lock when its process ends, however it ends."""

    def __init__(self, run: RunDir, hold: Hold = Hold.ERRAND) -> None:
        """Take the lock.

        Raises:
            RunLocked: another process holds it.
        """
        self._fd = os.open(run.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        for _ in range(_LOOKS):  # is_driven holds it for a moment
            with suppress(BlockingIOError):
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(0.01)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder, _ = _said(self._fd)
            os.close(self._fd)
            raise RunLocked(
                f"{run.path} is being driven by process {holder}; wait for it, or type: evolve stop {shlex.quote(str(run.path))}"
            ) from error
        self.say(hold)

    def say(self, hold: Hold) -> None:
        """How far its holder is, for whoever looks."""
        text = f"{os.getpid()} {hold}\n".encode()
        os.pwrite(self._fd, text, 0)
        os.ftruncate(self._fd, len(text))

    def __enter__(self) -> RunLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Let go.  Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def is_driven(run: RunDir) -> bool:
    """Whether somebody holds the run now."""
    return hold_of(run) is not Hold.NOBODY


def hold_of(run: RunDir) -> Hold:
    """Who has the run now.  Asked before its journal is read: of a driver that is ``OPEN`` the first records are there."""
    try:
        fd = os.open(run.path / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Hold.NOBODY
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        _, word = _said(fd)
        return Hold(word) if word in tuple(Hold) else Hold.OPEN  # an older driver says its process alone
    finally:
        os.close(fd)
    return Hold.NOBODY


def _said(fd: int) -> tuple[str, str]:
    """The process that a lock names, and the word beside it."""
    process, _, word = os.pread(fd, 64, 0).decode(errors="replace").strip().partition(" ")
    return process or "unknown", word
