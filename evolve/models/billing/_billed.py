"""Requests that are paid for: slots, reservations, tries, settlements; the same for questions and for embeddings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from archive import Attempt, CallReserved, CallSettled
from evolve.budget._ledger import LOST, in_full, nano, usd
from evolve.models._failure import CallFailure, FailureKind
from evolve.models._reply import NOTHING, TokenUsage
from evolve.models.billing._limiter import Limiter
from evolve.models.billing._prices import PriceRow, Quote
from evolve.models.billing._reservations import Reservations

if TYPE_CHECKING:
    import numpy as np

_ODD = {True: "more tokens than a request can have", False: "what is no number of tokens"}
_IN_FULL = "the call is charged in full, as the most that it can have cost (assumed)"
_NO_OUTPUT = "the server counted no tokens of its answer's text; llm.sampling.max_tokens of them are charged (assumed)"
OK = "ok"  # outcome of a call that gave a reply; any other outcome is the failure's kind, or ``LOST``


class Billable(Protocol):
    """What a request is answered with when it goes well."""

    @property
    def usage(self) -> TokenUsage | None: ...

    @property
    def hold_s(self) -> float: ...


A = TypeVar("A", bound=Billable)


@dataclass(frozen=True, slots=True)
class CallResult(Generic[A]):
    """How a question ended: the last answer, HTTP requests made for it, dollars they cost."""

    answer: A | CallFailure
    calls: int
    usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSpec:
    """What is reserved for each try of one question.

    ``max_tokens`` bounds the output where nobody counted it; ``prompt`` is what the journal keeps of the question, once.
    """

    attempt: Attempt
    first_call: int
    provider: str
    model: str
    quote: Quote
    max_tokens: int
    prompt: str


class BilledCalls:
    """One provider's: everything that is sent to it goes through here."""

    def __init__(self, limiter: Limiter, reservations: Reservations) -> None:
        self.limiter = limiter
        self.reservations = reservations

    async def call_with_retries(
        self,
        order: CallSpec,
        rng: np.random.Generator,
        send: Callable[[], Awaitable[A | CallFailure]],
        text_of: Callable[[A | CallFailure], str],
    ) -> CallResult[A]:
        """Send until there is an answer, a final failure, or no try left.

        Args:
            order: What is reserved.
            rng: Draws the jitter of waits.
            send: Makes one request.
            text_of: What the journal keeps of an answer.
        """
        limiter = self.limiter
        spent = failed = 0
        while True:
            async with limiter.slot():
                answer, cost = await self._once(order, failed, send, text_of)
                limiter.on_reply(answer)
            spent += cost
            if not isinstance(answer, CallFailure):
                return CallResult(answer, failed + 1, usd(spent))
            if answer.kind is FailureKind.OVER_BUDGET:
                return CallResult(answer, failed, usd(spent))
            failed += 1
            if not answer.again or failed >= limiter.backoff.tries:
                return CallResult(answer, failed, usd(spent))
            wait_s = limiter.backoff.wait_s(answer, failed, rng)
            if limiter.in_vain(answer) or limiter.too_late(wait_s):
                told = (
                    f"{answer.sentence} Another try would have to wait {wait_s:.0f} s, too long for a call or past the run's end."
                )
                return CallResult(replace(answer, sentence=told), failed, usd(spent))
            await limiter.clock.sleep(wait_s)

    async def _once(
        self,
        order: CallSpec,
        failed: int,
        send: Callable[[], Awaitable[A | CallFailure]],
        text_of: Callable[[A | CallFailure], str],
    ) -> tuple[A | CallFailure, int]:
        """One HTTP request: the answer and its nano-dollars.  However it ends, its reservation is settled."""
        quote = order.quote
        reserved = CallReserved(
            order.attempt,
            order.first_call + failed,
            order.provider,
            order.model,
            quote.row.text(),
            usd(quote.worst),
            worst_tokens=quote.worst_tokens,
        )
        refusal = await self.reservations.reserve(reserved, "" if failed else order.prompt)
        if refusal is not None:
            return CallFailure(FailureKind.OVER_BUDGET, f"{order.provider}: not sent, as {refusal.sentence}.", NOTHING), 0
        started = self.limiter.clock.now()
        settlement = in_full(reserved, LOST, "given up while in flight")
        reply = ""
        try:
            found = await send()
            reply = text_of(found)
            wall_s = self.limiter.clock.now() - started
            settlement = settled(reserved, quote.row, found, order.max_tokens, wall_s, said=bool(reply))
            if isinstance(found, CallFailure) and self.limiter.in_vain(found):
                settlement = replace(settlement, rest_s=found.retry_after_s or 0.0)
        finally:
            self.reservations.settle(settlement, reply)
        return found, nano(settlement.usd)


def settled(
    reserved: CallReserved,
    row: PriceRow,
    answer: Billable | CallFailure,
    max_tokens: int,
    wall_s: float,
    *,
    said: bool = False,
) -> CallSettled:
    """What an answer costs.  Failures are charged too: by their usage, and in full where nobody counted.

    Args:
        reserved: The reservation.
        row: The prices.
        answer: The answer.
        max_tokens: Bounds the output where nobody counted it.
        wall_s: How long it took.
        said: Whether there is text: then a count of no tokens counts nothing.
    """
    outcome, reason = (str(answer.kind), answer.sentence) if isinstance(answer, CallFailure) else (OK, "")
    usage = answer.usage
    if usage is not None and usage.absurd:
        odd = _ODD[usage.sound]
        usage, reason = None, reason or f"the server counted {odd}; {_IN_FULL}"
    elif usage is None or (said and not usage.prompt):
        usage, reason = None, reason or f"the server counted no tokens for its answer; {_IN_FULL}"
    elif said and not usage.output:
        usage, reason = (replace(usage, output_known=False) if max_tokens else None), reason or _NO_OUTPUT
    if usage is None:
        return replace(in_full(reserved, outcome, reason), wall_s=wall_s)
    cost, counted = row.cost(usage, max_tokens), row.cost(replace(usage, output_known=True), max_tokens)
    return CallSettled(
        attempt=reserved.attempt,
        call=reserved.call,
        outcome=outcome,
        usd=usd(cost),
        tokens_in=usage.prompt,
        tokens_out=usage.output,
        tokens_cached=usage.cached,
        wall_s=wall_s,
        reason=reason,
        tokens_assumed=0 if usage.output_known else max(max_tokens - usage.output, 0),
        usd_assumed=usd(cost - counted),
    )
