"""What a measurement leaves behind below the grader and in its temporary folder, and the end of it.

What an evaluator starts or writes there while it measures ends with the measurement.  What stays is what was there when the
problem had been loaded, the sandbox factory's own processes, and the processes that a global variable of a module holds by then: a
pool or a server that was made when it was first needed, the helpers that ``multiprocessing`` and its like keep for themselves.

Only a process below the grader is found: the grader is its reaper, whatever session it is in.  A file elsewhere is not.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Executor
from multiprocessing import active_children
from multiprocessing.process import BaseProcess, current_process
from pathlib import Path

from evolve.evaluate.isolation._process_tree import children

_PATIENCE_S = 2.0  # for what forks faster than it can be killed
_PAUSE_S = 0.001
_HELPERS = ("ResourceTracker", "ForkServer")  # by name: several libraries have copies of their own


class Leftovers:
    """Made when the problem is loaded; ``end`` is called after each measurement.

    Args:
        folder: The grader's temporary folder.
        factory_pids: Pids of the sandbox factory's own processes.
    """

    def __init__(self, folder: Path, factory_pids: Callable[[], Collection[int]]) -> None:
        self._folder = folder
        self._factory_pids = factory_pids
        # multiprocessing keeps one folder for its sockets as long as the process lives
        place = folder / "multiprocessing"
        place.mkdir(exist_ok=True)
        current_process()._config.setdefault("tempdir", str(place))  # type: ignore[attr-defined]
        self._names = frozenset(os.listdir(self._folder))
        self._old = frozenset(children(os.getpid()))
        self._held: frozenset[int] = frozenset()

    def end(self, *, keep: Collection[Path] = ()) -> None:
        """End and remove what was left, but for the folders ``keep``."""
        if self._strays():
            self._end_processes()
        kept = {path.name for path in keep}
        for name in os.listdir(self._folder):
            if name not in self._names and name not in kept:
                _remove(self._folder / name)

    def _strays(self) -> dict[int, int]:
        """Processes that are to end, each with its parent."""
        me = os.getpid()
        stays = self._old | self._held | frozenset(self._factory_pids())
        found = {pid: me for pid in children(me) if pid not in stays}
        for server in self._held:
            found |= {pid: server for pid in children(server) if pid not in stays}
        return found

    def _end_processes(self) -> None:
        self._held = frozenset(_held())
        give_up = time.monotonic() + _PATIENCE_S
        while (strays := self._strays()) and time.monotonic() < give_up:
            for pid, parent in strays.items():
                _kill(pid, parent)
            _reap([pid for pid, parent in strays.items() if parent == os.getpid()])
            if len(strays) > sum(parent == os.getpid() for parent in strays.values()):
                time.sleep(_PAUSE_S)  # its own parent reaps it


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _kill(pid: int, parent: int) -> None:
    """Kill a process if it still is a child of that parent: a thread of the evaluator may have reaped it meanwhile."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if pid in children(parent):
            signal.pidfd_send_signal(fd, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it ended by itself
    finally:
        os.close(fd)


def _reap(pids: Collection[int]) -> None:
    """Wait for killed children.  Python's own objects learn of their end first, or they would signal a number that is another's."""
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    active_children()
    subprocess._cleanup()  # type: ignore[attr-defined]
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def _held() -> Iterator[int]:
    """Pids of what global variables of loaded modules hold: processes, pools, managers, helpers of multiprocessing."""
    for module in list(sys.modules.values()):
        for value in list(getattr(module, "__dict__", {}).values()):
            yield from _pids(value)


def _pids(value: object) -> Iterator[int]:
    kind = type(value)  # of the value's own class only: asking a lazy object for its class would load it
    if issubclass(kind, subprocess.Popen | BaseProcess):
        found: list[object] = [value.pid]  # type: ignore[attr-defined]
    elif issubclass(kind, Executor):  # of concurrent.futures and of those who build on it
        found = list(getattr(value, "_processes", None) or ())
    elif kind.__module__ == "multiprocessing.pool":
        found = [worker.pid for worker in getattr(value, "_pool", ())]
    elif kind.__module__ == "multiprocessing.managers":
        found = [getattr(getattr(value, "_process", None), "pid", None)]
    elif kind.__name__ in _HELPERS:
        found = [getattr(value, "_pid", None), getattr(value, "_forkserver_pid", None)]
    else:
        return
    yield from (pid for pid in found if isinstance(pid, int))
