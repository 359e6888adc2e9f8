"""Chat completions: any server that speaks OpenAI's protocol, local ones among them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from evolve._errors import UsageError
from evolve.models._failure import CallFailure, FailureKind, elsewhere
from evolve.models._model_info import ModelInfo
from evolve.models._provider import Answer
from evolve.models._reply import TokenUsage
from evolve.models._request import Block, ModelRequest, Thinking, ThinkingBudget
from evolve.models._size_limits import whole
from evolve.models.openai._client import OpenAIClient
from evolve.models.openai._dialect import Dialect, dialect_of
from evolve.models.transport._http import read_rest
from evolve.models.transport._incoming import Incoming, Silence
from evolve.models.transport._sse import events
from evolve.models.transport._stream import PartialReply, count, finalize, is_odd, mapping, parsed, text
from evolve.models.transport._words import is_error, is_lines, page_words

ThinkingField = Literal["", "thinking", "reasoning", "chat_template_kwargs"]

_THINKING_FIELDS = ("", "thinking", "reasoning", "chat_template_kwargs")
_NO_ROUTE = frozenset({404, 405, 501})
_TEACHES = frozenset({FailureKind.BAD_REQUEST, FailureKind.SERVER_ERROR})
_FIELDS = (b":", b"data", b"event", b"id", b"retry")  # what a stream of events may begin with
_PLAIN = Dialect()
_LONGEST = ("max_model_len", "context_length")  # where vLLM and OpenRouter say how long a prompt may be


class ChatProvider:
    """An OpenAI-compatible server.  Cache marks are left to it; effort becomes ``reasoning_effort``.

    Args:
        base_url: With the version, without ``/chat/completions``: ``https://api.openai.com/v1``.
        key_variable: Environment variable that holds the key; nothing is sent where it is not set.
        limit_field: ``max_tokens``, or ``max_completion_tokens`` where the server wants that.
        thinking_field: Where the server takes thinking, which the protocol has no field for: ``thinking`` (DeepSeek, GLM),
            ``reasoning`` (OpenRouter), ``chat_template_kwargs`` (vLLM, llama.cpp; on or off, without a budget).  "" sends none.
        dialect: What is known of the server's dialect, as ``llm.sampling.dialect`` names it; the rest is learnt from refusals,
            for each model by itself.
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
        dialect: Sequence[str] = (),
        read_timeout_s: float = 120.0,
        deadline_s: float = 1200.0,
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        if thinking_field not in _THINKING_FIELDS:
            expected = ", ".join(_THINKING_FIELDS[1:])
            raise UsageError(f"thinking_field must be one of {expected}, or empty; found {thinking_field!r}.")
        self.prices_from = base_url
        self._first = dialect_of(dialect, limit_field)
        self._dialects: dict[str, Dialect] = {}  # of each model, where it is not the first
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
        return len(self._content(request, self._dialect(request.model)))

    async def call(self, request: ModelRequest) -> Answer:
        draft, dialect = PartialReply(), self._dialect(request.model)
        failure = await self._client.attempt(lambda: self._read(request, dialect, draft), draft)
        if failure is None:
            return finalize(self.name, draft, request)
        return self._learnt(request.model, dialect, failure) if failure.kind in _TEACHES and not failure.text else failure

    async def catalogue(self) -> Mapping[str, ModelInfo] | CallFailure:
        found = await self._client.fetch("GET", "/models")
        if isinstance(found, CallFailure):
            return {} if found.status in _NO_ROUTE else found
        models = (_info(each) for each in _objects(mapping(found.body).get("data")))
        return {info.id: info for info in models if info.id}

    async def close(self) -> None:
        await self._client.close()

    def _dialect(self, model: str) -> Dialect:
        return self._dialects.get(model, self._first)

    def _learnt(self, model: str, spoken: Dialect, failure: CallFailure) -> CallFailure:
        """A refusal; one that names what can be done otherwise is passing, as the next request does it otherwise."""
        now = self._dialect(model)
        if now != spoken:  # another call has learnt something while this one was under way
            return replace(failure, kind=FailureKind.DIALECT)
        learnt = spoken.after(failure.sentence)
        if learnt is None:
            return failure
        self._dialects[model], how = learnt
        return replace(failure, kind=FailureKind.DIALECT, sentence=f"{failure.sentence} From now on {model} is asked {how}.")

    def _content(self, request: ModelRequest, dialect: Dialect) -> bytes:
        body = chat_body(request, dialect, self._thinking_field)
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()

    async def _read(self, request: ModelRequest, dialect: Dialect, draft: PartialReply) -> CallFailure | None:
        content, accept = self._content(request, dialect), "text/event-stream" if dialect.stream else "application/json"
        async with self._client.stream("POST", "/chat/completions", content, accept, patient=not dialect.stream) as response:
            draft.request_id = response.headers.get("x-request-id", "")
            if response.status_code != 200:
                return await self._client.refused(response)
            draft.begun, draft.hold_s = True, self._client.hold_s(response)
            silence = self._client.silence()
            incoming = self._client.incoming(response, silence)
            form = await incoming.form()
            if form == "page":
                return await self._client.page(incoming)
            if form == "json":
                failure = await self._whole(response, incoming, draft)
                if failure is None and dialect.stream:  # a server that streams nothing is waited for differently
                    self._dialects[request.model] = replace(self._dialect(request.model), stream=False)
                return failure
            return await self._streamed(response, incoming, silence, draft)

    async def _streamed(self, response: Any, incoming: Incoming, silence: Silence, draft: PartialReply) -> CallFailure | None:
        coming, n_events = events(aiter(incoming)), 0
        async for data in coming:
            n_events += 1
            if data == "[DONE]":
                draft.ended = True
                await read_rest(coming)
                return None
            chunk = parsed(data)
            if is_error(chunk):
                return self._client.refused_within(response, chunk, draft)
            if _take(chunk, draft):
                silence.heard()
        if not n_events and not incoming.head.startswith(_FIELDS) and incoming.head:
            return elsewhere(self.name, "a text that is no stream of events", page_words(incoming.head))
        return None

    async def _whole(self, response: Any, incoming: Incoming, draft: PartialReply) -> CallFailure | None:
        """An answer in one piece: of a server that does not stream, or one that was asked not to; or the error that there is."""
        said = (await whole(aiter(incoming))).decode()
        if is_lines(said):
            return elsewhere(self.name, "one JSON object a line, as Ollama's own endpoint (/api) streams", said[:200])
        body = parsed(said)
        if is_error(body):
            return self._client.refused_within(response, body, draft)
        if not isinstance(body.get("choices"), list):
            return self._client.other(body)
        _take(body, draft, part="message")
        draft.ended = True
        return None


def chat_body(request: ModelRequest, dialect: Dialect = _PLAIN, thinking_field: ThinkingField = "") -> dict[str, Any]:
    """The JSON body of a request."""
    messages: list[tuple[str, str]] = [(each.role, _joined(each.blocks)) for each in request.messages]
    if request.system and dialect.system_role:
        messages.insert(0, ("system", _joined(request.system)))
    elif request.system:
        messages[0] = ("user", f"{_joined(request.system)}\n\n{messages[0][1]}")
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [{"role": role, "content": _content_of(words, dialect)} for role, words in messages],
        dialect.limit_field: request.max_tokens,
        "stream": dialect.stream,
    }
    if dialect.stream and dialect.stream_options:
        body["stream_options"] = {"include_usage": True}
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


def _content_of(words: str, dialect: Dialect) -> object:
    return [{"type": "text", "text": words}] if dialect.content_parts else words


def _take(chunk: Mapping[str, Any], draft: PartialReply, part: str = "delta") -> bool:
    """Add one chunk of the stream, or with ``part="message"`` a whole answer; returns whether it says anything.

    The last chunk has usage and no choices.
    """
    draft.model = text(chunk.get("model")) or draft.model
    said = isinstance(chunk.get("usage"), Mapping)
    if said:
        draft.usage = _usage(chunk["usage"])
    for choice in _objects(chunk.get("choices")):
        delta = mapping(choice.get(part))
        said = said or bool(choice.get("finish_reason")) or any(value for name, value in delta.items() if name != "role")
        draft.say(delta.get("content"))
        draft.refusal += text(delta.get("refusal"))
        for place, call in enumerate(_objects(delta.get("tool_calls"))):
            if (place if part == "message" else count(call.get("index"))) == 0:
                draft.tool_json = draft.tool_json or []
                draft.say(mapping(call.get("function")).get("arguments"), draft.tool_json)
        draft.stop = text(choice.get("finish_reason")) or draft.stop
    return said


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [mapping(each) for each in value] if isinstance(value, list) else []


def _usage(found: Mapping[str, Any]) -> TokenUsage:
    sound = not any(is_odd(found.get(name)) for name in ("prompt_tokens", "completion_tokens"))
    parts = mapping(found.get("prompt_tokens_details"))
    cached, written = count(parts.get("cached_tokens")), count(parts.get("cache_write_tokens"))
    thinking = count(mapping(found.get("completion_tokens_details")).get("reasoning_tokens"))
    fresh = max(count(found.get("prompt_tokens")) - cached - written, 0)
    output = count(found.get("completion_tokens"))
    return TokenUsage(input=fresh, cached=cached, written_5m=written, output=output, thinking=thinking, sound=sound)
