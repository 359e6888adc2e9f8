"""A recording: answers of a provider, kept in a file and played back without it.

One JSON object a line: ``key`` (the request's), ``request``, and ``reply`` or ``failure``.  Equal requests are played back in the
order they were recorded in; different ones may come in any order.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from evolve._errors import UsageError
from evolve.models._failure import CallFailure, FailureKind
from evolve.models._model_info import ModelInfo
from evolve.models._provider import FREE, Answer, Provider
from evolve.models._reply import NOTHING, ModelReply, TokenUsage
from evolve.models._request import ModelRequest


class RecordingProvider:
    """A provider that writes down what another one answers.  Failures too: a played-back run meets them again."""

    def __init__(self, provider: Provider, path: Path) -> None:
        self.name = provider.name
        self.prices_from = provider.prices_from
        self._provider = provider
        self._path = path

    def request_bytes(self, request: ModelRequest) -> int:
        return self._provider.request_bytes(request)

    async def call(self, request: ModelRequest) -> Answer:
        answer = await self._provider.call(request)
        line = json.dumps({"key": request.key, "request": asdict(request), **_encode(answer)}, ensure_ascii=False)
        with self._path.open("a", encoding="utf-8") as recording:
            recording.write(line + "\n")
        return answer

    async def catalogue(self) -> Mapping[str, ModelInfo] | CallFailure:
        """Not recorded."""
        return await self._provider.catalogue()

    async def close(self) -> None:
        await self._provider.close()


class ReplayProvider:
    """A provider that answers from a recording.

    Args:
        path: The recording.
        prices_from: Whose prices apply.
        in_order: Whether a request that the recording does not have gets the oldest answer left: a search asks other questions as
            soon as its timing differs.

    Raises:
        UsageError: No such file, or a line that is not a recording's.
    """

    name = "replay"

    def __init__(self, path: Path, *, prices_from: str = FREE, in_order: bool = False) -> None:
        self.prices_from = prices_from
        self._path = path
        self._in_order = in_order
        self._answers: dict[str, deque[Answer]] = {}  # the oldest question first
        try:
            lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        except FileNotFoundError as error:
            raise UsageError(f"there is no recording {path}; make one first.") from error
        for number, line in enumerate(lines, start=1):
            try:
                found = json.loads(line)
                self._answers.setdefault(found["key"], deque()).append(_decode(found))
            except (ValueError, KeyError, TypeError) as error:
                raise UsageError(f"{path}, line {number} is not a line of a recording: {error}.") from error

    def request_bytes(self, request: ModelRequest) -> int:
        return len(request.canonical().encode())

    async def call(self, request: ModelRequest) -> Answer:
        """What was answered to this request then; with ``in_order``, else the oldest answer that was not played yet, and a failure
        that costs nothing once there is none.

        Raises:
            UsageError: The recording has no (further) answer to it.
        """
        waiting = self._answers.get(request.key)
        if waiting:
            return waiting.popleft()
        which = "no" if waiting is None else "no further"
        if not self._in_order:
            raise UsageError(f"the recording {self._path} has {which} answer to the request {request.key}; record it again.")
        left = next((answers for answers in self._answers.values() if answers), None)
        if left is None:
            return CallFailure(FailureKind.BAD_REQUEST, f"the recording {self._path} is at its end.", NOTHING)
        return left.popleft()

    async def catalogue(self) -> Mapping[str, ModelInfo] | CallFailure:
        """Empty: what was recorded can be asked."""
        return {}

    async def close(self) -> None:
        """Nothing is open."""


def _encode(answer: Answer) -> dict[str, Any]:
    answer = replace(answer, hold_s=0.0)  # whoever plays it back need not wait
    if isinstance(answer, ModelReply):
        return {"reply": asdict(answer)}
    return {"failure": asdict(answer)}


def _decode(found: Mapping[str, Any]) -> Answer:
    answer = dict(found["reply"] if "reply" in found else found["failure"])
    answer["usage"] = TokenUsage(**answer["usage"]) if answer["usage"] is not None else None
    if "reply" in found:
        return ModelReply(**answer)
    return CallFailure(**(answer | {"kind": FailureKind(answer["kind"])}))
