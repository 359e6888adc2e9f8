"""The slot's launcher process: starts programs, waits for them, reports what they spent.  Trusted; runs outside every sandbox.

One helper a slot that lives in the slot's control group, so that what it starts is in the group from its first instruction (moving
each new process costs up to 10 ms), with a small memory image of its own and one thread, so that ``--die-with-parent`` and
``wait4`` mean what they say; it is also the reaper of everything below it.  It stands alone and runs as ``python -I -S``.

Datagrams on descriptor 0, marshalled: ``("start", id, argv, env)`` with the descriptors the program gets as 0, 1, 2, ...;
``("kill", id, all_at_once)``.  Answers: ``["started", id, pid]``, ``["failed", id, errno]``,
``["ended", id, status, cpu_s, maxrss_kib]``, each with this process's own CPU seconds last.  When the socket closes, everything
started is killed and the process ends.
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

MAX_MESSAGE = 1 << 18
MAX_FDS = 8
_SWEEP_S = 2.0
_PR_SET_CHILD_SUBREAPER, _PR_SET_DUMPABLE = 36, 4
_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_SLAVE = 1, 32, 4096, 16384, 1 << 19
_KEPT_FLAGS = 2 | 4 | 8 | 1024 | 2048  # nosuid, nodev, noexec, noatime, nodiratime: what a mount has and may not lose
_MNT_DETACH = 2
_NEVER_SHOWN = frozenset(
    {"cgroup", "cgroup2", "sysfs", "devpts", "mqueue", "debugfs", "tracefs", "securityfs", "configfs", "bpf", "pstore"}
)
_DEVICES = (b"/dev/null", b"/dev/zero", b"/dev/urandom")  # those that a sandbox has
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

    def start(self, number: int, argv: list, env: dict, fds: list) -> None:
        actions = [(os.POSIX_SPAWN_DUP2, fd, place) for place, fd in enumerate(fds)]
        try:
            self.offer(self.first_victim)
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
        self.say("started", number, pid)

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
            self.start(message[1], message[2], message[3], high)
        else:
            self.kill(message[1], message[2])
        return True

    def close(self) -> None:
        for pid in self.pids.values():
            os.killpg(pid, signal.SIGKILL)
        for pid in self.pids.values():
            os.waitpid(pid, 0)


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


def close_devices() -> None:
    """Make the nodes of devices read-only for everything that is started here, in a mount namespace of this process's own.

    A sandbox has the host's nodes, and as root or by leave to write it could set their times, their mode, their access lists: marks
    that stay.  On a read-only mount a device itself can be read and written as before.  bubblewrap has no word for that.  Where the
    kernel refuses, the nodes stay as they are.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(_CLONE_NEWNS) == -1:
        if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS) == -1:
            return
        libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # else /proc/self is root's
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    libc.mount(None, b"/", None, _MS_REC | _MS_SLAVE, None)
    with open("/proc/self/mountinfo") as file:
        mounted = [(line.split()[4], line.partition(" - ")[2].split()[0]) for line in file]
    for place, kind in reversed(mounted):
        if kind in _NEVER_SHOWN:  # bubblewrap reads the list of all mounts for each that it makes
            libc.umount2(place.encode(), _MNT_DETACH)
    for node in _DEVICES:
        if libc.mount(node, node, None, _MS_BIND, None) == 0:
            kept = os.statvfs(node).f_flag & _KEPT_FLAGS
            libc.mount(None, node, None, _MS_BIND | _MS_REMOUNT | _MS_RDONLY | kept, None)


def main() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    close_devices()
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
