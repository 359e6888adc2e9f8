"""Where a program can be edited, found in one walk of its tree: for each kind of edit, its places within the editable regions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from evolve.propose._python import Parsed, inner_nodes, inside, is_python, parse, unparsed, walk
from evolve.propose._scope import editable_regions
from evolve.propose.mutate._bounds import is_off
from evolve.propose.mutate._literals import find
from evolve.propose.mutate._numbers import LiteralSite
from evolve.propose.mutate._substitutions import ARITHMETIC, COMPARISONS, names_like, strings_like

_LINE_REST = re.compile(r"[ \t]*(?:#[^\r\n]*)?(?:\r\n|\r|\n|\Z)")
_MOVABLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.If, ast.For, ast.While, ast.With, ast.Assert, ast.Delete)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that has its lines to itself: they run from ``start`` to ``end``, line end and trailing comment included."""

    node: ast.stmt
    start: int
    end: int
    alone: bool  # the only statement of its block


@dataclass(slots=True)
class Targets:
    """The places of one source.  Filled once by ``sites_of`` and shared from then on: never change it."""

    parsed: Parsed
    literals: tuple[LiteralSite, ...] = ()
    comparisons: list[ast.Compare] = field(default_factory=list)
    arithmetic: list[ast.BinOp] = field(default_factory=list)
    names: list[ast.Name | ast.Attribute] = field(default_factory=list)
    strings: list[ast.Constant] = field(default_factory=list)
    booleans: list[ast.Constant] = field(default_factory=list)
    keywords: list[tuple[ast.Call, int]] = field(default_factory=list)
    bounds: list[ast.expr] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    neighbours: list[tuple[Statement, Statement]] = field(default_factory=list)
    bound: frozenset[str] = frozenset()

    def line_of(self, offset: int) -> int:
        """Line (from 1) of a character."""
        starts = self.parsed.starts
        low, high = 0, len(starts)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if starts[middle] <= offset else (low, middle)
        return low + 1


@lru_cache(maxsize=8)
def sites_of(path: str, text: str) -> Targets:
    """All places of a file: of a source that does not parse none, of another language its numbers.  The last 8 are remembered."""
    parsed = parse(text) if is_python(path) else unparsed(text)
    sites = Targets(parsed, tuple(item for item in find(path, text) if not is_off(text, item.end)))
    if parsed.tree is None:
        return sites
    sites.bound = bound_names(parsed.tree)
    regions = editable_regions(text)
    stack: list[ast.AST] = [parsed.tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.JoinedStr):
            continue
        if isinstance(node, ast.expr) and inside(parsed.span(node), regions):
            _expression(node, sites)
        for body in blocks(node):
            _block(body, sites, regions)
        if isinstance(node, ast.For) and isinstance(node.iter, ast.Call):
            call = node.iter
            if isinstance(call.func, ast.Name) and call.func.id == "range" and inside(parsed.span(call), regions):
                sites.bounds.append(call.args[-1 if len(call.args) < 3 else 1]) if call.args else None
        stack.extend(reversed(inner_nodes(node)))
    return sites


def blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """The statement lists directly in a node."""
    for name in ("body", "orelse", "finalbody"):
        body = getattr(node, name, None)
        if isinstance(body, list) and body and isinstance(body[0], ast.stmt):
            yield body


def whole_lines(parsed: Parsed, node: ast.stmt) -> tuple[int, int] | None:
    """The lines of a statement, decorators and the trailing comment included; None when it shares a line with other code."""
    first = min([node.lineno, *(item.lineno for item in getattr(node, "decorator_list", []))])
    start = parsed.starts[first - 1]
    end = parsed.span(node)[1]
    rest = _LINE_REST.match(parsed.text, end)
    lead = parsed.text[start : parsed.offset(first, _column(node, first))]
    return None if rest is None or lead.strip(" \t@") else (start, rest.end())


def comma_span(parsed: Parsed, call: ast.Call, own: tuple[int, int]) -> tuple[int, int] | None:
    """What to delete so that an argument of a call, which stands there, goes with its comma; None where a comment is in the way."""
    spans = sorted([*map(parsed.span, call.args), *map(parsed.span, call.keywords)])
    at = spans.index(own)
    start, end = own
    if at > 0:
        start = spans[at - 1][1]
        gap = parsed.text[start : own[0]]
    else:
        end = spans[1][0] if len(spans) > 1 else own[1]
        gap = parsed.text[own[1] : end] or ","
    return (start, end) if re.fullmatch(r"\s*,\s*", gap) else None


def bound_names(tree: ast.AST) -> frozenset[str]:
    """Every name that is bound somewhere in a tree: assigned, imported, defined or an argument."""
    names: set[str] = set()
    for node in walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)
    return frozenset(names)


def _column(node: ast.stmt, first: int) -> int:
    return node.col_offset if first == node.lineno else min(item.col_offset for item in node.decorator_list)  # type: ignore[attr-defined]


def _expression(node: ast.expr, sites: Targets) -> None:
    if isinstance(node, ast.Compare):
        if any(type(op) in COMPARISONS for op in node.ops):
            sites.comparisons.append(node)
    elif isinstance(node, ast.BinOp):
        if type(node.op) in ARITHMETIC:
            sites.arithmetic.append(node)
    elif isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Load) and names_like(node.id, bare=True, bound=sites.bound) and node.id not in sites.bound:
            sites.names.append(node)
    elif isinstance(node, ast.Attribute):
        if isinstance(node.ctx, ast.Load) and names_like(node.attr, bare=False, bound=sites.bound):
            sites.names.append(node)
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            sites.booleans.append(node)
        elif isinstance(node.value, str) and strings_like(node.value):
            sites.strings.append(node)
    elif isinstance(node, ast.Call):
        sites.keywords += [(node, i) for i, keyword in enumerate(node.keywords) if keyword.arg is not None]


def _block(body: Sequence[ast.stmt], sites: Targets, regions: tuple[tuple[int, int], ...]) -> None:
    previous: Statement | None = None
    for node in body:
        span = whole_lines(sites.parsed, node) if isinstance(node, _MOVABLE) and not _is_docstring(node) else None
        if span is None or not inside(span, regions):
            previous = None
            continue
        statement = Statement(node, *span, alone=len(body) == 1)
        sites.statements.append(statement)
        if previous is not None and _may_swap(previous.node, node):
            sites.neighbours.append((previous, statement))
        previous = statement


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _may_swap(first: ast.stmt, second: ast.stmt) -> bool:
    """Whether neither binds a name that the other reads, yet the order can matter: something is called or changed in place."""
    binds_1, reads_1, acts_1 = _effects(first)
    binds_2, reads_2, acts_2 = _effects(second)
    return (acts_1 or acts_2) and not (binds_1 & reads_2 or binds_2 & reads_1)


def _effects(node: ast.stmt) -> tuple[set[str], set[str], bool]:
    binds: set[str] = set()
    reads: set[str] = set()
    acts = False
    changed = node.target if isinstance(node, ast.AugAssign) else None
    for child in walk(node):
        if isinstance(child, ast.Name):
            (reads if isinstance(child.ctx, ast.Load) or child is changed else binds).add(child.id)
        acts = acts or isinstance(child, ast.Call | ast.AugAssign)
        acts = acts or (isinstance(child, ast.Attribute | ast.Subscript) and not isinstance(child.ctx, ast.Load))
    return binds, reads, acts
