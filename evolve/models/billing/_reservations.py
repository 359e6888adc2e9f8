"""The ledger at work: reservations made durable before a request goes out, and callers that wait for room."""

from __future__ import annotations

import asyncio
from typing import Protocol

from archive import CallReserved, CallSettled
from evolve.budget._ledger import LOST, Ledger, Refusal


class CallLog(Protocol):
    """Where records of calls go."""

    async def reserved(self, record: CallReserved, prompt: str) -> None:
        """Write a reservation; returns when it is durable.  Where it raises, a settlement that charges nothing follows.

        Args:
            record: Without its ``prompt``, which the log fills in.
            prompt: What is new in the conversation; "" for a request that only repeats one.
        """

    def settled(self, record: CallSettled, reply: str) -> None:
        """Write a settlement.  It need not be durable at once: a reservation that lacks it is charged in full.

        Args:
            record: Without its ``reply``, which the log fills in.
            reply: What was answered, as far as it came; "" where nothing did.
        """


class Reservations:
    """Shared by all callers of a run, on one asyncio loop."""

    def __init__(self, ledger: Ledger, book: CallLog) -> None:
        self.ledger = ledger
        self._book = book
        self._settled = asyncio.Event()

    async def reserve(self, record: CallReserved, prompt: str) -> Refusal | None:
        """Reserve, waiting for requests in flight where that may make room.  A refusal is final; None means reserved."""
        while (refusal := self.ledger.refusal(record)) is not None:
            if not refusal.passing:
                return refusal
            await self._settled.wait()
        self.ledger.apply(record)
        durable = False
        try:
            await self._book.reserved(record, prompt)
            durable = True
        finally:
            if not durable:
                self.settle(CallSettled(record.attempt, record.call, LOST, 0.0, reason="never sent"), "")
        return None

    def settle(self, record: CallSettled, reply: str) -> None:
        """Settle, and wake those who wait for room."""
        self.ledger.apply(record)
        self._book.settled(record, reply)
        self._settled.set()
        self._settled = asyncio.Event()
