"""What a process tree uses, read from ``/proc``: for machines without a control group.  Best effort.

A process that lives and dies between two looks is seen only through those that waited for it; memory can overshoot for one
interval.
"""

from __future__ import annotations

import os

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MIB = 1 << 20
_HAS_CHILDREN = os.path.exists(f"/proc/{os.getpid()}/task/{os.getpid()}/children")  # a kernel may be built without


class ProcMeter:
    """CPU and memory of ``root`` and all its descendants, by repeated looks."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._cpu_s: dict[int, float] = {}
        self.memory_mib = 0.0
        self.n_processes = 0

    def look(self) -> float:
        """Look once; the CPU seconds of all processes ever seen, and the largest memory in ``memory_mib``."""
        pids = descendants(self._root)
        self.n_processes = len(pids)
        for pid in pids:
            spent = _cpu_s(pid)
            self._cpu_s[pid] = max(spent, self._cpu_s.get(pid, 0.0))
        memory = sum(_resident(pid) for pid in pids) / _MIB
        self.memory_mib = max(self.memory_mib, memory)
        return sum(self._cpu_s.values())

    def proportional_mib(self) -> float:
        """Memory now with shared pages counted once; slower to read than what ``look`` adds up."""
        return sum(_proportional(pid) for pid in descendants(self._root)) / _MIB


def descendants(root: int) -> list[int]:
    """``root`` and all below it, some 4,096 at most."""
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children(pid)
        if len(found) > 4096:
            break
    return found


def descends(pid: int) -> bool:
    """Whether a process is this one or below it; one that is gone counts as such."""
    ours = os.getpid()
    if not os.path.exists(f"/proc/{pid}"):
        return True
    while pid > 1 and pid != ours:
        pid = _parent(str(pid))
    return pid == ours


def children(pid: int) -> list[int]:
    """Pids of the children of all threads of ``pid``; none when there is no such process."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    if not _HAS_CHILDREN:
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and _parent(name) == pid]
    found: list[int] = []
    for thread in threads:
        found += map(int, _read_all(f"/proc/{pid}/task/{thread}/children").split())
    return found


def _read_all(path: str) -> bytes:
    """Nothing where it cannot be read.  By descriptor, which is three times as fast: some is read after each measurement."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        data = b""
        while part := os.read(fd, 1 << 16):
            data += part
        return data
    except OSError:
        return b""
    finally:
        os.close(fd)


def _parent(pid: str) -> int:
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _cpu_s(pid: int) -> float:
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S if len(fields) > 12 else 0.0


def _resident(pid: int) -> int:
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * _PAGE if len(fields) > 1 else 0


def _proportional(pid: int) -> int:
    for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return _resident(pid)


def _read(path: str) -> str:
    return os.fsdecode(_read_all(path))
