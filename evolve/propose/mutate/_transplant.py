"""Making a known change once more, elsewhere: what led from one program to another is done to a third.

*Extrapolate* goes on where a step paid, *mirror* steps the other way where one did not (mirrored sampling, Brockhoff et al. 2010),
*merge* brings a gain of another line of descent over, or what did not pay while something else limited programs, *revert* takes
one step of an ancestor back.  All are one thing: the change from ``before`` to ``after``, made to ``target``; only the search knows
which programs these are, and how well they did.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from archive import ProposalStatus
from evolve.propose._operator import EditScope, Files, Proposal, ProposalTask
from evolve.propose._python import Edit, Parsed, apply_edits, inside, is_python, parse
from evolve.propose._scope import editable_regions, is_editable
from evolve.propose.mutate._bounds import within
from evolve.propose.mutate._drafts import rejection_reason
from evolve.search.state._operators import OperatorSpec, Parent

if TYPE_CHECKING:
    import numpy as np


_DIGITS = 12  # of a number that moved
_LARGEST = 1e100
_CROSSES = 0.3  # a number that went to less than this part of itself may change its sign at the next step
_MOST_LINES = 3000  # of a text that is merged by lines


@dataclass
class Transplant:
    """Makes the change from the second parent to the third to the first.  In Python by the syntax tree: numbers move by as much as
    they moved, expressions and statements are replaced where the target has what was replaced; else by lines."""

    spec: OperatorSpec

    def propose(self, task: ProposalTask, rng: np.random.Generator) -> Proposal:
        """The child, or ``INVALID`` where the change does not fit.  Uses no randomness."""
        if len(task.parents) != 3:
            return Proposal(ProposalStatus.INVALID, reason=f"a change is made with three programs; found {len(task.parents)}.")
        target, before, after = task.parents
        child = changed(target, before, after, task.scope, times=2 if after == target and self.spec.parent is Parent.STEP else 1)
        if child is None:
            return Proposal(ProposalStatus.INVALID, reason="the change does not fit the program.")
        if reason := rejection_reason(target, child, task.scope):
            return Proposal(ProposalStatus.INVALID, reason=reason)
        return Proposal(ProposalStatus.CHILD, files=child, summary=_SAID.get(self.spec.parent, "a known change made once more"))


_SAID = {
    Parent.STEP: "the last step that paid once more",
    Parent.MIRRORED: "a step that did worse, the other way",
    Parent.GAINS: "a change of another line brought over",
    Parent.ANCESTORS: "a step of an ancestor taken back",
}


def changed(target: Files, before: Files, after: Files, scope: EditScope, *, times: int = 1) -> Files | None:
    """The target with the change from ``before`` to ``after`` made to it; None where nothing of it fits."""
    child = dict(target)
    for path in sorted(target):
        if path not in before or path not in after or before[path] == after[path] or not is_editable(path, scope):
            continue
        new = _by_tree(target[path], before[path], after[path], times) if is_python(path) else None
        child[path] = new if new is not None else _by_lines(target[path], before[path], after[path])
    return child if child != target else None


# ------------------------------------------------------------------------------------------------ by the tree

_SIGNS = (ast.operator, ast.boolop, ast.unaryop, ast.cmpop)  # have no place of their own: what they stand in changes with them
_WHOLE = (ast.Constant, ast.Name, ast.JoinedStr)  # change as one; Python does not say where the parts of an f-string stand
_ATOMS = (*_WHOLE, ast.Call, ast.Subscript, ast.Attribute, ast.List, ast.Dict, ast.Set)  # need no parentheses
_DECORATED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)  # their decorators stand outside of them


@dataclass(slots=True)
class _Change:
    """The edits of a change, collected over three trees walked side by side; ``conflicts`` counts what does not fit."""

    target: Parsed
    before: Parsed
    after: Parsed
    times: int
    edits: list[Edit] = field(default_factory=list)
    conflicts: int = 0

    def node(self, target: ast.AST, before: ast.AST, after: ast.AST) -> None:
        if self._unchanged(before, after):
            return
        values = [_number(node) for node in (target, before, after)]
        if None not in values and isinstance(target, ast.expr):
            self._move(target, *(value for value in values if value is not None))
        elif type(target) is type(before) is type(after) and _same_shape(target, before, after):
            for name, value in ast.iter_fields(before):
                self._field(getattr(target, name), value, getattr(after, name))
        elif not (_same(target, before) and self._replaced(target, after)):
            self.conflicts += 1

    def _unchanged(self, before: ast.AST, after: ast.AST) -> bool:
        """The same text is the same program, and quickly seen."""
        if isinstance(before, ast.expr | ast.stmt) and isinstance(after, ast.expr | ast.stmt):
            texts = (self.before.text[slice(*self.before.span(before))], self.after.text[slice(*self.after.span(after))])
            if texts[0] == texts[1] and not isinstance(before, _DECORATED):
                return True
        return _same(before, after)

    def _field(self, target: object, before: object, after: object) -> None:
        if isinstance(target, ast.AST) and isinstance(before, ast.AST) and isinstance(after, ast.AST):
            self.node(target, before, after)
        elif isinstance(target, list) and isinstance(before, list) and isinstance(after, list):
            for three in zip(target, before, after, strict=True):
                self._field(*three)

    def _replaced(self, target: ast.AST, after: ast.AST) -> bool:
        """Whether an expression or a statement could be put in another's place."""
        if isinstance(target, ast.expr) and isinstance(after, ast.expr):
            text = self.after.text[slice(*self.after.span(after))]
            self.edits.append(Edit(*self.target.span(target), text if isinstance(after, _ATOMS) else f"({text})"))
            return True
        if not (isinstance(target, ast.stmt) and isinstance(after, ast.stmt)) or target.col_offset != after.col_offset:
            return False
        if any(isinstance(one, _DECORATED) and one.decorator_list for one in (target, after)):
            return False
        self.edits.append(Edit(*self.target.span(target), self.after.text[slice(*self.after.span(after))]))
        return True

    def _move(self, target: ast.expr, value: float, before: float, after: float) -> None:
        """A number that moved moves here by as much; by as many times as much where it would change its sign."""
        is_known = value == before and self.times == 1  # nothing to compute: it is what it is there, to the last digit
        try:
            new = after if is_known else value + self.times * (after - before)
            if before and value * new < 0 < value * before and after / before > _CROSSES:
                new = value * (after / before) ** self.times
            whole = all(isinstance(one, int) for one in (value, before, after))
            new = int(new) if whole else float(new) if is_known else round(float(new), _DIGITS)
        except (OverflowError, ValueError):  # beyond what a number holds, or none
            self.conflicts += 1
            return
        start, end = self.target.span(target)
        kept = within(self.target.text, end, new, is_int=whole) if abs(new) <= _LARGEST else None
        if kept is None:
            self.conflicts += 1
        elif kept != value:
            new = int(kept) if whole else kept
            powered = self.target.text[end : end + 40].lstrip(" \t\\").startswith("**")
            self.edits.append(Edit(start, end, f"({new!r})" if new < 0 and powered else repr(new)))


def _by_tree(target: str, before: str, after: str, times: int) -> str | None:
    """The target's text after the change; None where it does not fit, or a source does not parse."""
    parsed = [parse(text) for text in (target, before, after)]
    trees = [one.tree for one in parsed if one.tree is not None]
    if len(trees) < 3:
        return None
    change = _Change(parsed[0], parsed[1], parsed[2], times)
    try:
        change.node(trees[0], trees[1], trees[2])
    except RecursionError:
        return None
    regions = editable_regions(target)
    edits = [edit for edit in change.edits if inside((edit.start, edit.end), regions)]
    return apply_edits(target, edits) if edits and not change.conflicts else None


def _number(node: ast.AST) -> float | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _number(node.operand)
        return None if inner is None else -inner
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return node.value
    return None


def _same(one: object, other: object) -> bool:
    """Whether two trees are the same program."""
    if isinstance(one, ast.AST):
        return type(one) is type(other) and all(_same(value, getattr(other, name)) for name, value in ast.iter_fields(one))
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and one == other


def _same_shape(target: ast.AST, before: ast.AST, after: ast.AST) -> bool:
    """Whether three nodes of one class differ in what lies below them alone."""
    return not isinstance(before, _WHOLE) and all(
        _alike(getattr(target, name), value, getattr(after, name)) for name, value in ast.iter_fields(before)
    )


def _alike(target: object, before: object, after: object) -> bool:
    """Whether a field may be looked into; what is no tree, a name or an operator, must stay as it was."""
    if isinstance(before, list):
        if not (isinstance(target, list) and isinstance(after, list) and len(target) == len(before) == len(after)):
            return False
        return all(_alike(*three) for three in zip(target, before, after, strict=True))
    if isinstance(before, _SIGNS):
        return type(before) is type(after)
    if isinstance(before, ast.AST):
        return isinstance(target, ast.AST) and isinstance(after, ast.AST)
    return type(before) is type(after) and before == after


# ------------------------------------------------------------------------------------------------ by lines


def _by_lines(target: str, before: str, after: str) -> str:
    """Three-way merge by lines: hunks whose lines the target still has in their place; as it was where there are none."""
    old, new, mine = (text.splitlines(keepends=True) for text in (before, after, target))
    if max(len(old), len(new), len(mine)) > _MOST_LINES:
        return target
    where = _places(old, mine)
    for kind, i1, i2, j1, j2 in reversed(SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes()):
        if kind == "equal":
            continue
        span = where[max(i1 - 1, 0) : i2 + 1]
        if span and None not in span and span[-1] - span[0] == len(span) - 1:  # type: ignore[operator]
            start = span[0] + (i1 - max(i1 - 1, 0))  # type: ignore[operator]
            mine[start : start + (i2 - i1)] = new[j1:j2]
    return "".join(mine)


def _places(old: Sequence[str], mine: Sequence[str]) -> list[int | None]:
    """Where each line of one text stands in another; None where it is not there."""
    where: list[int | None] = [None] * len(old)
    for i, j, n in SequenceMatcher(a=old, b=mine, autojunk=False).get_matching_blocks():
        for k in range(n):
            where[i + k] = j + k
    return where
