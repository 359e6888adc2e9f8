"""An answer while it comes in, and the verdict on it once it has ended: the same for every provider."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evolve.models._failure import CallFailure, FailureKind, in_short
from evolve.models._reply import ModelReply, TokenUsage
from evolve.models._request import ModelRequest
from evolve.models._secrets import redact, redact_and_repair
from evolve.models._size_limits import MOST_TEXT, TooLong

_SHOWN = 100  # characters of what is garbled
_FINE = frozenset({"end_turn", "stop_sequence", "tool_use", "stop", "tool_calls", "function_call", "eos", "eos_token"})
_TOO_LONG = frozenset({"max_tokens", "model_context_window_exceeded", "length"})
_REFUSED = frozenset({"refusal", "content_filter"})


@dataclass(slots=True)
class PartialReply:
    """What has come of an answer so far.  ``usage`` is None until the server has counted something."""

    texts: list[str] = field(default_factory=list)
    tool_json: list[str] | None = None
    tool_index: int = 0
    stop: str = ""
    ended: bool = False
    usage: TokenUsage | None = None
    refusal: str = ""
    model: str = ""
    request_id: str = ""
    hold_s: float = 0.0
    n_said: int = 0
    begun: bool = False  # whether an answer has begun: its headers were read

    def say(self, piece: object, into: list[str] | None = None) -> None:
        """Add a piece of the text, or of a tool's input; a list of parts is each part's text.

        Raises:
            TooLong: It has become longer than any that a model writes.
        """
        if isinstance(piece, list):
            for part in piece:
                self.say(mapping(part).get("text") if isinstance(part, Mapping) else part, into)
            return
        if not isinstance(piece, str):
            return
        self.n_said += len(piece)
        if self.n_said > MOST_TEXT:
            raise TooLong(f"the answer has more than {MOST_TEXT >> 20} MiB of text")
        (self.texts if into is None else into).append(piece)

    @property
    def text(self) -> str:
        return redact_and_repair("".join(self.texts))  # joined first: a pair of surrogates, or a key, may come in two pieces


def count(value: object) -> int:
    """A server's number of tokens; what is no such number counts nothing."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def is_odd(value: object) -> bool:
    """Whether a number of tokens is there and is none: below zero, a part of one, a text."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0)


def mapping(value: object) -> Mapping[str, Any]:
    """A server's JSON object; what is none is an empty one."""
    return value if isinstance(value, Mapping) else {}


def parsed(data: str) -> dict[str, Any]:
    """An event of a stream, or a whole answer, as JSON.

    Raises:
        ValueError: It is no JSON object; the message shows how it begins.
    """
    try:
        found = json.loads(data)
    except ValueError as error:
        raise ValueError(f"no JSON: {in_short(data)[:_SHOWN]}") from error
    if not isinstance(found, dict):
        raise ValueError(f"no JSON object: {in_short(data)[:_SHOWN]}")
    return found


def text(value: object) -> str:
    """A server's text; what is none is empty."""
    return redact_and_repair(value) if isinstance(value, str) else ""


def finalize(server: str, draft: PartialReply, request: ModelRequest) -> ModelReply | CallFailure:
    """The reply, if the answer is whole and has the form asked for; otherwise the named failure that it is.

    Args:
        server: The provider's name.
        draft: The answer.
        request: What was asked.
    """

    def fail(kind: FailureKind, what: str) -> CallFailure:
        return CallFailure(kind, f"{server}: {what}.", draft.usage, draft.text, hold_s=draft.hold_s)

    if not draft.stop:
        if not draft.ended:
            if not draft.texts and draft.tool_json is None:
                return fail(FailureKind.NO_ANSWER, "the connection ended before anything was said")
            return fail(FailureKind.CUT_STREAM, "the answer was cut off before its end")
        return fail(FailureKind.NO_STOP_REASON, "the answer ended without a stop reason and may be incomplete")
    if draft.stop in _TOO_LONG:
        return fail(FailureKind.MAX_TOKENS, f"the answer hit a limit ({draft.stop}; max_tokens was {request.max_tokens})")
    if draft.stop in _REFUSED or draft.refusal:
        return fail(FailureKind.REFUSAL, f"the model refused{': ' + redact(draft.refusal)[:300] if draft.refusal else ''}")
    if draft.stop not in _FINE:
        return fail(FailureKind.WRONG_FORM, f"the model stopped for a reason that was not asked for ({draft.stop})")
    tool_input = None
    if request.tool is not None:
        tool_input = _object("".join(draft.tool_json)) if draft.tool_json is not None else None
        if tool_input is None:
            found = "text" if draft.tool_json is None else "an input that is no JSON object"
            return fail(FailureKind.WRONG_FORM, f"a call of the tool {request.tool.name} was asked for, and {found} came")
    if request.format and not _is_json(draft.text):
        return fail(FailureKind.WRONG_FORM, "JSON was asked for, and a text that is no JSON came")
    return ModelReply(draft.text, draft.stop, draft.usage, tool_input, draft.model, draft.request_id, draft.hold_s)


def _object(text: str) -> dict[str, object] | None:
    try:
        value = json.loads(text or "{}")
        value = json.loads(redact_and_repair(json.dumps(value, ensure_ascii=False)))  # its texts are a server's too
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
