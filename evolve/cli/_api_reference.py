"""``python -m evolve.cli._api_reference``: the reference page of the Python API, made of its docstrings, on stdout."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from dataclasses import is_dataclass
from enum import Enum
from typing import Any

import evolve
from archive import Table
from evolve import speedrun
from evolve.engine.requests._asking import Ticket
from evolve.engine.requests._telling import Told
from evolve.models import Anthropic, ChatCompletions, Models, ReplayProvider, Scripted
from evolve.propose import EditScope, ProposalTask
from evolve.validation._validate import Validation
from evolve.views._learnt import Earned, Learnt
from evolve.views._progress import Progress
from evolve.views._spread import Spread
from evolve.views._summary import Summary
from evolve.views.candidate._lineage import LineageStep
from evolve.views.candidate._result import Result
from evolve.views.claims._claims import Claims

GROUPS = (
    ("Do", ("create_run", "open_run", "load_problem", "measure", "validate")),
    ("Nouns", ("Run", "Candidate", "Problem", "Budget", "Measurement")),
    ("Extend", ("Operator", "Proposal", "LocalExecutor")),
    ("Elsewhere", ("RayExecutor",)),
    ("Write an evaluate.py", ("Trial", "Outcome", "Array", "JsonValue", "Status")),
    ("Fail", ("EvolveError",)),
)
MODELS = (Anthropic, ChatCompletions, Scripted, ReplayProvider)
VALUES = (
    Summary,
    Progress,
    Learnt,
    Earned,
    Spread,
    Ticket,
    Told,
    Result,
    LineageStep,
    Claims,
    Validation,
    Table,
    ProposalTask,
    EditScope,
)
_LONGEST = 40  # of a default that is shown
HEAD = """\
# Python API

Made of the docstrings by `python -m evolve.cli._api_reference`; a test compares the two.  How it is used:
[from Python](../how-to/python-api.md).  What a package needs that adds an operator, an archive, an executor or an adapter
stands on [its page](../how-to/extend.md), what an evaluator is handed on [another](../how-to/write-a-problem.md); whatever is
named on none of the three is private and may change.
"""


class _Plain:
    """An annotation that prints as it is written."""

    def __init__(self, text: object) -> None:
        self._text = text if isinstance(text, str) else getattr(text, "__name__", str(text))

    def __repr__(self) -> str:
        return self._text


def page() -> str:
    """``docs/reference/api.md``."""
    parts = [HEAD]
    for title, names in GROUPS:
        parts.append(f"## {title}\n")
        for name in names:
            parts += _entry(f"evolve.{name}", getattr(evolve, name))
    parts.append("## evolve.models\n\nWhich language models a run asks: `create_run(..., models=...)`.\n")
    for one in MODELS:
        parts += _entry(f"evolve.models.{one.__name__}", one, members=False)
    parts.append("## evolve.speedrun\n\nRecords of the NanoGPT speedrun, re-checked ([how](../how-to/speedrun.md)).\n")
    parts += _entry("evolve.speedrun.verify", speedrun.verify)
    for kind in (speedrun.Report, speedrun.Check, speedrun.Verdict):
        parts += _entry(f"evolve.speedrun.{kind.__name__}", kind)
    parts.append("## Values that come back\n\nFrozen dataclasses; they are read, not made.\n")
    for value in VALUES:
        parts += _entry(value.__name__, value)
    return "\n".join(parts)


def _entry(name: str, one: Any, *, members: bool = True) -> Iterator[str]:
    yield f"### {name}\n"
    made = inspect.getdoc(one.__init__) if inspect.isclass(one) and issubclass(one, Models) else None
    yield _block(_head(name, one), "\n\n".join(filter(None, [inspect.getdoc(one), made])))
    if inspect.isclass(one) and members:
        for key in _members(one):
            member = inspect.getattr_static(one, key)
            if isinstance(member, property):
                yield _block(f"{key}: {_Plain(member.fget.__annotations__.get('return', ''))}", inspect.getdoc(member) or "")
            else:
                yield _block(_head(key, getattr(one, key)), inspect.getdoc(member) or "")


def _members(one: type) -> list[str]:
    """Public methods and properties of the class and of what it is made of, in order, where they say what they do."""
    members = [pair for base in reversed(one.__mro__) for pair in vars(base).items()]
    found = [key for key, member in members if not key.startswith("_") and _is_member(member) and inspect.getdoc(member)]
    return [] if issubclass(one, Enum | BaseException) else list(dict.fromkeys(found))


def _is_member(member: object) -> bool:
    return isinstance(member, property | classmethod) or inspect.isfunction(member)


def _head(name: str, one: Any) -> str:
    """How it is called; for a class with values to choose from, those."""
    if inspect.isclass(one) and issubclass(one, Enum):
        return "\n".join(f"{name}.{key} = {value.value!r}" for key, value in one.__members__.items())
    if inspect.isclass(one) and (getattr(one, "_is_protocol", False) or issubclass(one, BaseException) or one is evolve.Run):
        return f"class {name}"
    signature = inspect.signature(one)
    given = [_readable(each) for each in signature.parameters.values() if each.name != "self"]
    back = inspect.Signature.empty if inspect.isclass(one) else _annotated(signature.return_annotation)
    text = f"{name}{inspect.Signature(given, return_annotation=back)}"
    return text if len(text) <= 100 and not is_dataclass(one) else _broken(name, given, back)


def _readable(one: inspect.Parameter) -> inspect.Parameter:
    """An argument as it is written: its annotation, and a default that has no text of its own."""
    default = one.default
    if isinstance(default, Enum):
        default = _Plain(f"{type(default).__name__}.{default.name}")
    elif default is not inspect.Parameter.empty and (repr(default).startswith("<") or len(repr(default)) > _LONGEST):
        default = _Plain("...")
    return one.replace(annotation=_annotated(one.annotation), default=default)


def _annotated(annotation: object) -> object:
    return annotation if annotation is inspect.Signature.empty else _Plain(annotation)


def _broken(name: str, given: list[inspect.Parameter], back: object) -> str:
    """The same, one argument a line."""
    lines, starred = [], False
    for one in given:
        if one.kind is one.KEYWORD_ONLY and not starred:
            lines.append("    *,")
            starred = True
        lines.append(f"    {one},")
    end = "" if back is inspect.Signature.empty else f" -> {back!r}"
    return "\n".join([f"{name}(", *lines, f"){end}"])


def _block(head: str, text: str) -> str:
    return f"```text\n{head}\n\n{text}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(page())
