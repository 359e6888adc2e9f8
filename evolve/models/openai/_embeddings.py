"""Texts as vectors: what an embedder is, servers that speak OpenAI's ``/embeddings``, and what such requests cost."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from archive import Attempt
from evolve._errors import UsageError
from evolve.models._failure import CallFailure, FailureKind
from evolve.models._reply import TokenUsage
from evolve.models.billing._billed import BilledCalls, CallResult, CallSpec
from evolve.models.billing._limiter import Limiter
from evolve.models.billing._prices import PriceBook
from evolve.models.billing._reservations import Reservations
from evolve.models.openai._client import OpenAIClient
from evolve.models.transport._stream import count, mapping, text


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """Attributes:
    vectors: (n, n_dims) float32, one row a text, in the order of the texts.
    usage: Tokens; None where the server did not count them.
    model: The model that made them, as its server names it.
    request_id: The server's name of the request, for its support.
    hold_s: For how long the server has said that its limit is used up; 0 where it is not.
    """

    vectors: np.ndarray
    usage: TokenUsage | None
    model: str = ""
    request_id: str = ""
    hold_s: float = 0.0


class Embedder(Protocol):
    """Makes vectors of texts.  Used from one asyncio loop."""

    name: str
    model: str
    prices_from: str  # as a ``Provider``'s

    def request_bytes(self, texts: Sequence[str]) -> int:
        """Bytes of the request as it is sent: no model makes more tokens of it."""

    async def embed(self, texts: Sequence[str]) -> Vectors | CallFailure:
        """One HTTP request for all texts, or none.  Whatever a server does is a value, never an exception.

        Raises:
            UsageError: No texts.
        """

    async def close(self) -> None:
        """Close connections."""


class Embeddings:
    """An OpenAI-compatible server's ``/embeddings``.

    Args:
        base_url: With the version, without ``/embeddings``: ``https://api.openai.com/v1``.
        model: As the server names it.
        n_dims: Length of the vectors, for servers that can be asked for it; None leaves it to the model.
        key_variable: Environment variable that holds the key; nothing is sent where it is not set.
        read_timeout_s: Longest silence within an answer.
        deadline_s: Longest time a whole request may take.
        unix_time: Gives Unix time, for headers that name a date.
    """

    name = "openai-embeddings"

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        n_dims: int | None = None,
        key_variable: str = "OPENAI_API_KEY",
        read_timeout_s: float = 120.0,
        deadline_s: float = 300.0,
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        self.model = model
        self.prices_from = base_url
        self._n_dims = n_dims
        self._client = OpenAIClient(
            self.name,
            base_url,
            key_variable=key_variable,
            read_timeout_s=read_timeout_s,
            deadline_s=deadline_s,
            unix_time=unix_time,
        )

    def request_bytes(self, texts: Sequence[str]) -> int:
        return len(self._content(texts))

    async def embed(self, texts: Sequence[str]) -> Vectors | CallFailure:
        if not texts:
            raise UsageError("there must be at least one text to embed.")
        found = await self._client.fetch("POST", "/embeddings", self._content(texts))
        if isinstance(found, CallFailure):
            return found
        body = mapping(found.body)
        usage = _usage(body.get("usage"))
        try:
            vectors = _vectors(body.get("data"), len(texts))
        except (ValueError, TypeError, OverflowError) as error:
            what = f"{self.name}: {len(texts)} vectors were asked for, and something else came: {error}."
            return CallFailure(FailureKind.WRONG_FORM, what, usage, hold_s=found.hold_s)
        return Vectors(vectors, usage, text(body.get("model")), found.request_id, found.hold_s)

    async def close(self) -> None:
        await self._client.close()

    def _content(self, texts: Sequence[str]) -> bytes:
        body: dict[str, Any] = {"model": self.model, "input": list(texts), "encoding_format": "float"}
        if self._n_dims is not None:
            body["dimensions"] = self._n_dims
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


class EmbeddingCaller:
    """Asks one embedder: what ``Caller`` is for questions.

    Args:
        embedder: Speaks to the server.
        limiter: The server's; every caller of it has the same one.
        reservations: The run's.
        prices: Price rows.
    """

    def __init__(self, embedder: Embedder, limiter: Limiter, reservations: Reservations, prices: PriceBook) -> None:
        self.embedder = embedder
        self._billed = BilledCalls(limiter, reservations)
        self._prices = prices

    async def embed(
        self, attempt: Attempt, texts: Sequence[str], rng: np.random.Generator, *, first_call: int = 1
    ) -> CallResult[Vectors]:
        """Ask until there are vectors, a final failure, or no try left.  The journal keeps no texts.

        Args:
            attempt: The ticket that is worked on.
            texts: At least one.
            rng: Draws the jitter of waits.
            first_call: Number of the first HTTP request in its ticket.

        Raises:
            ConfigError: The model has no price; nothing was sent.
        """
        embedder = self.embedder
        row = self._prices.row(embedder.prices_from, embedder.model, embeds=True)
        quote = row.quote_embedding(embedder.request_bytes(texts))
        order = CallSpec(
            attempt=attempt,
            first_call=first_call,
            provider=embedder.name,
            model=embedder.model,
            quote=quote,
            max_tokens=0,
            prompt="",
        )

        return await self._billed.call_with_retries(order, rng, lambda: embedder.embed(texts), lambda answer: "")


def _vectors(data: object, n_texts: int) -> np.ndarray:
    """(n_texts, n_dims) float32 of a server's list, whose order is told by its indices.

    Raises:
        ValueError: Not one vector of finite numbers for each text, or vectors of different lengths.
        TypeError: Something else than numbers.
    """
    parts: dict[int, Any] = {}
    for each in data if isinstance(data, list) else ():
        index = mapping(each).get("index")
        if isinstance(index, int):
            parts[index] = mapping(each).get("embedding")
    if sorted(parts) != list(range(n_texts)):
        raise ValueError(f"vectors for {len(parts)} texts")
    vectors = np.asarray([parts[index] for index in range(n_texts)], dtype=np.float32)
    if vectors.ndim != 2 or vectors.shape[1] == 0 or not np.isfinite(vectors).all():
        raise ValueError("vectors that are no finite numbers")
    return vectors


def _usage(found: object) -> TokenUsage | None:
    if not isinstance(found, Mapping):
        return None
    return TokenUsage(input=count(found.get("prompt_tokens")) or count(found.get("total_tokens")))
