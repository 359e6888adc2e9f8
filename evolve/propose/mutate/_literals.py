"""The numbers in a program that a tuner may move: which, under what name, how far.

A number is named by where it stands, not by its position: ``file::scope/target/.../ordinal``, for instance
``train.py::Model.step/opt/AdamW/lr=/0``.  The ordinal counts within exactly that context, so edits elsewhere leave the name alone.

Skipped, because a change there breaks a program or cannot matter: indices and slices, shapes and axes, integer exponents and
divisors, seeds, booleans, powers of two from 8 up, numbers below 1e-6 or about 1e80; numbers in f-strings; anything outside the
editable regions.  Of 0, 1 and -1 outside lists of numbers only those are taken that are plainly a parameter: written as floats, and
all that is given to a name, an attribute, an argument or a key (``LiteralSite.is_given``).

A comment on the number's line overrides the guess: ``# tune: 1e-4..1e-1 log``, ``# tune: 1..8``, ``# tune: off``.  A 0, 1 or -1
beside one is taken where it is given or within its bounds: in ``0.5 * (1 - x)  # tune: 0.1..0.9`` the 1 is not meant.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from archive import Literal
from evolve.propose._python import Edit, Parsed, inner_nodes, inside, is_python, parse
from evolve.propose._scope import editable_regions
from evolve.propose.mutate._bounds import bounds_at
from evolve.propose.mutate._given import gives, stored_again, stored_from_afar
from evolve.propose.mutate._numbers import SEED, LiteralSite, find_numbers

MAX_LITERALS = 256

_SPREAD_STEP = 0.07  # of the spread of a list: a list of coordinates keeps its form, and neighbours can still change places
_SPREAD_MARGIN = 0.5  # of the spread, beyond the smallest and the largest member
_LOG_STEP = 0.3  # natural log: a third up or a quarter down
_LOG_RANGE = 100.0  # factor to either side
_INT_RANGE = 8.0
_PLAIN = (0, 1, -1)
_ZERO_STEP = 0.3  # of the size of the numbers beside it: as far as a positive number goes
_LARGE = 1e80
_GUARD = 1e-6  # smaller ones keep a division from failing and decide nothing else
_SHARE_STEP = 0.3  # of the distance to 1

_STRUCTURAL = (ast.Pow, ast.FloorDiv, ast.Mod, ast.LShift, ast.RShift)  # an integer on the right of these shapes the program

_SEEDERS = frozenset({"default_rng", "RandomState", "PRNGKey", "Random", "Philox", "PCG64", "SeedSequence", "key"})
_SHAPED_CALL = re.compile(
    r"zeros|ones|empty|full|eye|identity|(zeros|ones|empty|full)_like|reshape|view|expand|permute|transpose|swapaxes|moveaxis|repeat|"
    r"tile|rand|randn|randint|random|random_sample|choice|normal|standard_normal|(un)?squeeze|(un)?flatten|v?stack|hstack|concatenate|cat|split|chunk|narrow|"
    r"select|take|diagonal|tri[ul]|ndim|size|dim|shape|round"
)
_SHAPE_NAME = re.compile(r"ax[ie]s|axes|dims?|ndim|shape|size|dtype|start_dim|end_dim|keepdims?|decimals|ndigits|indent")


def literals_of(files: dict[str, str]) -> tuple[Literal, ...]:
    """The literals of editable files (path to text), at most ``MAX_LITERALS``: the largest groups first, then program order.

    Deterministic; raises nothing that a text can cause.
    """
    found: list[tuple[int, int, Literal]] = []
    for order, path in enumerate(sorted(files)):
        sites = find(path, files[path])
        unit = unit_of([item.value for item in sites if not item.is_int])
        for group in _groups(files[path], sites):
            ends = (min(item.value for item in group), max(item.value for item in group)) if len(group) > 1 else None
            for item in group[:MAX_LITERALS]:
                literal = _literal(path, item, ends, bounds_at(files[path], item.end), unit)
                if literal is not None and _moderate(literal):
                    found.append((len(group), order * 10_000_000 + item.start, literal))
    found.sort(key=lambda entry: (-entry[0], entry[1]))
    return tuple(literal for _, _, literal in sorted(found[:MAX_LITERALS], key=lambda entry: entry[1]))


@lru_cache(maxsize=8)
def find(path: str, text: str) -> tuple[LiteralSite, ...]:
    """Every tunable number of one file, in order; none where its kind is not known, or a source does not parse.

    Remembers the last 8 texts.
    """
    found = _find_in_python(text) if is_python(path) else find_numbers(path, text)
    return tuple(item for item in found if item.group != (item.start, item.end) or _is_meant(text, item))


def unit_of(values: Sequence[float]) -> float:
    """What a 0 beside these numbers is moved in: their median size, 1 where there are none."""
    sizes = sorted(size for value in values if (size := abs(value)) >= _GUARD)
    return sizes[len(sizes) // 2] if sizes else 1.0


def _is_meant(text: str, item: LiteralSite) -> bool:
    """Whether a number that stands alone is one to move: 0, 1 and -1 mostly say what a program does, not how much of it."""
    if item.value not in _PLAIN or (item.is_given and not item.is_int):
        return True
    bounds = bounds_at(text, item.end)
    return bounds is not None and bounds[2] != "off" and (item.is_given or bounds[0] <= item.value <= bounds[1])


def _find_in_python(text: str) -> tuple[LiteralSite, ...]:
    parsed = parse(text)
    if parsed.tree is None:
        return ()
    regions = editable_regions(text)
    walk = _Walk(parsed, stored_from_afar(parsed.tree))
    try:
        walk.scope(parsed.tree.body, "")
    except RecursionError:
        return ()
    return tuple(item for item in sorted(walk.found, key=lambda item: item.start) if inside((item.start, item.end), regions))


def write(text: str, item: LiteralSite, value: float, *, is_int: bool) -> Edit:
    """The edit that puts ``value`` in the place of a number of ``text``; the new text parses back to exactly this value."""
    new = repr(round(value)) if is_int else repr(float(value))
    if "e" in new and "." not in new:  # YAML takes 1e-07 for a word
        new = new.replace("e", ".0e")
    # A number that turns negative under a power needs parentheses: -2 ** x is -(2 ** x).
    if new.startswith("-") and text[item.start] != "-" and text[item.end : item.end + 40].lstrip(" \t\\").startswith("**"):
        new = f"({new})"
    return Edit(item.start, item.end, new)


class _Walk:
    """Collects the numbers of one tree with their names."""

    def __init__(self, parsed: Parsed, again: frozenset[str]) -> None:
        self.parsed = parsed
        self.found: list[LiteralSite] = []
        self._ordinals: dict[str, int] = {}
        self._from_afar = again
        self._again = again  # names of the scope in hand, and attributes, that are given a value more than once

    def scope(self, body: Sequence[ast.stmt], scope: str) -> None:
        outer, self._again = self._again, stored_again(body) | self._from_afar
        self.block(body, scope)
        self._again = outer

    def block(self, body: Sequence[ast.stmt], scope: str) -> None:
        for statement in body:
            self.statement(statement, scope)

    def statement(self, node: ast.stmt, scope: str) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{scope}.{node.name}" if scope else node.name
            if not isinstance(node, ast.ClassDef):
                self.defaults(node.args, inner)
            for decorator in node.decorator_list:
                self.expression(decorator, f"{inner}/@")
            self.scope(node.body, inner)
            return
        context = f"{scope}/{_label(node)}" if scope else _label(node)
        if SEED.search(context.rsplit("/", 1)[-1]):
            return
        for name, value in ast.iter_fields(node):
            if name in ("body", "orelse", "finalbody"):
                self.block(value, scope)
            elif name == "handlers":
                for handler in value:
                    self.block(handler.body, scope)
            elif name == "cases":
                for case in value:
                    self.block(case.body, scope)
            elif name in ("targets", "target"):
                continue
            else:
                for item in value if isinstance(value, list) else [value]:
                    if isinstance(item, ast.withitem):
                        item = item.context_expr
                    if isinstance(item, ast.expr):
                        self.expression(item, context, given=name == "value" and gives(node, self._again))

    def defaults(self, args: ast.arguments, scope: str) -> None:
        positional = [*args.posonlyargs, *args.args]
        pairs = list(zip(positional[len(positional) - len(args.defaults) :], args.defaults, strict=True))
        pairs += [(arg, default) for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True) if default is not None]
        for arg, default in pairs:
            if not _SHAPE_NAME.fullmatch(arg.arg) and not SEED.search(arg.arg):
                self.expression(default, f"{scope}/{arg.arg}=", given=True)

    def expression(self, node: ast.expr, context: str, group: tuple[int, int] | None = None, *, given: bool = False) -> None:
        """``given``: the value of the expression goes to a name, an attribute, an argument or a key as it is."""
        if isinstance(node, ast.Constant) or (isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant)):
            self.number(node, context, group, given=given)
        elif isinstance(node, ast.Call):
            self.call(node, context)
        elif isinstance(node, ast.Subscript):
            self.expression(node.value, context)
        elif isinstance(node, ast.JoinedStr):
            return
        elif isinstance(node, ast.List | ast.Tuple | ast.Set):
            count = _count_numbers(node)
            if group is None and count >= 3:
                group = self.parsed.span(node)
            for item in node.elts:
                self.expression(item, context, group, given=given and count > 0)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                name = f"{key.value!r}:" if isinstance(key, ast.Constant) and isinstance(key.value, str | int) else "{}"
                if not SEED.search(name) and not _SHAPE_NAME.fullmatch(name.strip("':")):
                    self.expression(value, f"{context}/{name}", given=given)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, _STRUCTURAL) and _is_int(node.right):
            self.expression(node.left, context)
        elif isinstance(node, ast.Lambda):
            self.expression(node.body, f"{context}/lambda")
        else:
            for child in _expressions(node):
                self.expression(child, context)

    def call(self, node: ast.Call, context: str) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else "()"
        if isinstance(node.func, ast.Attribute):
            self.expression(node.func.value, context)
        if SEED.search(name) or name in _SEEDERS:
            return
        inner = f"{context}/{name}"
        if not _SHAPED_CALL.fullmatch(name):
            for argument in node.args:
                self.expression(argument, inner)
        else:  # the shape itself is out, what it is computed from is not (normal(0, 0.02), zeros(int(2.5 * n)))
            for argument in node.args:
                if not _is_shape(argument):
                    self.expression(argument, inner)
        for keyword in node.keywords:
            if keyword.arg is None or not (_SHAPE_NAME.fullmatch(keyword.arg) or SEED.search(keyword.arg)):
                self.expression(keyword.value, f"{inner}/{keyword.arg or '**'}=", given=keyword.arg is not None)

    def number(self, node: ast.expr, context: str, group: tuple[int, int] | None, *, given: bool) -> None:
        constant, sign = node, 1
        if isinstance(node, ast.UnaryOp):
            if not isinstance(node.op, ast.USub | ast.UAdd):
                return
            constant, sign = node.operand, -1 if isinstance(node.op, ast.USub) else 1
        value = constant.value if isinstance(constant, ast.Constant) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            return
        number = sign * value
        ordinal = self._ordinals.get(context, 0)
        self._ordinals[context] = ordinal + 1
        if not abs(number) <= 1e15:
            return
        span = self.parsed.span(node)
        if not _reads_as(self.parsed.text[span[0] : span[1]], number):
            return
        is_int = isinstance(value, int)
        self.found.append(LiteralSite(f"{context}/{ordinal}", *span, float(number), is_int, group or span, node.lineno, given))


def _groups(text: str, items: Sequence[LiteralSite]) -> Iterator[list[LiteralSite]]:
    """The numbers by list.  Lists of integers alone, and lists too short for a spread, fall apart into single numbers."""
    by_span: dict[tuple[int, int], list[LiteralSite]] = {}
    for item in items:
        by_span.setdefault(item.group, []).append(item)
    for members in by_span.values():
        floats = any(not member.is_int for member in members)
        if len(members) >= 3 and floats:
            yield members
        else:
            yield from ([member] for member in members if _is_meant(text, member))


def _literal(
    path: str, item: LiteralSite, ends: tuple[float, float] | None, override: tuple[float, float, str] | None, unit: float
) -> Literal | None:
    """How far this number may move, and in what unit; None when it may not.

    ``ends``: the extremes of the list it is in.  ``unit``: what a 0 is moved in.
    """
    name = f"{path}::{item.path}"
    kind = "int" if item.is_int and ends is None else "float"
    value = item.value
    if override is not None:
        low, high, scale = override
        if scale == "off" or not low < high or (scale == "log" and low <= 0):
            return None
        width = math.log(high) - math.log(low) if scale == "log" else high - low
        step = max(width / 6, 0.5 if kind == "int" and scale == "linear" else 0.0)
        return Literal(name, min(max(value, low), high), kind, scale, step, low, high)
    if ends is not None:
        spread = ends[1] - ends[0]
        step, margin = _SPREAD_STEP * spread, _SPREAD_MARGIN * spread
        if spread == 0:
            step, margin = 0.2 * (abs(value) or 1.0), 5 * (abs(value) or 1.0)
        return Literal(name, value, kind, "linear", step, ends[0] - margin, ends[1] + margin)
    if kind == "int":
        if value < 2 or (value >= 8 and math.log2(value).is_integer()):  # a size, which has to fit others
            return None
        if value < 16:
            return Literal(name, value, kind, "linear", max(0.7, value / 6), 1.0, value * 4)
        return Literal(name, value, kind, "log", _LOG_STEP, max(1.0, value / _INT_RANGE), value * _INT_RANGE)
    if 0 < abs(value) < _GUARD:
        return None
    if 0.5 < value < 1:  # a share, a momentum, a decay: what matters is the distance to 1
        return Literal(name, value, kind, "linear", _SHARE_STEP * (1 - value), 0.0, 1.0)
    if value > 0:
        return Literal(name, value, kind, "log", _LOG_STEP, value / _LOG_RANGE, value * _LOG_RANGE)
    if value == 0:
        return Literal(name, value, kind, "linear", _ZERO_STEP * unit, -_LOG_RANGE * unit, _LOG_RANGE * unit)
    size = abs(value)
    return Literal(name, value, kind, "linear", 0.2 * size, -10 * size, 10 * size)


def _moderate(literal: Literal) -> bool:
    """Whether steps, bounds and their squares stay well within the range of a float."""
    sizes = (abs(literal.low), abs(literal.high), literal.step)
    return (
        all(size <= _LARGE for size in sizes)
        and literal.step >= 1 / _LARGE
        and (literal.scale == "linear" or literal.low >= 1 / _LARGE)
    )


def _label(node: ast.stmt) -> str:
    """What a statement's numbers are named after: what it assigns to, or its kind."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        targets = [node.target]
    names = [_target_name(target) for target in targets]
    return "=".join(names) if names else type(node).__name__.lower()


def _target_name(target: ast.expr) -> str:
    if isinstance(target, ast.Name):
        return target.id
    if isinstance(target, ast.Attribute):
        return f"{_target_name(target.value)}.{target.attr}"
    if isinstance(target, ast.Tuple | ast.List):
        return ",".join(_target_name(item) for item in target.elts)
    if isinstance(target, ast.Subscript):
        index = target.slice
        key = repr(index.value) if isinstance(index, ast.Constant) else ""
        return f"{_target_name(target.value)}[{key}]"
    return type(target).__name__.lower()


def _expressions(node: ast.AST) -> Iterator[ast.expr]:
    """Direct expressions of a node, those of its comprehension clauses included."""
    for child in inner_nodes(node):
        if isinstance(child, ast.expr):
            yield child
        elif isinstance(child, ast.comprehension):
            yield child.iter
            yield from child.ifs


def _count_numbers(node: ast.List | ast.Tuple | ast.Set) -> int:
    """Numbers in a display, nested displays included; 0 when it holds anything that is not a number."""
    total = 0
    for item in node.elts:
        if isinstance(item, ast.UnaryOp):
            item = item.operand
        if isinstance(item, ast.Constant) and type(item.value) in (int, float):
            total += 1
        elif isinstance(item, ast.List | ast.Tuple | ast.Set) and (inner := _count_numbers(item)):
            total += inner
        else:
            return 0
    return total


def _is_int(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int


def _is_shape(node: ast.expr) -> bool:
    """An integer, or a display of anything (shapes are often mixed: ``(n, 2)``)."""
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    return _is_int(node) or isinstance(node, ast.List | ast.Tuple)


def _reads_as(text: str, number: float) -> bool:
    """Whether a span of text is this number, so that a wrong span can never be written to."""
    body = text.lstrip("+- \t(").rstrip(" \t)").replace("_", "")
    try:
        return float(int(body, 0) if not re.search(r"[.eE]", body) or body[:2].lower() == "0x" else float(body)) == abs(number)
    except (ValueError, OverflowError):
        return False


def short_name(path: str) -> str:
    """What people call it: ``train.py::f/opt/AdamW/lr=/0`` is ``lr``, ``points/3`` is ``points[3]``."""
    *context, ordinal = path.split("::")[-1].split("/")
    last = context[-1] if context else ""
    if last.endswith(("=", ":")):
        return last.rstrip("=:").strip("'")
    return last if ordinal == "0" else f"{last}[{ordinal}]"
