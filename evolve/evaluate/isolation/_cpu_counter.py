"""CPU of a process and of all it ever starts, counted by the kernel: for machines without a control group.

Looks at ``/proc`` miss what lives and dies between two of them, and of a child that nobody waits for (its parent ignores SIGCHLD)
nothing is left in any process's account: a program could hide most of its work in children that live for a hundredth of a second.
A counter of performance events that children inherit misses nothing.  It needs no rights, being one of software and of a process
of our own; a container's filter or ``perf_event_paranoid`` above 2 may refuse it all the same.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct

_SYSCALL = {"x86_64": 298, "aarch64": 241}.get(platform.machine())
_SOFTWARE, _TASK_CLOCK = 1, 1
_SIZE = 112  # of ``perf_event_attr`` as of Linux 4.1
_INHERIT, _EXCLUDE_KERNEL, _EXCLUDE_HYPERVISOR = (
    1 << 1,
    1 << 5,
    1 << 6,
)  # a software clock runs in the kernel too, whatever these say
_CLOSE_ON_EXEC = 8


class CpuCounter:
    """Counts from when it is made; of the children only those that are born later."""

    def __init__(self, pid: int) -> None:
        """
        Raises:
            OSError: the kernel has no such counter, or refuses it.
        """
        if _SYSCALL is None:
            raise OSError(f"the number of perf_event_open on {platform.machine()} is not known here")
        flags = _INHERIT | _EXCLUDE_KERNEL | _EXCLUDE_HYPERVISOR
        wanted = struct.pack("=IIQQQQQ", _SOFTWARE, _SIZE, _TASK_CLOCK, 0, 0, 0, flags).ljust(_SIZE, b"\0")
        fd = ctypes.CDLL(None, use_errno=True).syscall(
            ctypes.c_long(_SYSCALL), wanted, ctypes.c_int(pid), ctypes.c_int(-1), ctypes.c_int(-1), ctypes.c_ulong(_CLOSE_ON_EXEC)
        )
        if fd < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self._fd = fd

    def cpu_s(self) -> float:
        """CPU seconds of all of them so far, dead or alive, waited for or not."""
        return int.from_bytes(os.read(self._fd, 8), "little") / 1e9

    def close(self) -> None:
        """Once."""
        os.close(self._fd)
