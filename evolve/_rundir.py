"""A run's folder: who may write it, and what lies where.

RUN/run.json      what this folder is
RUN/problem/      a copy of the problem, so that the run is whole by itself
RUN/journal/      the truth
RUN/inbox/        requests of other processes
RUN/checkpoint.*  the search's state at some record; may be deleted at any time
RUN/lock          held by the driver
RUN/program.md    how to do research on the problem, where the run has its own instructions
RUN/prompts/      templates of prompts, where the run has its own
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from evolve._errors import RunError, RunLocked, UsageError

FORMAT = 1
_RUN_FILE = "run.json"
_LOOKS = 5


@dataclass(frozen=True, slots=True)
class RunDir:
    """A run's folder and its id."""

    path: Path
    id: str

    @property
    def problem(self) -> Path:
        return self.path / "problem"

    @property
    def prompts(self) -> Path:
        return self.path / "prompts"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint"


def create(out: str | None, problem: str) -> RunDir:
    """Make a run's folder: ``out``, or ``runs/<problem>-<time>-<random>``.

    Raises:
        UsageError: the folder exists and is not empty, or cannot be made.
    """
    name = f"{problem}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    path = Path(out).expanduser() if out else Path("runs") / name
    try:
        if path.exists() and any(path.iterdir()):
            raise UsageError(f"out={path} exists and is not empty; choose another folder, or type: evolve resume {path}")
        path.mkdir(parents=True, exist_ok=True)
        (path / "inbox").mkdir()
        run = RunDir(path, secrets.token_hex(8))
        (path / _RUN_FILE).write_text(json.dumps({"format": FORMAT, "run": run.id, "problem": problem}) + "\n")
    except OSError as error:
        raise UsageError(f"out={path} cannot be made ({error.strerror}); choose a folder that you may write.") from error
    return run


def find(path: Path) -> RunDir:
    """The run in an existing folder.

    Raises:
        RunError: it holds no run, or one of another format.
    """
    try:
        found = json.loads((path / _RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"expected a run's folder, found no {_RUN_FILE} in {path}; name a folder that evolve run made.") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise RunError(f"{path} holds a run of another format than {FORMAT}; open it with the version of evolve that made it.")
    return RunDir(path, str(found["run"]))


class RunLock:
    """Only one driver at a time.  The kernel lets go of the lock when its process ends, however it ends."""

    def __init__(self, run: RunDir) -> None:
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
            holder = os.pread(self._fd, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._fd)
            raise RunLocked(
                f"{run.path} is being driven by process {holder}; wait for it, or type: evolve stop {run.path}"
            ) from error
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

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
    """Whether a driver holds the run now."""
    try:
        fd = os.open(run.path / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
