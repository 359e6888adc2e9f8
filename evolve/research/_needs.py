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
_CALLED = ("__call__", "forward")  # what is called where an object is, the latter of modules of torch


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
    """Methods, classes and objects that are called with what none of that name in the program takes, or not all."""
    taken: dict[str, list[ast.arguments]] = {}
    for text in files.values():
        for name, given in _methods(text):
            taken.setdefault(name, []).append(given)
    for text in files.values():
        for name, made in _objects(text):
            for given in taken.get(f"{made}.", ()):
                taken.setdefault(name, []).append(given)
    called = [(name, call) for text in files.values() for name, call in _calls(text) if name in taken]
    return frozenset(
        f"{name}() of {which}"
        for name, call in called
        for which, fit in (("any", any), ("all", all))
        if not fit(fits(call, given) for given in taken[name])
    )


@lru_cache(maxsize=32)
def _methods(text: str) -> tuple[tuple[str, ast.arguments], ...]:
    """The arguments that a call gives to functions in classes, by name; to a class, by its name; to objects of a class, by its name
    with a dot behind it."""
    found: list[tuple[str, ast.arguments]] = []
    tree = parse(text).tree
    for node in ast.walk(tree) if tree is not None else ():
        for one in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(node, ast.ClassDef) and isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
                static = any(isinstance(mark, ast.Name) and mark.id == "staticmethod" for mark in one.decorator_list)
                given = one.args if static else _bound(one.args)
                found.append((node.name if one.name == "__init__" else one.name, given))
                if one.name in _CALLED:
                    found.append((f"{node.name}.", given))
    return tuple(found)


@lru_cache(maxsize=32)
def _objects(text: str) -> tuple[tuple[str, str], ...]:
    """Names and attributes with the classes whose objects they may be: those that are called in what they are given, also by a loop
    over others."""
    tree = parse(text).tree
    pairs = [pair for node in ast.walk(tree) for pair in _given(node)] if tree is not None else []
    made = {(name, call) for name, value in pairs for call in _called(value)}
    looped = [(name, _last(one)) for name, value in pairs for one in ast.walk(value) if isinstance(one, ast.Name | ast.Attribute)]
    return tuple(sorted(made | {(name, kind) for name, other in looped for known, kind in made if known == other}))


def _given(node: ast.AST) -> list[tuple[str, ast.expr]]:
    """Which names and attributes a statement gives what."""
    if isinstance(node, ast.Assign):
        return [(name, node.value) for target in node.targets if (name := _last(target))]
    if isinstance(node, ast.For | ast.comprehension):
        targets = node.target.elts if isinstance(node.target, ast.Tuple) else [node.target]
        return [(name, node.iter) for target in targets if (name := _last(target))]
    return []


def _called(value: ast.expr) -> list[str]:
    return [name for node in ast.walk(value) if isinstance(node, ast.Call) and (name := _last(node.func))]


def _last(node: ast.expr) -> str:
    """The last part of a name with dots; "" of anything else."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


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
    return tuple((name, call) for call in calls if (name := _last(call.func)))
