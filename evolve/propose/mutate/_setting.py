"""Settings of a script moved as far as matters: a factor, another place of the declared range, a switch thrown.

A training run is dear and its score scatters, so a step that is too small to be seen is a run wasted.  Whoever tunes such a script
by hand halves and doubles.  Only what is given to a name, an argument or a key is moved, not the numbers within expressions.
"""

from __future__ import annotations

import ast
import math
from typing import TYPE_CHECKING

from archive import ProposalStatus
from evolve.propose._operator import Proposal, ProposalTask
from evolve.propose._python import Edit, apply_edits
from evolve.propose._scope import is_editable
from evolve.propose.mutate._bounds import bounds_at, within
from evolve.propose.mutate._drafts import Draft, drafted
from evolve.propose.mutate._literals import short_name, write
from evolve.propose.mutate._numbers import LiteralSite, may_hold_numbers
from evolve.propose.mutate._sites import Targets, sites_of
from evolve.propose.mutate._specs import SETTING
from evolve.propose.mutate._substitutions import strings_like

if TYPE_CHECKING:
    import numpy as np

_FACTORS = (0.25, 0.5, 2 / 3, 1.5, 2.0, 4.0)
_CHANCES = (0.1, 0.2, 0.2, 0.2, 0.2, 0.1)
_ANYWHERE = 0.5  # chance that a number with a range goes anywhere in it
_SECOND = 0.3  # chance that a second setting moves too

_Place = tuple[str, Targets, "LiteralSite | ast.Constant"]


class Setting:
    """Moves one setting of the first parent, sometimes two: numbers by a factor or within their range, switches, named choices."""

    spec = SETTING

    def propose(self, task: ProposalTask, rng: np.random.Generator) -> Proposal:
        """A child of the first parent, or ``INVALID`` when eight draws gave none."""
        if not task.parents:
            return Proposal(ProposalStatus.INVALID, reason="settings are moved in one parent; found none.")
        places = _settings(task)
        return drafted(task, lambda: _draft(task, places, rng), "no setting that may move")


def _settings(task: ProposalTask) -> list[_Place]:
    parent = task.parents[0]
    found: list[_Place] = []
    for path in sorted(parent):
        if not (may_hold_numbers(path) and is_editable(path, task.scope)):
            continue
        sites = sites_of(path, parent[path])
        alone = [one for one in sites.literals if one.is_given and one.group == (one.start, one.end)]
        given = {id(node.value) for node in ast.walk(sites.parsed.tree or ast.Module([], [])) if isinstance(node, ast.Assign)}
        switches = [one for one in (*sites.booleans, *sites.strings) if id(one) in given]
        found += [(path, sites, one) for one in alone] + [(path, sites, one) for one in switches]
    return found


def _draft(task: ProposalTask, places: list[_Place], rng: np.random.Generator) -> Draft | None:
    if not places:
        return None
    files, said = dict(task.parents[0]), []
    n = 2 if len(places) > 1 and rng.random() < _SECOND else 1
    chosen = [places[int(i)] for i in rng.choice(len(places), n, replace=False)]
    for path in dict.fromkeys(path for path, _, _ in chosen):
        moved = [_moved(sites, one, rng) for where, sites, one in chosen if where == path]
        edits = [edit for edit, _ in filter(None, moved)]
        said += [f"{words} ({path})" for _, words in filter(None, moved)]
        files[path] = apply_edits(files[path], edits)
    return (files, "; ".join(said)) if said else None


def _moved(sites: Targets, one: LiteralSite | ast.Constant, rng: np.random.Generator) -> tuple[Edit, str] | None:
    """The edit, and what it does in words; None where the draw leads nowhere."""
    text = sites.parsed.text
    if isinstance(one, LiteralSite):
        value = _value(text, one, rng)
        if value is None or value == one.value:
            return None
        edit = write(text, one, value, is_int=one.is_int)
        return edit, f"{short_name(one.path)} {text[one.start : one.end]} -> {edit.text}"
    start, end = sites.parsed.span(one)
    others = [repr(not one.value)] if isinstance(one.value, bool) else [repr(other) for other in strings_like(str(one.value))]
    if not others:
        return None
    other = others[int(rng.integers(len(others)))]
    return Edit(start, end, other), f"{text[start:end]} -> {other}, line {one.lineno}"


def _value(text: str, item: LiteralSite, rng: np.random.Generator) -> float | None:
    """Another value of a number, of its kind and within its range."""
    bounds = bounds_at(text, item.end)
    if bounds is not None and bounds[2] != "off" and rng.random() < _ANYWHERE:
        low, high, scale = bounds
        wide = scale == "log" and low > 0
        value = math.exp(rng.uniform(math.log(low), math.log(high))) if wide else float(rng.uniform(low, high))
    else:
        factor = _FACTORS[int(rng.choice(len(_FACTORS), p=_CHANCES))]
        value = item.value * factor
        if not item.is_int and 0.5 < item.value < 1 and (1 - item.value) * factor < 1:  # a share, a momentum, a decay
            value = 1 - (1 - item.value) * factor
    if item.is_int and round(value) == item.value:
        value = item.value + (1 if value >= item.value else -1)
    kept = within(text, item.end, value if item.is_int else float(f"{value:.3g}"), is_int=item.is_int)
    return None if kept is None else float(round(kept)) if item.is_int else kept
