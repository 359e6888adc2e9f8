"""``python -m evolve.config._reference``: the reference page of all keys, on stdout.

Types and defaults are those of the dataclasses, allowed values those of the rules that refuse others, sentences those of the
docstrings; what the page says of ``problem.yaml`` stands in ``evolve.problem.contract._keys``.
"""

from __future__ import annotations

import inspect
import re
import sys
import types
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

from evolve.config._compose import PARAMS, PROBLEM, groups
from evolve.config._rules import rule_of
from evolve.config._schema import ProblemConfig, RunConfig
from evolve.problem._packaged import resource_folder
from evolve.problem.contract._keys import NEEDED, SECTIONS

HEAD = """\
# Configuration

Made of the code by `python -m evolve.config._reference`; a test compares the two.  First the keys of [a run](#keys-of-a-run), typed
as `key=value` behind `evolve run` and `evolve config`, those of `budget` behind `evolve resume` too; then the [options](#options)
that set several of them; then the keys of [problem.yaml](#problemyaml).  `evolve config key=value ...` shows all that a run would
have.

A list is written `[one,two]`, no value `null`, no text `""`.  A share is a part of 1.  What is misspelt is an error that names the
right word.
"""
_UNITS = (
    (r"(.*_)?s", "seconds"), (r"(.*_)?usd", "dollars"), (r"(.*_)?tokens", "tokens"), (r".*_bytes", "bytes"), (r".*_mib", "MiB"),
)  # fmt: skip
_NAMES = {"search.policy": "search", "llm.provider": "llm", "executor.kind": "executor"}  # the group whose options are the values
OF_PROBLEM = "the problem's own"
_COLUMNS = ("key", "type", "default", "values", "meaning")


def page() -> str:
    """``docs/reference/configuration.md``."""
    parts = [HEAD, "## Keys of a run\n", *_run_keys(), "## Options\n", *_options(), "## problem.yaml\n", *_problem_keys()]
    return "\n".join(parts)


def default_text(value: object) -> str:
    """A value as it is typed behind ``key=``."""
    if value is None:
        return "null"
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    return str(value) or '""'


def _run_keys() -> Iterator[str]:
    said = _said(ProblemConfig)
    yield f"### {PROBLEM}\n\n{_sentence(ProblemConfig)}\n"
    yield _table([
        (PROBLEM, "text", ProblemConfig().name, "", said["name"]),
        (f"{PARAMS}NAME", "as its default", OF_PROBLEM, "as `problem.yaml` says", said["params"]),
    ])  # fmt: skip
    hints = get_type_hints(RunConfig)
    for one in fields(RunConfig):
        if is_dataclass(hints[one.name]) and one.name != PROBLEM:
            yield from _section(one.name, hints[one.name])
    yield "### The run itself\n"
    yield _table(_rows(RunConfig, ""))


def _section(place: str, kind: Any) -> Iterator[str]:
    yield f"### {place}\n\n{_sentence(kind)}\n"
    yield _table(_rows(kind, f"{place}."))
    for name, inner in get_type_hints(kind).items():
        if is_dataclass(inner):
            yield from _section(f"{place}.{name}", inner)


def _rows(kind: Any, before: str) -> Iterator[tuple[str, ...]]:
    """The keys of a section, but for those of the sections within it."""
    hints, said = get_type_hints(kind), _said(kind)
    for one in fields(kind):
        if one.name not in said or is_dataclass(hints[one.name]) or one.name == "plugins":  # the last is filled in, never typed
            continue
        key, rule = before + one.name, rule_of(one)
        values = ", ".join(groups()[_NAMES[key]]) if key in _NAMES else rule.expected if rule else ""
        yield key, _type(one.name, hints[one.name]), default_text(one.default), values, said[one.name]


def _type(name: str, hint: Any) -> str:
    optional = isinstance(hint, types.UnionType)
    if optional:
        hint = next(one for one in get_args(hint) if one is not type(None))
    word = {int: "whole number", float: "number", str: "text"}.get(hint, "list of texts")
    return _with_unit(name, word) + (" or null" if optional else "")


def _with_unit(name: str, word: str) -> str:
    """Units stand in the names."""
    unit = next((unit for pattern, unit in _UNITS if re.fullmatch(pattern, name)), "")
    return f"{word} of {unit}" if unit and word.endswith("number") else word


def _sentence(kind: Any) -> str:
    """What a section is for: the first paragraph of its docstring."""
    return _prose((inspect.getdoc(kind) or "").split("\n\n")[0])


def _said(kind: Any) -> dict[str, str]:
    """What the docstring says of each field, under ``Args``."""
    block = (inspect.getdoc(kind) or "").partition("Args:\n")[2].split("\n\n")[0]
    entries = re.split(r"^    (?=\w+: )", block, flags=re.M)[1:]
    return {name: _prose(text) for name, _, text in (entry.partition(": ") for entry in entries)}


def _prose(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


def _options() -> Iterator[str]:
    yield "One word that sets several keys; what is typed beside it goes on top.\n"
    rows = []
    for group, names in groups().items():
        for name in names:
            lines = (resource_folder("configs") / group / f"{name}.yaml").read_text().splitlines()
            said = " ".join(line.removeprefix("# ") for line in lines if line.startswith("#"))
            keys = [f"`{group}.{line.replace(': ', '=')}`" for line in lines if not line.startswith(("#", "{"))]
            rows.append((f"{group}={name}", ", ".join(keys) or "nothing", said))
    yield _table(rows, ("option", "sets", "meaning"))


def _problem_keys() -> Iterator[str]:
    yield "The contract of a problem ([how to write one](../how-to/write-a-problem.md)).  Three keys are needed.\n"
    for place, keys in SECTIONS.items():
        if place:
            yield f"### {place} in problem.yaml\n"
        yield _table((name, _with_unit(name, key.kind), key.default, key.allowed, key.meaning) for name, key in keys.items())


def _table(rows: Iterable[tuple[str, ...]], columns: tuple[str, ...] = _COLUMNS) -> str:
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for row in rows:
        cells = [f"`{row[0]}`", *(_cell(name, text) for name, text in zip(columns[1:], row[1:], strict=True))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(column: str, text: str) -> str:
    return f"`{text}`" if column == "default" and text not in (NEEDED, OF_PROBLEM) else text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
