"""Whether what a name or an attribute is given is a parameter, or only where something begins: a sum, a best so far, a state."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from evolve.propose._python import inner_nodes, walk

_GIVES = re.compile(r"(\w++)\s*+(?:<<|>>|[-+*/%&|^])?=(?!=)|(\w++)(?:\+\+|--)|(?:\+\+|--)(\w++)")
_OWN = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def stored_again(body: Sequence[ast.stmt]) -> frozenset[str]:
    """The names that statements of one scope give a value more than once, in loops and deletions too."""
    counts = Counter(node.id for node in _of_scope(body) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load))
    return frozenset(name for name, count in counts.items() if count > 1)


def stored_from_afar(tree: ast.Module) -> frozenset[str]:
    """What a source gives a value to at several places: attributes, with a dot before each, and names that a scope within takes
    for its own."""
    nodes = list(walk(tree))
    counts = Counter(node.attr for node in nodes if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load))
    shared = (name for node in nodes if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names)
    return frozenset(shared) | {f".{name}" for name, count in counts.items() if count > 1}


def gives(node: ast.stmt, again: frozenset[str]) -> bool:
    """Whether a statement gives its value to names and attributes that nothing else is given to."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    while any(isinstance(target, ast.Tuple | ast.List) for target in targets):
        targets = [one for target in targets for one in (target.elts if isinstance(target, ast.Tuple | ast.List) else [target])]
    names = [
        target.id if isinstance(target, ast.Name) else f".{target.attr}" if isinstance(target, ast.Attribute) else None
        for target in targets
    ]
    return bool(names) and not any(name is None or name in again for name in names)


def given_again(text: str) -> frozenset[str]:
    """The names to which a text in a C-like language gives a value more than once, as far as its words tell."""
    counts = Counter(match[1] or match[2] or match[3] for match in _GIVES.finditer(text))
    return frozenset(name for name, count in counts.items() if count > 1)


def _of_scope(body: Sequence[ast.stmt]) -> Iterator[ast.AST]:
    """Every node that belongs to the scope of these statements, not to one within it."""
    left: list[ast.AST] = list(body)
    while left:
        node = left.pop()
        yield node
        if not isinstance(node, _OWN):
            left += inner_nodes(node)
