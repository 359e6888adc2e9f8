"""What tests of callers stand in: time that passes by sleeping, a book that keeps records, a caller around a provider."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import numpy as np

from archive import Attempt, CallReserved, CallSettled
from evolve.budget._ledger import Caps, Ledger
from evolve.models import (
    Backoff,
    Caller,
    CallFailure,
    CallResult,
    Clock,
    FailureKind,
    Limiter,
    PriceBook,
    Reservations,
    TokenUsage,
    ask,
)

ATTEMPT = Attempt("epoch", 3)
PLAIN = ask("m", "improve this", 100)
PRICES = PriceBook({"m": {"input": 1, "output": 10}})
BACKOFF = Backoff(tries=4, first_s=1, longest_s=3, obey_s=50)


def failure(kind: FailureKind, usage: TokenUsage | None = TokenUsage(), retry_after_s: float | None = None) -> CallFailure:  # noqa: B008
    return CallFailure(kind, f"{kind}.", usage, retry_after_s=retry_after_s)


class FakeTime:
    """Time that passes only by sleeping, at once."""

    def __init__(self) -> None:
        self.time = 0.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)

    def clock(self) -> Clock:
        return Clock(lambda: self.time, self.sleep)


class ListBook:
    """Keeps records in order, and apart from them texts; ``on_reserved`` is called while a reservation becomes durable."""

    def __init__(self, on_reserved: Callable[[], None] = lambda: None) -> None:
        self.records: list[CallReserved | CallSettled] = []
        self.texts: list[str] = []
        self._on_reserved = on_reserved

    async def reserved(self, record: CallReserved, prompt: str) -> None:
        await asyncio.sleep(0)
        self._on_reserved()
        self.records.append(record)
        self.texts.append(prompt)

    def settled(self, record: CallSettled, reply: str) -> None:
        self.records.append(record)
        self.texts.append(reply)

    @property
    def settlements(self) -> list[CallSettled]:
        return [record for record in self.records if isinstance(record, CallSettled)]


class World:
    """A caller with everything around it.  ``journal`` is what an earlier one left behind."""

    def __init__(
        self, provider, *, caps: Caps | None = None, in_flight: int = 8, journal: Iterable[CallReserved | CallSettled] = ()
    ) -> None:
        self.time = FakeTime()
        self.book = ListBook()
        self.ledger = Ledger(caps)
        for record in journal:
            self.ledger.apply(record)
        self.limiter = Limiter(in_flight, clock=self.time.clock(), backoff=BACKOFF)
        self.reservations = Reservations(self.ledger, self.book)
        self.caller = Caller(provider, self.limiter, self.reservations, PRICES)

    async def ask(self, ticket: int = 3, request=PLAIN, **settings) -> CallResult:
        rng = np.random.Generator(np.random.Philox(ticket))
        return await self.caller.ask(Attempt("epoch", ticket), request, rng, prompt="the new part", **settings)


async def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Let the loop run until a condition holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.002)
