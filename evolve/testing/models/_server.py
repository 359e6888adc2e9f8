"""A server on 127.0.0.1 that speaks the Messages API, message batches, chat completions, embeddings and lists of models, and breaks
in the ways that real ones do.

Without a script it answers every request: with a text, or with a call of the tool it was given.  It counts words as tokens and
keeps a cache by the marks of a request.  A script says for one request after the other what to do instead.

It is one asyncio server: hundreds of connections wait at a time without a thread for each.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from evolve.testing.models._batches import ServerBatches, Verdict
from evolve.testing.models._dialects import objection, whole_chat
from evolve.testing.models._says import Say, chat, error, finish, model_info, start, text_block, tool_block

_LIMITS = {
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "49",
    "anthropic-ratelimit-requests-reset": "2026-01-01T00:00:10Z",
}
_POSTS = ("/v1/messages", "/v1/chat/completions", "/v1/embeddings", "/v1/messages/batches")
_BACKLOG = 1024
_DIMS = 8  # of embeddings
_ALIVE_S = 0.02  # between two signs of life


@dataclass(frozen=True)
class Heard:
    """One request as it came in; ``at_s`` is on the monotonic clock."""

    path: str
    headers: dict[str, str]
    body: Any
    method: str = "POST"
    query: dict[str, str] = field(default_factory=dict)
    at_s: float = 0.0

    @property
    def key(self) -> str:
        """The client of the Messages API sends it under the one name or the other, by its version."""
        return self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")

    @property
    def of_anthropic(self) -> bool:
        return self.path.startswith("/v1/messages") or "anthropic-version" in self.headers


class ModelServer:
    """``server.url`` is its address (with ``/v1`` for chat completions), ``server.heard`` the journal of all that it was asked.

    ``async with`` serves in the running loop, ``with`` in a thread of its own, for programs that have no loop.

    Args:
        script: What to do with the first requests, whatever they are; None is what would be done without a script.
        delay_s: How long each answer is held back.
        models: What the list of models says, in pages of two.
        verdict: The result of each call in a batch, from its place in the batch and its ``params``: a text, or the whole result;
            None is a plain answer.
        polls: How often a batch is seen in progress before it has ended.
        key: What Anthropic's routes take as the key.
        dialect: What the server lacks or wants of chat completions, out of ``_model_dialects.DIALECTS``.
        port: Where it listens; 0 is any that is free.
    """

    def __init__(
        self,
        *script: Say | None,
        delay_s: float = 0.0,
        models: Sequence[dict[str, Any]] = (model_info("claude-test"),),
        verdict: Verdict | None = None,
        polls: int = 1,
        key: str = "dummy-key",
        dialect: Collection[str] = (),
        port: int = 0,
    ) -> None:
        self.script = list(script)
        self.heard: list[Heard] = []
        self.url = ""
        self.batches = ServerBatches(verdict, polls)
        self.models = list(models)
        self._delay_s = delay_s
        self._key = key
        self._dialect = dialect
        self._port = port
        self._kept: set[str] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._thread: threading.Thread | None = None
        self._stop: Callable[[], object] = lambda: None

    def count(self, path: str, method: str = "POST") -> int:
        """How many requests came to a path."""
        return sum((heard.path, heard.method) == (path, method) for heard in self.heard)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, backlog=_BACKLOG)
        self.url = self.batches.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    def __enter__(self) -> Self:
        ready = threading.Event()

        async def serve() -> None:
            done = asyncio.Event()
            loop = asyncio.get_running_loop()
            self._stop = lambda: loop.call_soon_threadsafe(done.set)
            try:
                async with self:
                    ready.set()
                    await done.wait()
            finally:
                ready.set()

        self._thread = threading.Thread(target=asyncio.run, args=(serve(),), name="model-server", daemon=True)
        self._thread.start()
        ready.wait()
        if not self.url:
            raise OSError("the model server could not be started on 127.0.0.1.")
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        if self._thread is not None:
            self._stop()
            self._thread.join()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while (heard := await _hear(reader)) is not None:
                self.heard.append(heard)
                scripted = None
                if (say := self._refusal(heard)) is None:
                    scripted = self.script.pop(0) if self.script else None
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                if not await _say(say or scripted or self._answer(heard), reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, or the test is over
        finally:
            self._connections.discard(task)
            writer.close()

    def _refusal(self, heard: Heard) -> Say | None:
        """What is refused before anything else."""
        if heard.of_anthropic and heard.key != self._key:
            return error(401, "authentication_error", "invalid x-api-key")
        if heard.of_anthropic and "anthropic-version" not in heard.headers:
            return error(400, "invalid_request_error", "anthropic-version: header is required")
        if heard.path in _POSTS[:2]:
            missing = [name for name in ("model", "messages") if name not in heard.body]
            if missing or (heard.of_anthropic and heard.body.get("stream") is not True):
                return error(400, "invalid_request_error", f"missing: {missing}")
        if heard.path == "/v1/chat/completions":
            return objection(self._dialect, heard.body)
        known = heard.path == "/v1/models" or heard.path in _POSTS or heard.path.startswith("/v1/messages/batches/")
        return None if known else error(404, "not_found_error", f"no such path {heard.path}")

    def streams(self, heard: Heard) -> bool:
        """Whether the answer to a question comes piece by piece."""
        return bool(heard.body.get("stream")) and "ignores_stream" not in self._dialect

    def _answer(self, heard: Heard) -> Say:
        if heard.path == "/v1/models":
            return self._list(heard)
        if heard.path.startswith("/v1/messages/batches"):
            return self.batches.answer(heard.method, heard.path, heard.body)
        if heard.path == "/v1/embeddings":
            return _embeddings(heard.body)
        if heard.path == "/v1/chat/completions":
            return chat() if self.streams(heard) else whole_chat()
        usage = self._usage(heard.body)
        tools = heard.body.get("tools")
        if tools:
            return Say(events=(start(usage), *tool_block(tools[0]["name"], '{"value": 3}'), *finish("tool_use")))
        return Say(events=(start(usage), *text_block("hello"), *finish()))

    def _list(self, heard: Heard) -> Say:
        """Anthropic's list in pages of two; OpenAI's says little more than ids."""
        if not heard.of_anthropic:
            return Say(body={"object": "list", "data": [{"id": each["id"], "object": "model"} for each in self.models]})
        ids = [each.get("id") for each in self.models]
        first = ids.index(heard.query["after_id"]) + 1 if "after_id" in heard.query else 0
        page = self.models[first : first + 2]
        ends = {"first_id": page[0].get("id"), "last_id": page[-1].get("id")} if page else {"first_id": None, "last_id": None}
        return Say(body={"data": page, "has_more": first + 2 < len(ids), **ends})

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


def _embeddings(body: Any) -> Say:
    """A vector for each text, from its hash, last text first: the order is no promise."""
    texts = body["input"]
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": [byte / 255 for byte in hashlib.sha256(text.encode()).digest()[:_DIMS]],
        }
        for index, text in enumerate(texts)
    ]
    n_tokens = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": n_tokens, "total_tokens": n_tokens}
    return Say(body={"object": "list", "model": body["model"], "data": data[::-1], "usage": usage})


async def _hear(reader: asyncio.StreamReader) -> Heard | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    place = urlsplit(target)
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    raw = await reader.readexactly(int(headers.get("content-length", 0)))
    query = {name: values[0] for name, values in parse_qs(place.query).items()}
    return Heard(place.path, headers, json.loads(raw) if raw else {}, method, query, time.monotonic())


async def _say(say: Say, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Answer; whether the connection can be used again."""
    if say.events is None:
        raw = say.body if isinstance(say.body, bytes) else json.dumps(say.body).encode()
        given = {"content-type": "application/json", "content-length": str(len(raw)), "request-id": "req_1", **say.headers}
        writer.write(_head(say.status, given) + raw)
        await writer.drain()
        return True
    given = {"content-type": "text/event-stream; charset=utf-8", "transfer-encoding": "chunked", "request-id": "req_1"}
    writer.write(_head(say.status, given | _LIMITS | say.headers))
    for name, data in say.events:
        text = data if isinstance(data, str) else json.dumps(data)
        event = (f"event: {name}\n" if name else "") + f"data: {text}\n\n"
        raw = event.encode()
        writer.write(b"%x\r\n%s\r\n" % (len(raw), raw))
        await writer.drain()
    while say.end == "alive" and not reader.at_eof():
        raw = say.alive.encode()
        writer.write(b"%x\r\n%s\r\n" % (len(raw), raw))
        await writer.drain()
        await asyncio.sleep(_ALIVE_S)
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
