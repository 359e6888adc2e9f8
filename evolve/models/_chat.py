"""Chat completions: any server that speaks OpenAI's protocol, local ones among them."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from evolve.models._draft import Draft, count, judge, mapping, text
from evolve.models._failure import CallFailure, FailureKind, broken, refused
from evolve.models._headers import retry_after_s
from evolve.models._http import http, transport_errors, transport_failure
from evolve.models._provider import Answer
from evolve.models._reply import NOTHING, Usage
from evolve.models._request import Block, ModelRequest
from evolve.models._sse import events

_MOST_WORDS = 65536  # bytes of an error answer that are read


class ChatCompletions:
    """An OpenAI-compatible server.  Cache marks and thinking are left to it; effort becomes ``reasoning_effort``.

    Args:
        base_url: With the version, without ``/chat/completions``: ``https://api.openai.com/v1``.
        key_variable: Environment variable that holds the key; nothing is sent where it is not set.
        limit_field: ``max_tokens``, or ``max_completion_tokens`` where the server wants that.
        read_timeout_s: Longest silence within an answer.
        deadline_s: Longest time a whole call may take.
        unix_time: Gives Unix time, for headers that name a date.
    """

    name = "openai-compatible"

    def __init__(
        self,
        base_url: str,
        *,
        key_variable: str = "OPENAI_API_KEY",
        limit_field: str = "max_tokens",
        read_timeout_s: float = 120.0,
        deadline_s: float = 1200.0,
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        self.prices_from = base_url
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._key_variable = key_variable
        self._limit_field = limit_field
        self._read_timeout_s = read_timeout_s
        self._deadline_s = deadline_s
        self._unix_time = unix_time
        self._client: Any = None

    def request_bytes(self, request: ModelRequest) -> int:
        return len(self._content(request))

    async def call(self, request: ModelRequest) -> Answer:
        draft = Draft()
        content = self._content(request)
        try:
            async with asyncio.timeout(self._deadline_s):
                failure = await self._read(content, draft)
        except transport_errors() as error:
            return transport_failure(self.name, error, draft)
        except ValueError as error:
            return broken(self.name, FailureKind.CUT_STREAM, f"the stream is garbled ({error})", draft.usage, draft.text)
        return failure or judge(self.name, request, draft)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _content(self, request: ModelRequest) -> bytes:
        return json.dumps(chat_body(request, self._limit_field), ensure_ascii=False, separators=(",", ":")).encode()

    async def _read(self, content: bytes, draft: Draft) -> CallFailure | None:
        if self._client is None:
            self._client = http().AsyncClient(timeout=http().Timeout(self._read_timeout_s, connect=10.0))
        headers = {"content-type": "application/json", "accept": "text/event-stream"}
        key = os.environ.get(self._key_variable)
        if key:
            headers["authorization"] = f"Bearer {key}"
        async with self._client.stream("POST", self._url, content=content, headers=headers) as response:
            draft.request_id = response.headers.get("x-request-id", "")
            if response.status_code != 200:
                return await self._refused(response)
            async for data in events(response.aiter_bytes()):
                if data == "[DONE]":
                    draft.ended = True
                    return None
                chunk = json.loads(data)
                if not isinstance(chunk, dict):
                    raise ValueError("a chunk is no JSON object")
                if chunk.get("error"):
                    kind, words = _error(chunk)
                    return refused(self.name, 200, kind, words, usage=draft.usage, text=draft.text)
                _take(chunk, draft)
        return None

    async def _refused(self, response: Any) -> CallFailure:
        raw = b""
        async for piece in response.aiter_bytes():
            raw += piece
            if len(raw) > _MOST_WORDS:
                break
        try:
            body = json.loads(raw)
        except ValueError:
            body = raw.decode(errors="replace")
        kind, words = _error(body)
        return refused(
            self.name,
            response.status_code,
            kind,
            words,
            usage=NOTHING,
            retry_after_s=retry_after_s(response.headers, self._unix_time()),
            request_id=response.headers.get("x-request-id", ""),
        )


def chat_body(request: ModelRequest, limit_field: str = "max_tokens") -> dict[str, Any]:
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


def _joined(blocks: tuple[Block, ...]) -> str:
    return "\n\n".join(block.text for block in blocks)


def _take(chunk: Mapping[str, Any], draft: Draft) -> None:
    """Add one chunk of the stream.  The last one has usage and no choices."""
    draft.model = text(chunk.get("model")) or draft.model
    if isinstance(chunk.get("usage"), Mapping):
        draft.usage = _usage(chunk["usage"])
    for choice in _objects(chunk.get("choices")):
        delta = mapping(choice.get("delta"))
        draft.texts.append(text(delta.get("content")))
        draft.refusal += text(delta.get("refusal"))
        for call in _objects(delta.get("tool_calls")):
            if count(call.get("index")) == 0:
                draft.tool_json = draft.tool_json or []
                draft.tool_json.append(text(mapping(call.get("function")).get("arguments")))
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


def _error(body: object) -> tuple[str, str]:
    """The server's word for an error, and its message; servers agree on little here."""
    inner = body.get("error", body) if isinstance(body, Mapping) else body
    if not isinstance(inner, Mapping):
        return "", str(inner)
    code = text(inner.get("code"))
    return code if code == "insufficient_quota" else text(inner.get("type")) or code, text(inner.get("message"))
