"""Killing a process with everything below it, and nothing else.

Works for a process that is a child of ours and the reaper of its own descendants (``PR_SET_CHILD_SUBREAPER``, as the grader is):
it is stopped first, so that it neither starts nor reaps anything; then its children are killed until none lives.  What a child
leaves behind, in whatever session, becomes a child of the stopped process and is found on the next look.  Since nobody reaps, no
pid looked at can have come to name another process.

One that has died by itself has no children any more: they went to another reaper.  Of those, what is left of its session is killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

_PATIENCE_S = 2.0  # for a tree that forks faster than it can be killed; then its root goes alone
_PAUSE_S = 0.001


def kill_tree(pid: int) -> None:
    """Kill child ``pid`` and all its descendants; the caller still reaps ``pid`` itself.

    Harmless when ``pid`` has died but is not reaped yet.
    """
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + _PATIENCE_S
    dead: set[int] = set()
    # Done when all were dead before the list was read: who died while it was read has left its own children behind unlisted.
    while not dead.issuperset(found := _children(pid)) and time.monotonic() < deadline:
        dead = {child for child in found if _state(child) in ("Z", "X", "")}
        for child in set(found) - dead:
            os.kill(child, signal.SIGKILL)  # it is at worst a zombie: only the stopped parent could reap it
        time.sleep(_PAUSE_S)
    if _state(pid) in ("Z", "X"):
        _kill_session(pid)
    os.kill(pid, signal.SIGKILL)


def _kill_session(leader: int) -> None:
    """Kill what is left of the session of one that is dead and not reaped."""
    deadline = time.monotonic() + _PATIENCE_S
    while (left := [pid for pid in _numbers() if _lives_in(leader, pid)]) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                fd = os.pidfd_open(pid)
                try:
                    if _lives_in(leader, pid):  # somebody else reaps it, and its number may be another's by now
                        signal.pidfd_send_signal(fd, signal.SIGKILL)
                finally:
                    os.close(fd)
        time.sleep(_PAUSE_S)


def _lives_in(session: int, pid: int) -> bool:
    fields = _stat(pid)
    return bool(fields) and fields[0] not in ("Z", "X") and int(fields[3]) == session


def _numbers() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _children(pid: int) -> list[int]:
    """Pids of the children of all threads of ``pid``."""
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    except FileNotFoundError:
        return found if not Path(f"/proc/{pid}").exists() else _children_by_search(pid)
    except ProcessLookupError:
        return found
    return found


def _children_by_search(pid: int) -> list[int]:
    """The same on a kernel without ``/proc/PID/task/TID/children``."""
    return [number for number in _numbers() if (fields := _stat(number)) and int(fields[1]) == pid]


def _state(pid: int) -> str:
    fields = _stat(pid)
    return fields[0] if fields else ""


def _stat(pid: int) -> list[str]:
    """Fields of ``/proc/PID/stat`` from the state on; empty when there is no such process."""
    try:
        text = os.fsdecode(Path(f"/proc/{pid}/stat").read_bytes())  # a process calls itself what it likes
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()
