"""What a model answered, and how many tokens it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evolve.models._secrets import redact_and_repair
from evolve.models._size_limits import MOST_TOKENS


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens of one HTTP request as its server counted them.

    ``input`` is what was neither read from nor written to a cache; ``thinking`` is the part of ``output`` that was thought.
    ``output_known`` is False where the stream broke before the count of the output came; ``sound`` where a count is no number of
    tokens (below zero, a text): then none of them is believed.
    """

    input: int = 0
    cached: int = 0
    written_5m: int = 0
    written_1h: int = 0
    output: int = 0
    thinking: int = 0
    output_known: bool = True
    sound: bool = True

    @property
    def prompt(self) -> int:
        """All tokens of the prompt, wherever they came from."""
        return self.input + self.cached + self.written_5m + self.written_1h

    @property
    def absurd(self) -> bool:
        """Whether something was counted that no request can have."""
        return not self.sound or max(self.prompt, self.output, self.thinking) > MOST_TOKENS


NOTHING = TokenUsage()


@dataclass(frozen=True, slots=True)
class ModelReply:
    """A complete answer in the form asked for.

    Attributes:
        text: All text blocks, joined.
        tool_input: Input of the tool call, where one was asked for.
        stop: Why the model stopped, in its provider's word.
        usage: Tokens; None where the server did not count them.
        model: The model that answered, as its server names it.
        request_id: The server's name of the request, for its support.
        hold_s: For how long the server has said that its limit is used up; 0 where it is not.
    """

    text: str
    stop: str
    usage: TokenUsage | None
    tool_input: Mapping[str, object] | None = None
    model: str = ""
    request_id: str = ""
    hold_s: float = 0.0

    def __post_init__(self) -> None:
        for name in ("text", "stop", "model", "request_id"):
            object.__setattr__(self, name, redact_and_repair(getattr(self, name)))
