"""What a server says of its models, and requests that are made to fit it.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal

from evolve.models._request import EFFORTS, Effort, ModelRequest, Thinking, ThinkingBudget

Lifecycle = Literal["active", "deprecated", "retired"]
ThinkingKind = Literal["adaptive", "enabled", "disabled"]

_LEAST_BUDGET = 1024  # tokens: the Messages API takes no smaller one
_DATE_DIGITS = 8  # of a dated id: claude-haiku-4-5-20251001


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One model of a server's list; None is what the server does not say.

    Attributes:
        id: As requests name it.
        max_input_tokens: Longest prompt.
        max_tokens: Largest ``max_tokens`` of a request.
        efforts: Levels of effort that it takes, ascending; empty where it takes none.
        thinking: What requests may say of thinking: ``adaptive``, ``enabled`` (with a budget), ``disabled``.
        batch: Whether it can be asked in message batches.
        structured_outputs: Whether it takes a JSON schema for its text.
        lifecycle: ``deprecated`` still answers, ``retired`` does not.
    """

    id: str
    max_input_tokens: int | None = None
    max_tokens: int | None = None
    efforts: tuple[Effort, ...] | None = None
    thinking: tuple[ThinkingKind, ...] | None = None
    batch: bool | None = None
    structured_outputs: bool | None = None
    lifecycle: Lifecycle | None = None


@dataclass(frozen=True, slots=True)
class AdaptedRequest:
    """A request as a model takes it, and what had to be changed: one sentence each."""

    request: ModelRequest
    changes: tuple[str, ...]


def find_model(model: str, catalogue: Mapping[str, ModelInfo]) -> ModelInfo | None:
    """A model by its id, or by a name without the date that ids end with: then the latest."""
    if model in catalogue:
        return catalogue[model]
    plain = model.removesuffix("-latest")
    dated = [name for name in catalogue if name.startswith(f"{plain}-") and _is_date(name[len(plain) + 1 :])]
    return catalogue[max(dated)] if dated else None


def unavailable_reason(model: str, catalogue: Mapping[str, ModelInfo], server: str, *, in_batches: bool = False) -> str:
    """Why a model cannot be asked, in one sentence; "" where it can, or where the server has no list.

    Args:
        model: As a request names it.
        catalogue: The server's list; empty where it has none.
        server: The provider's name.
        in_batches: Whether it shall be asked in message batches.
    """
    if not catalogue:
        return ""
    info = find_model(model, catalogue)
    if info is not None and info.lifecycle != "retired":
        return f"{server} cannot ask the model {model} in batches." if in_batches and info.batch is False else ""
    what = "has no model" if info is None else "has retired the model"
    names = [name for name, each in catalogue.items() if each.lifecycle != "retired"]
    close = get_close_matches(model, names, n=3, cutoff=0.5) or sorted(names)[:3]
    return f"{server} {what} {model}{'; it has ' + ', '.join(close) if close else ''}."


def adapt_request(request: ModelRequest, info: ModelInfo) -> AdaptedRequest:
    """The request with what the model does not take lowered to the nearest that it takes, or left out.

    The length of the prompt is not looked at: bytes are no tokens.
    """
    changes: list[str] = []
    if info.max_tokens is not None and request.max_tokens > info.max_tokens:
        changes.append(f"{info.id} writes at most {info.max_tokens} tokens; max_tokens was {request.max_tokens}.")
        request = _shortened(request, info.max_tokens)
    request = _effort(request, info, changes)
    request = _thinking(request, info, changes)
    if request.format and info.structured_outputs is False:
        changes.append(f"{info.id} takes no JSON schema for its text; it is asked without.")
        request = replace(request, format="")
    return AdaptedRequest(request, tuple(changes))


def _shortened(request: ModelRequest, max_tokens: int) -> ModelRequest:
    thinking = request.thinking
    if isinstance(thinking, ThinkingBudget) and thinking.n_tokens >= max_tokens:
        thinking = ThinkingBudget(max_tokens // 2) if max_tokens >= 2 * _LEAST_BUDGET else ""
    return replace(request, max_tokens=max_tokens, thinking=thinking)


def _effort(request: ModelRequest, info: ModelInfo, changes: list[str]) -> ModelRequest:
    asked = request.effort
    if not asked or info.efforts is None or asked in info.efforts:
        return request
    lower = [effort for effort in info.efforts if EFFORTS.index(effort) < EFFORTS.index(asked)]
    effort: Effort = max(lower, key=EFFORTS.index, default="")
    instead = f"{effort} is asked for" if effort else "none is asked for"
    changes.append(f"{info.id} takes no effort {asked}; {instead}.")
    return replace(request, effort=effort)


def _thinking(request: ModelRequest, info: ModelInfo, changes: list[str]) -> ModelRequest:
    asked = request.thinking
    if not asked or info.thinking is None:
        return request
    if ("enabled" if isinstance(asked, ThinkingBudget) else asked) in info.thinking:
        return request
    found: Thinking = ""
    if isinstance(asked, ThinkingBudget) and "adaptive" in info.thinking:
        found = "adaptive"
    elif asked == "adaptive" and "enabled" in info.thinking and request.max_tokens >= 2 * _LEAST_BUDGET:
        found = ThinkingBudget(request.max_tokens // 2)
    what = f"thinking with a budget of {asked.n_tokens} tokens" if isinstance(asked, ThinkingBudget) else f"thinking {asked}"
    instead = f"a budget of {found.n_tokens} tokens is set" if isinstance(found, ThinkingBudget) else f"{found or 'nothing'} is set"
    changes.append(f"{info.id} does not take {what}; {instead}.")
    return replace(request, thinking=found)


def _is_date(text: str) -> bool:
    return len(text) == _DATE_DIGITS and text.isdecimal()
