"""What an attack is, and how to look for what it may have left behind."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from archive import Status
from evolve.evaluate import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """A candidate whose ``attack(secret, port, marker)`` returns the list of what it achieved.

    ``statuses`` are the ends that are fine.  ``value`` judges what came back with ``ok``; by default nothing may have been
    achieved.  ``secret`` is a readable file of the user's that the candidate must not see, ``port`` a listener on the host's
    loopback, ``marker`` a word that any process it starts carries in its command line.
    """

    name: str
    source: str
    statuses: tuple[Status, ...] = (Status.OK,)
    value: Callable[[object], bool] = lambda achieved: achieved == []
    time_s: float = 10.0
    memory_mib: int = 256

    def failed(self, reply: Reply) -> str:
        """Why the sandbox did not hold, or nothing."""
        if reply.status not in self.statuses:
            return f"{self.name}: {reply.status}: {reply.reason}: {reply.log[-600:]}"
        if reply.ok and not self.value(reply.value["achieved"]):
            return f"{self.name} achieved {reply.value['achieved']!r}"
        return ""


def survivors(marker: str) -> list[int]:
    """Processes on this machine with ``marker`` in their command line, other than this one."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    if marker.encode() in file.read():
                        found.append(int(name))
            except OSError:
                continue
    return found


PRELUDE = '''
import ctypes, errno, os, signal, socket, subprocess, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def tried(name, do):
    """[name] if it worked, [] if it was refused."""
    try:
        return [] if do() is False else [name]
    except (OSError, ValueError, RuntimeError, PermissionError):
        return []
def call(number, *args):
    return libc.syscall(number, *args) != -1
def spawn(marker, code="import time; time.sleep(60)"):
    return subprocess.Popen([sys.executable, "-I", "-S", "-c", code, marker])
'''
