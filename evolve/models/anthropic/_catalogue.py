"""Anthropic's list of models: what each one can do.

Pages are followed here: the client's own paging takes what is no page for one, and goes on as long as a server says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from evolve.models._failure import CallFailure
from evolve.models._model_info import Lifecycle, ModelInfo, ThinkingKind
from evolve.models._request import EFFORTS
from evolve.models._size_limits import whole
from evolve.models.anthropic._client import AnthropicClient
from evolve.models.transport._stream import PartialReply, count, mapping, text

_NO_ROUTE = frozenset({404, 405, 501})
_KINDS: tuple[ThinkingKind, ...] = ("adaptive", "enabled", "disabled")
_PAGE = 100  # models of one
_MOST_PAGES = 50


async def anthropic_catalogue(client: AnthropicClient) -> Mapping[str, ModelInfo] | CallFailure:
    """All pages of the list; empty where the server has none.  Circles are read once, endless lists up to a bound."""

    async def pages(sdk_client: Any) -> dict[str, ModelInfo]:
        found: dict[str, ModelInfo] = {}
        after: dict[str, str] = {}
        seen = {""}
        for _ in range(_MOST_PAGES):
            async with sdk_client.models.with_streaming_response.list(limit=_PAGE, **after) as response:
                page = mapping(json.loads(await whole(response.iter_bytes())))
            models = page.get("data")
            infos = [_info(mapping(model)) for model in models] if isinstance(models, list) else []
            found |= {info.id: info for info in infos if info.id}
            last = text(page.get("last_id"))
            if page.get("has_more") is not True or last in seen:
                break
            seen.add(last)
            after = {"after_id": last}
        return found

    answer = await client.attempt(pages, PartialReply())
    if isinstance(answer, CallFailure) and answer.status in _NO_ROUTE:
        return {}
    return answer


def _info(model: Mapping[str, Any]) -> ModelInfo:
    can = mapping(model.get("capabilities"))
    lifecycle = text(model.get("lifecycle"))
    return ModelInfo(
        id=text(model.get("id")),
        max_input_tokens=count(model.get("max_input_tokens")) or None,
        max_tokens=count(model.get("max_tokens")) or None,
        efforts=_supported(can.get("effort"), mapping(can.get("effort")), EFFORTS),
        thinking=_supported(can.get("thinking"), mapping(mapping(can.get("thinking")).get("types")), _KINDS, ("disabled",)),
        batch=_flag(can.get("batch")),
        structured_outputs=_flag(can.get("structured_outputs")),
        lifecycle=cast(Lifecycle, lifecycle) if lifecycle in ("active", "deprecated", "retired") else None,
    )


def _flag(found: object) -> bool | None:
    said = mapping(found).get("supported")
    return said if isinstance(said, bool) else None


def _supported(
    whole: object, parts: Mapping[str, Any], names: tuple[Any, ...], unless_denied: tuple[str, ...] = ()
) -> tuple[Any, ...] | None:
    """The names whose part is supported; None where the server says nothing of it.

    Args:
        whole: The capability.
        parts: Its parts by name.
        names: All parts that are known here, in order.
        unless_denied: Those that count as supported where the server says nothing of them and something of others.
    """
    said = {name: flag for name in names if (flag := _flag(parts.get(name))) is not None}
    if said:
        return tuple(name for name in names if said.get(name, name in unless_denied))
    return () if _flag(whole) is False else None
