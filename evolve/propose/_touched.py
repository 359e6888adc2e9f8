"""Which parts of a program a change touches: functions, classes and constants of Python, other files as a whole."""

from __future__ import annotations

import ast
from difflib import SequenceMatcher

from evolve.propose._operator import Files

MOST = 32  # names; a change that touches more touches everything
EVERYTHING = ("*",)
_MOST_LINES = 4000


def touched(before: Files, after: Files) -> tuple[str, ...]:
    """The names of what differs between two programs, sorted: of a Python file the outermost function or class around a line, or
    the names that are given a value there; of others the path.

    Example:
        >>> touched({"a.py": "LR = 1\\nB = 2\\n"}, {"a.py": "LR = 1\\nB = 3\\n"})
        ('B',)
    """
    names: set[str] = set()
    for path in before.keys() | after.keys():
        old, new = before.get(path, ""), after.get(path, "")
        if old == new:
            continue
        places = (_places(old), _places(new)) if path.endswith(".py") else (None, None)
        a, b = old.splitlines(), new.splitlines()
        if places[0] is None or places[1] is None or max(len(a), len(b)) > _MOST_LINES:
            names.add(path)
            continue
        for tag, a1, a2, b1, b2 in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
            if tag != "equal":
                names.update(*(places[0].get(i, ()) for i in range(a1, a2)), *(places[1].get(i, ()) for i in range(b1, b2)))
    return tuple(sorted(names)) if len(names) <= MOST else EVERYTHING


def _places(text: str) -> dict[int, tuple[str, ...]] | None:
    """The names of each line, counted from 0; None where the text does not parse."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError):
        return None
    found: dict[int, tuple[str, ...]] = {}
    for node in body:
        first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
        for line in range(first - 1, node.end_lineno or node.lineno):
            found[line] = found.get(line, ()) + _named(node)
    return found


def _named(node: ast.stmt) -> tuple[str, ...]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return (node.name,)
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if names := tuple(one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)):
            return names
    return (type(node).__name__.lower(),)  # an import, what stands under an if
