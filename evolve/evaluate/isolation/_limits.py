"""What one sandboxed process tree may use, derived from a stage."""

from __future__ import annotations

import math
from dataclasses import dataclass

from evolve.problem.contract._contract import Stage

MIB = 1 << 20
MAX_LOG_BYTES = 16 * MIB  # of stdout and stderr together; more ends the process
MAX_FILES = 1024  # descriptors of a process
KEPT_LOG_BYTES = 64 * 1024
CHECK_EVERY_S = 0.05  # CPU and memory of the tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one process tree.  ``cpu_s`` is None where only wall time binds (the scorer's own calls); ``gpus`` says whether it
    may have GPUs."""

    wall_s: float
    cpu_s: float | None
    memory_mib: int
    threads: int
    pids: int
    gpus: bool = False

    @property
    def scratch_bytes(self) -> int:
        """Cap of each tmpfs (/work, /tmp, /output, /dev/shm); a control group counts them against ``memory_mib`` as well.

        Loaders and collectives of GPU programs take a gigabyte of /dev/shm for granted.
        """
        return max(1024 if self.gpus else 64, self.memory_mib // 2) * MIB

    def rlimits(self, *, whole_tree_bounded: bool) -> list[tuple[str, int]]:
        """What the stub sets on itself.  Without a control group each process also gets a bound on its own data; never with a GPU,
        whose driver reserves enormous address ranges."""
        limits = [
            ("RLIMIT_CORE", 0),
            ("RLIMIT_NOFILE", MAX_FILES if not self.gpus else 4096),
            ("RLIMIT_NPROC", self.pids),
            ("RLIMIT_FSIZE", 64 * 1024 * MIB),
            # These are counted over all of a user's sandboxes, against what the engine itself may: a small share for each.
            ("RLIMIT_MEMLOCK", MIB // 2 if not self.gpus else 8 * MIB),
            ("RLIMIT_MSGQUEUE", 100 << 10),
            ("RLIMIT_SIGPENDING", 1024),
        ]
        if self.cpu_s is not None:
            limits.append(("RLIMIT_CPU", math.ceil(self.cpu_s) + 1))  # of one process; the tree's is polled
        if not whole_tree_bounded and not self.gpus:
            limits.append(("RLIMIT_DATA", (self.memory_mib + 64) * MIB))
        return limits


def limits_of(stage: Stage, *, wall_s: float, cpu_s: float | None) -> Limits:
    """The stage's limits with what is left of its time."""
    threads = max(1, math.ceil(stage.cpus))
    pids = 64 + 32 * threads
    return Limits(wall_s=wall_s, cpu_s=cpu_s, memory_mib=stage.memory_mib, threads=threads, pids=pids, gpus=stage.gpus > 0)
