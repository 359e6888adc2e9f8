"""A question and its answer, with everything in between: slots, reservations, retries, settlements."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from archive import Attempt, CallReserved
from evolve.models._failure import CallFailure
from evolve.models._provider import Answer, BatchProvider, Provider, Unsettled
from evolve.models._reply import ModelReply
from evolve.models._request import ModelRequest
from evolve.models.billing._billed import BilledCalls, CallResult, CallSpec, OpenCall, settled
from evolve.models.billing._limiter import Limiter
from evolve.models.billing._prices import PriceBook, read_row
from evolve.models.billing._reservations import Reservations, never_sent

if TYPE_CHECKING:
    import numpy as np


class Caller:
    """Asks one provider.

    Args:
        provider: Speaks to the server.  One that is a ``BatchProvider`` is asked in batches, at half the prices.
        limiter: The provider's; every caller of it has the same one.
        purse: The run's.
        prices: Price rows.
    """

    def __init__(self, provider: Provider, limiter: Limiter, purse: Reservations, prices: PriceBook) -> None:
        self.provider = provider
        self._till = BilledCalls(limiter, purse)
        self._prices = prices

    async def ask(
        self, attempt: Attempt, request: ModelRequest, rng: np.random.Generator, *, prompt: str, first_call: int = 1
    ) -> CallResult[ModelReply]:
        """Ask until there is a reply, a final failure, or no try left.

        A call in a batch whose id is in the journal stays open when the task that asks is cancelled: see ``recover``.

        Args:
            attempt: The ticket that is worked on.
            request: The question.
            rng: Draws the jitter of waits.
            prompt: What the journal shall keep of the question: what is new in the conversation.  Requests after the first repeat
                it, and nothing is kept for them.
            first_call: Number of the first HTTP request in its ticket; a repair turn goes on counting.

        Raises:
            ConfigError: The model has no price; nothing was sent.
        """
        provider = self.provider
        row = self._prices.row(provider.prices_from, request.model)
        if isinstance(provider, BatchProvider):
            row = row.at_half_price()
        order = CallSpec(
            attempt=attempt,
            first_call=first_call,
            provider=provider.name,
            model=request.model,
            quote=row.quote(provider.request_bytes(request), request),
            max_tokens=request.max_tokens,
            prompt=prompt,
        )

        async def send(pending: OpenCall) -> Answer | Unsettled:
            if isinstance(provider, BatchProvider):
                return await self._in_batch(provider, pending, request)
            return await provider.call(request)

        return await self._till.call_with_retries(order, rng, send, reply_text)

    async def recover(self, record: CallReserved) -> CallResult[ModelReply]:
        """Fetch the answer to a call that was left open in a batch, waiting for the batch's end, and settle it.

        The answer is judged without its request: a call of a tool counts as one that was asked for, any text as a text.  Where the
        batch cannot be asked (a wrong key), the call stays open and the outcome is that failure; a batch that is gone is charged
        in full.  Cancelled, the call stays open.

        Args:
            record: One of ``Ledger.batched()``.

        Raises:
            ValueError: The record names no batch, or the provider has none.
        """
        provider = self.provider
        if not isinstance(provider, BatchProvider) or not record.batch:
            raise ValueError(f"the call {record.call} of ticket {record.attempt.ticket} is in no batch of {provider.name}.")
        clock = self._till.limiter.clock
        started = clock.now()
        found = await provider.result(record.batch, custom_id(record), None)
        if isinstance(found, Unsettled):
            return CallResult(found.failure, 1, 0.0, still_open=True)
        reply = reply_text(found)
        row = read_row(record.model, record.price)
        settlement = settled(record, row, found, 0, clock.now() - started, said=bool(reply))
        self._till.purse.settle(settlement, reply)
        return CallResult(found, 1, settlement.usd)

    async def _in_batch(self, provider: BatchProvider, pending: OpenCall, request: ModelRequest) -> Answer | Unsettled:
        """One call through a batch, whose id is made durable as soon as there is one."""
        reserved = pending.reserved
        name = custom_id(reserved)
        entry = provider.enter(name, request)
        try:
            filed = await entry.filed
        except asyncio.CancelledError:
            if entry.withdraw():
                pending.if_given_up = never_sent(reserved)
            raise
        if isinstance(filed, CallFailure):
            return filed
        pending.if_given_up = None  # if its id does not reach the journal, the call is lost when the run is reopened
        await self._till.purse.file(replace(reserved, batch=filed))
        return await provider.result(filed, name, request)


def custom_id(record: CallReserved) -> str:
    """The name of a call in its batch: the same whenever it is asked for, and of this call alone."""
    attempt = record.attempt
    digest = hashlib.blake2b(attempt.epoch.encode(), digest_size=8).hexdigest()
    return f"{digest}-{attempt.ticket}-{attempt.n}-{record.call}"


def reply_text(answer: Answer) -> str:
    """What the journal keeps of an answer: its text, of a tool call the input as JSON, of a failure what had come."""
    if isinstance(answer, ModelReply) and answer.tool_input is not None:
        return json.dumps(answer.tool_input, ensure_ascii=False, separators=(",", ":"))
    return answer.text
