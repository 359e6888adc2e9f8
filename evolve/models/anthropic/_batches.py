"""Anthropic's message batches: half the price, and answers within a day.

A call in a batch is a slow call, and nothing more.  Calls are gathered until there are enough of them or the first has waited long
enough; then one batch is created for all.  One task a batch asks whether it has ended, at growing intervals, and reads the results
once for all who wait for them.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from evolve.models._failure import CallFailure, FailureKind, server_error, transport_fault
from evolve.models._model_info import ModelInfo
from evolve.models._provider import IN_BATCHES, Answer
from evolve.models._reply import NOTHING
from evolve.models._request import ModelRequest
from evolve.models._size_limits import TooLong
from evolve.models.anthropic._catalogue import anthropic_catalogue
from evolve.models.anthropic._client import AnthropicClient
from evolve.models.anthropic._messages import messages_body, whole_draft
from evolve.models.transport._stream import PartialReply, finalize, mapping, text

_MOST = 100_000  # calls, and
_MOST_BYTES = 200_000_000  # bytes that a batch may have, with room for what goes around the requests: 256 MB are taken
_GROWTH = 1.5  # of the interval between two questions

Results = Mapping[str, Mapping[str, Any]]  # what became of each call, by custom id


@dataclass(slots=True, eq=False)
class _Entry:
    """A call that is gathered, or in a batch that is being created."""

    params: dict[str, Any]
    n_bytes: int
    batch: asyncio.Future[str | CallFailure]  # its id once it is created, or why it was not


@dataclass(slots=True, eq=False)
class _Watch:
    """Who waits for the results of one batch, and the task that asks for them."""

    waiting: list[asyncio.Future[Results | CallFailure]]
    task: asyncio.Task[Results | CallFailure]


class AnthropicBatches:
    """Messages in batches; a ``Provider``.

    Its limiter must let as many calls at a time through as shall wait for batches: ``Limiter(in_flight=...)`` of ``most`` or more.
    Closing it cancels those who still wait.

    Args:
        most: Calls of one batch, at most; as soon as there are so many the batch is created.
        wait_s: How long the first call of a batch may wait for others.
        poll_first_s: Wait after the first question whether a batch has ended; it grows by half each time.
        poll_longest_s: Bound on that growth.
        base_url: Address of the server; None is the client's default.
        key_variable: Environment variable that holds the key; without it the client looks where it usually does.
        read_timeout_s: Longest silence within an answer.
        deadline_s: Longest time one HTTP request may take.
        unix_time: Gives Unix time, for headers that name a date.

    Raises:
        ValueError: ``most`` is not 1 to 100 000.
    """

    name = "anthropic-batches"
    prices_from = f"anthropic{IN_BATCHES}"

    def __init__(
        self,
        *,
        most: int = 1000,
        wait_s: float = 30.0,
        poll_first_s: float = 5.0,
        poll_longest_s: float = 300.0,
        base_url: str | None = None,
        key_variable: str = "ANTHROPIC_API_KEY",
        read_timeout_s: float = 120.0,
        deadline_s: float = 1200.0,
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        if not 1 <= most <= _MOST:
            raise ValueError(f"most is {most}, expected 1 to {_MOST} calls a batch.")
        self._most = most
        self._wait_s = wait_s
        self._poll_first_s = poll_first_s
        self._poll_longest_s = poll_longest_s
        self._client = AnthropicClient(
            self.name,
            base_url=base_url,
            key_variable=key_variable,
            read_timeout_s=read_timeout_s,
            deadline_s=deadline_s,
            unix_time=unix_time,
        )
        self._gathered: dict[str, _Entry] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._creating: set[asyncio.Task[str | CallFailure]] = set()
        self._watches: dict[str, _Watch] = {}

    def request_bytes(self, request: ModelRequest) -> int:
        return len(json.dumps(_params(request), ensure_ascii=False).encode())

    async def call(self, request: ModelRequest) -> Answer:
        custom_id = secrets.token_hex(16)
        entry = self._gather(custom_id, request)
        try:
            batch = await entry.batch
        except asyncio.CancelledError:
            self._gathered.pop(custom_id, None)
            raise
        if isinstance(batch, CallFailure):
            return batch
        found = await self._results(batch)
        if isinstance(found, CallFailure):
            return replace(found, usage=None)  # the batch is worked on all the same
        if custom_id not in found:
            return CallFailure(FailureKind.NOT_FOUND, f"{self.name}: the batch {batch} has no result for this call.", None)
        return self._judged(found[custom_id], request)

    async def catalogue(self) -> Mapping[str, ModelInfo] | CallFailure:
        return await anthropic_catalogue(self._client)

    def _gather(self, custom_id: str, request: ModelRequest) -> _Entry:
        loop = asyncio.get_running_loop()
        entry = _Entry(_params(request), self.request_bytes(request), loop.create_future())
        if sum(each.n_bytes for each in self._gathered.values()) + entry.n_bytes > _MOST_BYTES:
            self._send()
        self._gathered[custom_id] = entry
        if len(self._gathered) >= self._most:
            self._send()
        elif self._timer is None:
            self._timer = loop.call_later(self._wait_s, self._send)
        return entry

    async def close(self) -> None:
        for entry in self._take().values():
            entry.batch.cancel()
        tasks = [*self._creating, *(watch.task for watch in self._watches.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.close()

    def _take(self) -> dict[str, _Entry]:
        """What is gathered, which is gathered no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        entries, self._gathered = self._gathered, {}
        return entries

    def _send(self) -> None:
        """Create a batch of what is gathered."""
        entries = self._take()
        if not entries:
            return
        task = asyncio.get_running_loop().create_task(self._create(entries))
        self._creating.add(task)
        task.add_done_callback(lambda done: _hand_out(done, [entry.batch for entry in entries.values()]))
        task.add_done_callback(self._creating.discard)

    async def _create(self, entries: Mapping[str, _Entry]) -> str | CallFailure:
        requests = [{"custom_id": custom_id, "params": entry.params} for custom_id, entry in entries.items()]

        async def create(client: Any) -> str:
            return text(getattr(await client.messages.batches.create(requests=requests), "id", None))

        name = await self._client.attempt(create, PartialReply())
        if name:
            return name
        return CallFailure(FailureKind.SERVER_ERROR, f"{self.name}: a batch was created and has no id.", None)

    async def _results(self, batch: str) -> Results | CallFailure:
        """Wait for a batch together with all others who do."""
        loop = asyncio.get_running_loop()
        watch = self._watches.get(batch)
        if watch is None:
            watch = self._watches[batch] = _Watch([], loop.create_task(self._watch(batch)))
            watch.task.add_done_callback(lambda done: self._watched(batch, done))
        future: asyncio.Future[Results | CallFailure] = loop.create_future()
        watch.waiting.append(future)
        try:
            return await future
        finally:
            watch.waiting.remove(future)
            if not watch.waiting and not watch.task.done():
                watch.task.cancel()
                self._watches.pop(batch, None)

    def _watched(self, batch: str, done: asyncio.Task[Results | CallFailure]) -> None:
        watch = self._watches.get(batch)
        if watch is not None and watch.task is done:
            del self._watches[batch]
            _hand_out(done, watch.waiting)

    async def _watch(self, batch: str) -> Results | CallFailure:
        """Ask until the batch has ended, is gone, or may not be asked for."""

        async def read(client: Any) -> Results | None:
            state = await client.messages.batches.retrieve(batch)
            if isinstance(state, str) or state is None:
                raise ValueError("the state of a batch is no JSON object")
            if state.processing_status != "ended":
                return None
            if not state.results_url:
                return {}  # kept for a month only
            lines = await client.messages.batches.results(batch)
            # as Python's values: half a pair of surrogates is no JSON to the client
            found = [mapping(line.to_dict(mode="python", warnings=False)) async for line in lines if hasattr(line, "to_dict")]
            return {text(line.get("custom_id")): mapping(line.get("result")) for line in found}

        wait_s = self._poll_first_s
        while True:
            found = await self._client.attempt(read, PartialReply())
            asked_s = 0.0
            if isinstance(found, CallFailure):
                if not found.again:
                    return found
                asked_s = min(found.retry_after_s or 0.0, self._poll_longest_s)
            elif found is not None:
                return found
            await asyncio.sleep(max(wait_s, asked_s))
            wait_s = min(wait_s * _GROWTH, self._poll_longest_s)

    def _judged(self, result: Mapping[str, Any], request: ModelRequest) -> Answer:
        match result.get("type"):
            case "succeeded":
                try:
                    return finalize(self.name, whole_draft(mapping(result.get("message")), request.marks), request)
                except TooLong as error:
                    return transport_fault(self.name, FailureKind.TOO_LONG, str(error), None)
            case "errored":
                outer = mapping(result.get("error"))
                inner = mapping(outer.get("error"))
                named = text(outer.get("request_id"))
                words = text(inner.get("message"))
                return server_error(self.name, 200, text(inner.get("type")), words, usage=NOTHING, request_id=named)
            case "canceled":
                return CallFailure(
                    FailureKind.CANCELED, f"{self.name}: the batch was cancelled before the call's turn came.", NOTHING
                )
            case "expired":
                return CallFailure(FailureKind.EXPIRED, f"{self.name}: the batch expired before the call's turn came.", NOTHING)
        return CallFailure(FailureKind.WRONG_FORM, f"{self.name}: a result of no known type ({result.get('type')!r}).", None)


def _params(request: ModelRequest) -> dict[str, Any]:
    body = messages_body(request)
    extra = body.pop("extra_body", None)
    return body | (extra or {})


def _hand_out(done: asyncio.Task[Any], futures: list[asyncio.Future[Any]]) -> None:
    """Give everybody who still waits what came of a task."""
    error = None if done.cancelled() else done.exception()
    for future in futures:
        if future.done():
            continue
        if done.cancelled():
            future.cancel()
        elif error is not None:
            future.set_exception(error)
        else:
            future.set_result(done.result())
