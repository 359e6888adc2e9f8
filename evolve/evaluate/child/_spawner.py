"""The slot's spawner process: starts programs, waits for them, reports what they spent.  Trusted; runs outside every sandbox.

One helper a slot that lives in the slot's control group, so that what it starts is in the group from its first instruction (moving
each new process costs up to 10 ms), with a small memory image of its own and one thread, so that ``--die-with-parent`` and
``wait4`` mean what they say; it is also the reaper of everything below it.  It stands alone and runs as ``python -I -S``.

Datagrams on descriptor 0, marshalled: ``("start", id, argv, env, user)`` with the descriptors the program gets as 0, 1, 2, ...;
``("kill", id, all_at_once)``; ``("show", id, arguments)`` with those of ``_mounting.build``; ``("fasten", id, nodes)``;
``("ask", id)``.  Answers: ``["started", id, pid, cpu_s]`` with what this process had spent before, ``["shown", id]``,
``["here", id]``, ``["failed", id, errno]``, ``["ended", id, status, cpu_s, maxrss_kib]``, each with this process's own CPU seconds
last.  When the socket closes, everything started is killed and the process ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import marshal
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import _mounting  # the other file beside this one

    del sys.path[0]
else:
    from evolve.evaluate.child import _mounting

MAX_MESSAGE = 1 << 18
MAX_FDS = 8
_SWEEP_S = 2.0
_PR_SET_CHILD_SUBREAPER = 36
_RESET = (signal.SIGPIPE, signal.SIGINT, signal.SIGHUP, signal.SIGXFSZ)  # what Python and this process ignore


class Spawner:
    """Children by id, and the socket to the grader."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.poller = select.poll()
        self.poller.register(control, select.POLLIN)
        self.pids: dict[int, int] = {}
        self.watched: dict[int, int] = {}  # pidfd -> id
        self.wrapped: set[int] = set()
        with open("/proc/self/oom_score_adj") as file:
            self.own_badness = file.read().strip()
        self.first_victim = "1000"

    def say(self, *message: str | int | float) -> None:
        self.control.send(marshal.dumps([*message, time.process_time()]))

    def start(self, number: int, argv: list, env: dict, fds: list, user: int) -> None:
        before = time.process_time()
        actions = [(os.POSIX_SPAWN_DUP2, fd, place) for place, fd in enumerate(fds)]
        try:
            self.offer(self.first_victim)
            with acting_as(user):
                pid = os.posix_spawn(argv[0], argv, env, file_actions=actions, setsid=True, setsigmask=[], setsigdef=_RESET)
        except OSError as error:
            self.say("failed", number, error.errno or 0)
            return
        finally:
            self.offer(self.own_badness)
            for fd in fds:
                os.close(fd)
        pidfd = os.pidfd_open(pid)
        self.pids[number] = pid
        if os.path.basename(argv[0]) == "bwrap":
            self.wrapped.add(pid)
        self.watched[pidfd] = number
        self.poller.register(pidfd, select.POLLIN)
        self.say("started", number, pid, before)

    def show(self, number: int, arguments: list) -> None:
        try:
            _mounting.build(*arguments)
        except OSError as error:
            self.say("failed", number, error.errno or 0)
        else:
            self.say("shown", number)

    def offer(self, badness: str) -> None:
        """How gladly the kernel kills this process, and what it starts now, when the slot's memory is used up.  A candidate's small
        processes must go before this one does."""
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write(badness)

    def kill(self, number: int, all_at_once: bool) -> None:
        """End a program with all it started.

        Of bubblewrap only the inner process is killed, the first of its namespace: bubblewrap reaps it when everything in there is
        dead and then ends itself, so that its end is the proof.  A bare program's process group is killed, and so is bubblewrap
        when it has no child yet or was asked before.
        """
        pid = self.pids.get(number)
        if pid is None:
            return
        inner = [] if all_at_once or pid not in self.wrapped else _children(pid)
        for child in inner:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself, and bubblewrap is about to
                os.kill(child, signal.SIGKILL)
        if not inner:
            os.killpg(pid, signal.SIGKILL)

    def reap(self, pidfd: int) -> None:
        number = self.watched.pop(pidfd)
        self.poller.unregister(pidfd)
        os.close(pidfd)
        pid = self.pids.pop(number)
        self.wrapped.discard(pid)
        os.killpg(pid, signal.SIGKILL)  # what a bare program left in its group; its leader is not reaped yet
        _, status, usage = os.wait4(pid, 0)
        cpu_s = usage.ru_utime + usage.ru_stime + self.sweep()
        self.say("ended", number, os.waitstatus_to_exitcode(status), cpu_s, usage.ru_maxrss)

    def sweep(self) -> float:
        """End the orphans that came to this process, their reaper, also those with a session of their own; their CPU seconds."""
        cpu_s = 0.0
        give_up = time.monotonic() + _SWEEP_S
        while (strays := set(_children(os.getpid())) - set(self.pids.values())) and time.monotonic() < give_up:
            for pid in strays:
                os.kill(pid, signal.SIGKILL)
            for pid in strays:
                usage = os.wait4(pid, 0)[2]
                cpu_s += usage.ru_utime + usage.ru_stime
        return cpu_s

    def serve(self) -> None:
        while True:
            for fd, _ in self.poller.poll():
                if fd != self.control.fileno():
                    self.reap(fd)
                elif not self.take():
                    return

    def take(self) -> bool:
        data, fds, _, _ = socket.recv_fds(self.control, MAX_MESSAGE, MAX_FDS)
        if not data:
            return False
        message = marshal.loads(data)
        if message[0] == "start":
            # Away from 0..7, so that putting one in place never overwrites the next.
            high = [_moved_up(fd) for fd in fds]
            self.start(message[1], message[2], message[3], high, message[4])
        elif message[0] == "show":
            self.show(message[1], message[2])
        elif message[0] in ("ask", "fasten"):
            _mounting.fasten(message[2:])
            self.say("here", message[1])
        else:
            self.kill(message[1], message[2])
        return True

    def close(self) -> None:
        for pid in self.pids.values():
            os.killpg(pid, signal.SIGKILL)
        for pid in self.pids.values():
            os.waitpid(pid, 0)


@contextlib.contextmanager
def acting_as(user: int) -> Iterator[None]:
    """What is started meanwhile is this user's, and of the group of the same number; 0 leaves things as they are.

    The saved id stays root's and leads back; a program that is started loses it with every capability.

    Raises:
        OSError: this process may not.
    """
    if user == 0:
        yield
        return
    try:
        os.setresgid(user, user, 0)
        os.setresuid(user, user, 0)
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)


def _children(pid: int) -> list:
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return [int(child) for child in os.listdir("/proc") if child.isdigit() and _parent(child) == pid]  # no such file here


def _parent(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _moved_up(fd: int) -> int:
    import fcntl

    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 32)
    os.close(fd)
    return high


def main() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _mounting.own_namespace()
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # Ctrl-C is the driver's to answer
    spawner = Spawner(socket.socket(fileno=os.dup(0)))
    try:
        spawner.serve()
    finally:
        spawner.close()


if __name__ == "__main__":
    main()
    sys.exit(0)
