"""Which names of a Python source may be undefined where they are read, as far as its text tells.

Paths are followed as Python takes them: what one branch alone binds may be undefined after both.  What a function reads from
outside must be bound where it is defined or where the scope around it ends.  Where one cannot tell, a name may be undefined; so
sources are compared, and a change is refused for what it makes so.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from evolve.propose._python import parse

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_SCOPES = (*_FUNCTIONS, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_NAMED = (ast.ExceptHandler, ast.MatchAs, ast.MatchStar, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_SUPPRESSING = frozenset(("suppress", "raises"))  # contexts that may end before their body does

Bound = frozenset[str] | None  # names that are bound for sure; None where nothing comes by


class Undefined(NamedTuple):
    """A name that may be undefined where a scope reads it; ``own`` if that scope binds it somewhere."""

    scope: str
    name: str
    own: bool


@dataclass(slots=True)
class _Scope:
    name: str
    above: _Scope | None
    binds: frozenset[str]
    outside: frozenset[str]  # declared global or nonlocal
    deletes: frozenset[str]
    is_class: bool = False
    around: Bound = frozenset()  # what the scope above had bound when this one was made
    ends: list[Bound] = field(default_factory=list)

    @property
    def has_at_end(self) -> Bound:
        return _joined(*self.ends)


@lru_cache(maxsize=16)
def undefined(text: str) -> frozenset[Undefined]:
    """All names of a source that may be undefined, none where it does not parse; RecursionError where it is too deep to tell.  The
    last 16 are remembered."""
    tree = parse(text).tree
    return _Analysis().of(tree) if tree is not None else frozenset()


def bound_in(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Names that these nodes bind, or delete, in the scope where they stand; what comprehensions bind is theirs, walrus aside."""
    stack = list(nodes)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                yield node.id
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(
            node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        ):
            if node.name:
                yield node.name
        elif isinstance(node, ast.MatchMapping) and node.rest:
            yield node.rest
        elif isinstance(node, ast.comprehension):
            stack += [node.iter, *node.ifs]
            continue
        stack.extend(_outside_of(node) if isinstance(node, _SCOPES) else ast.iter_child_nodes(node))


def _outside_of(node: ast.AST) -> list[ast.expr]:
    """What of a definition is evaluated where it stands: decorators, defaults, annotations and bases."""
    parts: list[ast.expr | None] = list(getattr(node, "decorator_list", []))
    if isinstance(node, _FUNCTIONS):
        parts += [*node.args.defaults, *node.args.kw_defaults, *(one.annotation for one in _arguments(node.args))]
        parts.append(getattr(node, "returns", None))
    elif isinstance(node, ast.ClassDef):
        parts += [*node.bases, *(one.value for one in node.keywords)]
    return [one for one in parts if one is not None]


def _arguments(given: ast.arguments) -> list[ast.arg]:
    found = (*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg)
    return [one for one in found if one is not None]


def _joined(*ways: Bound) -> Bound:
    """What is bound whichever way was taken."""
    taken = [way for way in ways if way is not None]
    return frozenset.intersection(*taken) if taken else None


class _Analysis:
    def __init__(self) -> None:
        self.found: set[Undefined] = set()
        self.later: list[tuple[_Scope, ast.AST]] = []  # functions, whose bodies run once what is around them is known
        self.reads: list[tuple[_Scope, str]] = []  # names of scopes further out
        self.leaves: list[list[Bound]] = []  # for each loop around: what is bound at each break
        self.star = False

    def of(self, tree: ast.Module) -> frozenset[Undefined]:
        scope = _made("", None, tree.body, frozenset())
        scope.ends.append(self.block(scope, tree.body, frozenset()))
        while self.later:
            self.function(*self.later.pop())
        for inner, name in self.reads:
            self._look_up(inner, name)
        return frozenset(one for one in self.found if not self.star or (one.own and one.scope))

    def function(self, scope: _Scope, node: ast.AST) -> None:
        assert isinstance(node, _FUNCTIONS)
        given = frozenset(one.arg for one in _arguments(node.args)) | {one.name for one in getattr(node, "type_params", ())}
        scope.binds |= given
        if isinstance(node, ast.Lambda):
            scope.ends.append(self.read(scope, node.body, given))
        else:
            scope.ends.append(self.block(scope, node.body, given))

    def _look_up(self, scope: _Scope, name: str) -> None:
        """Whether a name that a scope reads from further out is bound there."""
        inner, above = scope, scope.above
        while above is not None:
            if not above.is_class and (above.above is None or (name in above.binds and name not in above.outside)):
                ends = above.has_at_end
                ok = name in above.binds and (ends is None or name in ends or inner.around is None or name in inner.around)
                ok = ok and name not in above.deletes
                if not ok and not (above.above is None and _is_there(name)):
                    self.found.add(Undefined(scope.name, name, own=False))
                return
            inner, above = above, above.above

    # -------------------------------------------------------------------------------------------- statements

    def block(self, scope: _Scope, body: Sequence[ast.stmt], has: Bound) -> Bound:
        for node in body:
            has = self.statement(scope, node, has)
        return has

    def statement(self, scope: _Scope, node: ast.stmt, has: Bound) -> Bound:
        match node:
            case ast.If():
                has = self.read(scope, node.test, has)
                return _joined(self.block(scope, node.body, has), self.block(scope, node.orelse, has))
            case ast.For() | ast.AsyncFor() | ast.While():
                return self._loop(scope, node, has)
            case ast.Try():
                return self._try(scope, node, has)
            case ast.With() | ast.AsyncWith():
                return self._with(scope, node, has)
            case ast.Match():
                return self._match(scope, node, has)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return self._definition(scope, node, has)
            case ast.Import() | ast.ImportFrom():
                self.star = self.star or node.names[0].name == "*"
                return _with_names(has, bound_in(node.names))
            case ast.Delete():
                has = self.read(scope, node, has)
                return None if has is None else has.difference(bound_in([node]))
        if type(node).__name__ == "TryStar":
            return self._try(scope, node, has)  # type: ignore[arg-type]
        return self._simple(scope, node, has)

    def _simple(self, scope: _Scope, node: ast.stmt, has: Bound) -> Bound:
        parts = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):  # the value first
            parts.sort(key=lambda part: part is not node.value)
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            self.name(scope, node.target.id, has)
        for part in parts:
            has = self.read(scope, part, has)
        if isinstance(node, ast.AnnAssign) and node.value is None and isinstance(node.target, ast.Name):
            return has
        has = _with_names(has, bound_in([one for one in parts if isinstance(getattr(one, "ctx", None), ast.Store)]))
        if isinstance(node, ast.Return):
            scope.ends.append(has)
        if isinstance(node, ast.Break) and self.leaves:
            self.leaves[-1].append(has)
        return None if isinstance(node, ast.Return | ast.Raise | ast.Break | ast.Continue) else has

    def _loop(self, scope: _Scope, node: ast.For | ast.AsyncFor | ast.While, has: Bound) -> Bound:
        deleted = scope.deletes
        if isinstance(node, ast.While):
            has = self.read(scope, node.test, None if has is None else has - deleted)
            inside, for_ever = has, isinstance(node.test, ast.Constant) and bool(node.test.value)
        else:
            has = self.read(scope, node.iter, has)
            has = None if has is None else has - deleted
            inside, for_ever = _with_names(self.read(scope, node.target, has), bound_in([node.target])), False
        self.leaves.append([])
        self.block(scope, node.body, inside)
        leaves = self.leaves.pop()
        return _joined(self.block(scope, node.orelse, None if for_ever else has), *leaves)

    def _try(self, scope: _Scope, node: ast.Try, has: Bound) -> Bound:
        after = self.block(scope, node.body, has)
        ways = [self.block(scope, node.orelse, after)]
        deleted = scope.deletes
        raised = None if has is None else has - deleted
        for one in node.handlers:
            entered = raised if one.type is None else self.read(scope, one.type, raised)
            left = self.block(scope, one.body, _with_names(entered, [one.name] if one.name else []))
            ways.append(left - {one.name} if left is not None and one.name else left)
        final = self.block(scope, node.finalbody, raised)
        joined = _joined(*ways)
        return None if joined is None or final is None else joined | (final - (raised or frozenset()))

    def _with(self, scope: _Scope, node: ast.With | ast.AsyncWith, has: Bound) -> Bound:
        for item in node.items:
            has = self.read(scope, item.context_expr, has)
            if item.optional_vars is not None:
                has = _with_names(self.read(scope, item.optional_vars, has), bound_in([item.optional_vars]))
        after = self.block(scope, node.body, has)
        called = {getattr(name, "attr", getattr(name, "id", "")) for item in node.items for name in ast.walk(item.context_expr)}
        return _joined(has, after) if called & _SUPPRESSING else after

    def _match(self, scope: _Scope, node: ast.Match, has: Bound) -> Bound:
        has = self.read(scope, node.subject, has)
        ways: list[Bound] = []
        last = None
        for last in node.cases:
            here = _with_names(self.read(scope, last.pattern, has), bound_in([last.pattern]))
            here = here if last.guard is None else self.read(scope, last.guard, here)
            ways.append(self.block(scope, last.body, here))
        every = last is not None and last.guard is None and isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None
        return _joined(*ways) if every else _joined(has, *ways)

    def _definition(self, scope: _Scope, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, has: Bound) -> Bound:
        for part in _outside_of(node):
            has = self.read(scope, part, has)
        inner = _made(f"{scope.name}{node.name}.", scope, node.body, has)
        if isinstance(node, ast.ClassDef):
            inner.is_class, leaves, self.leaves = True, self.leaves, []
            self.block(inner, node.body, frozenset())
            self.leaves = leaves
        else:
            self.later.append((inner, node))
        return _with_names(has, [node.name])

    # ------------------------------------------------------------------------------------------- expressions

    def read(self, scope: _Scope, node: ast.AST, has: Bound, own: frozenset[str] = frozenset()) -> Bound:
        """What is bound after an expression; ``own`` are names that comprehensions around it bind."""
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Store) and node.id not in own:
                self.name(scope, node.id, has)
        elif isinstance(node, ast.Lambda):
            for part in _outside_of(node):
                has = self.read(scope, part, has, own)
            self.later.append((_made(f"{scope.name}lambda.", scope, [], None if has is None else has | own), node))
        elif isinstance(node, _COMPREHENSIONS):
            self._comprehension(scope, node, has, own)
        elif isinstance(node, ast.NamedExpr):
            return _with_names(self.read(scope, node.value, has, own), [node.target.id])
        elif isinstance(node, ast.BoolOp | ast.IfExp):  # of these one part alone is evaluated for sure
            first, *others = node.values if isinstance(node, ast.BoolOp) else (node.test, node.body, node.orelse)
            has = inside = self.read(scope, first, has, own)
            for part in others:
                inside = self.read(scope, part, inside, own)
        else:
            for child in ast.iter_child_nodes(node):
                has = self.read(scope, child, has, own)
        return has

    def _comprehension(self, scope: _Scope, node: ast.AST, has: Bound, own: frozenset[str]) -> None:
        for one in node.generators:  # type: ignore[attr-defined]
            has = self.read(scope, one.iter, has, own)
            own |= frozenset(bound_in([one.target]))
            for part in (one.target, *one.ifs):
                has = self.read(scope, part, has, own)
        for name in ("key", "value", "elt"):
            if (part := getattr(node, name, None)) is not None:
                has = self.read(scope, part, has, own)

    def name(self, scope: _Scope, name: str, has: Bound) -> None:
        """A name is read here."""
        if has is None or name in has:
            return
        if name in scope.binds and name not in scope.outside and not scope.is_class:
            if scope.above is not None or not _is_there(name):
                self.found.add(Undefined(scope.name, name, own=True))
        elif scope.above is None:
            if not _is_there(name):
                self.found.add(Undefined(scope.name, name, own=False))
        elif scope.is_class and scope.around is not None:  # read at once, and not when it is called
            self.name(scope.above, name, scope.around)
        else:
            self.reads.append((scope, name))


def _made(name: str, above: _Scope | None, body: Sequence[ast.stmt], around: Bound) -> _Scope:
    declared, deletes = set[str](), set[str]()
    stack: list[ast.AST] = list(body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Global | ast.Nonlocal):
            declared.update(node.names)
        elif isinstance(node, ast.Delete):
            deletes.update(bound_in([node]))
        elif isinstance(node, ast.ExceptHandler) and node.name:
            deletes.add(node.name)  # Python does, once the handler has ended
        if not isinstance(node, (*_SCOPES, ast.expr)):
            stack.extend(ast.iter_child_nodes(node))
    return _Scope(name, above, frozenset(bound_in(body)), frozenset(declared), frozenset(deletes), around=around)


def _with_names(has: Bound, names: Iterable[str]) -> Bound:
    return None if has is None else has.union(names)


def _is_there(name: str) -> bool:
    """Whether Python has a name without anybody binding it."""
    return hasattr(builtins, name) or (name.startswith("__") and name.endswith("__"))
