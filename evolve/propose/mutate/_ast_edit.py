"""AST edits: small typed changes of a program's text, one mostly, sometimes two or three."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from archive import ProposalStatus
from evolve.propose._operator import EditScope, Files, Proposal, ProposalTask
from evolve.propose._python import Edit, apply_edits
from evolve.propose._scope import is_editable
from evolve.propose.mutate._drafts import Draft, drafted
from evolve.propose.mutate._moves import MUTATIONS, Mutation
from evolve.propose.mutate._numbers import may_hold_numbers
from evolve.propose.mutate._sites import Targets, sites_of
from evolve.propose.mutate._specs import AST_EDIT

if TYPE_CHECKING:
    from collections.abc import Mapping

_ANOTHER = 0.25  # chance of one more edit, at most three


class AstEdit:
    """Moves numbers, names, signs, loop bounds, keywords, terms and statements of the first parent (see ``_moves.MUTATIONS``).

    The child parses, differs from its parent by more than spacing, and keeps every character outside the edits.  A kind is drawn
    by its weight, then a place uniformly over all editable files.  In other languages than Python only numbers move.
    """

    spec = AST_EDIT

    def propose(self, task: ProposalTask, rng: np.random.Generator) -> Proposal:
        """A child of the first parent, or ``INVALID`` when eight draws gave none."""
        if not task.parents:
            return Proposal(ProposalStatus.INVALID, reason="an edit needs one parent; found none.")
        return drafted(task, lambda: _draft(task.parents[0], task.scope, rng), "nothing that an edit knows how to change")


def _draft(parent: Files, scope: EditScope, rng: np.random.Generator) -> Draft | None:
    """One to three moves, all drawn on the parent; one that overlaps an earlier one is dropped."""
    sites = {path: sites_of(path, parent[path]) for path in sorted(parent) if may_hold_numbers(path) and is_editable(path, scope)}
    edits: dict[str, list[Edit]] = {}
    summaries: list[str] = []
    moves = 1
    while moves < 3 and rng.random() < _ANOTHER:
        moves += 1
    for _ in range(moves):
        drawn = _draw(sites, rng)
        if drawn is None:
            continue
        path, move = drawn
        made = edits.setdefault(path, [])
        if any(new.start < old.end and old.start < new.end for new in move.edits for old in made):
            continue
        made += move.edits
        summaries.append(f"{move.text} ({path}:{move.line})")
    if not summaries:
        return None
    return {**parent, **{path: apply_edits(parent[path], made) for path, made in edits.items()}}, "; ".join(summaries)


def _draw(sites: Mapping[str, Targets], rng: np.random.Generator) -> tuple[str, Mutation] | None:
    counts = [[count(of_file) for of_file in sites.values()] for _, count, _ in MUTATIONS]
    weights = np.array([weight if sum(row) else 0.0 for (weight, _, _), row in zip(MUTATIONS, counts, strict=True)])
    if not weights.any():
        return None
    kind = int(rng.choice(len(MUTATIONS), p=weights / weights.sum()))
    at = int(rng.integers(sum(counts[kind])))
    for (path, of_file), count in zip(sites.items(), counts[kind], strict=True):
        if at < count:
            move = MUTATIONS[kind][2](of_file, rng)
            return None if move is None else (path, move)
        at -= count
    return None
