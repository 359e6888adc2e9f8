"""A server on 127.0.0.1 that speaks the Messages API and chat completions, and breaks in the ways that real ones do.

Without a script it answers every request: with a text, or with a call of the tool it was given.  It counts words as tokens and
keeps a cache by the marks of a request.  A script says for one request after the other what to do instead.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

RATE_HEADERS = {
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "0",
    "anthropic-ratelimit-requests-reset": "2026-01-01T00:00:10Z",
}


@dataclass(frozen=True)
class Say:
    """What to do with one request.

    ``events`` are (name, data) pairs; ``end`` says what follows them: "whole" closes the stream in good order, "cut" drops the
    connection, "stall" says nothing more until the client goes away.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    events: tuple[tuple[str, Any], ...] | None = None
    end: str = "whole"


@dataclass(frozen=True)
class Heard:
    path: str
    headers: dict[str, str]
    body: Any

    @property
    def key(self) -> str:
        """The client of the Messages API sends it under the one name or the other, by its version."""
        return self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")


def error(status: int, kind: str, message: str = "no", **headers: str) -> Say:
    """An error answer as Anthropic words it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Say(status, named, {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"})


def start(usage: dict[str, Any] | None = None, model: str = "claude-test") -> tuple[str, Any]:
    message = {
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


def chat(text: str = "hello", stop: str | None = "stop", *, usage: Any = CHAT_USAGE, done: bool = True) -> Say:
    """A whole streamed chat completion of one text."""
    middle = len(text) // 2
    chunks = [chunk({"role": "assistant", "content": text[:middle]}), chunk({"content": text[middle:]})]
    chunks += [chunk({}, stop)] if stop else []
    chunks += [chunk(usage=usage)] if usage else []
    return Say(events=(*chunks, *([DONE] if done else [])))


class ModelServer:
    """``async with ModelServer(script) as server``: ``server.url`` is its address, ``server.heard`` what it was asked."""

    def __init__(self, *script: Say) -> None:
        self.script = list(script)
        self.heard: list[Heard] = []
        self.url = ""
        self._kept: set[str] = set()
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> ModelServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while (heard := await _hear(reader)) is not None:
                self.heard.append(heard)
                say = self._refusal(heard) or (self.script.pop(0) if self.script else self._answer(heard))
                if not await _say(say, reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, or the test is over
        finally:
            self._connections.discard(task)
            writer.close()

    def _refusal(self, heard: Heard) -> Say | None:
        """What both protocols refuse before anything else."""
        if heard.path not in ("/v1/messages", "/v1/chat/completions"):
            return error(404, "not_found_error", f"no such path {heard.path}")
        if heard.path == "/v1/messages" and heard.key != "dummy-key":
            return error(401, "authentication_error", "invalid x-api-key")
        if heard.path == "/v1/messages" and "anthropic-version" not in heard.headers:
            return error(400, "invalid_request_error", "anthropic-version: header is required")
        missing = [name for name in ("model", "messages") if name not in heard.body]
        if missing or heard.body.get("stream") is not True:
            return error(400, "invalid_request_error", f"missing: {missing}")
        return None

    def _answer(self, heard: Heard) -> Say:
        if heard.path == "/v1/chat/completions":
            return chat()
        usage = self._usage(heard.body)
        tools = heard.body.get("tools")
        if tools:
            return Say(events=(start(usage), *tool_block(tools[0]["name"], '{"value": 3}'), *finish("tool_use")))
        return Say(events=(start(usage), *text_block("hello"), *finish()))

    def _usage(self, body: Any) -> dict[str, Any]:
        """A prompt up to its last mark that was seen before is read from the cache; what follows it up to a mark is written."""
        blocks = [*body.get("system", ()), *(part for each in body["messages"] for part in each["content"])]
        found = {"input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}
        written = {"5m": 0, "1h": 0}
        prefix, waiting = body["model"], 0
        for part in blocks:
            prefix += part["text"]
            waiting += len(part["text"].split())
            mark = part.get("cache_control")
            if mark and prefix in self._kept:
                found["cache_read_input_tokens"] += waiting
                waiting = 0
            elif mark:
                written[mark["ttl"]] += waiting
                self._kept.add(prefix)
                waiting = 0
        found["input_tokens"] = waiting
        found["cache_creation_input_tokens"] = sum(written.values())
        parts = {"ephemeral_5m_input_tokens": written["5m"], "ephemeral_1h_input_tokens": written["1h"]}
        return found | {"cache_creation": parts}


async def _hear(reader: asyncio.StreamReader) -> Heard | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    raw = await reader.readexactly(int(headers.get("content-length", 0)))
    return Heard(first.split(" ")[1], headers, json.loads(raw) if raw else {})


async def _say(say: Say, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Answer; whether the connection can be used again."""
    if say.events is None:
        raw = say.body if isinstance(say.body, bytes) else json.dumps(say.body).encode()
        given = {"content-type": "application/json", "content-length": str(len(raw)), "request-id": "req_1", **say.headers}
        writer.write(_head(say.status, given) + raw)
        await writer.drain()
        return True
    given = {"content-type": "text/event-stream; charset=utf-8", "transfer-encoding": "chunked", "request-id": "req_1"}
    writer.write(_head(say.status, given | RATE_HEADERS | say.headers))
    for name, data in say.events:
        text = data if isinstance(data, str) else json.dumps(data)
        event = (f"event: {name}\n" if name else "") + f"data: {text}\n\n"
        raw = event.encode()
        writer.write(b"%x\r\n%s\r\n" % (len(raw), raw))
        await writer.drain()
    if say.end == "stall":
        await reader.read()
    if say.end != "whole":
        return False
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
