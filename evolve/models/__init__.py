"""Language models: requests and replies, providers, and the money that calls cost.

``Anthropic`` and ``ChatCompletions`` say which models a run asks.  ``AnthropicProvider``, ``AnthropicBatches`` and ``ChatProvider``
speak to their servers, ``Scripted`` and ``ReplayProvider`` need none, ``RecordingProvider`` makes the recording.  A ``Caller`` asks
one of them: it waits for its ``Limiter``, reserves the worst case in the ledger before each HTTP request and settles it afterwards.
``adapt_request`` makes a request into one that a model of a server's catalogue takes.  ``Embeddings`` and
``HashedNgrams`` make vectors of texts, the first through an ``EmbeddingCaller``.  Nothing heavy is imported before the first call.
"""

from evolve.models._choice import Anthropic, ChatCompletions, Models
from evolve.models._failure import CallFailure, FailureKind
from evolve.models._hashed_ngrams import HashedNgrams
from evolve.models._model_info import AdaptedRequest, ModelInfo, adapt_request, find_model, unavailable_reason
from evolve.models._provider import FREE, Answer, Provider
from evolve.models._recording import RecordingProvider, ReplayProvider
from evolve.models._reply import ModelReply, TokenUsage
from evolve.models._request import Block, Effort, Message, ModelRequest, Thinking, ThinkingBudget, Tool, ask, thinking_of
from evolve.models._scripted import Scripted
from evolve.models._secrets import key_in
from evolve.models.anthropic._batches import AnthropicBatches
from evolve.models.anthropic._messages import AnthropicProvider
from evolve.models.billing._billed import CallResult
from evolve.models.billing._caller import Caller
from evolve.models.billing._limiter import Backoff, Clock, Limiter
from evolve.models.billing._price_text import price_rows
from evolve.models.billing._prices import PriceBook, PriceRow, Quote, Rate
from evolve.models.billing._reservations import CallLog, Reservations
from evolve.models.openai._chat import ChatProvider
from evolve.models.openai._embeddings import Embedder, EmbeddingCaller, Embeddings, Vectors

__all__ = [
    "FREE",
    "AdaptedRequest",
    "Answer",
    "Anthropic",
    "AnthropicBatches",
    "AnthropicProvider",
    "Backoff",
    "Block",
    "CallFailure",
    "CallLog",
    "CallResult",
    "Caller",
    "ChatCompletions",
    "ChatProvider",
    "Clock",
    "Effort",
    "Embedder",
    "EmbeddingCaller",
    "Embeddings",
    "FailureKind",
    "HashedNgrams",
    "Limiter",
    "Message",
    "ModelInfo",
    "ModelReply",
    "ModelRequest",
    "Models",
    "PriceBook",
    "PriceRow",
    "Provider",
    "Quote",
    "Rate",
    "RecordingProvider",
    "ReplayProvider",
    "Reservations",
    "Scripted",
    "Thinking",
    "ThinkingBudget",
    "TokenUsage",
    "Tool",
    "Vectors",
    "adapt_request",
    "ask",
    "find_model",
    "key_in",
    "price_rows",
    "thinking_of",
    "unavailable_reason",
]
