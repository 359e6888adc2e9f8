"""What a process tree uses, read from ``/proc``: for machines without a control group.  Best effort.

A process that lives and dies between two looks is seen only through those that waited for it; memory can overshoot for one
interval.
"""

from __future__ import annotations

import os
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MIB = 1 << 20


class TreeMeter:
    """CPU and memory of ``root`` and all its descendants, by repeated looks."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._cpu_s: dict[int, float] = {}
        self.memory_mib = 0.0
        self.n_processes = 0

    def look(self) -> float:
        """Look once; the CPU seconds of all processes ever seen, and the largest memory in ``memory_mib``."""
        pids = _descendants(self._root)
        self.n_processes = len(pids)
        for pid in pids:
            spent = _cpu_s(pid)
            self._cpu_s[pid] = max(spent, self._cpu_s.get(pid, 0.0))
        memory = sum(_resident(pid) for pid in pids) / _MIB
        self.memory_mib = max(self.memory_mib, memory)
        return sum(self._cpu_s.values())

    def proportional_mib(self) -> float:
        """Memory now with shared pages counted once; slower to read than what ``look`` adds up."""
        return sum(_proportional(pid) for pid in _descendants(self._root)) / _MIB


def _descendants(root: int) -> list[int]:
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        try:
            threads = os.listdir(f"/proc/{pid}/task")
        except OSError:
            continue
        for thread in threads:
            todo += [int(child) for child in _read(f"/proc/{pid}/task/{thread}/children").split()]
        if len(found) > 4096:
            break
    return found


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
    try:
        return os.fsdecode(Path(path).read_bytes())
    except (OSError, ValueError):
        return ""
