"""Calls that are timed one by one, by a clock that the candidate cannot reach.

The candidate's process is sent one call at a time, and the next only when the answer to the one before is whole: what it has not
been sent it cannot work on.  A call's time is from before its arguments are written to after its answer has been read, by the clock
of this process.  Before the candidate's files are loaded the stub, which alone is in that process then, answers empty calls of the
same size: what those take is the price of the way there and back.

In a conversation each call is made up from the answer before, and who makes it up takes time that is nobody's: a candidate's
threads, or its card, may go on meanwhile.  Whoever counts seconds there keeps a clock of his own beside them.

What a candidate can still do: remember answers (no two calls are equal), guess a call before it comes (it cannot be known, and a
wrong answer is seen), work in threads (bound by the stage's ``cpus`` and CPU time), load slowly and answer fast (``load_s``; tables
made while loading are not timed), leave work for after an answer (it delays the next call, which is timed from its sending).
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from evolve.evaluate._readers import Unreadable, read_frame, read_values, reply_limit
from evolve.evaluate.child._spawn import End
from evolve.evaluate.isolation._limits import Limits
from evolve.evaluate.sandbox._monitor import ProcessMonitor, ProcessResult
from evolve.evaluate.sandbox._request import Returns, pack_call
from evolve.evaluate.sandbox.starts._start import RunningTree

MAGIC = b"EVT1"  # begins the answer to one call: then its length in 8 bytes, then a frame as of any reply
_HEAD = len(MAGIC) + 8
N_EMPTY = 25


class Exchange(Protocol):
    """What is sent to a process, one message after the answer to the other."""

    @property
    def next(self) -> bytes | None:
        """What is to be sent now; None when all is done."""

    @property
    def most(self) -> int:
        """The greatest length of the answer that is due."""

    @property
    def farewell(self) -> bytes:
        """What is sent when all is done, where the other side cannot know that it is."""

    def answered(self, frame: bytes, seconds: float, spent: Callable[[], float]) -> str:
        """The answer that was due, and how long it took; ``spent`` looks up the CPU seconds of the process tree so far.  What is
        wrong with it, "" where nothing is."""


class Turns:
    """What is sent, and what came back when.

    Args:
        messages: One for each call, as it is sent.
        most: The greatest length of each answer.

    Attributes:
        frames: The answers so far.
        seconds: How long each took.
        empty_s: How long each empty call took.
        load_s: How long the candidate took from there to being loaded.
    """

    def __init__(self, messages: Sequence[bytes], most: Sequence[int]) -> None:
        padding = sorted(map(len, messages))[len(messages) // 2]
        empty = padding.to_bytes(8, "little") + bytes(padding)
        self._messages = [*[empty] * N_EMPTY, bytes(8), *(len(one).to_bytes(8, "little") + one for one in messages)]
        self._most = [*[4096] * (N_EMPTY + 1), *most]
        self._answered: list[tuple[bytes, float]] = []

    @property
    def next(self) -> bytes | None:
        """What is to be sent now; None when all is done."""
        at = len(self._answered)
        return self._messages[at] if at < len(self._messages) else None

    @property
    def most(self) -> int:
        """The greatest length of the answer that is due."""
        return self._most[len(self._answered)]

    @property
    def farewell(self) -> bytes:
        return b""

    def answered(self, frame: bytes, seconds: float, spent: Callable[[], float]) -> str:
        self._answered.append((frame, seconds))
        return ""

    @property
    def frames(self) -> list[bytes]:
        return [frame for frame, _ in self._answered[N_EMPTY + 1 :]]

    @property
    def seconds(self) -> list[float]:
        return [seconds for _, seconds in self._answered[N_EMPTY + 1 :]]

    @property
    def empty_s(self) -> list[float]:
        return [seconds for _, seconds in self._answered[:N_EMPTY]]

    @property
    def load_s(self) -> float:
        return self._answered[N_EMPTY][1] if len(self._answered) > N_EMPTY else 0.0


class Conversation:
    """Calls of which each is made up when the answer to the one before is there.

    Args:
        ask: Given the values of the last answer (None before the first call) and how many seconds it took (before the first: how
            long loading did), the next call's arguments, or None when there are to be no more.
        returns: What every call returns.
        calls: As many there may be at most.
    """

    farewell = bytes(8)  # a call of no length

    def __init__(
        self, ask: Callable[[Mapping[str, object] | None, float], Mapping[str, object] | None], returns: Returns, calls: int
    ) -> None:
        self._ask, self._returns, self._left = ask, returns, calls
        self._before = [*[(0).to_bytes(8, "little")] * N_EMPTY, bytes(8)]
        self._call: bytes | None = None
        self.seconds: list[float] = []
        self.cpu_s: list[float] = []
        self.empty_s: list[float] = []
        self.load_s = 0.0
        self.last: Mapping[str, object] = {}
        self.last_frame = b""

    @property
    def next(self) -> bytes | None:
        return self._before[0] if self._before else self._call

    @property
    def most(self) -> int:
        return 4096 if self._before else reply_limit([self._returns])

    def answered(self, frame: bytes, seconds: float, spent: Callable[[], float]) -> str:
        if self._before:
            del self._before[0]
            if self._before:
                self.empty_s.append(seconds)
                return ""
            self.load_s = seconds
            self._call = self._made(self._ask(None, seconds))
            return ""
        try:
            (self.last,) = read_values(read_frame(frame, len(self._returns) + 1), [self._returns])
        except Unreadable as error:
            return str(error)
        self.seconds.append(seconds)
        self.cpu_s.append(spent())
        self.last_frame = frame
        self._call = self._made(self._ask(self.last, seconds))
        return ""

    def _made(self, arguments: Mapping[str, object] | None) -> bytes | None:
        """The bytes of a call.

        Raises:
            ValueError: there are more than were announced; the evaluator's mistake.
        """
        if arguments is None:
            return None
        if not self._left:
            raise ValueError("more calls than were announced; raise most_calls")
        self._left -= 1
        packed = pack_call(arguments)
        return len(packed).to_bytes(8, "little") + packed


class TimedMonitor(ProcessMonitor):
    """Watches one process tree and takes turns with it.  ``ProcessResult.reply`` is the failure that the stub tells, or nothing."""

    def __init__(self, started: RunningTree, limits: Limits, turns: Exchange) -> None:
        super().__init__(started.running, started.meter, started.reply_fd, started.log_fd, limits, 1 << 62)
        self._turns = turns
        self._request_w = started.request_w
        self._unsent = memoryview(b"")
        self._buffer = bytearray()
        self._begun = 0.0
        os.set_blocking(self._request_w, False)

    def run(self) -> ProcessResult:
        try:
            return super().run()
        except BaseException:
            self._running.kill()  # whoever makes up the next call failed at it
            raise
        finally:
            os.close(self._request_w)

    def _until_end(self, started: float) -> End:
        self._send()
        end, before = super()._until_end(started), -1
        while before < self._reply.total:  # what came with the end
            before = self._reply.total
            self._collect(self._reply.fd)
        self._reply.parts.append(bytes(self._buffer))  # the failure that it told at its end
        return end

    def _send(self) -> None:
        message = self._turns.next
        self._reply.drain(1 << 20)
        if self._reply.parts and message is not None:
            self._refuse("an answer to a call that was not made yet")
            return
        self._unsent = memoryview(self._turns.farewell if message is None else message)
        self._begun = time.perf_counter()
        self._write()

    def _write(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[os.write(self._request_w, self._unsent) :]
        except BlockingIOError:
            self._poller.register(self._request_w, select.POLLOUT)  # again is no error
        except BrokenPipeError:
            self._unsent = memoryview(b"")  # it has ended, as will be seen

    def _collect(self, fd: int) -> bool:
        if fd == self._request_w:
            self._write()
            return bool(self._unsent)
        if fd != self._reply.fd:
            return super()._collect(fd)
        going = self._reply.drain(1 << 20)
        now = time.perf_counter()
        for part in self._reply.parts:
            self._buffer += part
        self._reply.parts.clear()
        self._take(now)
        return going and not self._broke

    def _take(self, now: float) -> None:
        """Look at what has come: an answer that is whole, or bytes that are none."""
        buffer = self._buffer
        if not buffer:
            return
        if not MAGIC.startswith(bytes(buffer[: len(MAGIC)])) or self._turns.next is None:
            if len(buffer) > 1 << 16 or self._turns.next is None:
                self._refuse("more than was asked for")
            return  # a failure is told in another form, at the end
        if len(buffer) < _HEAD:
            return
        size = int.from_bytes(buffer[len(MAGIC) : _HEAD], "little")
        if size > self._turns.most:
            self._refuse(f"an answer of more than {self._turns.most} bytes")
        elif len(buffer) - _HEAD > size:
            self._refuse("an answer to a call that was not made yet")
        elif len(buffer) - _HEAD == size and self._unsent:
            self._refuse("an answer to a call that it had not read yet")
        elif len(buffer) - _HEAD == size:
            if wrong := self._turns.answered(bytes(buffer[_HEAD:]), now - self._begun, self._meter.look):
                self._refuse(wrong)
                return
            buffer.clear()
            self._send()

    def _refuse(self, what: str) -> None:
        if not self._broke:
            self._broke, self._detail = "reply", what
