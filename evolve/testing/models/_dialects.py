"""Servers of chat completions that speak only a part of the protocol: what they refuse, and answers that are no stream."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from evolve.testing.models._says import CHAT_USAGE, Say

DIALECTS = ("no_stream", "no_stream_options", "no_system_role", "content_parts", "max_completion_tokens", "ignores_stream")


def objection(dialect: Collection[str], body: Mapping[str, Any]) -> Say | None:
    """What a server of this dialect, each out of ``DIALECTS``, finds wrong with a request, in words that such servers use."""
    contents = [message["content"] for message in body["messages"]]
    if "no_stream_options" in dialect and "stream_options" in body:
        return refusal("Unrecognized request argument supplied: stream_options")
    if "no_stream" in dialect and body.get("stream"):
        return refusal("Streaming is not supported by this deployment.")
    if "no_system_role" in dialect and any(message["role"] == "system" for message in body["messages"]):
        return refusal("System role not supported", 500)
    if "content_parts" in dialect and not all(isinstance(content, list) for content in contents):
        what = {"type": "list_type", "loc": ["body", "messages", 0, "content"], "msg": "Input should be a valid list"}
        return Say(422, body={"detail": [what]})
    if "max_completion_tokens" in dialect and "max_tokens" in body:
        words = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        return refusal(words)
    return None


def refusal(words: str, status: int = 400, **more: Any) -> Say:
    """An error as OpenAI words it."""
    return Say(status, body={"error": {"message": words, "type": "invalid_request_error", **more}})


def whole_chat(text: str = "hello", stop: str = "stop", *, usage: Any = CHAT_USAGE, **message: Any) -> Say:
    """A chat completion that is not streamed; ``message`` replaces its parts."""
    said = {"role": "assistant", "content": text} | message
    choice = {"index": 0, "message": said, "finish_reason": stop}
    return Say(body={"id": "c", "object": "chat.completion", "model": "local-test", "choices": [choice], "usage": usage})
