"""A model without a server: what it answers is written down beforehand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from evolve._errors import UsageError
from evolve.models._failure import CallFailure
from evolve.models._model_info import ModelInfo
from evolve.models._provider import FREE, Answer
from evolve.models._reply import ModelReply, TokenUsage
from evolve.models._request import ModelRequest
from evolve.models.transport._stream import PartialReply, finalize

Line = str | ModelReply | CallFailure
Script = Line | Sequence[Line] | Callable[[ModelRequest], Line]


class Scripted:
    """Answers from a script: always the same line, one line a call, or whatever a function makes of the request.

    A text is judged like a server's answer: it is a tool's input where a tool was asked for, and cut where it is longer than
    ``max_tokens``.  Its tokens are its bytes.
    """

    name = "scripted"

    def __init__(self, script: Script, *, prices_from: str = FREE) -> None:
        self.prices_from = prices_from
        self.requests: list[ModelRequest] = []
        self._script = script

    def request_bytes(self, request: ModelRequest) -> int:
        return len(request.canonical().encode())

    async def call(self, request: ModelRequest) -> Answer:
        """The next line.

        Raises:
            UsageError: The script is at its end.
        """
        line = self._line(request)
        self.requests.append(request)
        if not isinstance(line, str):
            return line
        written = line.encode()
        fits = len(written) <= request.max_tokens
        usage = TokenUsage(input=self.request_bytes(request), output=min(len(written), request.max_tokens))
        text = line if fits else written[: request.max_tokens].decode(errors="ignore")
        called = request.tool is not None and text.lstrip().startswith("{")
        draft = PartialReply([text], [text] if called else None, usage=usage, ended=True, model=request.model)
        draft.stop = "end_turn" if fits else "max_tokens"
        return finalize(self.name, draft, request)

    async def catalogue(self) -> Mapping[str, ModelInfo] | CallFailure:
        """Empty: it answers as any model."""
        return {}

    async def close(self) -> None:
        """Nothing is open."""

    def _line(self, request: ModelRequest) -> Line:
        script = self._script
        if isinstance(script, str | ModelReply | CallFailure):
            return script
        if callable(script):
            return script(request)
        if len(self.requests) >= len(script):
            raise UsageError(f"the script has {len(script)} answers, and one more was asked for.")
        return script[len(self.requests)]
