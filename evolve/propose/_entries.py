"""Which functions of a program its evaluator calls, so that a child without one is refused in a sentence before it is measured.

The contract has no key for them: the evaluator's own files name them, where they call them, in the form ``parse_entry`` reads.
"""

from __future__ import annotations

import ast
import re

from evolve._renamed import INITIAL_FOLDER
from evolve.evaluate import parse_entry
from evolve.problem.contract._contract import Problem
from evolve.propose import EditScope

_LARGEST = 1 << 20  # bytes of an evaluator's file that is looked into
_DEFINED = r"\bdef\s+{0}\b|\bimport\b[^\n]*\b{0}\b|^{0}\s*[:=]"
_NOT_THE_EVALUATOR = (f"{INITIAL_FOLDER}/", "redteam/")


def scope_of(problem: Problem) -> EditScope:
    """What a child of the problem's program may change, and what it must keep."""
    contract = problem.contract
    return EditScope(
        contract.editable,
        contract.may_add_files,
        contract.max_bytes,
        contract.meaningful_comments,
        entries=called(problem),
        initial=tuple(problem.initial_files),
    )


def called(problem: Problem) -> tuple[str, ...]:
    """The functions of the initial program that texts in the evaluator's files name, as ``file.py:function``, sorted."""
    found: set[str] = set()
    for piece in problem.pieces:
        if piece.kind == "file" and piece.path.endswith(".py") and not piece.path.startswith(_NOT_THE_EVALUATOR):
            found |= _named(problem, piece.path)
    return tuple(sorted(found))


def _named(problem: Problem, path: str) -> set[str]:
    try:
        data = (problem.folder / path).read_bytes()
        tree = ast.parse(data) if len(data) <= _LARGEST else None
    except (OSError, SyntaxError, ValueError, RecursionError):  # validate says what is wrong with it
        tree = None
    texts = (
        {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)} if tree else ()
    )
    return {entry for text in texts if (entry := _entry(text, problem))}


def _entry(name: str, problem: Problem) -> str:
    """``file.py:function`` of the initial program; "" where the text names none."""
    if ":" not in name or len(name) > 300:
        return ""
    try:
        entry = parse_entry(name)
    except ValueError:
        return ""
    base = entry.module.replace(".", "/")
    path = entry.file or next((each for each in (f"{base}/__init__.py", f"{base}.py") if each in problem.initial_files), "")
    text = problem.initial_files.get(
        path, ""
    )  # of several initial programs that of these params, which may need no other's function
    return f"{path}:{entry.function}" if re.search(_DEFINED.format(re.escape(entry.function)), text, re.M) else ""
