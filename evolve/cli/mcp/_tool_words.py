"""Advice to type a command, as advice to call a tool: for answers that go to a client of ``evolve mcp``."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError

TOOLS = ("ask", "tell", "note", "resume", "status", "result", "best", "show", "lineage", "query", "validate", "claims")
# what others wrote: programs, what was said of them, what an evaluator or a query brought; it stays as it is
_THEIRS = frozenset({
    "files", "feedback", "summary", "hypothesis", "expected", "plan", "statement", "instructions", "lines", "notes", "text",
    "author", "rows", "first", "lacking",
})  # fmt: skip
_OURS = frozenset({"remedy"})  # wholly our words, where a command need not name the run to be meant
_WAIT_S = 600
_SHOWN = 80
_KEYS = {"result": "what", "show": "id", "lineage": "id"}
_OF_SEVERAL, _NAME = "--problem", r"(?P<name>[\w.-]*\w)"
_Kind = tuple[str, Callable[[re.Match[str]], str]]


def in_tools(value: Any, run: str, *, ours: bool = False) -> Any:
    """An answer whose advice names tools instead of commands, where there is a tool: in every text but those of others.

    A command that names the run's folder is advice; one that does not may be a quotation, unless the text is wholly ours.
    """
    if isinstance(value, str):
        return named(value, run, ours=ours)
    if isinstance(value, dict):
        return {key: one if key in _THEIRS else in_tools(one, run, ours=ours or key in _OURS) for key, one in value.items()}
    return [in_tools(one, run, ours=ours) for one in value] if isinstance(value, list | tuple) else value


def named(text: str, run: str, *, ours: bool = True) -> str:
    """A text with the commands on this run as calls of tools; in a text of ours also those on RUN, and verbs by themselves.  What
    no tool can do stays a command, for whoever has a terminal."""
    if "evolve " not in text and _OF_SEVERAL not in text:
        return text
    names = [re.escape(shlex.quote(run)), re.escape(run), re.escape(f"'{run}'"), *(["RUN"] if ours else [])]
    place = f"(?:{'|'.join(names)})"
    here = rf"{place}(?![\w/-])(?! --(?!wait\b|expires\b))"
    of_one = rf"evolve (?P<verb>{'|'.join(TOOLS)}) {place} {_OF_SEVERAL} {_NAME}"
    several: _Kind = (of_one, lambda found: f'call {found["verb"]} with problem="{found["name"]}"')
    for pattern, put in [several, *_commands(here, run), *(_mentions(place) if ours else [])]:
        text = re.sub(rf"(?:\b(?:type|see|run|next): |\brun (?=`))?(?P<tick>`?){pattern}(?P=tick)", put, text)
    return text


def _commands(here: str, run: str) -> list[_Kind]:
    """Commands with their words, the longer forms first."""
    problem = re.escape(shlex.quote(f"{run}/problem"))
    return [
        (
            rf"evolve result {here} (?P<one>\w+) --wait",
            lambda found: f'call result with what="{found["one"]}" and wait_s={_WAIT_S}',
        ),
        (rf"evolve resume {here}(?P<more>(?: budget\.\w+=[\d.e+-]*\d)*)", _resume),
        (rf'evolve query {here} "(?P<sql>[^"]*)"', lambda found: f'call query with sql="{found["sql"]}"'),
        (
            rf"evolve (?P<verb>{'|'.join(_KEYS)}) {here} (?P<one>\w+)",
            lambda found: f'call {found["verb"]} with {_KEYS[found["verb"]]}="{found["one"]}"',
        ),
        (rf"evolve ask {here} --expires (?P<s>\w+)", lambda found: f"call ask with expires_s={found['s']}"),
        (rf"evolve tell {here} TICKET FILES\.\.\.(?:, or --dir DIR for all in it)?", lambda _: "call tell with ticket and files"),
        (rf"evolve validate {problem}(?![\w/-])", lambda _: "call validate without files"),
        (rf"evolve (?P<verb>{'|'.join(TOOLS)}) {here}", lambda found: f"call {found['verb']}"),
    ]


def _mentions(place: str) -> list[_Kind]:
    """In our own words: a problem's folder by any name, and verbs without words of their own."""
    return [
        (rf"{_OF_SEVERAL} {_NAME}", lambda found: f'problem="{found["name"]}"'),
        (r"evolve validate (?:'[^']*'|/[^\s`;,)]*)", lambda _: "call validate without files"),
        (
            rf"\bevolve (?P<verb>{'|'.join(TOOLS)})\b(?! (?:{place}|[-/']))",
            lambda found: f"the tool {found['verb']}",
        ),
    ]


def _resume(found: re.Match[str]) -> str:
    changes = (word.removeprefix("budget.").split("=") for word in found["more"].split())
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
