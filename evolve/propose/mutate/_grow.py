"""A term more: an expression that computes a number gets a summand with a coefficient.

A small summand changes what a program does by a little, in a direction that it did not have before, as in a forward search over
basis functions: a name, a product of two, what lies beyond a bound, a step (Friedman 1991, *Multivariate adaptive regression
splines*, https://doi.org/10.1214/aos/1176347963).  How far to go is for operators that move numbers, and for those that go on where
a step paid or turn one round.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from archive import ProposalStatus
from evolve.propose._operator import Files, Proposal, ProposalTask
from evolve.propose._python import Edit, Parsed, apply_edits, inside, is_python, parse, walk
from evolve.propose._scope import editable_regions, is_editable
from evolve.propose.mutate._defined import undefined
from evolve.propose.mutate._drafts import Draft, drafted
from evolve.propose.mutate._specs import GROW
from evolve.propose.mutate._substitutions import ARITHMETIC

if TYPE_CHECKING:
    import numpy as np

_MOST_NODES = 80  # of an expression that still grows
_SMALLEST, _LARGEST = -2.0, 0.0  # powers of ten of a coefficient
_NEAR, _FAR = -1.0, 1.0  # powers of ten of where a term is bent, where that is not a number of the same program
_OWN_NUMBER = 0.5  # chance that it is
_SMOOTH = ("{0}", "{0}", "{0} * {1}", "{0} * {0}", "abs({0})", "({0} > {2})")
_BENT = ("max({0}, {2})", "min({0}, {2})", "max({0}, {1})")  # one number alone, not arrays of them
_OF_ARRAYS = frozenset({"numpy", "torch", "jax", "cupy", "pandas", "tensorflow"})
_MAKE_TEXTS = frozenset({"str", "repr", "format", "chr", "ascii", "hex", "bin", "list", "tuple"})
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class _Scope:
    """A function, or the statements outside of all: which of its expressions may grow, and what terms are made of."""

    path: str
    parsed: Parsed
    values: tuple[ast.expr, ...]
    pieces: tuple[str, ...]
    numbers: tuple[float, ...]
    shapes: tuple[str, ...]


class Grow:
    """Adds a term to an expression of the first parent, a Python program.  Names that the child reads are defined if they were in
    the parent."""

    spec = GROW

    def propose(self, task: ProposalTask, rng: np.random.Generator) -> Proposal:
        """A child of the first parent, or ``INVALID`` when eight draws gave none."""
        if not task.parents:
            return Proposal(ProposalStatus.INVALID, reason="a term is added to one parent; found none.")
        parent = task.parents[0]
        scopes = [
            one
            for path in sorted(parent)
            if is_python(path) and is_editable(path, task.scope)
            for one in _scopes(path, parent[path])
        ]
        return drafted(task, lambda: _draft(parent, scopes, rng), "no expression that may get a term")


@lru_cache(maxsize=8)
def _scopes(path: str, text: str) -> tuple[_Scope, ...]:
    parsed, regions = parse(text), editable_regions(text)
    if parsed.tree is None:
        return ()
    nodes = [*ast.walk(parsed.tree)]
    shapes = _SMOOTH if _works_on_arrays(nodes) else (*_SMOOTH, *_BENT)
    numbers = tuple(sorted({float(node.value) for node in nodes if _is_number(node) and abs(node.value) < 1e9}))  # type: ignore[attr-defined]
    found = []
    for scope in (parsed.tree, *(node for node in nodes if isinstance(node, _Function))):
        statements = [*_statements(scope.body)]
        values = tuple(one for statement in statements for one in _values(statement) if inside(parsed.span(one), regions))
        pieces = _pieces(statements, parsed) | (_arguments(scope) if isinstance(scope, _Function) else set())
        if values and pieces:
            found.append(_Scope(path, parsed, values, tuple(sorted(pieces)), numbers, shapes))
    return tuple(found)


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a scope, not those of functions and classes in it."""
    for statement in body:
        if not isinstance(statement, _Function | ast.ClassDef):
            yield statement
            for name in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(statement, name, []))
            for block in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
                yield from _statements(block.body)


def _values(statement: ast.stmt) -> Iterator[ast.expr]:
    """What a statement returns or gives to a name, if it looks like a number, and the operands of the arithmetic in it."""
    value = getattr(statement, "value", None)
    if not isinstance(statement, ast.Return | ast.Assign | ast.AugAssign) or not isinstance(value, ast.expr):
        return
    nodes = [*ast.walk(value)]
    if len(nodes) > _MOST_NODES:
        return
    if _is_arithmetic(value) or isinstance(value, ast.IfExp) or (isinstance(statement, ast.Return) and _is_number(value)):
        yield value
    for node in nodes:
        if isinstance(node, ast.BinOp) and _is_arithmetic(node):
            yield from (side for side in (node.left, node.right) if not isinstance(side, ast.Constant) or _is_number(side))


def _pieces(statements: Sequence[ast.stmt], parsed: Parsed) -> set[str]:
    """Names, items and attributes that a scope calculates with."""
    nodes = [node for statement in statements for node in _own(statement) if isinstance(node, ast.BinOp) and _is_arithmetic(node)]
    sides = [side for node in nodes for side in (node.left, node.right)]
    return {parsed.text[slice(*parsed.span(one))] for one in sides if isinstance(one, ast.Name | ast.Subscript | ast.Attribute)}


def _own(statement: ast.stmt) -> Iterator[ast.AST]:
    """The expressions of a statement, not those of statements in it."""
    for name, value in ast.iter_fields(statement):
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, ast.expr) and name not in ("body", "orelse", "finalbody"):
                yield from walk(one)


def _arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Arguments that are used as nothing but numbers, or not at all."""
    given = function.args
    names = {one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)}
    nodes = [*walk(function)]
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    used_as = [
        *(node.value for node in nodes if isinstance(node, ast.Subscript | ast.Attribute | ast.Starred)),
        *(node.func for node in calls),
        *(node.iter for node in nodes if isinstance(node, ast.For | ast.comprehension)),
        *(one for node in calls for one in node.args if _is_call_of(node, "len")),
    ]
    return names - {node.id for node in used_as if isinstance(node, ast.Name)} - {"self", "cls"}


def _is_call_of(node: ast.Call, name: str) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id == name


def _is_arithmetic(node: ast.expr) -> bool:
    """Whether it is a calculation of numbers as far as can be seen: with no text or list among what is added."""
    if isinstance(node, ast.BinOp):
        return type(node.op) in ARITHMETIC and all(_may_be_number(side) for side in (node.left, node.right))
    return False


def _may_be_number(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_arithmetic(node)
    if isinstance(node, ast.Call):
        return not (isinstance(node.func, ast.Name) and node.func.id in _MAKE_TEXTS)
    written = ast.List | ast.Tuple | ast.Set | ast.Dict | ast.JoinedStr | ast.ListComp | ast.Lambda
    return not isinstance(node, written) and (not isinstance(node, ast.Constant) or _is_number(node))


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def _works_on_arrays(nodes: Sequence[ast.AST]) -> bool:
    """Whether a library of arrays is imported: then a name may be one."""
    names = [one.name for node in nodes if isinstance(node, ast.Import) for one in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return any(name.partition(".")[0] in _OF_ARRAYS for name in names)


def _draft(parent: Files, scopes: Sequence[_Scope], rng: np.random.Generator) -> Draft | None:
    if not scopes:
        return None
    sizes = [len(one.values) for one in scopes]
    scope = scopes[int(rng.choice(len(scopes), p=[size / sum(sizes) for size in sizes]))]
    value = scope.values[int(rng.integers(len(scope.values)))]
    start, end = scope.parsed.span(value)
    text = scope.parsed.text
    old, term = text[start:end], _term(scope, rng)
    grown = apply_edits(text, [Edit(start, end, f"({f'({old})' if isinstance(value, ast.IfExp) else old} {term})")])
    try:
        if undefined(grown) - undefined(text):
            return None
    except RecursionError:  # nested too deeply to tell
        return None
    return {**parent, scope.path: grown}, f"{' '.join(old.split())[:40]} {' '.join(term.split())} ({scope.path}:{value.lineno})"


def _term(scope: _Scope, rng: np.random.Generator) -> str:
    first, second = (scope.pieces[int(rng.integers(len(scope.pieces)))] for _ in range(2))
    bound = _signed(10 ** rng.uniform(_NEAR, _FAR), rng)
    if scope.numbers and rng.random() < _OWN_NUMBER:
        bound = scope.numbers[int(rng.integers(len(scope.numbers)))]
    shape = scope.shapes[int(rng.integers(len(scope.shapes)))].format(first, second, f"{bound:.3g}")
    coefficient = _signed(10 ** rng.uniform(_SMALLEST, _LARGEST), rng)
    return f"{'-' if coefficient < 0 else '+'} {abs(coefficient):.3g} * {shape}"


def _signed(size: float, rng: np.random.Generator) -> float:
    return size if rng.random() < 0.5 else -size
