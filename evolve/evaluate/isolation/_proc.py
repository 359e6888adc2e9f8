"""``/proc`` as a sandbox sees it: its own processes, and of the machine no counter that another sandbox could set.

What a sandbox does (locks memory, forks, locks a file) another reads in counters of the machine, and one that counts little else
can be driven to any value.  Those that candidates can move are covered, where this process may read them: by an empty file, or by
one without counters where programs learn from it how many processors there are.  ``/proc/sys`` is a folder with the few settings
that runtimes ask for.  A cover costs every start 0.05 ms (bubblewrap's CPU with 0 to 32 of them, medians of 60 starts in turns),
in which bubblewrap reads the list of all mounts; so what says no more than calls that no filter can take from a program
(``sysinfo``), or what nothing inside can move, is left.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

COVERED = (
    *("sys", "pressure", "stat", "vmstat", "zoneinfo", "locks", "interrupts", "softirqs", "schedstat", "diskstats"),
    *("slabinfo", "timer_list", "vmallocinfo", "pagetypeinfo", "kpagecount", "kpageflags", "kpagecgroup"),
    *("latency_stats", "sched_debug", "allocinfo", "buddyinfo", "meminfo"),
)
_SETTINGS = (
    "fs/file-max",
    "fs/nr_open",
    "fs/pipe-max-size",
    "kernel/cap_last_cap",
    "kernel/ngroups_max",
    "kernel/osrelease",
    "kernel/ostype",
    "kernel/pid_max",
    "kernel/threads-max",
    "kernel/version",
    "vm/max_map_count",
    "vm/mmap_min_addr",
    "vm/overcommit_memory",
)


def cover(folder: Path) -> tuple[tuple[str, str], ...]:
    """Write what is shown instead below ``folder``, and return it as (outside, inside)."""
    (folder / "sys").mkdir(parents=True)
    (folder / "pressure").mkdir()
    (folder / "empty").touch()
    for name in _SETTINGS:
        with suppress(OSError):
            text = Path("/proc/sys", name).read_text()
            (folder / "sys" / name).parent.mkdir(exist_ok=True)
            (folder / "sys" / name).write_text(text)
    counters = re.compile(r"(?<= )\d+(?= |$)", re.MULTILINE)
    began = re.compile(r"^btime \d+$", re.MULTILINE)
    told = Path("/proc/stat").read_text()
    (folder / "meminfo").write_text(Path("/proc/meminfo").read_text())  # of a moment before any of these sandboxes
    (folder / "stat").write_text(began.sub("".join(began.findall(told)), counters.sub("0", told)))
    there = [name for name in COVERED if os.access(f"/proc/{name}", os.R_OK)]
    return tuple((str(place if (place := folder / name).exists() else folder / "empty"), f"/proc/{name}") for name in there)


def writable() -> list[str]:
    """What lies in ``/proc``, is not of a process and could be written by somebody; what is covered is no such thing."""
    found = []
    for name in sorted(os.listdir("/proc")):
        if name.isdigit() or name in COVERED or os.path.islink(f"/proc/{name}"):
            continue
        with suppress(OSError):
            mode = os.stat(f"/proc/{name}").st_mode
            if stat.S_ISDIR(mode) or mode & 0o222:
                found.append(f"/proc/{name}")
    return found


def readable(place: str, user: int) -> bool:
    """Whether a sandbox could read it: one of this process's own user (0), who could, or of another."""
    return user == 0 or bool(os.stat(place).st_mode & stat.S_IROTH)
