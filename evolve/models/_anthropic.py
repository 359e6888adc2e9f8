"""Anthropic's Messages API, through the official client.

Always streamed, and read event by event: the client's own collecting hands out a message that was cut off as if it were whole, and
throws away the usage of a tool input that does not parse (anthropic 2.14, ``lib/streaming/_messages.py``).  The client's own
retries are off: they know nothing of money and wait as long as a server says.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from evolve._errors import need
from evolve.models._draft import Draft, count, judge, mapping, text
from evolve.models._failure import CallFailure, FailureKind, broken, refused
from evolve.models._headers import retry_after_s
from evolve.models._http import http, transport_errors, transport_failure
from evolve.models._provider import Answer
from evolve.models._reply import NOTHING, Usage
from evolve.models._request import Block, ModelRequest


class Anthropic:
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
        self._base_url = base_url
        self._key_variable = key_variable
        self._read_timeout_s = read_timeout_s
        self._deadline_s = deadline_s
        self._unix_time = unix_time
        self._client: Any = None

    def request_bytes(self, request: ModelRequest) -> int:
        return len(json.dumps(messages_body(request) | {"stream": True}, ensure_ascii=False).encode())

    async def call(self, request: ModelRequest) -> Answer:
        sdk: Any = need("anthropic", "anthropic")
        draft = Draft()
        body = messages_body(request)
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._read(sdk, body, request, draft)
        except sdk.APIStatusError as error:
            return self._refused(error, draft)
        except sdk.APIConnectionError as error:
            return transport_failure(self.name, error.__cause__ or error, draft)
        except transport_errors() as error:
            return transport_failure(self.name, error, draft)
        except ValueError as error:
            return broken(self.name, FailureKind.CUT_STREAM, f"the stream is garbled ({error})", draft.usage, draft.text)
        except TypeError as error:
            if "authentication" not in str(error):
                raise
            words = f"no key: set {self._key_variable}"
            return CallFailure(FailureKind.AUTH, f"{self.name}: {words}.", NOTHING)
        return judge(self.name, request, draft)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _read(self, sdk: Any, body: dict[str, Any], request: ModelRequest, draft: Draft) -> None:
        if self._client is None:
            timeout = http().Timeout(self._read_timeout_s, connect=10.0)
            key = os.environ.get(self._key_variable)
            self._client = sdk.AsyncAnthropic(api_key=key, base_url=self._base_url, max_retries=0, timeout=timeout)
        extra = body.pop("extra_body", None)
        async with await self._client.messages.create(**body, extra_body=extra, stream=True) as stream:
            draft.request_id = stream.response.headers.get("request-id", "")
            async for event in stream:
                _take(event if isinstance(event, dict) else event.to_dict(warnings=False), request, draft)

    def _refused(self, error: Any, draft: Draft) -> CallFailure:
        status = error.status_code
        headers = error.response.headers
        inner = mapping(mapping(error.body).get("error"))
        return refused(
            self.name,
            status,
            text(inner.get("type")),
            text(inner.get("message")) or error.message,
            usage=NOTHING if status >= 400 else draft.usage,
            retry_after_s=retry_after_s(headers, self._unix_time()),
            text=draft.text,
            request_id=headers.get("request-id", ""),
        )


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
    if request.thinking:
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


def _take(event: Mapping[str, Any], request: ModelRequest, draft: Draft) -> None:
    """Add one event of the stream.  Events and parts of no known type are passed over, as the protocol asks."""
    delta = mapping(event.get("delta"))
    match event.get("type"):
        case "message_start":
            message = mapping(event.get("message"))
            draft.model = text(message.get("model"))
            draft.usage = _usage(mapping(message.get("usage")), request, None)
        case "content_block_start":
            _open(event, draft)
        case "content_block_delta" if delta.get("type") == "text_delta":
            draft.texts.append(text(delta.get("text")))
        case "content_block_delta" if delta.get("type") == "input_json_delta":
            if draft.tool_json is not None and event.get("index") == draft.tool_index:
                draft.tool_json.append(text(delta.get("partial_json")))
        case "message_delta":
            draft.stop = text(delta.get("stop_reason"))
            draft.refusal = text(mapping(delta.get("stop_details")).get("explanation"))
            draft.usage = _usage(mapping(event.get("usage")), request, draft.usage, final=bool(draft.stop))
        case "message_stop":
            draft.ended = True


def _open(event: Mapping[str, Any], draft: Draft) -> None:
    block = mapping(event.get("content_block"))
    if block.get("type") == "text":
        draft.texts.append(text(block.get("text")))
    elif block.get("type") == "tool_use" and draft.tool_json is None:
        draft.tool_json = [json.dumps(block["input"])] if block.get("input") else []
        draft.tool_index = count(event.get("index"))


def _usage(found: Mapping[str, Any], request: ModelRequest, before: Usage | None, *, final: bool = False) -> Usage | None:
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
        written_5m, written_1h = (0, count(total)) if "1h" in request.marks else (count(total), 0)
    return Usage(
        input=_newer(found.get("input_tokens"), old.input),
        cached=_newer(found.get("cache_read_input_tokens"), old.cached),
        written_5m=written_5m,
        written_1h=written_1h,
        output=_newer(found.get("output_tokens"), old.output),
        thinking=_newer(mapping(found.get("output_tokens_details")).get("thinking_tokens"), old.thinking),
        output_known=final,
    )


def _newer(value: object, before: int) -> int:
    return before if value is None else count(value)
