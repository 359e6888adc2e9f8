"""A question and its answer, with everything in between: slots, reservations, retries, settlements."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archive import Attempt, CallReserved, CallSettled
from evolve._ledger import LOST, in_full, usd
from evolve.models._failure import CallFailure, FailureKind
from evolve.models._limiter import Limiter
from evolve.models._prices import PriceBook, Quote
from evolve.models._provider import Answer, Provider
from evolve.models._purse import Purse
from evolve.models._reply import NOTHING, ModelReply
from evolve.models._request import ModelRequest

if TYPE_CHECKING:
    import numpy as np

OK = "ok"  # outcome of a call that gave a reply; any other outcome is the failure's kind, or ``LOST``


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a question ended: the last answer, HTTP requests made for it, dollars they cost."""

    answer: Answer
    calls: int
    usd: float


class Caller:
    """Asks one provider.

    Args:
        provider: Speaks to the server.
        limiter: The provider's; every caller of it has the same one.
        purse: The run's.
        prices: Price rows.
    """

    def __init__(self, provider: Provider, limiter: Limiter, purse: Purse, prices: PriceBook) -> None:
        self.provider = provider
        self._limiter = limiter
        self._purse = purse
        self._prices = prices

    async def ask(
        self, attempt: Attempt, request: ModelRequest, rng: np.random.Generator, *, prompt: str, first_call: int = 1
    ) -> Outcome:
        """Ask until there is a reply, a final failure, or no try left.

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
        row = self._prices.row(self.provider.prices_from, request.model)
        quote = row.quote(self.provider.request_bytes(request), request)
        backoff = self._limiter.backoff
        spent = 0
        failed = 0
        while True:
            async with self._limiter.slot():
                answer, cost = await self._once(attempt, first_call + failed, request, quote, "" if failed else prompt)
                if isinstance(answer, CallFailure):
                    self._limiter.failed(answer)
            spent += cost
            if isinstance(answer, ModelReply):
                return Outcome(answer, failed + 1, usd(spent))
            if answer.kind is FailureKind.OVER_BUDGET:
                return Outcome(answer, failed, usd(spent))
            failed += 1
            if not answer.again or failed >= backoff.tries:
                return Outcome(answer, failed, usd(spent))
            await self._limiter.clock.sleep(backoff.wait_s(answer, failed, rng))

    async def _once(self, attempt: Attempt, call: int, request: ModelRequest, quote: Quote, prompt: str) -> tuple[Answer, int]:
        """One HTTP request: the answer and its nano-dollars.  However it ends, its reservation is settled."""
        name = self.provider.name
        reservation = CallReserved(
            attempt, call, name, request.model, quote.text(), usd(quote.worst), worst_tokens=quote.worst_tokens
        )
        refusal = await self._purse.reserve(reservation, prompt)
        if refusal is not None:
            return CallFailure(FailureKind.OVER_BUDGET, f"{name}: not sent, as {refusal.sentence}.", NOTHING), 0
        started = self._limiter.clock.now()
        settlement, reply = in_full(reservation, LOST, "given up while in flight"), ""
        try:
            answer = await self.provider.call(request)
            settlement, cost = _settlement(reservation, request, quote, answer, self._limiter.clock.now() - started)
            reply = reply_text(answer)
        finally:
            self._purse.settle(settlement, reply)
        return answer, cost


def reply_text(answer: Answer) -> str:
    """What the journal keeps of an answer: its text, of a tool call the input as JSON, of a failure what had come."""
    if isinstance(answer, ModelReply) and answer.tool_input is not None:
        return json.dumps(answer.tool_input, ensure_ascii=False, separators=(",", ":"))
    return answer.text


def _settlement(
    reservation: CallReserved, request: ModelRequest, quote: Quote, answer: Answer, wall_s: float
) -> tuple[CallSettled, int]:
    """What an answer costs.  Failures are charged too: by their usage, and in full where nobody counted."""
    usage = answer.usage
    outcome, reason = (OK, "") if isinstance(answer, ModelReply) else (str(answer.kind), answer.sentence)
    cost = quote.worst if usage is None else quote.row.cost(usage, request.max_tokens)
    tokens_in, tokens_out = quote.worst_tokens, 0
    if usage is not None:
        tokens_in = usage.prompt
        tokens_out = usage.output if usage.output_known else max(usage.output, request.max_tokens)
    record = CallSettled(
        attempt=reservation.attempt,
        call=reservation.call,
        outcome=outcome,
        usd=usd(cost),
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        tokens_cached=usage.cached if usage is not None else 0,
        wall_s=wall_s,
        reason=reason,
    )
    return record, cost
