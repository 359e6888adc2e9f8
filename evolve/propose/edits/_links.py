"""Whether a child still holds together: names that its files read, and that the parent had and the child has not.

A text that left something out often parses, and fails only when it runs.  What was lost shows in who still asks for it: the file
itself, another file that imports it, or the caller outside, of whom the parent tells only that nothing in it calls its entries.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from evolve.propose._python import is_python, parse
from evolve.propose.edits._edits import shown
from evolve.propose.edits._whole import NO_CODE, binds, binds_outside, bound, definitions, undefined


def unlinked(parent: Mapping[str, str], child: Mapping[str, str], entries: Collection[str] = ()) -> str:
    """What of a child's program, or which caller, asks for what it lost, in a sentence without its end; "" when nothing does.

    Only names count that the parent had, and modules beside the parent's own: what else is missing may come from anywhere.
    ``entries`` are called from outside, as ``file.py:function``.
    """
    if said := _uncalled(parent, child, entries) or _torn(parent, child):
        return said
    changed = [path for path in child if is_python(path) and child[path] != parent.get(path)]
    for path in changed:
        before = parent.get(path, "")
        for name in sorted(undefined(child[path]) & bound(before) - undefined(before)):
            if not binds(child[path], name):
                return f"{path} uses {shown(name, 60)}, which nothing in it defines any more"
        if lost := _bereft(before, child[path]):
            return f"{path} uses {shown(lost, 60)}, which nothing in it defines any more"
    if not changed:
        return ""
    modules = {_module(path): path for path in child if is_python(path)}
    for path in child:
        if is_python(path):
            for module, name in _asked(child[path], _package(path)):
                if said := _missing(module, name, modules, parent, child, path):
                    return said
    for path in changed:
        own = _entries(path, parent) if path in parent else frozenset()
        if own and not any(binds_outside(child[path], name) for name in own):
            return f"{path} has lost {', '.join(shown(name, 60) for name in sorted(own)[:3])}, which its caller needs"
    return ""


def _uncalled(parent: Mapping[str, str], child: Mapping[str, str], entries: Collection[str]) -> str:
    """An entry that is gone."""
    for entry in entries:
        path, _, function = entry.partition(":")
        name = function.partition(".")[0]
        before, after = parent.get(path), child.get(path)
        if before is None or after is None or after == before or not binds_outside(before, name):
            continue
        if not binds_outside(after, name):
            return f"{path} has no {shown(name, 60)} at its first level any more, which the evaluator calls; send it as well"
        if _returns(before, name) and not _returns(after, name):
            return f"{shown(name, 60)} in {path}, which the evaluator calls, returns nothing any more; send all of it"
        old, new = _classes(before).get(name), _classes(after).get(name)
        method = function.partition(".")[2]
        if old and new and method in old.bound and method not in new.bound and old.bases == new.bases:
            return f"{path} has no {shown(function, 60)} any more, which the evaluator calls; send it as well"
    return ""


def _returns(text: str, name: str) -> bool:
    """Whether a function may return a value: it does somewhere, or it is no function of this text."""
    tree = parse(text).tree
    found = [node for node in (tree.body if tree is not None else ()) if isinstance(node, ast.FunctionDef) and node.name == name]
    inside = [each for node in found for each in ast.walk(node)]
    return not found or any(
        isinstance(each, ast.Yield | ast.YieldFrom) or (isinstance(each, ast.Return) and each.value) for each in inside
    )


@dataclass(frozen=True, slots=True)
class _Class:
    """What a class binds, and what its methods read of ``self`` and ``cls``."""

    bound: frozenset[str]
    read: frozenset[str]
    bases: str


@lru_cache(maxsize=64)
def _classes(text: str) -> dict[str, _Class]:
    """The classes of a Python text by name, at any depth."""
    tree = parse(text).tree
    found: dict[str, _Class] = {}
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.ClassDef):
            bound: set[str] = set(_bound_in(node))
            read: set[str] = set()
            for each in ast.walk(node):
                if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id in ("self", "cls"):
                    (read if isinstance(each.ctx, ast.Load) else bound).add(each.attr)
            found[node.name] = _Class(frozenset(bound), frozenset(read), ", ".join(map(ast.unparse, node.bases)))
    return found


def _bound_in(node: ast.ClassDef) -> Iterator[str]:
    for each in node.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield each.name
        elif isinstance(each, ast.stmt):
            yield from (name.id for name in ast.walk(each) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store))


def _bereft(before: str, after: str) -> str:
    """What a class reads of itself and does not have any more, as ``Class.name``; "" when there is nothing."""
    old, new = _classes(before), _classes(after)
    known = frozenset[str]().union(*(each.bound for each in new.values()))
    if known & {"__getattr__", "__getattribute__", "__dict__"} or not {"setattr", "vars"}.isdisjoint(_read(after)):
        return ""
    for name, now in new.items():
        was = old.get(name)
        if was is not None and was.bases == now.bases and (lost := now.read & was.bound - known):
            return f"{name}.{min(lost)}"
    return ""


def _torn(parent: Mapping[str, str], child: Mapping[str, str]) -> str:
    """A definition that a file in another language than Python lost, and that other files of the program name."""
    for path, after in child.items():
        before = parent.get(path, after)
        if after == before or is_python(path) or path.endswith(NO_CODE):
            continue
        gone = definitions(before, path) - _words(after)
        for other, text in child.items() if gone else ():
            if other != path and (asked := gone & _words(text) & _words(parent.get(other, ""))):
                return f"{other} needs {shown(min(asked), 60)} of {path}, which does not define it any more"
    return ""


@lru_cache(maxsize=64)
def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[^\W\d]\w*", text))


def _missing(
    module: str, name: str, modules: Mapping[str, str], parent: Mapping[str, str], child: Mapping[str, str], path: str
) -> str:
    other = modules.get(module)
    if other is None:
        folder, _, last = module.rpartition(".")
        beside = bool(folder) and any(known.startswith(folder + ".") for known in modules)
        new = path not in parent or (module, name) not in _asked(parent[path], _package(path))
        inside = folder in modules and binds(child[modules[folder]], last)
        return f"{path} imports {shown(module, 60)}, and there is no such file" if beside and new and not inside else ""
    if name in bound(parent.get(other, "")) and not binds(child[other], name) and f"{module}.{name}" not in modules:
        return f"{path} needs {shown(name, 60)} of {other}, which does not define it any more"
    return ""


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _package(path: str) -> str:
    return path.rpartition("/")[0].replace("/", ".")


@lru_cache(maxsize=64)
def _asked(text: str, package: str) -> frozenset[tuple[str, str]]:
    """Modules that a text imports by a dotted name or from, and the names it takes of them: ``("lib.util", "scale")``."""
    tree = parse(text).tree
    asked: set[tuple[str, str]] = set()
    aliases: dict[str, str] = {}
    for node in tree.body if tree is not None else ():
        if isinstance(node, ast.Import):
            for alias in node.names:
                asked.add((alias.name, ""))
                if alias.asname or "." not in alias.name:
                    aliases[alias.asname or alias.name] = alias.name
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level and package else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                asked.add((module, alias.name))
                aliases[alias.asname or alias.name] = f"{module}.{alias.name}" if module else alias.name
    for each in ast.walk(tree) if tree is not None and aliases else ():
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and isinstance(each.ctx, ast.Load):
            asked |= {(aliases[each.value.id], each.attr)} if each.value.id in aliases else set()
    return frozenset(asked)


def _entries(path: str, files: Mapping[str, str]) -> frozenset[str]:
    """Functions and classes of a file that nothing in the program reads: those that only its caller can mean, or no one.

    None of a file that others import, or that does something when it is imported: it may have no other caller.
    """
    tree = parse(files[path]).tree
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    quiet = kinds | ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign
    if tree is None or any(not isinstance(node, quiet) for node in tree.body[ast.get_docstring(tree) is not None :]):
        return frozenset()
    python = {other: text for other, text in files.items() if is_python(other)}
    if any(module == _module(path) for other, text in python.items() for module, _ in _asked(text, _package(other))):
        return frozenset()
    named = {node.name for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")}
    return frozenset(named - frozenset().union(*map(_read, python.values())))


@lru_cache(maxsize=64)
def _read(text: str) -> frozenset[str]:
    """Names that a text reads, as names, attributes or imports."""
    tree = parse(text).tree
    read: set[str] = set()
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            read.add(node.id)
        elif isinstance(node, ast.Attribute):
            read.add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            read |= {alias.name for alias in node.names}
    return frozenset(read)
