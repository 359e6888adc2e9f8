"""Advice to type a command, as advice to call a tool: for answers that go to a client of ``evolve mcp``."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError

_ADVICE = frozenset({"words", "reason", "command"})  # fields that say what to do next; programs and feedback stay as they are
_WAIT_S = 600
_BARE = ("ask", "tell", "status", "best", "claims", "query")
_SHOWN = 80


def in_tools(value: Any, run: str) -> Any:
    """An answer whose advice about this run names tools instead of commands, where there is a tool."""
    if isinstance(value, dict):
        return {
            key: named(one, run) if key in _ADVICE and isinstance(one, str) else in_tools(one, run) for key, one in value.items()
        }
    return [in_tools(one, run) for one in value] if isinstance(value, list | tuple) else value


def named(text: str, run: str) -> str:
    """A text with the commands on this run, or on RUN, as calls of tools."""
    here = rf"(?:{re.escape(shlex.quote(run))}|{re.escape(run)}|RUN)"
    kinds: list[tuple[str, Callable[[re.Match[str]], str]]] = [
        (rf"evolve result {here} (\w+) --wait", lambda found: f'call result with what="{found[1]}" and wait_s={_WAIT_S}'),
        (rf"evolve resume {here}((?: budget\.\w+=[\w.+-]*\w)*)", _resume),
        (rf'evolve query {here} "([^"]*)"', lambda found: f'call query with sql="{found[1]}"'),
        (rf"evolve (result|show) {here} (\w+)", lambda found: f'call {found[1]} with {_KEYS[found[1]]}="{found[2]}"'),
        (rf"evolve ask {here} --expires (\w+)", lambda found: f"call ask with expires_s={found[1]}"),
        (rf"evolve tell {here} TICKET FILES\.\.\.(?:, or --dir DIR for all in it)?", lambda _: "call tell with ticket and files"),
        (rf"evolve ({'|'.join(_BARE)}) {here}", lambda found: f"call {found[1]}"),
        (r"\bwith evolve query\b", lambda _: "with the tool query"),
        (r"\bby evolve ask\b", lambda _: "by ask"),
    ]
    for pattern, put in kinds:
        text = re.sub(rf"(?:\btype: )?{pattern}", put, text)
    return text


_KEYS = {"result": "what", "show": "id"}


def _resume(found: re.Match[str]) -> str:
    changes = (word.removeprefix("budget.").split("=") for word in found[1].split())
    budget = {key: float(value) if "." in value or "e" in value else int(value) for key, value in changes}
    return f"call resume with budget={json.dumps(budget)}" if budget else "call resume"


def argument_error(tool: str, arguments: Sequence[str], error: ValidationError) -> str:
    """What is wrong with the arguments of a call, in one sentence: the first of it."""
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{tool} takes {', '.join(arguments) or 'no arguments'}, found {name}."
    if first["type"] == "missing":
        return f"{tool} needs {name}, which is not there; it takes {', '.join(arguments)}."
    said = first["msg"].removeprefix("Input should be ").partition(",")[0]
    return f"{name} of {tool} must be {said}, found {repr(first['input'])[:_SHOWN]}."
