"""How many calls to one provider are in flight, when to leave it alone, and how long to wait before the next try."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from evolve.models._failure import CallFailure, FailureKind

if TYPE_CHECKING:
    import numpy as np

_ALONE = frozenset({FailureKind.RATE_LIMITED, FailureKind.OVERLOADED})  # what concerns every caller of the provider


class HasHold(Protocol):
    """Any answer: it says for how long a limit is used up."""

    @property
    def hold_s(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Clock:
    """Time in seconds from any start, and how to let it pass."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, slots=True)
class Backoff:
    """When to try again.

    Attributes:
        tries: HTTP requests a call, at most.
        first_s: Wait before the second request; doubled each time after it.
        longest_s: Bound on the doubling.
        obey_s: Longest wait that a server may ask for within a call; one that asks for more could park a worker for hours, and is
            left alone by whoever hands out tickets instead.
    """

    tries: int = 6
    first_s: float = 1.0
    longest_s: float = 60.0
    obey_s: float = 300.0

    def wait_s(self, failure: CallFailure, failed: int, rng: np.random.Generator) -> float:
        """Seconds to wait after the ``failed``-th failure: what the server asks for, and half to all of the doubled wait."""
        doubled = min(self.first_s * 2.0 ** (failed - 1), self.longest_s)
        return self.asked_s(failure) + doubled * (0.5 + 0.5 * float(rng.random()))

    def asked_s(self, failure: CallFailure) -> float:
        """What the server asks for; 0 where it asks for nothing."""
        return failure.retry_after_s or 0.0


class Limiter:
    """Shared by all callers of one provider.

    Args:
        in_flight: Calls at a time.
        clock: Time.
        backoff: When to try again.
    """

    def __init__(self, in_flight: int = 8, *, clock: Clock | None = None, backoff: Backoff | None = None) -> None:
        self.clock = clock or Clock()
        self.backoff = backoff or Backoff()
        self._slots = asyncio.Semaphore(in_flight)
        self._until = 0.0
        self._end = math.inf

    def until(self, left_s: float) -> None:
        """The run ends in so many seconds: what would have to wait longer does not wait."""
        self._end = self.clock.now() + left_s

    def in_vain(self, failure: CallFailure) -> bool:
        """Whether the server asks for more time than a call waits: the call ends with this failure."""
        asked_s = self.backoff.asked_s(failure)
        return failure.again and (asked_s > self.backoff.obey_s or (asked_s > 0 and self.too_late(asked_s)))

    def too_late(self, wait_s: float) -> bool:
        """Whether the run would be over after such a wait."""
        return self.clock.now() + wait_s > self._end

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """One of the calls in flight, entered when there is room and the provider need not be left alone."""
        async with self._slots:
            while (left := self._until - self.clock.now()) > 0:
                await self.clock.sleep(left)
            yield

    def on_reply(self, answer: HasHold) -> None:
        """Learn from an answer when to hold back."""
        if isinstance(answer, CallFailure):
            self.on_failure(answer)
        else:
            self.pause(answer.hold_s)

    def on_failure(self, failure: CallFailure) -> None:
        """Let everybody leave the provider alone as long as it asks for."""
        if failure.kind in _ALONE and not self.in_vain(failure):
            self._pause(self.backoff.asked_s(failure))
        if failure.retry_after_s is None:
            self.pause(failure.hold_s)

    def pause(self, hold_s: float) -> None:
        """Hold back before the server has to refuse: its limit is used up for so long."""
        self._pause(min(hold_s, self.backoff.obey_s))

    def _pause(self, seconds: float) -> None:
        self._until = max(self._until, self.clock.now() + seconds)
