"""Runs the programs of the tasks: a small part of Python in which nothing loops, recurs or reaches out of the program.

A mutator and the engine's own operators wrote them, so what they may contain is checked before any is run; then Python runs them.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from types import CodeType

_LARGE = 1e12  # beyond it a number is no answer
_CALLS: Mapping[str, Callable[..., float]] = {"min": min, "max": max, "abs": abs, "exp": math.exp, "sqrt": math.sqrt}
_STATEMENTS = (
    ast.Module,
    ast.FunctionDef,
    ast.arguments,
    ast.arg,
    ast.Assign,
    ast.AugAssign,
    ast.Return,
    ast.If,
    ast.Pass,
    ast.Expr,
)
_EXPRESSIONS = (
    ast.Constant, ast.Name, ast.List, ast.Tuple, ast.Subscript, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp,
    ast.Call,
)  # fmt: skip
_OPERATORS = (
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.USub, ast.UAdd, ast.Not, ast.And, ast.Or,
    *ast.cmpop.__subclasses__(), *ast.expr_context.__subclasses__(),
)  # fmt: skip
_ALLOWED = frozenset((*_STATEMENTS, *_EXPRESSIONS, *_OPERATORS))
_ERRORS = (ArithmeticError, TypeError, NameError, LookupError, ValueError, RecursionError, MemoryError)


class Broken(Exception):
    """The program does not parse, uses what is not there, or gives what is no number."""


class Program:
    """The names that files define, read in the order of their names; ``call`` runs one of their functions.

    Raises:
        Broken: as it says.
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        self.names: dict[str, object] = {"__builtins__": {}, **_CALLS}
        try:
            for path in sorted(files):
                exec(_checked(files[path]), self.names)
        except _ERRORS as error:
            raise Broken(str(error)) from None

    def get(self, name: str) -> object:
        """What a name stands for; None where there is none."""
        return self.names.get(name)

    def call(self, name: str, *arguments: object) -> float:
        """The number that a function gives."""
        function = self.names.get(name)
        if not callable(function):
            raise Broken(f"no function {name}")
        try:
            return number(function(*arguments))
        except _ERRORS as error:
            raise Broken(str(error)) from None


@lru_cache(maxsize=64)
def tree_of(text: str) -> ast.Module | None:
    """What a text parses to, for those who only read it; None where it does not."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@lru_cache(maxsize=4096)
def _checked(text: str) -> CodeType:
    tree = tree_of(text)
    if tree is None:
        raise Broken("it does not parse")
    for node in _nodes(tree):
        _check(node)
    try:
        return compile(tree, "<program>", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Broken(str(error)) from None


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes, as ``ast.walk``, in two thirds of its time."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, ast.AST):
                waiting.append(value)
            elif isinstance(value, list):
                waiting += [item for item in value if isinstance(item, ast.AST)]


def _check(node: ast.AST) -> None:
    known = type(node) in _ALLOWED
    if isinstance(node, ast.Call):
        known = isinstance(node.func, ast.Name) and node.func.id in _CALLS and not node.keywords
    elif isinstance(node, ast.FunctionDef):
        known = node.name not in _CALLS and not node.decorator_list
    elif isinstance(node, ast.Constant):  # numbers, and the sentence at the top
        known = isinstance(node.value, int | float | str)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        known = node.id not in _CALLS
    if not known:
        raise Broken(f"{type(node).__name__} is not known here")


def number(value: object) -> float:
    """A finite number of moderate size; a whole one stays whole.

    Raises:
        Broken: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGE:
        raise Broken("not a finite number")
    return value


def numbers(value: object, n: int) -> list[float]:
    """A list of exactly ``n`` numbers.  Broken where it is none."""
    if not isinstance(value, list) or len(value) != n:
        raise Broken(f"{n} numbers were expected")
    return [number(item) for item in value]


def whole(value: object, n: int) -> list[int]:
    """A list of exactly ``n`` whole numbers.  Broken where it is none."""
    found = numbers(value, n)
    if any(not isinstance(item, int) for item in found):
        raise Broken("whole numbers were expected")
    return [int(item) for item in found]
