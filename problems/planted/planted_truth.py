"""The true value of a point, and of a program without running it.  For benchmarks; no search and no model gets to see it."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Mapping, Sequence

SEED_POINT = 1.0
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
SIGNS = {ast.UAdd: operator.pos, ast.USub: operator.neg}
CALLS = {"min": min, "max": max, "abs": abs, "float": float, "list": list, "sorted": sorted}


def optimum(dimension: int) -> list[float]:
    """Where the value is greatest: numbers between 0.2 and 1.8, spread by the golden ratio."""
    return [0.2 + 1.6 * ((i + 1) * 0.6180339887498949 % 1) for i in range(dimension)]


def value(point: Sequence[float], params: Mapping[str, float | int | str | bool]) -> float:
    """The true value of a point: 0 at the seed, ``gain`` at the optimum, falling with the squared distance from it."""
    best = optimum(len(point))
    span = math.fsum((SEED_POINT - o) ** 2 for o in best)
    return float(params["gain"]) * (1.0 - math.fsum((x - o) ** 2 for x, o in zip(point, best, strict=True)) / span)


def truth(files: Mapping[str, str], params: Mapping[str, float | int | str | bool]) -> float:
    """The true value of a program, read from its syntax tree.

    Understands what mechanical operators make of the initial program: assignments of arithmetic over literals, and a function
    ``point`` of such assignments and a return.

    Raises:
        ValueError: the program does something else, or fails; read its ``point`` artifact instead.
    """
    try:
        return value(_point(files, params), params)
    except (SyntaxError, ArithmeticError, TypeError, KeyError) as error:
        raise ValueError(f"main.py cannot be read as a point: {error!r}") from error


def _point(files: Mapping[str, str], params: Mapping[str, float | int | str | bool]) -> list[float]:
    module: dict[str, object] = {}
    body: list[ast.stmt] = []
    for statement in ast.parse(files["main.py"]).body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "point":
            body = statement.body
        else:
            _assign(statement, module)
    names = module | {"dimension": params["dimension"]}
    for statement in body:
        if isinstance(statement, ast.Return) and statement.value is not None:
            result = _read(statement.value, names)
            if isinstance(result, list) and len(result) == params["dimension"]:
                return result
            raise ValueError(f"point returns {result!r}, which is not a list of {params['dimension']} numbers")
        _assign(statement, names)
    raise ValueError("main.py has no function point with a return")


def _assign(statement: ast.stmt, names: dict[str, object]) -> None:
    match statement:
        case ast.Expr(value=ast.Constant()) | ast.Pass():
            pass
        case ast.Assign(targets=[ast.Name(id=name)], value=expression):
            names[name] = _read(expression, names)
        case _:
            raise ValueError(f"line {statement.lineno}: this statement cannot be read without running it")


def _read(node: ast.expr, names: Mapping[str, object]) -> object:
    match node:
        case ast.Constant(value=bool() | int() | float() as number):
            return number
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_read(item, names) for item in items]
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in SIGNS:
            return SIGNS[type(sign)](_number(operand, names))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return OPERATORS[type(op)](_number(left, names), _number(right, names))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in CALLS:
            return CALLS[name](*(_read(arg, names) for arg in args))
        case ast.Subscript(value=whole, slice=ast.Slice(lower=low, upper=high, step=None)):
            items = _read(whole, names)
            if isinstance(items, list):
                return items[slice(*(None if end is None else int(_number(end, names)) for end in (low, high)))]
    raise ValueError(f"line {node.lineno}: {ast.unparse(node)} cannot be read without running it")


def _number(node: ast.expr, names: Mapping[str, object]) -> float:
    number = _read(node, names)
    if not isinstance(number, int | float):
        raise ValueError(f"line {node.lineno}: expected a number, found {number!r}")
    return number
