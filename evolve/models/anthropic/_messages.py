"""Anthropic's Messages API, through the official client.

Always streamed, and read event by event here.  The client's own collecting hands out a message that was cut off as if it were
whole, and throws away the usage of a tool input that does not parse (anthropic 2.14, ``lib/streaming/_messages.py``).  Its events
know no bound, and end when the connection does instead of with the message.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from evolve.models._failure import CallFailure, elsewhere, in_short, server_error
from evolve.models._model_info import ModelInfo
from evolve.models._provider import Answer
from evolve.models._reply import NOTHING, TokenUsage
from evolve.models._request import Block, CacheMark, ModelRequest, ThinkingBudget
from evolve.models._size_limits import whole
from evolve.models.anthropic._catalogue import anthropic_catalogue
from evolve.models.anthropic._client import AnthropicClient
from evolve.models.transport._http import read_rest
from evolve.models.transport._incoming import Incoming, Silence
from evolve.models.transport._sse import events
from evolve.models.transport._stream import PartialReply, count, finalize, is_odd, mapping, parsed, text
from evolve.models.transport._words import error_status, error_words, is_error, page_words

_MOST_PAGE = 65536  # bytes


class AnthropicProvider:
    """The Messages API of Anthropic or of a server that speaks it.

    Args:
        base_url: Address of the server; None is the client's default.
        key_variable: Environment variable that holds the key; without it the client looks where it usually does.
        read_timeout_s: Longest silence within an answer.
        deadline_s: Longest time a whole call may take.
        unix_time: Gives Unix time, for headers that name a date.
    """

    name = "anthropic"
    prices_from = "anthropic"

    def __init__(
        self,
        *,
        base_url: str | None = None,
        key_variable: str = "ANTHROPIC_API_KEY",
        read_timeout_s: float = 120.0,
        deadline_s: float = 1200.0,
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        self._read_timeout_s = read_timeout_s
        self._client = AnthropicClient(
            self.name,
            base_url=base_url,
            key_variable=key_variable,
            read_timeout_s=read_timeout_s,
            deadline_s=deadline_s,
            unix_time=unix_time,
        )

    def request_bytes(self, request: ModelRequest) -> int:
        return len(json.dumps(messages_body(request) | {"stream": True}, ensure_ascii=False).encode())

    async def call(self, request: ModelRequest) -> Answer:
        draft = PartialReply()

        async def read(client: Any) -> CallFailure | None:
            body = messages_body(request)
            extra = body.pop("extra_body", None)
            async with await client.messages.create(**body, extra_body=extra, stream=True) as stream:
                response = stream.response
                draft.request_id = response.headers.get("request-id", "")
                draft.begun, draft.hold_s = True, self._client.hold_s(response)
                silence = Silence(self._read_timeout_s)
                incoming = Incoming(response.aiter_bytes(), silence)
                form = await incoming.form()
                if form == "page":
                    return elsewhere(self.name, "a page", page_words(await incoming.begins(_MOST_PAGE)))
                if form == "json":
                    return self._whole(await whole(aiter(incoming)), request, draft)
                return await self._read(events(aiter(incoming)), request, draft, silence)

        failure = await self._client.attempt(read, draft)
        return failure or finalize(self.name, draft, request)

    async def _read(
        self, coming: AsyncIterator[str], request: ModelRequest, draft: PartialReply, silence: Silence
    ) -> CallFailure | None:
        async for data in coming:
            event = parsed(data)
            if is_error(event):
                return self._refused_within(event, draft)
            _take(event, request, draft)
            if event.get("type") != "ping":
                silence.heard()
            if draft.ended:
                await read_rest(coming)
                break
        return None

    def _whole(self, raw: bytes, request: ModelRequest, draft: PartialReply) -> CallFailure | None:
        """An answer in one piece, of a server that does not stream; or the error that there is."""
        body = parsed(raw.decode())
        if is_error(body):
            return self._refused_within(body, draft)
        if not isinstance(body.get("content"), list):
            return elsewhere(self.name, "JSON that is no message", in_short(json.dumps(body, ensure_ascii=False)))
        take_whole(body, request.marks, draft)
        return None

    def _refused_within(self, body: Mapping[str, Any], draft: PartialReply) -> CallFailure:
        """The failure that an error in an answer with status 200 is; where nothing came before it, it costs nothing."""
        kind, words = error_words(body)
        midway = bool(draft.texts or draft.tool_json or draft.usage)
        return server_error(
            self.name,
            200 if midway else error_status(body) or 200,
            kind,
            words,
            usage=draft.usage if midway else NOTHING,
            text=draft.text,
            request_id=draft.request_id,
            hold_s=draft.hold_s,
            midway=midway,
        )

    async def catalogue(self) -> Mapping[str, ModelInfo] | CallFailure:
        return await anthropic_catalogue(self._client)

    async def close(self) -> None:
        await self._client.close()


def messages_body(request: ModelRequest) -> dict[str, Any]:
    """The arguments of ``messages.create`` that a request is; what is left to the server is absent."""
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": request.max_tokens,
        "messages": [{"role": each.role, "content": [_block(block) for block in each.blocks]} for each in request.messages],
    }
    if request.system:
        body["system"] = [_block(block) for block in request.system]
    output: dict[str, Any] = {}
    if request.effort:
        output["effort"] = request.effort
    if request.format:
        output["format"] = {"type": "json_schema", "schema": json.loads(request.format)}
    if output:
        body["output_config"] = output
    if isinstance(request.thinking, ThinkingBudget):
        body["thinking"] = {"type": "enabled", "budget_tokens": request.thinking.n_tokens}
    elif request.thinking:
        body["thinking"] = {"type": request.thinking}
    if request.tool is not None:
        tool = request.tool
        body["tools"] = [{"name": tool.name, "description": tool.description, "input_schema": json.loads(tool.schema)}]
        body["tool_choice"] = {"type": "tool", "name": tool.name}
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if request.extra:
        body["extra_body"] = json.loads(request.extra)
    return body


def _block(block: Block) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "text", "text": block.text}
    if block.cache:
        found["cache_control"] = {"type": "ephemeral", "ttl": block.cache}
    return found


def _take(event: Mapping[str, Any], request: ModelRequest, draft: PartialReply) -> None:
    """Add one event of the stream.  Events and parts of no known type are passed over, as the protocol asks."""
    delta = mapping(event.get("delta"))
    match event.get("type"):
        case "message_start":
            message = mapping(event.get("message"))
            draft.model = text(message.get("model"))
            draft.usage = _usage(mapping(message.get("usage")), request.marks, None)
        case "content_block_start":
            _open_block(mapping(event.get("content_block")), count(event.get("index")), draft)
        case "content_block_delta" if delta.get("type") == "text_delta":
            draft.say(delta.get("text"))
        case "content_block_delta" if delta.get("type") == "input_json_delta":
            if draft.tool_json is not None and event.get("index") == draft.tool_index:
                draft.say(delta.get("partial_json"), draft.tool_json)
        case "message_delta":
            draft.stop = text(delta.get("stop_reason"))
            draft.refusal = text(mapping(delta.get("stop_details")).get("explanation"))
            draft.usage = _usage(mapping(event.get("usage")), request.marks, draft.usage, final=bool(draft.stop))
        case "message_stop":
            draft.ended = True


def whole_draft(message: Mapping[str, Any], marks: tuple[CacheMark, ...]) -> PartialReply:
    """A message that was not streamed.

    Args:
        message: As the server sends it.
        marks: The cache marks of its request, or ``("1h",)`` where nobody knows them.
    """
    draft = PartialReply()
    take_whole(message, marks, draft)
    return draft


def take_whole(message: Mapping[str, Any], marks: tuple[CacheMark, ...], draft: PartialReply) -> None:
    """Add a message that was not streamed.  Arguments as of ``whole_draft``."""
    draft.ended, draft.stop, draft.model = True, text(message.get("stop_reason")), text(message.get("model"))
    draft.usage = _usage(mapping(message.get("usage")), marks, None, final=True)
    draft.refusal = text(mapping(message.get("stop_details")).get("explanation"))
    content = message.get("content")
    for index, block in enumerate(content if isinstance(content, list) else ()):
        _open_block(mapping(block), index, draft)


def _open_block(block: Mapping[str, Any], index: int, draft: PartialReply) -> None:
    if block.get("type") == "text":
        draft.say(block.get("text"))
    elif block.get("type") == "tool_use" and draft.tool_json is None:
        draft.tool_json = [json.dumps(block["input"])] if block.get("input") else []
        draft.tool_index = index


def _usage(
    found: Mapping[str, Any], marks: tuple[CacheMark, ...], before: TokenUsage | None, *, final: bool = False
) -> TokenUsage | None:
    """Counts are totals so far: those that are there replace those before."""
    if not found:
        return before
    old = before or NOTHING
    written_5m, written_1h = old.written_5m, old.written_1h
    parts = found.get("cache_creation")
    if isinstance(parts, Mapping):
        written_5m = count(parts.get("ephemeral_5m_input_tokens"))
        written_1h = count(parts.get("ephemeral_1h_input_tokens"))
    total = found.get("cache_creation_input_tokens")
    if total is not None and count(total) != written_5m + written_1h:
        # a total that the parts do not explain is charged at the dearest mark of the request
        written_5m, written_1h = (0, count(total)) if "1h" in marks else (count(total), 0)
    return TokenUsage(
        input=_newer(found.get("input_tokens"), old.input),
        cached=_newer(found.get("cache_read_input_tokens"), old.cached),
        written_5m=written_5m,
        written_1h=written_1h,
        output=_newer(found.get("output_tokens"), old.output),
        thinking=_newer(mapping(found.get("output_tokens_details")).get("thinking_tokens"), old.thinking),
        output_known=final,
        sound=old.sound and not any(is_odd(found.get(name)) for name in ("input_tokens", "output_tokens")),
    )


def _newer(value: object, before: int) -> int:
    return before if value is None else count(value)
