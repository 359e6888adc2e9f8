"""The parts of a Python source that have a name, and whether one may stand in the place of its namesake from another program."""

from __future__ import annotations

import ast
import builtins
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import add

from evolve.propose._operator import Files
from evolve.propose._python import Edit, Parsed, is_python, parse
from evolve.propose.mutate._defined import bound_in, undefined
from evolve.propose.mutate._sites import bound_names, whole_lines

_MARKER = "EVOLVE-BLOCK"
_CALLED_OTHERWISE = frozenset(("staticmethod", "classmethod", "property"))


@dataclass(frozen=True, slots=True)
class Part:
    """A definition or an assignment that has its lines to itself."""

    name: str
    start: int
    end: int
    column: int
    node: ast.stmt


def parts_of(parsed: Parsed) -> list[Part]:
    """Functions, classes, methods and assignments to names, by qualified name; the first of each name only."""
    assert parsed.tree is not None
    parts: dict[str, Part] = {}
    stack: list[tuple[list[ast.stmt], str]] = [(parsed.tree.body, "")]
    while stack:
        body, scope = stack.pop()
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = f"{scope}{node.name}"
                stack.append((node.body, f"{name}."))
            elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                name = f"{scope}{node.targets[0].id}"
            else:
                continue
            span = whole_lines(parsed, node)
            if span is not None and name not in parts:
                parts[name] = Part(name, *span, node.col_offset, node)
    return list(parts.values())


# -------------------------------------------------------------------------------------------------- signatures


def is_called(part: Part, tree: ast.Module) -> bool:
    """Whether the program itself calls a top-level function: then it can be told whether its calls fit another one."""
    inner = {id(node) for node in ast.walk(part.node)}
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and id(node) not in inner)
    named = any(isinstance(node.func, ast.Name) and node.func.id == part.name for node in calls)
    return named and isinstance(part.node, ast.FunctionDef)


def stands_in(old: ast.stmt, new: ast.stmt) -> bool:
    """Whether whoever calls the old part can call the new one, as far as signatures tell."""
    if type(old) is not type(new) or _called_otherwise(old) != _called_otherwise(new):
        return False
    if isinstance(old, ast.ClassDef) and isinstance(new, ast.ClassDef):
        made, made_now = _maker(old), _maker(new)
        return made is made_now is None or (made is not None and made_now is not None and accepts(made.args, made_now.args))
    if isinstance(old, ast.FunctionDef | ast.AsyncFunctionDef) and isinstance(new, ast.FunctionDef | ast.AsyncFunctionDef):
        return accepts(old.args, new.args)
    return True


def accepts(old: ast.arguments, new: ast.arguments) -> bool:
    """Whether every call that fits the old arguments fits the new ones."""
    was, now = [*old.posonlyargs, *old.args], [*new.posonlyargs, *new.args]
    if (old.vararg and not new.vararg) or (old.kwarg and not new.kwarg):
        return False
    if len(now) < len(was) or len(new.posonlyargs) > len(old.posonlyargs):
        return False
    if (old.vararg or old.kwarg) and (len(now) > len(was) or len(new.posonlyargs) < len(old.posonlyargs)):
        return False
    by_place = len(old.posonlyargs)
    if [one.arg for one in now[by_place : len(was)]] != [one.arg for one in was[by_place:]]:
        return False
    if len(now) - len(new.defaults) > len(was) - len(old.defaults):
        return False
    named = {one.arg for one in (*now[len(was) :], *new.kwonlyargs)}
    return _needed_names(new) <= _needed_names(old) and {one.arg for one in old.kwonlyargs} <= named


def fits(call: ast.Call, given: ast.arguments) -> bool:
    """Whether a call can be made to a function with these arguments; of stars one cannot tell."""
    named = {one.arg for one in call.keywords}
    if None in named or any(isinstance(one, ast.Starred) for one in call.args):
        return True
    by_place = [one.arg for one in (*given.posonlyargs, *given.args)]
    filled, names = set(by_place[: len(call.args)]), {one.arg for one in (*given.args, *given.kwonlyargs)}
    needed = ({*by_place[: len(by_place) - len(given.defaults)]} - filled) | _needed_names(given)
    if (len(call.args) > len(by_place) and not given.vararg) or named & names & filled:
        return False
    return needed <= named & names and (named <= names or given.kwarg is not None)


def _needed_names(given: ast.arguments) -> set[str]:
    return {one.arg for one, value in zip(given.kwonlyargs, given.kw_defaults, strict=True) if value is None}


def _called_otherwise(node: ast.stmt) -> set[str]:
    return {one.id for one in getattr(node, "decorator_list", ()) if isinstance(one, ast.Name)} & _CALLED_OTHERWISE


def _maker(node: ast.ClassDef) -> ast.FunctionDef | None:
    return next((one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None)


# ------------------------------------------------------------------------------------------ what comes along


class Along:
    """What of a donor comes along with its parts: the top-level statements that define what they need and the program has not."""

    def __init__(self, mine: ast.Module, theirs: Parsed) -> None:
        assert theirs.tree is not None
        self.known, self.theirs, self.top = bound_names(mine), theirs, theirs.tree.body
        self.sources = {name: one for one in reversed(self.top) for name in bound_in([one])}

    def of(self, node: ast.stmt) -> tuple[ast.stmt, ...] | None:
        """The statements that a part needs, in their order; None where something is not to be had."""
        taken, waiting = dict[str, ast.stmt](), [node]
        while waiting:
            for name in sorted(needs(waiting.pop()) - self.known - taken.keys()):
                source = self.sources.get(name)
                if source is None or whole_lines(self.theirs, source) is None or self.known & set(bound_in([source])):
                    return None
                taken |= dict.fromkeys(bound_in([source]), source)
                waiting.append(source)
        return tuple(one for one in self.top if one in taken.values())


def needs(node: ast.stmt) -> frozenset[str]:
    """Names that a part reads and does not bind."""
    reads = {child.id for child in ast.walk(node) if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Load)}
    return frozenset(name for name in reads - bound_names(node) if not hasattr(builtins, name))


def put_before(part: Part, extra: Sequence[ast.stmt], mine: Parsed, theirs: Parsed) -> Edit | None:
    """The edit that puts statements of the donor before the definition in which the part stands, and the comment above it."""
    assert mine.tree is not None
    spans = [span for node in mine.tree.body if (span := whole_lines(mine, node)) is not None]
    start = next((start for start, end in spans if start <= part.start < end), None)
    if start is None:
        return None
    row = bisect_left(mine.starts, start)
    while row > 0 and mine.text.startswith("#", mine.starts[row - 1]) and _MARKER not in mine.text[mine.starts[row - 1] : start]:
        row -= 1
    texts = [theirs.text[slice(*span)].rstrip() for one in extra if (span := whole_lines(theirs, one)) is not None]
    apart = ("\n" if "\n" not in text + then else "\n\n\n" for text, then in zip(texts, [*texts[1:], "\n"], strict=True))
    start = mine.starts[row]
    return Edit(start, start, "".join(map(add, texts, apart)))


# ------------------------------------------------------------------------------------------ what is missing


def missing(parent: Files, donor: Files, child: Files) -> str:
    """What a mix of two programs lacks that each of them has, in a sentence; "" when it lacks nothing."""
    try:
        lost = lacking(parent, donor, child)
    except RecursionError:
        return "the programs are nested too deeply to tell which names they need."
    return f"the mix would lack {', '.join(sorted(lost))}." if lost else ""


def lacking(parent: Files, donor: Files, child: Files) -> set[str]:
    """What a mix of two programs, all of the same paths, lacks that each of them has: names, ``.attributes``, ``module.names`` that
    it imports, and ``functions()`` that take something else than they are given.  RecursionError where one cannot tell."""
    changed = [path for path in child if child[path] != parent[path]]
    lost = {name for path in changed for name in _undefined(parent[path], donor[path], child[path])}
    lost |= {f".{name}" for name in _unset(child) - _unset(parent) - _unset(donor)}
    lost |= {*_not_imported(child)} - {*_not_imported(parent)}
    return lost | {f"{name}()" for path in changed for name in _misfits(child[path]) - _misfits(parent[path])}


def _undefined(parent: str, donor: str, child: str) -> Iterator[str]:
    theirs = undefined(donor)
    return (one.name for one in undefined(child) - undefined(parent) if not (one.own and one in theirs))


def _unset(files: Files) -> frozenset[str]:
    """Attributes that a program reads and nobody in it sets or defines: those of other libraries."""
    both = [_attributes(text) for path, text in files.items() if is_python(path)]
    return frozenset[str]().union(*(reads for reads, _ in both)).difference(*(sets for _, sets in both))


@lru_cache(maxsize=16)
def _attributes(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Attributes that a source reads, and those that it may set or define.  The last 16 are remembered."""
    reads, sets = set[str](), set[str]()
    tree = parse(text).tree
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Attribute):
            (reads if isinstance(node.ctx, ast.Load) else sets).add(node.attr)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            sets.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            sets.add(node.id)
    return frozenset(reads), frozenset(sets)


def _not_imported(files: Files) -> Iterator[str]:
    """Names that a program imports from files of its own that do not have them."""
    trees = {path: tree for path in files if is_python(path) and (tree := parse(files[path]).tree) is not None}
    if len(trees) < 2:
        return
    by_module = {path.removesuffix(".py").replace("/", "."): frozenset(bound_in(tree.body)) for path, tree in trees.items()}
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in by_module:
                yield from (f"{node.module}.{one.name}" for one in node.names if one.name not in {"*", *by_module[node.module]})


def _misfits(text: str) -> frozenset[str]:
    """Functions of a source that it calls with what they do not take."""
    tree = parse(text).tree
    if tree is None:
        return frozenset()
    functions = {one.name: one.args for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    called = ((node, node.func.id) for node in calls if isinstance(node.func, ast.Name))
    return frozenset(name for node, name in called if name in functions and not fits(node, functions[name]))
