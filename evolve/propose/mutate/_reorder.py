"""Items of a list in another order: two change places, a stretch stands the other way round, or one item goes elsewhere.

The three are the mutations of permutations by exchange, inversion and insertion (Eiben and Smith, *Introduction to Evolutionary
Computing*, 4.5).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archive import ProposalStatus
from evolve.propose._operator import EditScope, Files, Proposal, ProposalTask
from evolve.propose._python import Edit, Parsed, apply_edits, inside, is_python, parse
from evolve.propose._scope import editable_regions, is_editable
from evolve.propose.mutate._drafts import Draft, drafted
from evolve.propose.mutate._specs import REORDER

if TYPE_CHECKING:
    import numpy as np

_LEAST = 3  # items of a list whose order is changed
_MOST = 1000


@dataclass(frozen=True, slots=True)
class _Items:
    """What a list holds."""

    path: str
    parsed: Parsed
    items: Sequence[ast.expr]


class Reorder:
    """Changes the order of the items of one list or tuple of the first parent, a Python program; of a longer one more often."""

    spec = REORDER

    def propose(self, task: ProposalTask, rng: np.random.Generator) -> Proposal:
        """A child of the first parent, or ``INVALID`` when eight draws gave none."""
        if not task.parents:
            return Proposal(ProposalStatus.INVALID, reason="items are put in another order in one parent; found none.")
        lists = [*_lists(task.parents[0], task.scope)]
        return drafted(task, lambda: _draft(task.parents[0], lists, rng), f"no list of {_LEAST} items or more")


def _lists(parent: Files, scope: EditScope) -> Iterator[_Items]:
    for path in sorted(parent):
        if not is_python(path) or not is_editable(path, scope):
            continue
        parsed, regions = parse(parent[path]), editable_regions(parent[path])
        for node in ast.walk(parsed.tree) if parsed.tree is not None else ():
            if not isinstance(node, ast.List | ast.Tuple) or not isinstance(node.ctx, ast.Load) or _binds(node):
                continue
            if _LEAST <= len(node.elts) <= _MOST and inside(parsed.span(node), regions):
                yield _Items(path, parsed, node.elts)


def _binds(node: ast.expr) -> bool:
    """Whether an item gives a name its value, which a later one may read."""
    return any(isinstance(inner, ast.NamedExpr) for inner in ast.walk(node))


def _draft(parent: Files, lists: Sequence[_Items], rng: np.random.Generator) -> Draft | None:
    if not lists:
        return None
    sizes = [len(one.items) for one in lists]
    chosen = lists[int(rng.choice(len(lists), p=[size / sum(sizes) for size in sizes]))]
    first, last = sorted(rng.choice(len(chosen.items), size=2, replace=False).tolist())
    order, said = _order(first, last, rng)
    spans = [chosen.parsed.span(chosen.items[first + i]) for i in range(len(order))]
    texts = [chosen.parsed.text[start:end] for start, end in spans]
    edits = [Edit(*spans[i], texts[j]) for i, j in enumerate(order) if texts[i] != texts[j]]
    files = {**parent, chosen.path: apply_edits(chosen.parsed.text, edits)}
    return files, f"items {first + 1} to {last + 1} {said} ({chosen.path}:{chosen.items[first].lineno})"


def _order(first: int, last: int, rng: np.random.Generator) -> tuple[list[int], str]:
    """Which item of a stretch comes at each place of it, from 0, and what that is in words."""
    order = [*range(last - first + 1)]
    match int(rng.integers(4)):
        case 0:
            return [order[-1], *order[1:-1], order[0]], "changed places"
        case 1:
            return order[::-1], "the other way round"
        case 2:
            return [order[-1], *order[:-1]], "with the last of them first"
        case _:
            return [*order[1:], order[0]], "with the first of them last"
