"""Watch one started process tree to its end: collect reply and log, hold the limits, kill what breaks them."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from evolve.evaluate._trial import ProcessUsage
from evolve.evaluate.child._spawn import End, HelperDied
from evolve.evaluate.isolation._limits import CHECK_EVERY_S, KEPT_LOG_BYTES, MAX_LOG_BYTES, Limits

_CHUNK = 1 << 18
WATCHED_LINES = 10_000
WATCHED_BYTES = 4096  # of a line


class Running(Protocol):
    """A process tree that was started: cold, spare, warm or bare."""

    def fileno(self) -> int:
        """Readable when it may have ended."""

    def end(self) -> End | None:
        """How it ended; None while it runs."""

    @property
    def lost(self) -> bool:
        """Whether what it ran in ended before it, which neither the program nor its limits can have done."""

    def kill(self) -> None:
        """End all of it; ``end`` tells when that is done."""


class ResourceMeter(Protocol):
    """What the tree uses; ``evolve.evaluate.child._spawn.CgroupMeter`` says more."""

    peak_mib: float

    def look(self) -> float: ...

    def over(self, memory_mib: int, pids: int) -> str: ...

    def cpu_s(self, end: End) -> float: ...

    def was_killed_for_memory(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessResult:
    """What a process tree did.  ``exceeded`` names the limit it was killed for: wall, cpu, log, reply, memory, pids;
    or pruned, where whoever watches what it prints had enough; or nothing."""

    code: int
    reply: bytes
    log: bytes
    usage: ProcessUsage
    exceeded: str = ""
    detail: str = ""


class _Pipe:
    """The reading end of a pipe, non-blocking."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.total = 0
        self.parts: list[bytes] = []
        os.set_blocking(fd, False)

    def drain(self, most: int = 1 << 62) -> bool:
        """Read what there is, ``most`` bytes at most; False at the end of the pipe."""
        while most > 0:
            try:
                data = os.read(self.fd, min(_CHUNK, most))
            except BlockingIOError:
                return True
            if not data:
                return False
            most -= len(data)
            self.total += len(data)
            self.parts.append(data)
        return True

    def keep_tail(self, size: int) -> None:
        """Forget all but about the last ``size`` bytes."""
        while len(self.parts) > 1 and sum(map(len, self.parts[1:])) >= size:
            self.parts.pop(0)


class _Lines:
    """Gives whoever watches each line of what is printed, once it is whole: as many as anybody reads, and no longer ones."""

    def __init__(self, watch: Callable[[str], bool]) -> None:
        self._watch = watch
        self._left = WATCHED_LINES
        self._begun = b""

    def has_enough(self, data: bytes) -> bool:
        """Whether the watcher said at one of these lines that it had seen enough."""
        *whole, self._begun = (self._begun + data).split(b"\n")
        self._begun = self._begun[:WATCHED_BYTES]
        for one in whole[: self._left]:
            self._left -= 1
            if self._watch(one[:WATCHED_BYTES].decode("utf-8", "replace")):
                return True
        return False


class ProcessMonitor:
    """One use: ``ProcessMonitor(...).run()``.  Closes both descriptors.  ``watch`` may end it at any line that is printed."""

    def __init__(
        self,
        running: Running,
        meter: ResourceMeter,
        reply_fd: int,
        log_fd: int,
        limits: Limits,
        max_reply: int,
        watch: Callable[[str], bool] | None = None,
    ) -> None:
        self._running = running
        self._meter = meter
        self._reply = _Pipe(reply_fd)
        self._log = _Pipe(log_fd)
        self._limits = limits
        self._max_reply = max_reply
        self._lines = None if watch is None else _Lines(watch)
        self._broke = ""
        self._detail = ""
        self._cpu_s = 0.0
        self._kill_at = 0.0  # where it was told that its time is over, and may end by itself
        self._poller = select.poll()

    def run(self) -> ProcessResult:
        """Until it has ended, by itself or killed.

        Raises:
            HelperDied: it does not end when killed, or what it ran in was ended from outside.
        """
        started = time.perf_counter()
        try:
            end = self._until_end(started)
            wall_s = time.perf_counter() - started
            self._reply.drain(self._max_reply + 1 - self._reply.total)
            self._log.drain(MAX_LOG_BYTES)
        finally:
            os.close(self._reply.fd)
            os.close(self._log.fd)
        self._note_excess()
        if not self._broke and self._meter.was_killed_for_memory():
            self._broke, self._detail = "memory", f"memory limit of {self._limits.memory_mib} MiB"
        if not self._broke and self._running.lost:
            raise HelperDied("a process that a sandbox runs in was ended from outside")
        cpu_s = max(self._cpu_s, self._meter.cpu_s(end))
        if not self._broke and self._limits.cpu_s is not None and cpu_s > self._limits.cpu_s:
            self._broke = "cpu"
        return ProcessResult(
            code=end.code,
            reply=b"".join(self._reply.parts),
            log=b"".join(self._log.parts)[-KEPT_LOG_BYTES:],
            usage=ProcessUsage(wall_s=wall_s, cpu_s=cpu_s, memory_mib=max(self._meter.peak_mib, end.memory_mib)),
            exceeded=self._broke,
            detail=self._detail,
        )

    def _until_end(self, started: float) -> End:
        poller = self._poller
        for source in (self._running.fileno(), self._reply.fd, self._log.fd):
            poller.register(source, select.POLLIN)
        deadline = started + self._limits.wall_s
        look_at = started + CHECK_EVERY_S
        give_up = None
        if (early := self._running.end()) is not None:
            return early
        while True:
            now = time.perf_counter()
            if not self._broke and now >= deadline:
                self._broke = "wall"
            if not self._broke and now >= look_at:
                look_at = now + self._look()
            if self._broke and give_up is None and not self._is_ending(now):
                self._running.kill()
                give_up = now + 10.0
            if give_up is not None and now > give_up:
                raise HelperDied("a sandbox did not end when killed")
            wait_s = (give_up if give_up is not None else self._kill_at or min(deadline, look_at)) - now
            for fd, _ in poller.poll(max(0.0, wait_s) * 1000 + 1):
                if fd == self._running.fileno():
                    end = self._running.end()
                    if end is not None:
                        return end
                elif not self._collect(fd):
                    poller.unregister(fd)

    def _look(self) -> float:
        """CPU and memory now; how long until the next look."""
        self._cpu_s = max(self._cpu_s, self._meter.look())
        self._detail = self._meter.over(self._limits.memory_mib, self._limits.pids)
        if self._detail:
            self._broke = "memory"
        left_s = CHECK_EVERY_S
        if self._limits.cpu_s is not None:
            if self._cpu_s > self._limits.cpu_s:
                self._broke = self._broke or "cpu"
            left_s = (self._limits.cpu_s - self._cpu_s) / max(1, os.cpu_count() or 1)
        return min(CHECK_EVERY_S, max(0.002, left_s))

    def _collect(self, fd: int) -> bool:
        """Read one pipe; False at its end or when it has had enough."""
        if fd == self._log.fd:
            seen = len(self._log.parts)
            going = self._log.drain(1 << 20)
            if self._lines is not None and not self._broke and self._lines.has_enough(b"".join(self._log.parts[seen:])):
                self._broke = "pruned"
            self._log.keep_tail(KEPT_LOG_BYTES)
        else:
            going = self._reply.drain(self._max_reply + 1 - self._reply.total)
        self._note_excess()
        return going and (not self._broke or bool(self._kill_at))

    def _is_ending(self, now: float) -> bool:
        """Whether it has broken a limit and is not to be killed yet."""
        return False

    def _note_excess(self) -> None:
        if self._broke:
            return
        if self._log.total > MAX_LOG_BYTES:
            self._broke, self._detail = "log", f"output flood: more than {MAX_LOG_BYTES >> 20} MiB printed"
        elif self._reply.total > self._max_reply:
            self._broke, self._detail = "reply", f"a reply of more than {self._max_reply} bytes"
