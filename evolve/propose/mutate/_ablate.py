"""Ablation: a program without one of its parts, to see whether the score holds."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from archive import ProposalStatus
from evolve.propose._operator import EditScope, Files, Proposal, ProposalTask
from evolve.propose._python import apply_edits, is_python, parse
from evolve.propose._scope import is_editable
from evolve.propose.mutate._defined import bound_in, undefined
from evolve.propose.mutate._drafts import ATTEMPTS, rejection_reason
from evolve.propose.mutate._removals import KINDS, Removal, removals
from evolve.propose.mutate._specs import ABLATE

if TYPE_CHECKING:
    import numpy as np


class Ablate:
    """Removes one statement, branch, term, argument that has a default or keyword of the first parent, a Python program.

    The child parses, holds nothing new, and meets no undefined name (see ``_defined``): what something else in the program reads
    stays, so does what the evaluator calls, and of a function that may meet one as it is everything.  A kind is drawn, then a
    place over all editable files.
    """

    spec = ABLATE

    def propose(self, task: ProposalTask, rng: np.random.Generator) -> Proposal:
        """A child of the first parent, or ``INVALID`` when eight draws gave none."""
        if not task.parents:
            return Proposal(ProposalStatus.INVALID, reason="an ablation needs one parent; found none.")
        parent = task.parents[0]
        left = list(candidates(parent, task.scope))
        reason = "the parent has nothing in its editable regions that can be taken out."
        for _ in range(min(ATTEMPTS, len(left))):
            path, removal = left.pop(_drawn(left, rng))
            files = {**parent, path: apply_edits(parent[path], removal.edits)}
            reason = rejection_reason(parent, files, task.scope) or missed(parent, files, path, removal, task.scope)
            if not reason:
                return Proposal.child(files, f"took out the {removal.kind} {removal.text} ({path}:{removal.line})")
        return Proposal(ProposalStatus.INVALID, reason=reason)


def candidates(parent: Files, scope: EditScope) -> Iterator[tuple[str, Removal]]:
    """Everything that could be taken out of a program, by file."""
    for path in sorted(parent):
        if is_python(path) and is_editable(path, scope):
            yield from ((path, removal) for removal in removals(parent[path]))


def missed(parent: Files, child: Files, path: str, removal: Removal, scope: EditScope) -> str:
    """Who would miss what was taken out, in a sentence; "" when nobody would."""
    before, after = parse(parent[path]).tree, parse(child[path]).tree
    if before is None or after is None:
        return ""
    try:
        open_before, open_after = undefined(parent[path]), undefined(child[path])
    except RecursionError:
        return f"{path} is nested too deeply to tell which names it needs."
    names = frozenset(bound_in(removal.gone))
    lost = {one.name for one in open_after if one not in open_before or one.name in names}
    top = _top(before, removal.line)  # where a name may be undefined as it is, what goes may be all that kept it from being read
    lost |= {one.name for one in open_after if one.scope.partition(".")[0] == top}
    lost |= {name for name in _attributes(removal) if name in _read(child) or name.startswith("__")}
    lost |= {name for name in names - _outer(after) if name in _outer(before) and _is_asked_for(name, child, path, scope, removal)}
    return f"{', '.join(sorted(lost))} would be missed." if lost else ""


def _top(tree: ast.Module, line: int) -> str:
    """The function or class at the top of a source in which a line stands; "" where it stands in none."""
    definitions = (one for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef))
    return next((one.name for one in definitions if one.lineno <= line <= (one.end_lineno or one.lineno)), "")


def _attributes(removal: Removal) -> set[str]:
    """Attributes that are set or defined by what goes; Python itself looks up those with two underscores."""
    found = set()
    for one in removal.gone:
        changed = {id(node.target) for node in ast.walk(one) if isinstance(node, ast.AugAssign)}
        for node in ast.walk(one):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and id(node) not in changed:
                found.add(node.attr)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.add(node.name)
    return found


def _read(files: Files) -> frozenset[str]:
    """Attributes that a program reads, also by their names in texts."""
    found: set[str] = set()
    for path, text in files.items():
        tree = parse(text).tree if is_python(path) else None
        for node in ast.walk(tree) if tree is not None else ():
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                found.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return frozenset(found)


def _outer(tree: ast.Module) -> frozenset[str]:
    """Names that a module has."""
    return frozenset(bound_in(tree.body))


def _is_asked_for(name: str, child: Files, path: str, scope: EditScope, removal: Removal) -> bool:
    """Whether a name that a module has no more may be asked for by another file, or by the evaluator."""
    word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    if any(word.search(text) for other, text in child.items() if other != path) or name in _read({path: child[path]}):
        return True
    if name.startswith("_") or all(isinstance(one, ast.Import | ast.ImportFrom) for one in removal.gone):
        return False
    defined = all(isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for one in removal.gone)
    return not (defined and scope.entries) or f"{path}:{name}" in scope.entries


def _drawn(left: Sequence[tuple[str, Removal]], rng: np.random.Generator) -> int:
    kinds = [kind for kind in KINDS if any(removal.kind == kind for _, removal in left)]
    kind = kinds[int(rng.integers(len(kinds)))]
    places = [index for index, (_, removal) in enumerate(left) if removal.kind == kind]
    return places[int(rng.integers(len(places)))]
