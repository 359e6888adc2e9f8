"""One control group a slot, where the machine lets us make one: memory, processes and CPU of everything in the slot.

Version 1 (writable by root, seen in containers) and version 2 (where the parent has ``memory`` and ``pids`` switched on for its
children and belongs to us, as under ``systemd-run --user --scope -p Delegate=yes``).  Without either,
``evolve.evaluate.isolation._process_tree`` polls, which is best effort.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_V1 = ("memory", "pids", "cpuacct")
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Layout:
    """Where groups can be made: the folder for each controller."""

    kind: str  # v1 | v2
    folders: Mapping[str, Path]


def find_layout() -> Layout | None:
    """The first place where this process may make a control group with memory and pids; None if there is none."""
    try:
        mounts = os.fsdecode(Path("/proc/self/mountinfo").read_bytes())
        own = os.fsdecode(Path("/proc/self/cgroup").read_bytes())
    except OSError:
        return None
    return _v2(mounts, own) or _v1(mounts, own)


def _v2(mounts: str, own: str) -> Layout | None:
    mount = re.search(r"^\S+ \S+ \S+ (\S+) (\S+) .*? - cgroup2 ", mounts, re.MULTILINE)
    place = re.search(r"^0::(.*)$", own, re.MULTILINE)
    if not mount or not place:
        return None
    here = Path(mount[2]) / os.path.relpath(place[1], mount[1])
    for folder in (here, here.parent):
        try:
            given = (folder / "cgroup.subtree_control").read_text().split()
        except OSError:
            continue
        if {"memory", "pids"} <= set(given) and os.access(folder, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK):
            return Layout("v2", dict.fromkeys(_V1, folder))
    return None


def _v1(mounts: str, own: str) -> Layout | None:
    folders: dict[str, Path] = {}
    for name in _V1:
        for root, point, options in re.findall(r"^\S+ \S+ \S+ (\S+) (\S+) .*? - cgroup \S+ (\S+)$", mounts, re.MULTILINE):
            place = re.search(rf"^\d+:(?:[^:]*,)?{name}(?:,[^:]*)?:(.*)$", own, re.MULTILINE)
            if name in options.split(",") and place:
                folder = Path(point) / os.path.relpath(place[1], root)
                if os.access(folder, os.W_OK):
                    folders[name] = folder
    return Layout("v1", folders) if len(folders) == len(_V1) else None


class Cgroup:
    """A slot's own group.  Not thread-safe; one owner.  ``close`` removes it and needs it empty."""

    def __init__(self, layout: Layout, slot: int) -> None:
        """Make the group.

        Raises:
            OSError: the kernel refuses.
        """
        self.kind = layout.kind
        self._sweep(layout)
        name = f"evolve-{os.getpid()}-{slot}-{secrets.token_hex(4)}"
        self._folders = {controller: folder / name for controller, folder in layout.folders.items()}
        for folder in dict.fromkeys(self._folders.values()):
            folder.mkdir()

    @staticmethod
    def _sweep(layout: Layout) -> None:
        """Remove the empty groups of engines that were killed."""
        for parent in dict.fromkeys(layout.folders.values()):
            for folder in parent.glob("evolve-*"):
                pid = re.match(r"evolve-(\d+)-", folder.name)
                if pid and not Path("/proc", pid[1]).exists():
                    _remove(folder)

    @property
    def memory_folder(self) -> Path:
        """Where the memory of everything in the group is accounted."""
        return self._folders["memory"]

    def add(self, pid: int) -> None:
        """Move a process in; what it starts later is born here."""
        for folder in dict.fromkeys(self._folders.values()):
            (folder / "cgroup.procs").write_text(str(pid))

    def limit(self, memory_mib: int, pids: int) -> None:
        """Set both limits; those of everything in the group together."""
        memory = self._folders["memory"]
        if self.kind == "v2":
            (memory / "memory.max").write_text(str(memory_mib * _MIB))
            _write_if_there(memory / "memory.swap.max", "0")
        else:
            swap = memory / "memory.memsw.limit_in_bytes"
            _write_if_there(swap, "-1")  # must never be below the other
            (memory / "memory.limit_in_bytes").write_text(str(memory_mib * _MIB))
            _write_if_there(swap, str(memory_mib * _MIB))
        (self._folders["pids"] / "pids.max").write_text(str(pids))

    def cpu_s(self) -> float:
        """CPU seconds of everything that was ever in the group, dead or alive, waited for or not."""
        folder = self._folders["cpuacct"]
        if self.kind == "v2":
            return int(_field(folder / "cpu.stat", "usage_usec")) / 1e6
        return int((folder / "cpuacct.usage").read_text()) / 1e9

    def memory_mib(self) -> float:
        """Memory in use now that is not page cache of files: anonymous and tmpfs."""
        stat = self._folders["memory"] / "memory.stat"
        names = ("anon", "shmem") if self.kind == "v2" else ("total_rss", "total_shmem")
        found = dict(line.split(" ", 1) for line in stat.read_text().splitlines())
        return sum(int(found.get(name, "0")) for name in names) / _MIB

    def oom_kills(self) -> int:
        """How many processes of the group the kernel has killed for memory."""
        name = "memory.events" if self.kind == "v2" else "memory.oom_control"
        return int(_field(self._folders["memory"] / name, "oom_kill"))

    def pids(self) -> tuple[int, ...]:
        """The processes in the group."""
        return tuple(int(pid) for pid in (self._folders["pids"] / "cgroup.procs").read_text().split())

    def close(self) -> None:
        """Remove the group; a group that is not empty yet stays for the next engine's sweep."""
        for folder in dict.fromkeys(self._folders.values()):
            _remove(folder)


def _remove(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return


def _write_if_there(path: Path, text: str) -> None:
    if path.exists():
        path.write_text(text)


def _field(path: Path, name: str) -> str:
    found = re.search(rf"^{name} (\d+)$", path.read_text(), re.MULTILINE)
    return found[1] if found else "0"
