"""A question and its answer, with everything in between: slots, reservations, retries, settlements."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from archive import Attempt
from evolve.models._provider import Answer, Provider
from evolve.models._reply import ModelReply
from evolve.models._request import ModelRequest
from evolve.models.billing._billed import BilledCalls, CallResult, CallSpec
from evolve.models.billing._limiter import Limiter
from evolve.models.billing._prices import PriceBook
from evolve.models.billing._reservations import Reservations

if TYPE_CHECKING:
    import numpy as np


class Caller:
    """Asks one provider.

    Args:
        provider: Speaks to the server.
        limiter: The provider's; every caller of it has the same one.
        reservations: The run's.
        prices: Price rows.
    """

    def __init__(self, provider: Provider, limiter: Limiter, reservations: Reservations, prices: PriceBook) -> None:
        self.provider = provider
        self._billed = BilledCalls(limiter, reservations)
        self._prices = prices

    async def ask(
        self, attempt: Attempt, request: ModelRequest, rng: np.random.Generator, *, prompt: str, first_call: int = 1
    ) -> CallResult[ModelReply]:
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
        provider = self.provider
        row = self._prices.row(provider.prices_from, request.model)
        order = CallSpec(
            attempt=attempt,
            first_call=first_call,
            provider=provider.name,
            model=request.model,
            quote=row.quote(provider.request_bytes(request), request),
            max_tokens=request.max_tokens,
            prompt=prompt,
        )

        return await self._billed.call_with_retries(order, rng, lambda: provider.call(request), reply_text)


def reply_text(answer: Answer) -> str:
    """What the journal keeps of an answer: its text, of a tool call the input as JSON, of a failure what had come."""
    if isinstance(answer, ModelReply) and answer.tool_input is not None:
        return json.dumps(answer.tool_input, ensure_ascii=False, separators=(",", ":"))
    return answer.text
