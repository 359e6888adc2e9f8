"""When descriptors' ranges turn out wrong: the record that puts others in force.  Reads the search and changes nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from archive import Archive, Axis, CVTArchive, LateArchive, NoveltyArchive, Rebinned
from evolve.search.state._state import ProblemState

_LEAST = 32  # candidates with a cell, before ranges are judged by where they stand
_CUT = 0.01  # of the candidates that may stand beyond each end of a new range: one odd value must not stretch it


def next_rebinning(state: ProblemState) -> Rebinned | None:
    """Ranges that more than ``search.rebin_share`` of the candidates stand beyond are replaced by what the candidates span; those
    that somebody gave by hand stay."""
    ranges, share = state.population.ranges, state.run.config.rebin_share
    if share is None or ranges.n_placed < _LEAST:
        return None
    own = [axis.name for axis in ranges.axes if axis.name not in ranges.by_hand]
    wrong = {name for name in own if ranges.beyond.get(name, 0) > share * ranges.n_placed}
    axes = tuple(spanned(state, axis) if axis.name in wrong else axis for axis in ranges.axes)
    if axes == ranges.axes:
        return None
    moved = [(old, new) for old, new in zip(ranges.axes, axes, strict=True) if old != new]
    why = "; ".join(
        f"{ranges.beyond[old.name]} of {ranges.n_placed} candidates were beyond {old.name} {old.low:g} to {old.high:g}, "
        f"which is {new.low:g} to {new.high:g} now"
        for old, new in moved
    )
    return rebinning(state, axes, why)


def rebinning(state: ProblemState, axes: Sequence[Axis], why: str) -> Rebinned:
    """The record that puts these axes in force; it names those who held no place before and do then."""
    population = state.population
    rows, before = population.candidates, set(population.elites)
    after = [one.rebin(axes, lambda number: rows[number].descriptors) for one in population.archives]
    returned = sorted({number for one in after for number in one.cells.elites} - before)
    return Rebinned(state.problem, after[0].space, tuple(axes), why, tuple(rows[number].id for number in returned))


def spanned(state: ProblemState, axis: Axis) -> Axis:
    """The axis over what its descriptor spans, but for the outermost values; as it was where that is no range."""
    values = sorted(row.descriptors.get(axis.name, axis.low) for row in state.population.candidates if row.cell >= 0)
    cut = int(_CUT * len(values))
    low, high = values[cut], values[-1 - cut]
    if low == high:  # all stand at one place
        low, high = min(low, axis.low), max(high, axis.high)
    return Axis(axis.name, low, high, axis.bins) if math.isfinite((high - low) * axis.bins) else axis


def is_divided(archive: Archive) -> bool:
    """Whether there is more than one cell, or may be: one of ``novelty`` begins with a single one."""
    divided = archive.divided if isinstance(archive, LateArchive) else archive
    return divided is not None and (divided.n_cells != 1 or isinstance(divided, NoveltyArchive))


def has_bins(archive: Archive) -> bool:
    """Whether an archive's cells hang on the bins of its axes: those of ``cvt`` and ``novelty`` do not, nor do there have to be any
    while there is one cell."""
    divided = archive.divided if isinstance(archive, LateArchive) else archive
    return divided is not None and not isinstance(divided, CVTArchive | NoveltyArchive)
