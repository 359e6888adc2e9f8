"""What a model is asked: blocks of text with cache marks, messages, limits, and the form the answer must have."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal, cast

from evolve._errors import UsageError

CacheMark = Literal["", "5m", "1h"]
Effort = Literal["", "low", "medium", "high", "xhigh", "max"]

EFFORTS: tuple[Effort, ...] = ("low", "medium", "high", "xhigh", "max")  # ascending

_MAX_MARKS = 4  # what the Messages API takes


@dataclass(frozen=True, slots=True)
class ThinkingBudget:
    """Thinking up to so many tokens; they are part of ``max_tokens``."""

    n_tokens: int


Thinking = Literal["", "adaptive", "disabled"] | ThinkingBudget


def thinking_of(text: str) -> Thinking:
    """How settings word it: ``adaptive``, ``disabled``, a number of tokens, or "" for whatever the model does.

    Raises:
        UsageError: Any other text.
    """
    if text in ("", "adaptive", "disabled"):
        return cast(Thinking, text)
    if not (text.isascii() and text.isdecimal()):
        raise UsageError(f"thinking must be adaptive, disabled or a number of tokens, found {text!r}.")
    return ThinkingBudget(int(text))


@dataclass(frozen=True, slots=True)
class Block:
    """A text.  A mark asks the provider to keep everything up to and with this block for that long."""

    text: str
    cache: CacheMark = ""


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["user", "assistant"]
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the model must call: its input is the answer.  ``schema`` is a JSON schema, as JSON text."""

    name: str
    description: str
    schema: str

    def __post_init__(self) -> None:
        _object(self.schema, f"the schema of the tool {self.name}")


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One question to one model; equal requests have equal keys.

    Args:
        model: As the provider names it.
        messages: At least one; the first is the user's.
        max_tokens: Bound on all that the model writes, its thinking included.
        system: Blocks that stay the same from request to request come first.
        effort: How much work the model puts in; "" leaves it to the provider.
        thinking: "" leaves it to the model; a budget must be below ``max_tokens``.
        tool: The tool that must be called; not together with ``format``.
        format: JSON schema that the text must follow, as JSON text; "" for free text.
        stop: Texts that end the answer.
        extra: JSON object, as text, merged into the body: settings that one server alone knows.

    Raises:
        UsageError: Values that no provider can take.
    """

    model: str
    messages: tuple[Message, ...]
    max_tokens: int
    system: tuple[Block, ...] = ()
    effort: Effort = ""
    thinking: Thinking = ""
    tool: Tool | None = None
    format: str = ""
    stop: tuple[str, ...] = ()
    extra: str = ""

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise UsageError(f"max_tokens must be at least 1, found {self.max_tokens}.")
        if isinstance(self.thinking, ThinkingBudget) and not 1 <= self.thinking.n_tokens < self.max_tokens:
            found = f"{self.thinking.n_tokens} with max_tokens {self.max_tokens}"
            raise UsageError(f"thinking may take 1 token to one less than max_tokens, found {found}.")
        if not self.messages or self.messages[0].role != "user":
            raise UsageError("a request needs messages, the first of them with role user.")
        if self.tool is not None and self.format:
            raise UsageError("a request asks for a tool call or for a format, not for both.")
        marks = self.marks
        if len(marks) > _MAX_MARKS:
            raise UsageError(f"a request may carry {_MAX_MARKS} cache marks, found {len(marks)}.")
        if "5m" in marks and "1h" in marks[marks.index("5m") :]:
            raise UsageError("cache marks of 1h must come before those of 5m.")
        if self.format:
            _object(self.format, "format")
        if self.extra:
            _object(self.extra, "extra")

    @property
    def marks(self) -> tuple[CacheMark, ...]:
        """The cache marks in order, system first."""
        blocks = (*self.system, *(block for message in self.messages for block in message.blocks))
        return tuple(block.cache for block in blocks if block.cache)

    def canonical(self) -> str:
        """The whole request as JSON text, the same in any process."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @property
    def key(self) -> str:
        """Names the request in a recording: 32 hexadecimal digits."""
        return hashlib.blake2b(self.canonical().encode(), digest_size=16).hexdigest()


def _object(text: str, what: str) -> None:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{what} must be a JSON object, and does not parse: {error}.") from error
    if not isinstance(found, dict):
        raise UsageError(f"{what} must be a JSON object, found {text[:60]}.")


def ask(model: str, text: str, max_tokens: int) -> ModelRequest:
    """The plainest request: one text from the user."""
    return ModelRequest(model, (Message("user", (Block(text),)),), max_tokens)
