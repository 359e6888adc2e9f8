"""Taking over, without a model, what the best program of a related problem has: all of it, or parts by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archive import ProposalStatus
from evolve.propose._operator import EditScope, Files, Proposal, ProposalTask
from evolve.propose._python import is_python, parse
from evolve.propose._scope import is_editable
from evolve.propose.mutate._crossover import Crossover
from evolve.propose.mutate._drafts import rejection_reason
from evolve.propose.mutate._parts import parts_of
from evolve.propose.mutate._specs import ADOPT

if TYPE_CHECKING:
    import numpy as np

_WHOLE = 0.5  # chance that all is taken, where it fits


class Adopt:
    """The parent with every editable file that the program of the related problem has too, where that has the functions which the
    evaluator calls; or with some of its definitions and numbers, as a crossover takes them."""

    spec = ADOPT

    def propose(self, task: ProposalTask, rng: np.random.Generator) -> Proposal:
        """A child of the parent and the program that is shown beside it, or ``INVALID`` where they have nothing in common."""
        if not task.inspirations:
            return Proposal(ProposalStatus.INVALID, reason="there is no program of a related problem.")
        parent, other = task.parents[0], task.inspirations[0]
        child = _whole(parent, other, task.scope)
        if child is not None and rng.random() < _WHOLE and not rejection_reason(parent, child, task.scope):
            return Proposal(ProposalStatus.CHILD, files=child, summary="took the program of a related problem")
        return Crossover().propose(task, rng)


def _whole(parent: Files, other: Files, scope: EditScope) -> Files | None:
    """The parent's files as the other has them; None where one is missing, or a function that the evaluator calls."""
    editable = [path for path in parent if is_editable(path, scope)]
    if not all(path in other for path in editable) or not all(_has(other, entry) for entry in scope.entries):
        return None
    return {**parent, **{path: other[path] for path in editable}}


def _has(files: Files, entry: str) -> bool:
    """Whether a file of this program defines the function."""
    path, _, name = entry.partition(":")
    return not is_python(path) or path not in files or any(part.name == name for part in parts_of(parse(files[path])))
