"""Language models: requests and replies, providers, and the money that calls cost.

``Anthropic`` and ``ChatCompletions`` speak to servers, ``Scripted`` and ``Replay`` need none, ``Recorder`` makes the tape.  A
``Caller`` asks one of them: it waits for its ``Limiter``, reserves the worst case in the ``Ledger`` before each HTTP request and
settles it afterwards.  Nothing heavy is imported before the first call.
"""

from evolve.models._anthropic import Anthropic
from evolve.models._caller import Caller, Outcome
from evolve.models._chat import ChatCompletions
from evolve.models._failure import CallFailure, FailureKind
from evolve.models._limiter import Backoff, Clock, Limiter
from evolve.models._prices import PriceBook, PriceRow, Quote, Rate
from evolve.models._provider import FREE, Answer, Provider
from evolve.models._purse import Book, Purse
from evolve.models._reply import ModelReply, Usage
from evolve.models._request import Block, Message, ModelRequest, Tool, ask
from evolve.models._scripted import Scripted
from evolve.models._tape import Recorder, Replay

__all__ = [
    "FREE",
    "Answer",
    "Anthropic",
    "Backoff",
    "Block",
    "Book",
    "CallFailure",
    "Caller",
    "ChatCompletions",
    "Clock",
    "FailureKind",
    "Limiter",
    "Message",
    "ModelReply",
    "ModelRequest",
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
    "Tool",
    "Usage",
    "ask",
]
