"""Crossover without a model: parts of the first parent replaced by their namesakes in another program."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archive import ProposalStatus
from evolve._counted import counted
from evolve.propose._operator import EditScope, Files, Proposal, ProposalTask
from evolve.propose._python import Edit, apply_edits, inside, is_python, parse
from evolve.propose._scope import editable_regions, is_editable
from evolve.propose.mutate._bounds import within
from evolve.propose.mutate._drafts import ATTEMPTS, rejection_reason
from evolve.propose.mutate._literals import LiteralSite, find, short_name
from evolve.propose.mutate._numbers import may_hold_numbers
from evolve.propose.mutate._parts import Along, is_called, missing, parts_of, put_before, stands_in
from evolve.propose.mutate._specs import CROSSOVER

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

_TAKE = 0.5  # chance of each differing number to come from the donor
_ANOTHER, _MOST = 0.25, 4  # chance of one more part, and the most


class Crossover:
    """Takes a function, class, method or assignment, or a mix of numbers, from a donor: a further parent or an inspiration.

    Parts correspond by name, sometimes several at once, of several files too; numbers by their path (see ``_literals``).  What a
    part needs and the parent has not comes along, and calls fit the functions that they reach then.  The child parses, differs
    from the first parent, lacks no name that both had, and keeps every character outside the exchanged parts.
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
            if not reason and mix is _mix_parts:
                reason = missing(parent, donor, files)
            if not reason:
                return Proposal(ProposalStatus.CHILD, files=files, summary=summary)
        return Proposal(ProposalStatus.INVALID, reason=reason)


@dataclass(frozen=True, slots=True)
class _Choice:
    """A part of the parent that can be replaced by its namesake: the edits, among them what comes along with it."""

    path: str
    name: str
    edits: tuple[Edit, ...]


def _mix_parts(parent: Files, donor: Files, scope: EditScope, rng: np.random.Generator) -> tuple[Files, str] | None:
    """Definitions or assignments of the donor in place of their namesakes, one mostly, sometimes several, of several files too."""
    choices = [
        choice for path in filter(is_python, _common(parent, donor, scope)) for choice in _choices(path, parent, donor, scope)
    ]
    if not choices:
        return None
    taken = [choices.pop(int(rng.integers(len(choices))))]
    while choices and len(taken) < _MOST and rng.random() < _ANOTHER:
        another = choices.pop(int(rng.integers(len(choices))))
        taken += [] if any(_clash(another, one) for one in taken) else [another]
    edits: dict[str, list[Edit]] = {}
    for one in taken:
        edits.setdefault(one.path, []).extend(one.edits)
    child = {**parent, **{path: apply_edits(parent[path], made) for path, made in edits.items()}}
    listed = ", ".join(f"{one.name} ({one.path})" for one in taken)
    return child, f"took {listed} from the donor"


def _choices(path: str, parent: Files, donor: Files, scope: EditScope) -> Iterator[_Choice]:
    """What can be taken of a file.  A function that is called otherwise may come with its callers, if the evaluator is none."""
    mine, theirs = parse(parent[path]), parse(donor[path])
    if mine.tree is None or theirs.tree is None:
        return
    others = {part.name: part for part in parts_of(theirs)}
    along, regions = Along(mine.tree, theirs), editable_regions(parent[path])
    for part in parts_of(mine):
        other = others.get(part.name)
        if other is None or other.column != part.column or not inside((part.start, part.end), regions):
            continue
        new = theirs.text[other.start : other.end]
        if new == mine.text[part.start : part.end]:
            continue
        if not stands_in(part.node, other.node) and (f"{path}:{part.name}" in scope.entries or not is_called(part, mine.tree)):
            continue
        if not new.endswith(("\n", "\r")) and part.end < len(parent[path]):
            new += "\n"
        extra = along.of(other.node)
        edits = [Edit(part.start, part.end, new)]
        if extra:
            before = put_before(part, extra, mine, theirs)
            edits = [before, *edits] if before is not None and inside((before.start, before.end), regions) else []
        if extra is not None and edits:
            yield _Choice(path, part.name, tuple(edits))


def _clash(one: _Choice, other: _Choice) -> bool:
    """Whether two parts cannot be taken at once: one holds the other, or both bring something along, which may be the same."""
    if one.path != other.path:
        return False
    mine, theirs = one.edits[-1], other.edits[-1]
    return (mine.start < theirs.end and theirs.start < mine.end) or min(len(one.edits), len(other.edits)) > 1


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
    return child, f"took {counted(len(taken), 'number')} from the donor: {listed}"


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
