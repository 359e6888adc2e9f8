"""What a mix of two programs lacks that both of them have: a source that parses, names, attributes, keys, arguments.

Texts alone are read, so what is said of Python is said of what its text shows: a method is any function of that name in a class, a
key any text between brackets.  A mix that lacks nothing may fail all the same; then that is what measuring it finds.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from copy import copy
from functools import lru_cache

from evolve.propose._python import is_python, parse
from evolve.propose.mutate._parts import fits, lacking

Files = Mapping[str, str]


def lacks(before: Files, after: Files, mix: Files) -> frozenset[str]:
    """What the mix lacks: ``path: `` of a file that does not parse any more, or what of a program's own is used and not there."""
    first, second, mixed = (_python(files, before, after) for files in (before, after, mix))
    broken = [
        path
        for path, text in mixed.items()
        if parse(text).tree is None and parse(first[path]).tree is not None and parse(second[path]).tree is not None
    ]
    if broken:
        return frozenset(f"{path}: " for path in broken)
    found = (_keys_missing(mixed) - _keys_missing(first) - _keys_missing(second)) | (
        _misfits(mixed) - _misfits(first) - _misfits(second)
    )
    try:
        return found | (lacking(first, second, mixed) & lacking(second, first, mixed))
    except RecursionError:  # too deep to tell
        return found


def _python(files: Files, *others: Files) -> dict[str, str]:
    """The Python sources; empty ones for those that only another program has."""
    return {path: files.get(path, "") for path in sorted({*files, *(path for one in others for path in one)}) if is_python(path)}


def _keys_missing(files: Files) -> frozenset[str]:
    """Texts by which something is looked up, and which nobody in the program puts anywhere."""
    both = [_keys(text) for text in files.values()]
    return frozenset[str]().union(*(reads for reads, _ in both)).difference(*(sets for _, sets in both))


@lru_cache(maxsize=32)
def _keys(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Texts that a source looks something up by, as ``["..."]``, and those by which it may put something there: keys, keywords,
    texts elsewhere."""
    reads, sets = set[str](), set[str]()
    tree = parse(text).tree
    looked: set[int] = set()
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            if isinstance(node.ctx, ast.Load):
                reads.add(f"[{node.slice.value!r}]")
                looked.add(id(node.slice))
        elif isinstance(node, ast.keyword) and node.arg:
            sets.add(f"[{node.arg!r}]")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in looked:
            sets.add(f"[{node.value!r}]")
    return frozenset(reads), frozenset(sets)


def _misfits(files: Files) -> frozenset[str]:
    """Methods and classes that are called with what none of that name in the program takes."""
    made: dict[str, list[ast.arguments]] = {}
    for text in files.values():
        for name, given in _methods(text):
            made.setdefault(name, []).append(given)
    return frozenset(
        f"{name}()"
        for text in files.values()
        for name, call in _calls(text)
        if name in made and not any(fits(call, given) for given in made[name])
    )


@lru_cache(maxsize=32)
def _methods(text: str) -> tuple[tuple[str, ast.arguments], ...]:
    """Functions in classes by name, and what makes a class by the name of the class, with the arguments that a call gives."""
    found: list[tuple[str, ast.arguments]] = []
    tree = parse(text).tree
    for node in ast.walk(tree) if tree is not None else ():
        for one in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
                static = any(isinstance(mark, ast.Name) and mark.id == "staticmethod" for mark in one.decorator_list)
                name = node.name if one.name == "__init__" and isinstance(node, ast.ClassDef) else one.name
                found.append((name, one.args if static else _bound(one.args)))
    return tuple(found)


def _bound(given: ast.arguments) -> ast.arguments:
    """The same without the first argument, which the object itself is."""
    rest = copy(given)
    which = "posonlyargs" if given.posonlyargs else "args"
    setattr(rest, which, getattr(given, which)[1:])
    n = len(rest.posonlyargs) + len(rest.args)
    rest.defaults = given.defaults[-n:] if n and given.defaults else []
    return rest


@lru_cache(maxsize=32)
def _calls(text: str) -> tuple[tuple[str, ast.Call], ...]:
    """Calls by the last part of what is called."""
    tree = parse(text).tree
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)] if tree is not None else []
    named = ((getattr(call.func, "attr", getattr(call.func, "id", "")), call) for call in calls)
    return tuple((name, call) for name, call in named if name)
