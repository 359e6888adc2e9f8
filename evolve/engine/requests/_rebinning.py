"""A request for other ranges of a run's descriptors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from archive import Axis
from evolve._counted import counted
from evolve._errors import UsageError, suggest
from evolve._plugins import PluginBroken
from evolve.config._schema import DECLARED
from evolve.engine._proposer import Proposers
from evolve.engine.requests._external import Handled, Moment, problem_asked
from evolve.problem.contract._contract_yaml import MAX_CELLS
from evolve.problem.contract._keys import MAX_BINS
from evolve.runs._inbox import Request, body_of
from evolve.search._rebinning import has_bins, rebinning
from evolve.search._search import Search
from evolve.search.state._state import ProblemState

_FORM = "expected {0}=LOW:HIGH or {0}=LOW:HIGH:BINS with LOW below HIGH"


def rebin(search: Search, request: Request, proposers: Proposers, moment: Moment) -> Handled:
    """Put other ranges in force by hand; every candidate is placed anew.

    Raises:
        UsageError: no such descriptor, a range that is none, bins where there are none, or an archive without cells.
    """
    state, asked = problem_asked(search, body_of(request)), body_of(request).get("axes")
    if not isinstance(asked, dict) or not asked:
        raise UsageError(f"{_FORM.format('NAME')}, found no descriptor.")
    before = state.population.ranges.axes
    if not before:
        raise UsageError(f"there are no ranges to change: {_why_none(state)}.")
    binned, archive = all(map(has_bins, state.population.archives)), state.run.config.archive
    given = {name: _axis(before, name, value, archive if not binned else "") for name, value in asked.items()}
    axes = tuple(given.get(axis.name, axis) for axis in before)
    if binned and (cells := math.prod(axis.bins for axis in axes)) > MAX_CELLS:
        raise UsageError(f"expected at most {MAX_CELLS} cells in all, found {cells}; use fewer bins.")
    changed = [(old, given[old.name]) for old in before if old.name in given]
    said = (f"{new.name} is {_words(new, binned)} now, was {_words(old, binned)}" for old, new in changed)
    why = f"by hand: {'; '.join(said)}"
    try:
        record = rebinning(state, axes, why)
    except (ValueError, PluginBroken) as error:  # the second of an archive of somebody else
        raise UsageError(f"search.archive={archive} cannot take other ranges: {error}") from error
    return Handled((replace(record, request=request.id, by_hand=tuple(given)),))


def _axis(axes: tuple[Axis, ...], name: str, value: object, without_bins: str) -> Axis:
    """The axis of this name with what was asked for: low, high and, where they are named, bins; ``without_bins`` is the archive's
    name where it has none.

    Raises:
        UsageError: there is none, or that is no range.
    """
    known: Mapping[str, Axis] = {axis.name: axis for axis in axes}
    if name not in known:
        raise UsageError(
            f"expected one of {', '.join(known)}, found {name!r}; {suggest(name, known, 'evolve status RUN shows them')}"
        )
    low, high, *bins = value if isinstance(value, list) and len(value) in (2, 3) else (math.nan, math.nan)
    if not (_is_number(low) and _is_number(high) and low < high and math.isfinite(high - low)):
        raise UsageError(f"{_FORM.format(name)}, found {_found(value)}.")
    if not bins:
        return Axis(name, float(low), float(high), known[name].bins)
    if without_bins:
        raise UsageError(f"search.archive={without_bins} has no bins; type {name}={low:g}:{high:g}")
    if not isinstance(bins[0], int) or isinstance(bins[0], bool) or not 1 <= bins[0] <= MAX_BINS:
        raise UsageError(f"expected a whole number of bins from 1 to {MAX_BINS}, found {name}={_found(value)}.")
    return Axis(name, float(low), float(high), bins[0])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _found(value: object) -> str:
    return ":".join(map(str, value)) if isinstance(value, list) else repr(value)


def _words(axis: Axis, binned: bool) -> str:
    return f"{axis.low:g} to {axis.high:g}" + (f" in {counted(axis.bins, 'bin')}" if binned else "")


def _why_none(state: ProblemState) -> str:
    kind = state.run.config.descriptors
    yet = "" if kind == DECLARED else f", and no test has found yet that those of {kind} tell what children gain"
    return f"the problem declares no descriptors{yet}"
