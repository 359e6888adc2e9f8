"""What can be taken out of a Python source by itself: a statement, a branch, a term, an argument that has a default, a keyword.

A removal deletes spans of the text; a branch that stays in the place of its ``if`` moves to the left.  Whether anybody misses what
is gone is the operator's to see (``_ablate``).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from evolve.propose._python import Edit, Parsed, inside, parse
from evolve.propose._scope import editable_regions
from evolve.propose.mutate._sites import blocks, comma_span, whole_lines

KINDS = ("statement", "branch", "term", "argument", "keyword")
_STATEMENTS = (
    ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Assert, ast.Delete,
    ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef,
)  # fmt: skip
_SIGNS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**", ast.MatMult: "@",
    ast.And: "and", ast.Or: "or", ast.USub: "-", ast.Not: "not",
}  # fmt: skip
_EITHER_SIDE = (ast.Add, ast.Mult)
_OPENS = re.compile(r"[\s)\\]*:[ \t]*(?:#[^\r\n]*)?(?:\r\n|\r|\n)")
_ELSE = re.compile(r"^[ \t]*else[ \t]*:[ \t]*(?:#[^\r\n]*)?(?:\r\n|\r|\n)", re.MULTILINE)
_LINE_START = r"(?:\A|(?<=\n)|(?<=\r)(?!\n))"
_BLANK = " \t\r\n\\"


@dataclass(frozen=True, slots=True)
class Removal:
    """One thing that can go: the edits that take it out, what it was in words, the line it begins on, and its nodes."""

    kind: str
    edits: tuple[Edit, ...]
    text: str
    line: int
    gone: tuple[ast.AST, ...]


@lru_cache(maxsize=8)
def removals(text: str) -> tuple[Removal, ...]:
    """All removals within the editable regions of a source, in the order of its tree; of one that does not parse none."""
    parsed = parse(text)
    if parsed.tree is None:
        return ()
    regions = editable_regions(text)
    finder = _Finder(parsed, _defaults(parsed.tree))
    return tuple(one for one in finder.all() if all(inside((edit.start, edit.end), regions) for edit in one.edits))


def _defaults(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    """Functions and methods of a source by name, where one alone has the name."""
    found: dict[str, list[ast.FunctionDef]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            found.setdefault(node.name, []).append(node)
    return {name: nodes[0] for name, nodes in found.items() if len(nodes) == 1}


@dataclass(frozen=True, slots=True)
class _Finder:
    parsed: Parsed
    functions: dict[str, ast.FunctionDef]

    def all(self) -> Iterator[Removal]:
        assert self.parsed.tree is not None
        stack: list[ast.AST] = [self.parsed.tree]
        while stack:
            node = stack.pop()
            if isinstance(node, ast.JoinedStr):  # Python 3.11 does not say where its parts stand
                continue
            for body in blocks(node):
                if not (isinstance(node, ast.ClassDef) and (node.bases or node.keywords)):
                    yield from self._statements(body, in_class=isinstance(node, ast.ClassDef))
            if isinstance(node, ast.If):
                yield from self._branches(node)
            elif isinstance(node, ast.IfExp | ast.BinOp | ast.BoolOp | ast.UnaryOp):
                yield from self._terms(node)
            elif isinstance(node, ast.Call):
                yield from self._arguments(node)
            stack.extend(reversed(list(ast.iter_child_nodes(node))))

    # ------------------------------------------------------------------------------------- statements, branches

    def _statements(self, body: Sequence[ast.stmt], *, in_class: bool) -> Iterator[Removal]:
        """Statements that have their lines to themselves and are not alone; of a class, which reads its fields itself, methods."""
        for node in body if len(body) > 1 else ():
            if not isinstance(node, ast.FunctionDef if in_class else _STATEMENTS) or _must_stay(node):
                continue
            span = whole_lines(self.parsed, node)
            if span is not None:
                yield self._removal("statement", [Edit(*span, "")], (node,), span[0])

    def _branches(self, node: ast.If) -> Iterator[Removal]:
        """An arm of an ``if``; or the ``if``, so that one arm always runs."""
        text, whole = self.parsed.text, whole_lines(self.parsed, node)
        opens = _OPENS.match(text, self.parsed.span(node.test)[1])
        first, last = (whole_lines(self.parsed, one) for one in (node.body[0], node.body[-1]))
        if whole is None or opens is None or first is None or last is None:
            return
        is_elif = text.startswith("elif", self.parsed.span(node)[0])
        start, end = whole
        after, other = last[1], None
        if node.orelse and self._is_elif(node.orelse[0]):
            at = self.parsed.span(node.orelse[0])[0]
            after = self.parsed.starts[node.orelse[0].lineno - 1]
            arm = [Edit(start, after, "")] if is_elif else [Edit(start, after, ""), Edit(at, at + 4, "if")]
            yield self._removal("branch", arm, (node.test, *node.body), start)
        elif node.orelse:
            found = [*_ELSE.finditer(text, last[1], self.parsed.span(node.orelse[0])[0])]
            if len(found) != 1:
                return
            after, other = found[0].start(), text[found[0].end() : end]
        if node.orelse:
            yield self._removal("branch", [Edit(after, end, "")], (*node.orelse,), after)
        if is_elif:
            if other is not None:
                yield self._removal("branch", [Edit(start, after, "")], (node.test, *node.body), start)
            return
        indent = text[start : self.parsed.span(node)[0]]
        for part, stays, goes in ((text[opens.end() : after], node.body, node.orelse), (other, node.orelse, node.body)):
            moved = None if part is None else self._moved(part, stays, indent)
            if moved is not None:
                yield self._removal("branch", [Edit(start, end, moved)], (node.test, *goes), start)

    def _is_elif(self, node: ast.stmt) -> bool:
        return isinstance(node, ast.If) and self.parsed.text.startswith("elif", self.parsed.span(node)[0])

    def _moved(self, part: str, body: Sequence[ast.stmt], indent: str) -> str | None:
        """A block's lines moved to the left; None where a string goes over more lines than one, which would be another string."""
        walked = (one for node in body for one in ast.walk(node) if isinstance(one, ast.Constant | ast.JoinedStr))
        if any(one.end_lineno != one.lineno for one in walked):
            return None
        inner = self.parsed.text[self.parsed.starts[body[0].lineno - 1] : self.parsed.span(body[0])[0]]
        if not inner.startswith(indent):
            return None
        return re.sub(_LINE_START + re.escape(inner), indent, part)

    # ------------------------------------------------------------------------------------------- expressions

    def _terms(self, node: ast.IfExp | ast.BinOp | ast.BoolOp | ast.UnaryOp) -> Iterator[Removal]:
        if isinstance(node, ast.UnaryOp):
            prefix = _SIGNS.get(type(node.op), "")
            if prefix and not isinstance(node.operand, ast.Constant):
                start, end = self.parsed.span(node)
                behind = self.parsed.text[start + len(prefix) : end]
                yield from self._cut("term", start, end - len(behind.lstrip(_BLANK)), ())
            return
        if isinstance(node, ast.IfExp):
            parts, signs = [node.body, node.test, node.orelse], ["if", "else"]
        elif isinstance(node, ast.BoolOp):
            parts, signs = node.values, [_SIGNS[type(node.op)]] * (len(node.values) - 1)
        else:
            parts, signs = [node.left, node.right], [_SIGNS.get(type(node.op), "")]
        gaps = [self._sign(left, right, sign) for left, right, sign in zip(parts, parts[1:], signs, strict=False)]
        between = [gap for gap in gaps if gap is not None]
        if len(between) < len(signs):
            return
        start, end = self.parsed.span(node)
        if isinstance(node, ast.IfExp):
            yield from self._cut("branch", between[0][0], end, (node.test, node.orelse))
            yield from self._cut("branch", start, between[1][1], (node.test, node.body))
            return
        if isinstance(node, ast.BoolOp) or isinstance(node.op, _EITHER_SIDE):
            yield from self._cut("term", start, between[0][1], (parts[0],))
        stops = [at for at, _ in between[1:]] + [end]
        for part, (at, _), stop in zip(parts[1:], between, stops, strict=True):
            yield from self._cut("term", at, stop, (part,))

    def _sign(self, left: ast.expr, right: ast.expr, sign: str) -> tuple[int, int] | None:
        """Where a sign stands between two operands, with the space around it; None where a comment stands there too."""
        start = self.parsed.span(left)[1]
        gap = self.parsed.text[start : self.parsed.span(right)[0]]
        if not sign or gap.strip(_BLANK + "()") != sign:
            return None
        at = gap.index(sign)
        behind = gap[at + len(sign) :]
        before = len(gap[:at].rstrip(_BLANK))
        return start + before, start + at + len(sign) + len(behind) - len(behind.lstrip(_BLANK))

    def _arguments(self, node: ast.Call) -> Iterator[Removal]:
        """Keywords, and the last argument by position where the function's own source says that it has a default."""
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        called = self.functions.get(name)
        optional = frozenset[str]() if called is None else _optional(called)
        for keyword in node.keywords:
            if keyword.arg is not None and (called is None or keyword.arg in optional or called.args.kwarg is not None):
                span = comma_span(self.parsed, node, self.parsed.span(keyword))
                yield from self._cut("keyword", *span, (keyword,)) if span is not None else ()
        if called is None or not node.args or any(isinstance(one, ast.Starred) for one in node.args):
            return
        takes = [one.arg for one in (*called.args.posonlyargs, *called.args.args)]
        at = len(node.args) - 1 + (isinstance(node.func, ast.Attribute) and takes[:1] in (["self"], ["cls"]))
        if at < len(takes) and takes[at] in optional:
            span = comma_span(self.parsed, node, self.parsed.span(node.args[-1]))
            yield from self._cut("argument", *span, (node.args[-1],)) if span is not None else ()

    # ------------------------------------------------------------------------------------------------- shared

    def _cut(self, kind: str, start: int, end: int, gone: tuple[ast.AST, ...]) -> Iterator[Removal]:
        """A deletion, unless what stood beside it on either side would become one word."""
        text = self.parsed.text
        joined = text[max(start - 1, 0) : start] + text[end : end + 1]
        if start < end and not (len(joined) == 2 and all(one.isalnum() or one in "_'\"." for one in joined)):
            yield self._removal(kind, [Edit(start, end, "")], gone, start)

    def _removal(self, kind: str, edits: Sequence[Edit], gone: tuple[ast.AST, ...], at: int) -> Removal:
        said = " ".join(self.parsed.text[edits[0].start : edits[0].end].split())
        line = self.parsed.text.count("\n", 0, at) + 1
        return Removal(kind, tuple(edits), said if len(said) <= 48 else said[:45] + "...", line, gone)


def _must_stay(node: ast.stmt) -> bool:
    """What is no statement to try without: docstrings, what makes a generator, what tells the compiler something."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        return True
    return any(isinstance(one, ast.Yield | ast.YieldFrom | ast.Await | ast.Global | ast.Nonlocal) for one in ast.walk(node))


def _optional(called: ast.FunctionDef) -> frozenset[str]:
    """Arguments of a function that have a default."""
    given = called.args
    by_place = [*given.posonlyargs, *given.args]
    named = [one.arg for one in by_place[len(by_place) - len(given.defaults) :]]
    return frozenset(named + [one.arg for one, value in zip(given.kwonlyargs, given.kw_defaults, strict=True) if value is not None])
