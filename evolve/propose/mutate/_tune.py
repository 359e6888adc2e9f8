"""The constant tuner's operator: it lists a program's literals, and writes a sample's values into the program.

The search owns the optimiser that draws the samples (``evolve.select``); this end only reads and writes texts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from archive import Literal, ProposalStatus, TunerSample
from evolve._counted import counted
from evolve.propose._operator import EditScope, Files, Proposal, ProposalTask
from evolve.propose._python import apply_edits
from evolve.propose._scope import check_scope, is_editable
from evolve.propose.mutate._literals import find, literals_of, short_name, write
from evolve.propose.mutate._numbers import LiteralSite, may_hold_numbers
from evolve.propose.mutate._specs import TUNE

if TYPE_CHECKING:
    import numpy as np


class ConstantTuner:
    """Opens a tuner (``task.sample`` is None) or makes the child that a sample stands for.  Uses no randomness."""

    spec = TUNE

    def propose(self, task: ProposalTask, rng: np.random.Generator) -> Proposal:
        """Literals of the first parent as ``TUNER``; with a sample, the first parent with ``sample.values`` as ``CHILD``."""
        if not task.parents:
            return Proposal(ProposalStatus.INVALID, reason="the tuner needs one parent; found none.")
        if task.sample is not None:
            return _child(task.parents[0], task.literals, task.sample, task.scope)
        editable = {
            path: text for path, text in task.parents[0].items() if may_hold_numbers(path) and is_editable(path, task.scope)
        }
        literals = literals_of(editable)
        if not literals:
            return Proposal(ProposalStatus.INVALID, reason="the program has no number in an editable region that a tuner may move.")
        return Proposal(ProposalStatus.TUNER, literals=literals, summary=f"opened a tuner over {len(literals)} literals")


def write_values(files: Files, values: Mapping[str, float]) -> Files | str:
    """``files`` with literals set by path, comments and layout untouched; the name of a literal that is not there, if any.

    A value already there is left as it is written.
    """
    by_file: dict[str, dict[str, float]] = {}
    for path, value in values.items():
        file, _, rest = path.partition("::")
        by_file.setdefault(file, {})[rest] = value
    child = dict(files)
    for file, wanted in by_file.items():
        found: dict[str, LiteralSite] = {item.path: item for item in find(file, files[file])} if file in files else {}
        mixed = {
            item.group for item in found.values() if not item.is_int
        }  # lists in which a whole number is a float like the others
        edits = []
        for path, value in wanted.items():
            item = found.get(path)
            if item is None:
                return f"{file}::{path}"
            if value != item.value:
                whole = item.is_int and item.group not in mixed and float(value).is_integer()
                edits.append(write(files[file], item, value, is_int=whole))
        child[file] = apply_edits(files[file], edits)
    return child


def _child(parent: Files, literals: tuple[Literal, ...], sample: TunerSample, scope: EditScope) -> Proposal:
    if len(literals) != len(sample.values):
        reason = f"the sample has {len(sample.values)} values for {len(literals)} literals."
        return Proposal(ProposalStatus.INVALID, reason=reason)
    if not all(math.isfinite(value) for value in sample.values):
        return Proposal(ProposalStatus.INVALID, reason="every value of a sample must be finite.")
    values = {literal.path: value for literal, value in zip(literals, sample.values, strict=True)}
    child = write_values(parent, values)
    if isinstance(child, str):
        return Proposal(ProposalStatus.INVALID, reason=f"the literal {child} is no longer in the program.")
    if reason := check_scope(parent, child, scope):
        return Proposal(ProposalStatus.INVALID, reason=reason)
    return Proposal(ProposalStatus.CHILD, files=child, summary=_summary(literals, sample.values))


def _summary(literals: tuple[Literal, ...], values: tuple[float, ...]) -> str:
    """The largest moves, in units of each literal's step: ``12 literals, most: lr 0.02 -> 0.031 (+1.5 steps)``."""
    moves = sorted(
        ((abs(_steps(literal, value)), i) for i, (literal, value) in enumerate(zip(literals, values, strict=True))),
        key=lambda move: (-move[0], move[1]),
    )
    size, i = moves[0]
    name = short_name(literals[i].path)
    return f"{counted(len(values), 'literal')}, most: {name} {literals[i].value:.4g} -> {values[i]:.4g} ({size:.2g} steps)"


def _steps(literal: Literal, value: float) -> float:
    if literal.scale == "log":
        return math.log(value / literal.value) / literal.step if value > 0 and literal.value > 0 else 0.0
    return (value - literal.value) / literal.step
