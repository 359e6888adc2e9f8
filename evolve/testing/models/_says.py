"""What a ``ModelServer`` can be told to answer: errors, streamed messages and completions, headers, and the results of batches."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any


@dataclass(frozen=True)
class Say:
    """What to do with one request.

    ``events`` are (name, data) pairs; ``end`` says what follows them: "whole" closes the stream in good order, "cut" drops the
    connection, "stall" says nothing more until the client goes away, "alive" sends ``alive`` again and again instead.  ``body`` is
    sent as JSON, bytes as they are.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    events: tuple[tuple[str, Any], ...] | None = None
    end: str = "whole"
    alive: str = ": keep-alive\n\n"


def error(status: int, kind: str, message: str = "no", **headers: str) -> Say:
    """An error answer as Anthropic words it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Say(status, named, {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"})


def anthropic_limits(remaining: int, reset_in_s: float, what: str = "requests") -> dict[str, str]:
    """Rate-limit headers as Anthropic sends them; the reset is a date, to the second, which the ``date`` header goes with."""
    now = datetime.now(UTC).replace(microsecond=0)
    return {
        "date": now.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        f"anthropic-ratelimit-{what}-limit": "50",
        f"anthropic-ratelimit-{what}-remaining": str(remaining),
        f"anthropic-ratelimit-{what}-reset": (now + timedelta(seconds=reset_in_s)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def openai_limits(remaining: int, reset: str, what: str = "requests") -> dict[str, str]:
    """Rate-limit headers as OpenAI sends them; the reset is a span such as ``6m0s``."""
    return {
        f"x-ratelimit-limit-{what}": "50",
        f"x-ratelimit-remaining-{what}": str(remaining),
        f"x-ratelimit-reset-{what}": reset,
    }


def start(usage: dict[str, Any] | None = None, model: str = "claude-test") -> tuple[str, Any]:
    message: dict[str, Any] = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": 10, "output_tokens": 1} if usage is None else usage,
    }  # fmt: skip
    return "message_start", {"type": "message_start", "message": message}


def block(index: int, opened: dict[str, Any], *deltas: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return (
        ("content_block_start", {"type": "content_block_start", "index": index, "content_block": opened}),
        ("ping", {"type": "ping"}),
        *(("content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta}) for delta in deltas),
        ("content_block_stop", {"type": "content_block_stop", "index": index}),
    )


def text_block(text: str, index: int = 0) -> tuple[tuple[str, Any], ...]:
    middle = len(text) // 2
    deltas = [{"type": "text_delta", "text": part} for part in (text[:middle], text[middle:])]
    return block(index, {"type": "text", "text": ""}, *deltas)


def tool_block(name: str, given: str, index: int = 0) -> tuple[tuple[str, Any], ...]:
    """A tool call whose input is the JSON text ``given``, in pieces of five characters."""
    pieces = ["", *(given[at : at + 5] for at in range(0, len(given), 5))]
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return block(index, {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}, *deltas)


def finish(stop: str | None = "end_turn", output: int = 7, **more: Any) -> tuple[tuple[str, Any], ...]:
    delta = {"stop_reason": stop, "stop_sequence": None, **more}
    return (
        ("message_delta", {"type": "message_delta", "delta": delta, "usage": {"output_tokens": output}}),
        ("message_stop", {"type": "message_stop"}),
    )


def message(text: str = "hello", stop: str | None = "end_turn", **more: Any) -> Say:
    """A whole streamed message of one text."""
    return Say(events=(start(), *text_block(text), *finish(stop, **more)))


def chunk(delta: dict[str, Any] | None = None, finish_reason: str | None = None, usage: Any = None) -> tuple[str, Any]:
    """One chunk of a chat completion; without a delta it is the last one, which has usage alone."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    return "", {"id": "c", "object": "chat.completion.chunk", "model": "local-test", "choices": choices, "usage": usage}


CHAT_USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 5,
    "prompt_tokens_details": {"cached_tokens": 12, "cache_write_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
DONE = ("", "[DONE]")
_PLAIN_CAPABILITIES = ("batch", "citations", "code_execution", "image_input", "pdf_input", "structured_outputs")


def chat(text: str = "hello", stop: str | None = "stop", *, usage: Any = CHAT_USAGE, done: bool = True) -> Say:
    """A whole streamed chat completion of one text."""
    middle = len(text) // 2
    chunks = [chunk({"role": "assistant", "content": text[:middle]}), chunk({"content": text[middle:]})]
    chunks += [chunk({}, stop)] if stop else []
    chunks += [chunk(usage=usage)] if usage else []
    return Say(events=(*chunks, *([DONE] if done else [])))


def whole_message(*content: dict[str, Any], stop: str = "end_turn", usage: dict[str, Any] | None = None) -> dict[str, Any]:
    """A message that was not streamed, as results of batches hold it."""
    usage = {"input_tokens": 10, "output_tokens": 7, "service_tier": "batch"} if usage is None else usage
    message: dict[str, Any] = start(usage)[1]["message"]
    return message | {"content": list(content), "stop_reason": stop}


def succeeded(text: str = "hello", **more: Any) -> dict[str, Any]:
    """The result of a call in a batch that went well: one text."""
    return {"type": "succeeded", "message": whole_message({"type": "text", "text": text}, **more)}


def errored(kind: str = "invalid_request_error", words: str = "no") -> dict[str, Any]:
    """The result of a call in a batch that the server refused; ``canceled`` and ``expired`` are ``{"type": ...}`` alone."""
    return {"type": "errored", "error": {"type": "error", "error": {"type": kind, "message": words}, "request_id": "req_b"}}


def model_info(
    name: str, *, max_tokens: int = 64_000, efforts: tuple[str, ...] = (), thinking: tuple[str, ...] = (), **more: Any
) -> dict[str, Any]:
    """What Anthropic says of a model.  ``more`` replaces fields; ``capabilities=None`` leaves out what it can do."""
    levels = ("low", "medium", "high", "xhigh", "max")
    can: dict[str, Any] = {name: {"supported": True} for name in _PLAIN_CAPABILITIES}
    can["effort"] = {"supported": bool(efforts)} | {level: {"supported": level in efforts} for level in levels}
    kinds = {kind: {"supported": kind in thinking} for kind in ("adaptive", "between_tools", "disabled", "enabled")}
    can["thinking"] = {"supported": bool({"adaptive", "enabled"} & set(thinking)), "types": kinds}
    can["context_management"] = {"supported": False}
    can["server_tools"] = {"supported": False, "code_execution": {"supported": False}, "web_search": {"supported": False}}
    return {
        "id": name, "type": "model", "display_name": name, "created_at": "2026-01-01T00:00:00Z", "max_input_tokens": 200_000,
        "max_tokens": max_tokens, "capabilities": can, "lifecycle": "active",
    } | more  # fmt: skip
