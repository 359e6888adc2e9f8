"""Numbers drawn anew: far jumps of one number, and of a few that stand beside each other at once.

Small steps of one number end where every one of them is worse.  What lies beyond is reached by a long step, or by several numbers
that change together; those that belong together mostly stand together: a pair, a row of a table, the arguments of a call.  How many
change and how far they go has heavy tails (Doerr, Le, Makhmara and Nguyen 2017, *Fast genetic algorithms*,
https://doi.org/10.1145/3071178.3071301).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archive import ProposalStatus
from evolve.propose._operator import EditScope, Files, Proposal, ProposalTask
from evolve.propose._python import Edit, apply_edits
from evolve.propose._scope import is_editable
from evolve.propose.mutate._bounds import within
from evolve.propose.mutate._drafts import Draft, drafted
from evolve.propose.mutate._literals import short_name, unit_of, write
from evolve.propose.mutate._numbers import LiteralSite, may_hold_numbers
from evolve.propose.mutate._sites import Targets, sites_of
from evolve.propose.mutate._specs import REDRAW

if TYPE_CHECKING:
    import numpy as np

_AT_ONCE = (0.4, 0.3, 0.2, 0.1)  # chances that one, two, three or four numbers change
_NEAREST, _FARTHEST = -2.0, 0.3  # powers of ten of the spread of a list, or of a number's size
_VALUES_EACH = 4  # whole numbers of a list that range over fewer values than this for each of them are choices, not amounts
_STEP = 0.25  # chance that a choice moves to the one beside it


class Redraw:
    """Draws one number of the first parent anew, or up to four that stand beside each other: choices from those that the list
    ranges over, amounts at any distance.  All other characters stay."""

    spec = REDRAW

    def propose(self, task: ProposalTask, rng: np.random.Generator) -> Proposal:
        """A child of the first parent, or ``INVALID`` when eight draws gave none."""
        if not task.parents:
            return Proposal(ProposalStatus.INVALID, reason="numbers are drawn anew in one parent; found none.")
        places = _places(task.parents[0], task.scope)
        return drafted(task, lambda: _draft(task.parents[0], places, rng), "no number that may move")


def _places(parent: Files, scope: EditScope) -> list[tuple[str, Targets, int]]:
    """Every number: its file, the places of that file, and which it is among the numbers there."""
    paths = [path for path in sorted(parent) if may_hold_numbers(path) and is_editable(path, scope)]
    of_file = {path: sites_of(path, parent[path]) for path in paths}
    return [(path, sites, at) for path, sites in of_file.items() for at in range(len(sites.literals))]


def _draft(parent: Files, places: Sequence[tuple[str, Targets, int]], rng: np.random.Generator) -> Draft | None:
    if not places:
        return None
    path, sites, at = places[int(rng.integers(len(places)))]
    first, most = sites.literals[at], 1 + int(rng.choice(len(_AT_ONCE), p=_AT_ONCE))
    made = [(item, edit) for item in _beside(sites, at, most) if (edit := _anew(sites, item, rng)) is not None]
    said = "; ".join(f"{short_name(one.path)} {parent[path][one.start : one.end]} -> {edit.text}" for one, edit in made)
    files = {**parent, path: apply_edits(parent[path], [edit for _, edit in made])}
    return (files, f"{said} ({path}:{first.line})") if made else None


def _beside(sites: Targets, at: int, most: int) -> list[LiteralSite]:
    """A number and those after it in the same list, or, of one that is in none, in the same line."""
    first = sites.literals[at]
    is_alone = first.group == (first.start, first.end)
    return [one for one in sites.literals[at : at + most] if one.group == first.group or (is_alone and one.line == first.line)]


def _anew(sites: Targets, item: LiteralSite, rng: np.random.Generator) -> Edit | None:
    """The edit that writes another value there; None where that is what it was, or must not be written."""
    alike = [one.value for one in sites.literals if one.group == item.group and one.is_int == item.is_int]
    if item.is_int and _are_in_order(alike):
        return None
    value = _choice(item, alike, rng) if item.is_int and _are_choices(alike) else _amount(sites, item, alike, rng)
    kept = within(sites.parsed.text, item.end, value if item.is_int else float(f"{value:.6g}"), is_int=item.is_int)
    if kept is None or (round(kept) if item.is_int else kept) == item.value:
        return None
    return write(sites.parsed.text, item, kept, is_int=item.is_int)


def _are_in_order(values: Sequence[float]) -> bool:
    """Whether each whole number of a range is there once: then they say in which order things come, and none can be another."""
    return len(values) >= 3 and len({*values}) == len(values) == max(values) - min(values) + 1


def _are_choices(values: Sequence[float]) -> bool:
    return len(values) >= 3 and max(values) - min(values) < _VALUES_EACH * len(values)


def _choice(item: LiteralSite, alike: Sequence[float], rng: np.random.Generator) -> float:
    if rng.random() < _STEP:
        return item.value + (1 if rng.random() < 0.5 else -1)
    return float(rng.integers(round(min(alike)), round(max(alike)) + 1))


def _amount(sites: Targets, item: LiteralSite, alike: Sequence[float], rng: np.random.Generator) -> float:
    unit = max(alike) - min(alike) if len(alike) >= 3 else abs(item.value)
    unit = unit or abs(item.value) or unit_of([one.value for one in sites.literals if one.is_int == item.is_int])
    away = unit * 10 ** rng.uniform(_NEAREST, _FARTHEST) * rng.standard_normal()
    return item.value + ((round(away) or (1 if away > 0 else -1)) if item.is_int else away)
