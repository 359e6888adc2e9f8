"""Language models: requests and replies, providers, and the money that calls cost.

``Anthropic`` and ``ChatCompletions`` say which models a run asks.  ``AnthropicProvider``, ``AnthropicBatches`` and ``ChatProvider``
speak to their servers, ``Scripted`` and ``Replay`` need none, ``Recorder`` makes the tape.  A ``Caller`` asks one of them: it waits
for its ``Limiter``, reserves the worst case in the ledger before each HTTP request and settles it afterwards.  ``fitted`` makes a
request into one that a model of a server's catalogue takes.  ``Embeddings`` and ``HashedNgrams`` make vectors of texts, the first
through an ``EmbeddingCaller``.  Nothing heavy is imported before the first call.
"""

from evolve.models._choice import Anthropic, ChatCompletions, Models
from evolve.models._failure import CallFailure, FailureKind
from evolve.models._hashed_ngrams import HashedNgrams
from evolve.models._model_info import Fitted, ModelInfo, find, fitted, unavailable
from evolve.models._provider import FREE, Answer, BatchProvider, Provider
from evolve.models._reply import ModelReply, Usage
from evolve.models._request import Block, Effort, Message, ModelRequest, Thinking, ThinkingBudget, Tool, ask, thinking_of
from evolve.models._scripted import Scripted
from evolve.models._secrets import key_in
from evolve.models._tape import Recorder, Replay
from evolve.models.anthropic._batches import AnthropicBatches
from evolve.models.anthropic._messages import AnthropicProvider
from evolve.models.billing._billed import Outcome
from evolve.models.billing._caller import Caller
from evolve.models.billing._limiter import Backoff, Clock, Limiter
from evolve.models.billing._price_text import price_rows
from evolve.models.billing._prices import PriceBook, PriceRow, Quote, Rate
from evolve.models.billing._reservations import Book, Purse
from evolve.models.openai._chat import ChatProvider
from evolve.models.openai._embeddings import Embedder, EmbeddingCaller, Embeddings, Vectors

__all__ = [
    "FREE",
    "Answer",
    "Anthropic",
    "AnthropicBatches",
    "AnthropicProvider",
    "Backoff",
    "BatchProvider",
    "Block",
    "Book",
    "CallFailure",
    "Caller",
    "ChatCompletions",
    "ChatProvider",
    "Clock",
    "Effort",
    "Embedder",
    "EmbeddingCaller",
    "Embeddings",
    "FailureKind",
    "Fitted",
    "HashedNgrams",
    "Limiter",
    "Message",
    "ModelInfo",
    "ModelReply",
    "ModelRequest",
    "Models",
    "Outcome",
    "PriceBook",
    "PriceRow",
    "Provider",
    "Purse",
    "Quote",
    "Rate",
    "Recorder",
    "Replay",
    "Scripted",
    "Thinking",
    "ThinkingBudget",
    "Tool",
    "Usage",
    "Vectors",
    "ask",
    "find",
    "fitted",
    "key_in",
    "price_rows",
    "thinking_of",
    "unavailable",
]
