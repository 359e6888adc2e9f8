"""Chat completions: any server that speaks OpenAI's protocol, local ones among them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

from evolve._errors import UsageError
from evolve.models._draft import Draft, count, judge, mapping, text
from evolve.models._failure import CallFailure, refused
from evolve.models._http import read_rest
from evolve.models._model_info import ModelInfo
from evolve.models._openai_client import OpenAIClient, error_words
from evolve.models._provider import Answer
from evolve.models._reply import Usage
from evolve.models._request import Block, ModelRequest, Thinking, ThinkingBudget
from evolve.models._sse import events

ThinkingField = Literal["", "thinking", "reasoning", "chat_template_kwargs"]

_THINKING_FIELDS = ("", "thinking", "reasoning", "chat_template_kwargs")
_NO_ROUTE = frozenset({404, 405, 501})
_LONGEST = ("max_model_len", "context_length")  # where vLLM and OpenRouter say how long a prompt may be


class ChatCompletions:
    """An OpenAI-compatible server.  Cache marks are left to it; effort becomes ``reasoning_effort``.

    Args:
        base_url: With the version, without ``/chat/completions``: ``https://api.openai.com/v1``.
        key_variable: Environment variable that holds the key; nothing is sent where it is not set.
        limit_field: ``max_tokens``, or ``max_completion_tokens`` where the server wants that.
        thinking_field: Where the server takes thinking, which the protocol has no field for: ``thinking`` (DeepSeek, GLM),
            ``reasoning`` (OpenRouter), ``chat_template_kwargs`` (vLLM, llama.cpp; on or off, without a budget).  "" sends none.
        read_timeout_s: Longest silence within an answer.
        deadline_s: Longest time a whole call may take.
        unix_time: Gives Unix time, for headers that name a date.

    Raises:
        UsageError: No such ``thinking_field``.
    """

    name = "openai-compatible"

    def __init__(
        self,
        base_url: str,
        *,
        key_variable: str = "OPENAI_API_KEY",
        limit_field: str = "max_tokens",
        thinking_field: ThinkingField = "",
        read_timeout_s: float = 120.0,
        deadline_s: float = 1200.0,
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        if thinking_field not in _THINKING_FIELDS:
            expected = ", ".join(_THINKING_FIELDS[1:])
            raise UsageError(f"thinking_field must be one of {expected}, or empty; found {thinking_field!r}.")
        self.prices_from = base_url
        self._limit_field = limit_field
        self._thinking_field = thinking_field
        self._client = OpenAIClient(
            self.name,
            base_url,
            key_variable=key_variable,
            read_timeout_s=read_timeout_s,
            deadline_s=deadline_s,
            unix_time=unix_time,
        )

    def request_bytes(self, request: ModelRequest) -> int:
        return len(self._content(request))

    async def call(self, request: ModelRequest) -> Answer:
        draft = Draft()
        failure = await self._client.attempt(lambda: self._read(self._content(request), draft), draft)
        return failure or judge(self.name, draft, request)

    async def catalogue(self) -> Mapping[str, ModelInfo] | CallFailure:
        found = await self._client.fetch("GET", "/models")
        if isinstance(found, CallFailure):
            return {} if found.status in _NO_ROUTE else found
        models = (_info(each) for each in _objects(mapping(found.body).get("data")))
        return {info.id: info for info in models if info.id}

    async def close(self) -> None:
        await self._client.close()

    def _content(self, request: ModelRequest) -> bytes:
        body = chat_body(request, self._limit_field, self._thinking_field)
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()

    async def _read(self, content: bytes, draft: Draft) -> CallFailure | None:
        async with self._client.stream("POST", "/chat/completions", content, "text/event-stream") as response:
            draft.request_id = response.headers.get("x-request-id", "")
            if response.status_code != 200:
                return await self._client.refused(response)
            draft.hold_s = self._client.hold_s(response)
            coming = events(response.aiter_bytes())
            async for data in coming:
                if data == "[DONE]":
                    draft.ended = True
                    await read_rest(coming)
                    return None
                chunk = json.loads(data)
                if not isinstance(chunk, dict):
                    raise ValueError("a chunk is no JSON object")
                if chunk.get("error"):
                    kind, words = error_words(chunk)
                    return refused(self.name, 200, kind, words, usage=draft.usage, text=draft.text, midway=True)
                _take(chunk, draft)
        return None


def chat_body(request: ModelRequest, limit_field: str = "max_tokens", thinking_field: ThinkingField = "") -> dict[str, Any]:
    """The JSON body of a request."""
    messages = [{"role": each.role, "content": _joined(each.blocks)} for each in request.messages]
    if request.system:
        messages.insert(0, {"role": "system", "content": _joined(request.system)})
    body: dict[str, Any] = {
        "model": request.model,
        "messages": messages,
        limit_field: request.max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.effort:
        body["reasoning_effort"] = request.effort
    if request.thinking and thinking_field:
        body[thinking_field] = _thinking(request.thinking, thinking_field)
    if request.tool is not None:
        tool = request.tool
        function = {"name": tool.name, "description": tool.description, "parameters": json.loads(tool.schema)}
        body["tools"] = [{"type": "function", "function": function}]
        body["tool_choice"] = {"type": "function", "function": {"name": tool.name}}
    if request.format:
        schema = {"name": "answer", "schema": json.loads(request.format), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if request.stop:
        body["stop"] = list(request.stop)
    return body | (json.loads(request.extra) if request.extra else {})


def _thinking(asked: Thinking, field: ThinkingField) -> dict[str, Any]:
    on = asked != "disabled"
    budget = asked.n_tokens if isinstance(asked, ThinkingBudget) else None
    if field == "chat_template_kwargs":
        return {"enable_thinking": on}
    if field == "reasoning":
        return {"enabled": on} if budget is None else {"max_tokens": budget}
    return {"type": "enabled" if on else "disabled"} | ({"budget_tokens": budget} if budget is not None else {})


def _info(model: Mapping[str, Any]) -> ModelInfo:
    longest = max(count(model.get(name)) for name in _LONGEST)
    return ModelInfo(text(model.get("id")), max_input_tokens=longest or None)


def _joined(blocks: tuple[Block, ...]) -> str:
    return "\n\n".join(block.text for block in blocks)


def _take(chunk: Mapping[str, Any], draft: Draft) -> None:
    """Add one chunk of the stream.  The last one has usage and no choices."""
    draft.model = text(chunk.get("model")) or draft.model
    if isinstance(chunk.get("usage"), Mapping):
        draft.usage = _usage(chunk["usage"])
    for choice in _objects(chunk.get("choices")):
        delta = mapping(choice.get("delta"))
        draft.say(delta.get("content"))
        draft.refusal += text(delta.get("refusal"))
        for call in _objects(delta.get("tool_calls")):
            if count(call.get("index")) == 0:
                draft.tool_json = draft.tool_json or []
                draft.say(mapping(call.get("function")).get("arguments"), draft.tool_json)
        draft.stop = text(choice.get("finish_reason")) or draft.stop


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [mapping(each) for each in value] if isinstance(value, list) else []


def _usage(found: Mapping[str, Any]) -> Usage:
    parts = mapping(found.get("prompt_tokens_details"))
    cached, written = count(parts.get("cached_tokens")), count(parts.get("cache_write_tokens"))
    thinking = count(mapping(found.get("completion_tokens_details")).get("reasoning_tokens"))
    fresh = max(count(found.get("prompt_tokens")) - cached - written, 0)
    output = count(found.get("completion_tokens"))
    return Usage(input=fresh, cached=cached, written_5m=written, output=output, thinking=thinking)
