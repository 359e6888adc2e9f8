"""Crossover without a model: parts of the first parent replaced by their namesakes in another program."""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archive import ProposalStatus
from evolve.propose._operator import EditScope, Files, Proposal, ProposalTask
from evolve.propose._python import Edit, Parsed, apply_edits, inside, is_python, parse
from evolve.propose._scope import editable_regions, is_editable
from evolve.propose.mutate._ast_edit import ATTEMPTS, rejection_reason
from evolve.propose.mutate._bounds import within
from evolve.propose.mutate._literals import LiteralSite, find, short_name
from evolve.propose.mutate._numbers import may_hold_numbers
from evolve.propose.mutate._sites import bound_names, whole_lines
from evolve.propose.mutate._specs import CROSSOVER

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

_TAKE = 0.5  # chance of each differing number to come from the donor


class Crossover:
    """Takes a function, class, method or assignment, or a mix of numbers, from a donor: a further parent or an inspiration.

    Parts correspond by name, numbers by their path (see ``_literals``).  The child parses, differs from the first parent, and keeps
    every character outside the exchanged parts.
    """

    spec = CROSSOVER

    def propose(self, task: ProposalTask, rng: np.random.Generator) -> Proposal:
        """A child of the first parent and one donor, or ``INVALID`` when there is no donor or eight draws gave no child."""
        donors = [*task.parents[1:], *task.inspirations]
        if not task.parents or not donors:
            return Proposal(ProposalStatus.INVALID, reason="crossover needs a parent and a second program; found fewer.")
        parent = task.parents[0]
        reason = "the programs share no part that differs."
        for _ in range(ATTEMPTS):
            donor = donors[int(rng.integers(len(donors)))]
            mix = _mix_parts if rng.random() < 0.5 else _mix_literals
            draft = mix(parent, donor, task.scope, rng)
            if draft is None:
                continue
            files, summary = draft
            reason = rejection_reason(parent, files, task.scope)
            if not reason and files == donor:
                reason = "the child would be the donor itself."
            if not reason:
                return Proposal(ProposalStatus.CHILD, files=files, summary=summary)
        return Proposal(ProposalStatus.INVALID, reason=reason)


@dataclass(frozen=True, slots=True)
class _Part:
    """A definition or an assignment that has its lines to itself."""

    name: str
    start: int
    end: int
    column: int
    node: ast.stmt


def _mix_parts(parent: Files, donor: Files, scope: EditScope, rng: np.random.Generator) -> tuple[Files, str] | None:
    """One definition or assignment of the donor in place of its namesake."""
    choices: list[tuple[str, _Part, str]] = []
    for path in filter(is_python, _common(parent, donor, scope)):
        mine, theirs = parse(parent[path]), parse(donor[path])
        if mine.tree is None or theirs.tree is None:
            continue
        known = bound_names(mine.tree)
        others = {part.name: part for part in _parts(theirs)}
        regions = editable_regions(parent[path])
        for part in _parts(mine):
            other = others.get(part.name)
            if other is None or other.column != part.column or not inside((part.start, part.end), regions):
                continue
            new = theirs.text[other.start : other.end]
            if new != mine.text[part.start : part.end] and _needs(other.node) <= known:
                choices.append((path, part, new))
    if not choices:
        return None
    path, part, new = choices[int(rng.integers(len(choices)))]
    if not new.endswith(("\n", "\r")) and part.end < len(parent[path]):
        new += "\n"
    return {
        **parent,
        path: apply_edits(parent[path], [Edit(part.start, part.end, new)]),
    }, f"took {part.name} ({path}) from the donor"


def _parts(parsed: Parsed) -> list[_Part]:
    """Functions, classes, methods and assignments to names, by qualified name; the first of each name only."""
    assert parsed.tree is not None
    parts: dict[str, _Part] = {}
    stack: list[tuple[list[ast.stmt], str]] = [(parsed.tree.body, "")]
    while stack:
        body, scope = stack.pop()
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = f"{scope}{node.name}"
                stack.append((node.body, f"{name}."))
            elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                name = f"{scope}{node.targets[0].id}"
            else:
                continue
            span = whole_lines(parsed, node)
            if span is not None and name not in parts:
                parts[name] = _Part(name, *span, node.col_offset, node)
    return list(parts.values())


def _needs(node: ast.stmt) -> frozenset[str]:
    """Names that a part reads and does not bind."""
    reads = {child.id for child in ast.walk(node) if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Load)}
    return frozenset(name for name in reads - bound_names(node) if not hasattr(builtins, name))


def _mix_literals(parent: Files, donor: Files, scope: EditScope, rng: np.random.Generator) -> tuple[Files, str] | None:
    """Numbers that stand at the same path in both: each from either side, of a long list one stretch."""
    child = dict(parent)
    taken: list[str] = []
    for path in _common(parent, donor, scope):
        others = {item.path: item for item in find(path, donor[path])}
        differing = [item for item in find(path, parent[path]) if item.path in others and _may_become(parent[path], item, others)]
        chosen = _choose(differing, rng)
        child[path] = apply_edits(
            parent[path],
            [Edit(item.start, item.end, donor[path][slice(*_span(others[item.path]))]) for item in chosen],
        )
        taken += [short_name(item.path) for item in chosen]
    if not taken:
        return None
    listed = ", ".join(taken[:4]) + (", ..." if len(taken) > 4 else "")
    return child, f"took {len(taken)} numbers from the donor: {listed}"


def _may_become(text: str, item: LiteralSite, others: Mapping[str, LiteralSite]) -> bool:
    """Whether the donor's number is another one, and one that the comment beside the parent's allows."""
    value = others[item.path].value
    return value != item.value and within(text, item.end, value, is_int=False) == value


def _choose(items: list[LiteralSite], rng: np.random.Generator) -> list[LiteralSite]:
    groups: dict[tuple[int, int], list[LiteralSite]] = {}
    for item in items:
        groups.setdefault(item.group, []).append(item)
    chosen: list[LiteralSite] = []
    for members in groups.values():
        if len(members) == 1:
            chosen += members if rng.random() < _TAKE else []
        else:
            first, last = sorted(int(i) for i in rng.integers(0, len(members) + 1, 2))
            chosen += members[first:last]
    return chosen


def _span(item: LiteralSite) -> tuple[int, int]:
    return item.start, item.end


def _common(parent: Files, donor: Files, scope: EditScope) -> list[str]:
    return [path for path in sorted(parent) if path in donor and may_hold_numbers(path) and is_editable(path, scope)]
