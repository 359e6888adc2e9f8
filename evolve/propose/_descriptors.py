"""Where a program stands, from its syntax trees alone: counts over one walk.

Never the length of the source and never a score.  Two programs that differ only in comments, spacing or the values of literals have
equal descriptors, except where a name says otherwise.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_BRANCHES = (ast.If, ast.IfExp, ast.Try, ast.Match)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_DEEPENS = frozenset((*_LOOPS, *_BRANCHES, *_COMPREHENSIONS, *_FUNCTIONS, ast.ClassDef, ast.With, ast.AsyncWith))
_NUMBERS = frozenset((int, float, complex))
# Fields that hold no expression or statement: names, contexts, operators, import lists.
_PLAIN = frozenset(
    {"ctx", "op", "ops", "id", "attr", "name", "names", "module", "level", "kind", "rest", "kwd_attrs", "conversion"}
    | {"type_comment", "type_ignores", "arg", "asname", "simple", "is_async"}
)
_FIELDS: Mapping[type, tuple[str, ...]] = {
    kind: tuple(name for name in kind._fields if name not in _PLAIN)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}


@dataclass(frozen=True, slots=True)
class TreeCounts:
    """What one walk over all trees saw: how often each node type, how deep blocks nest, which calls and modules by name."""

    types: Mapping[type, int]
    nesting: int
    numbers: int
    called: frozenset[str]
    imported: frozenset[str]

    def count(self, *types: type) -> float:
        return float(sum(self.types.get(node_type, 0) for node_type in types))


def count_trees(trees: Iterable[ast.Module]) -> TreeCounts:
    """Walk the trees once, without recursion, level of nesting after level: every candidate is walked."""
    seen: list[type] = []
    called: set[str] = set()
    imported: set[str] = set()
    numbers = nesting = 0
    level: list[ast.AST] = list(trees)
    deeper: list[ast.AST] = []
    while level:
        deepest = nesting + 1
        for node in level:  # which grows meanwhile
            kind = type(node)
            seen.append(kind)
            into = level
            if kind in _DEEPENS:
                nesting, into = deepest, deeper
            elif kind is ast.Call:
                called.add(_called_name(node.func))  # type: ignore[attr-defined]
            elif kind is ast.Constant:
                numbers += type(node.value) in _NUMBERS  # type: ignore[attr-defined]
                continue
            elif kind is ast.Import:
                imported.update(alias.name.split(".")[0] for alias in node.names)  # type: ignore[attr-defined]
            elif kind is ast.ImportFrom:
                imported.add((node.module or ".").split(".")[0])  # type: ignore[attr-defined]
            for name in _FIELDS[kind]:
                child = getattr(node, name, None)
                if type(child) is ast.Name:
                    seen.append(ast.Name)
                elif type(child) is list:
                    into.extend(filter(None, child))  # a key may be none
                elif isinstance(child, ast.AST):
                    into.append(child)
        level, deeper = deeper, []
    return TreeCounts(Counter(seen), nesting, numbers, frozenset(called), frozenset(imported))


def _called_name(func: ast.expr) -> str:
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def _share_of_literals(counts: TreeCounts) -> float:
    leaves = counts.types.get(ast.Constant, 0) + counts.types.get(ast.Name, 0)
    return counts.numbers / leaves if leaves else 0.0


AST_DESCRIPTORS: Mapping[str, Callable[[TreeCounts], float]] = MappingProxyType(
    {
        "loops": lambda counts: counts.count(*_LOOPS),
        "branches": lambda counts: counts.count(*_BRANCHES),
        "calls": lambda counts: counts.count(ast.Call),
        "distinct_calls": lambda counts: float(len(counts.called)),
        "nesting": lambda counts: float(counts.nesting),
        "functions": lambda counts: counts.count(*_FUNCTIONS),
        "classes": lambda counts: counts.count(ast.ClassDef),
        "comprehensions": lambda counts: counts.count(*_COMPREHENSIONS),
        "arithmetic": lambda counts: counts.count(ast.BinOp, ast.UnaryOp, ast.AugAssign),
        "comparisons": lambda counts: counts.count(ast.Compare, ast.BoolOp),
        "assignments": lambda counts: counts.count(ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr),
        "subscripts": lambda counts: counts.count(ast.Subscript),
        "imports": lambda counts: float(len(counts.imported)),
        "numbers": lambda counts: float(counts.numbers),
        "share_of_literals": _share_of_literals,  # numbers among names and constants, 0 to 1
    }
)
"""Descriptor axes that ``problem.yaml`` may name with ``source: ast``: what each reads from the counts."""


def static_descriptors(trees: Iterable[ast.Module]) -> dict[str, float]:
    """Every descriptor of ``AST_DESCRIPTORS`` over these trees together; all are finite and not negative."""
    counts = count_trees(trees)
    return {name: function(counts) for name, function in AST_DESCRIPTORS.items()}
