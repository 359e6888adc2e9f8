"""The grader's side of its spawner: start a program with given descriptors, kill it, learn how it ended.

A ``Spawner`` belongs to one slot and is used from one thread.  It carries the slot's control group where there is one, and where
root started it the number of a user that nobody else is: what the kernel counts for a user (descriptors on their way, pages in
pipes, watches, processes) it then counts for this slot alone.
"""

from __future__ import annotations

import marshal
import os
import resource
import secrets
import select
import socket
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evolve._errors import EnvironmentFault
from evolve.evaluate.isolation._cgroup import Cgroup, find_layout
from evolve.evaluate.isolation._cpu_counter import CpuCounter
from evolve.evaluate.isolation._process_tree import ProcMeter
from evolve.problem.contract._environment import LIBRARIES, passed

_MOST_FILES = 1 << 16
_USERS = range(0x70000000, 0x7FFE0000)  # neither given to people nor to services nor to containers
_SCRIPT = Path(__file__).with_name("_spawner.py")


@dataclass(frozen=True, slots=True)
class End:
    """How a program ended: exit code or minus the signal; what it and the children it waited for spent."""

    code: int
    cpu_s: float
    memory_mib: float


class HelperDied(EnvironmentFault):
    """A process that runs sandboxes was ended from outside, or does not answer: nothing is known of the candidate."""


class Spawner:
    """One spawner process and its control group."""

    def __init__(self, slot: int) -> None:
        _raise_descriptors()
        layout = find_layout()
        self.cgroup = _group(layout, slot) if layout else None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_SCRIPT)], stdin=theirs.fileno(), close_fds=True, env=passed(LIBRARIES)
            )
        self._socket = ours
        self.user = _USERS[secrets.randbelow(len(_USERS))] if os.geteuid() == 0 else 0  # 0: whoever started this
        self._next = 0
        self._fastened: set[str] = set()
        self._ended: dict[int, End] = {}
        self._own_cpu_s = 0.0  # the spawner's, which group and counter count too
        self._counter = None if self.cgroup else _counter(self._process.pid)
        if self.cgroup:
            self.cgroup.add(self._process.pid)

    @property
    def pid(self) -> int:
        """The spawner's."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the spawner runs."""
        return self._process.poll() is None

    def fileno(self) -> int:
        """Readable when something ended."""
        return self._socket.fileno()

    def start(self, argv: Sequence[str], env: Mapping[str, str], fds: Sequence[int], *, user: int = 0) -> Child:
        """Start a program in its own session, as ``user`` if not 0; it gets ``fds`` as 0, 1, 2, ... and nothing else.

        Raises:
            EnvironmentFault: it could not be started.
            HelperDied: the spawner is gone.
        """
        hand(fds, user)
        if self._next == 0:
            self._ask("here", "reach the spawner", "ask")  # what it spends until it is there is nobody's
        before = self._counted_s()
        answer = self._ask("started", f"start {argv[0]}", "start", list(argv), dict(env), user, fds=fds)
        _, number, pid, own_cpu_s = answer[:4]
        since = None if before is None else before - own_cpu_s
        return Child(self, number, pid, wrapped=os.path.basename(argv[0]) == "bwrap", since=since)

    def show(self, root: Path, empty: Path, folders: list[str], links: list[tuple[str, str]], binds: list[tuple[str, str]]) -> None:
        """Put together what sandboxes see at ``root``, for everything that is started afterwards; see ``_mounting.build``.

        Raises:
            EnvironmentFault: this machine does not let it be done.
            HelperDied: the spawner is gone.
        """
        self._ask("shown", "put a view together", "show", [str(root), str(empty), folders, links, binds])

    def fasten(self, nodes: Sequence[str]) -> None:
        """Make device nodes read-only for everything that is started afterwards; each once.

        Raises:
            HelperDied: the spawner is gone.
        """
        if fresh := [node for node in nodes if node not in self._fastened]:
            self._ask("here", "reach the spawner", "fasten", *fresh)
            self._fastened.update(fresh)

    def _ask(self, answer: str, what: str, word: str, *arguments: object, fds: Sequence[int] = ()) -> tuple:
        """One question and its answer."""
        self._next += 1
        number = self._next
        try:
            socket.send_fds(self._socket, [marshal.dumps([word, number, *arguments])], list(fds))
        except OSError as error:
            raise HelperDied(f"the sandbox's spawner cannot be reached ({error.strerror})") from error
        while True:
            told = self._take(timeout_s=10.0)
            if told[1] == number and told[0] != "ended":
                break
        if told[0] != answer:
            raise EnvironmentFault(f"cannot {what}: {os.strerror(told[2])}; run: evolve doctor")
        return told

    def _take(self, timeout_s: float) -> tuple:
        """One message; ends are kept for their owners."""
        ready, _, _ = select.select([self._socket], [], [], timeout_s)
        try:
            data = self._socket.recv(1 << 16) if ready else b""
        except ConnectionError:
            data = b""
        if not data:
            raise HelperDied("the sandbox's spawner died or does not answer")
        message = marshal.loads(data)
        self._own_cpu_s = message[-1]
        if message[0] == "ended":
            _, number, code, cpu_s, maxrss_kib, _ = message
            self._ended[number] = End(code, cpu_s, maxrss_kib / 1024)
        return message

    def _counted_s(self) -> float | None:
        counts = self.cgroup or self._counter
        return counts.cpu_s() if counts else None

    def cpu_s(self) -> float | None:
        """CPU seconds of all that was ever started here, dead or alive, waited for or not; None where nobody counts."""
        counted = self._counted_s()
        return None if counted is None else counted - self._own_cpu_s

    def ended(self, number: int) -> End | None:
        """How that program ended, or None while it runs."""
        while number not in self._ended and select.select([self._socket], [], [], 0)[0]:
            self._take(timeout_s=0.0)
        return self._ended.pop(number, None)

    def kill(self, number: int, *, all_at_once: bool) -> None:
        """End a program; see ``_spawner``."""
        try:
            self._socket.send(marshal.dumps(("kill", number, all_at_once)))
        except OSError as error:
            raise HelperDied(f"the sandbox's spawner cannot be reached ({error.strerror})") from error

    def close(self) -> None:
        """End everything started here, then the spawner.  Idempotent."""
        self._socket.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self.cgroup:
            self.cgroup.close()
            self.cgroup = None
        if self._counter:
            self._counter.close()
            self._counter = None


def hand(fds: Sequence[int], user: int) -> None:
    """Make pipes that a program gets its own: it may open them again by name (``/dev/stdout``)."""
    for fd in fds if user else ():
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.fchown(fd, user, user)


def _raise_descriptors() -> None:
    """As many descriptors as this process may have: those on their way through sockets are counted over all of a user's processes,
    and candidates, who may have fewer, must not use up what the engine needs to start anything."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if hard != resource.RLIM_INFINITY else _MOST_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(most, _MOST_FILES)), hard))


def _group(layout: object, slot: int) -> Cgroup | None:
    try:
        return Cgroup(layout, slot)  # type: ignore[arg-type]
    except OSError:
        return None  # listed as writable, yet refused: poll instead, as ``evolve doctor`` says


def _counter(pid: int) -> CpuCounter | None:
    try:
        return CpuCounter(pid)
    except OSError:
        return None  # the kernel or a container's filter refuses: look instead


class Child:
    """A started program.  ``since`` is what the spawner's ``cpu_s`` was when it was asked for."""

    def __init__(self, spawner: Spawner, number: int, pid: int, *, wrapped: bool, since: float | None) -> None:
        self.pid = pid
        self.since = since
        self._wrapped = wrapped
        self._spawner = spawner
        self._number = number
        self._end: End | None = None

    def fileno(self) -> int:
        """Readable when it may have ended."""
        return self._spawner.fileno()

    def end(self) -> End | None:
        """How it ended, with everything it started; None while it runs."""
        if self._end is None:
            self._end = self._spawner.ended(self._number)
        return self._end

    @property
    def lost(self) -> bool:
        """Whether bubblewrap itself was ended by a signal: nothing inside can send it one."""
        return self._wrapped and self._end is not None and self._end.code < 0

    def kill(self, *, all_at_once: bool = False) -> None:
        """End it and everything it started.  ``end`` tells when that is done."""
        if self._end is None:
            self._spawner.kill(self._number, all_at_once=all_at_once)

    def wait_killed(self, timeout_s: float = 5.0) -> End:
        """Kill and wait until it is gone.

        Raises:
            HelperDied: it is still there after ``timeout_s``.
        """
        self.kill()
        for last in (False, True):
            select.select([self.fileno()], [], [], timeout_s / 2)
            found = self.end()
            if found is not None:
                return found
            self.kill(all_at_once=True)
            if last:
                break
        raise HelperDied(f"process {self.pid} of a sandbox did not end when killed")


class CgroupMeter:
    """What a tree has used since the meter was made: from the control group where there is one, else by looking.  CPU without a
    group is counted all the same where the kernel allows it."""

    def __init__(self, spawner: Spawner, pid: int, *, resident_mib: float = 0.0, fresh: Child | None = None) -> None:
        """``resident_mib`` is what was there before and shall not count: a fork server's own memory.  Of a ``fresh`` child all
        counts: on a busy machine it may have run for long."""
        self._spawner = spawner
        self._resident_mib = resident_mib
        self._tree = ProcMeter(pid) if spawner.cgroup is None else None
        self._cpu_base = fresh.since if fresh else spawner.cpu_s()
        self._ooms = spawner.cgroup.oom_kills() if spawner.cgroup else 0
        self._tree_base = self._tree.look() if self._tree and not fresh else 0.0
        self.peak_mib = 0.0

    def _counted_s(self) -> float | None:
        counted = self._spawner.cpu_s()
        return None if counted is None or self._cpu_base is None else max(0.0, counted - self._cpu_base)

    def look(self) -> float:
        """CPU seconds so far; notes the memory."""
        spent = self._counted_s()
        if self._tree is None:
            assert self._spawner.cgroup is not None
            memory_mib = self._spawner.cgroup.memory_mib()
        else:
            seen = self._tree.look() - self._tree_base
            memory_mib = self._tree.memory_mib
            spent = seen if spent is None else spent
        self.peak_mib = max(self.peak_mib, memory_mib - self._resident_mib)
        return spent or 0.0

    def resident_mib(self) -> float:
        """Memory of the tree now."""
        return self._spawner.cgroup.memory_mib() if self._spawner.cgroup else self._tree.proportional_mib() if self._tree else 0.0

    def over(self, memory_mib: int, pids: int) -> str:
        """Which limit the tree breaks now, where no control group enforces it; empty for none."""
        if self._tree is None:
            return ""
        if self._tree.n_processes > pids:
            return f"more than {pids} processes"
        most = memory_mib + self._resident_mib
        if self._tree.memory_mib > most and self._tree.proportional_mib() > most:
            return f"memory limit of {memory_mib} MiB"
        return ""

    def cpu_s(self, end: End) -> float:
        """CPU seconds in all, once it has ended."""
        counted = self._counted_s()
        return end.cpu_s if counted is None else counted  # ``ProcessMonitor`` keeps the larger of this and the last look

    def was_killed_for_memory(self) -> bool:
        """Whether the kernel killed a process of the group for memory since the meter was made."""
        return self._spawner.cgroup is not None and self._spawner.cgroup.oom_kills() > self._ooms
