"""Message batches as a ``ModelServer`` keeps them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from evolve.testing.models._says import Say, error, succeeded, whole_message

Verdict = Callable[[int, Any], dict[str, Any] | str | None]

_ROUTE = re.compile(r"/v1/messages/batches(?:/([^/]+))?(?:/(results|cancel))?")
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass
class ServerBatch:
    """One batch: what it was given, how often it will still be seen in progress, and whether it was cancelled."""

    requests: list[dict[str, Any]]
    polls: int
    cancelled: bool = False
    archived: bool = False  # its results are kept no longer
    results: list[dict[str, Any]] | None = None  # in the order of the requests, once it has ended


class ServerBatches:
    """All batches by their ids; ``del`` one and it is gone.  Results come last call first: their order is no promise."""

    def __init__(self, verdict: Verdict | None, polls: int) -> None:
        self.url = ""
        self.kept: dict[str, ServerBatch] = {}
        self.created = 0
        self._verdict = verdict or (lambda place, params: None)
        self._polls = polls

    def answer(self, method: str, path: str, body: Any) -> Say:
        """The answer to a request to one of the routes."""
        route = _ROUTE.fullmatch(path)
        name, what = route.groups() if route is not None else ("", "")
        if name is None:
            return self._create(body) if method == "POST" else error(405, "invalid_request_error", "method not allowed")
        batch = self.kept.get(name)
        if batch is None:
            return error(404, "not_found_error", f"no batch {name}")
        if what == "cancel":
            batch.cancelled, batch.polls = True, 0
            return Say(body=self._shown(name, batch, "canceling"))
        if what == "results":
            return self._results(batch)
        if batch.polls > 0:
            batch.polls -= 1
            return Say(body=self._shown(name, batch, "in_progress"))
        if batch.results is None:
            batch.results = [self._result(place, batch) for place in range(len(batch.requests))]
        return Say(body=self._shown(name, batch, "ended"))

    def _create(self, body: Any) -> Say:
        requests = body.get("requests") or []
        ids = [each.get("custom_id", "") for each in requests]
        if not ids or len(set(ids)) < len(ids) or not all(_CUSTOM_ID.fullmatch(each) for each in ids):
            return error(400, "invalid_request_error", "requests: custom_id must be unique and of 1 to 64 letters, digits, - and _")
        if any("stream" in each["params"] or not {"model", "max_tokens", "messages"} <= set(each["params"]) for each in requests):
            return error(400, "invalid_request_error", "requests: params are not those of a message")
        self.created += 1
        name = f"msgbatch_{self.created}"
        self.kept[name] = ServerBatch(requests, self._polls)
        return Say(body=self._shown(name, self.kept[name], "in_progress"))

    def _result(self, place: int, batch: ServerBatch) -> dict[str, Any]:
        if batch.cancelled:
            return {"type": "canceled"}
        params = batch.requests[place]["params"]
        if (given := self._verdict(place, params)) is not None:
            return succeeded(given) if isinstance(given, str) else given
        if "tools" in params:
            call = {"type": "tool_use", "id": "toolu_1", "name": params["tools"][0]["name"], "input": {"value": 3}}
            return {"type": "succeeded", "message": whole_message(call, stop="tool_use")}
        return succeeded()

    def _results(self, batch: ServerBatch) -> Say:
        if batch.results is None:
            return error(404, "not_found_error", "the batch has not ended")
        pairs = zip(batch.requests, batch.results, strict=True)
        lines = [json.dumps({"custom_id": each["custom_id"], "result": result}) for each, result in pairs]
        return Say(headers={"content-type": "application/x-jsonl"}, body="".join(line + "\n" for line in lines[::-1]).encode())

    def _shown(self, name: str, batch: ServerBatch, status: str) -> dict[str, Any]:
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        ended = status == "ended"
        for result in batch.results or ():
            counts[result["type"]] = counts.get(result["type"], 0) + 1
        if not ended:
            counts["processing"] = len(batch.requests)
        return {
            "id": name, "type": "message_batch", "processing_status": status, "request_counts": counts,
            "created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z", "archived_at": None,
            "cancel_initiated_at": "2026-01-01T00:00:01Z" if batch.cancelled else None,
            "ended_at": "2026-01-01T00:00:02Z" if ended else None,
            "results_url": f"{self.url}/v1/messages/batches/{name}/results" if ended and not batch.archived else None,
        }  # fmt: skip
