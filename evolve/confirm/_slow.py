"""Memory of a program's own: how much its scores at one moment differ from those at another, beside what all programs share.

A table of cells (program, moment) with the runs made there.  With n runs in a cell, s_i the sd of a run of program i, program and
moment as factors of weighted least squares with weights n / s_i^2,

    Q = sum n (mean - fitted)^2 / s_i^2,    Q / df  is  F(df, df within)  where programs have no memory

(the test of interaction of a two-way layout with unequal numbers, Searle 1971, ch. 7).  A slow part of variance v adds v trace(P)
to Q, where Q = y' P y; v is taken with Q at its upper 95 % bound.  What moves all programs alike is the moments' factor.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archive import difference, mean_of, sd_of
from evolve.confirm._evidence import PRIOR_DF, shrunk_variance

if TYPE_CHECKING:
    import numpy as np

FEWEST = 4  # programs
MIN_MOMENTS = 3

Cell = tuple[int, Hashable]  # a program, a moment; the panel's moments are whole numbers
Cells = Mapping[Cell, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Memory:
    """Upper 95 % bound of the sd of programs' own slow parts, its degrees of freedom, how much of a slow part is left one of the
    panel's moments later (0 to 1), how many programs and moments all that is from, and the probability of it without memory."""

    sd: float
    df: int
    kept: float
    programs: int
    moments: int
    p_value: float


def memory(cells: Cells) -> Memory | None:
    """What such runs show; None where they are too few, or all alike, or out of the range of squares."""
    from scipy.special import chdtri, fdtrc

    cells = _joined({cell: scores for cell, scores in cells.items() if len(scores) > 1})
    programs, moments = {number for number, _ in cells}, {moment for _, moment in cells}
    if len(programs) < FEWEST or len(moments) < MIN_MOMENTS:
        return None
    inside = sum(len(scores) - 1 for scores in cells.values())
    base = math.hypot(*(sd_of(scores) * math.sqrt(len(scores) - 1) for scores in cells.values())) / math.sqrt(inside)
    if not 0.0 < base < math.inf:
        return None
    table = _Table.of(cells, base)
    q, trace, df = table.q, table.trace, table.df
    if df < 1 or trace <= 0.0 or not math.isfinite(q):
        return None
    own = math.sqrt(max(q / float(chdtri(df, 0.95)) - 1.0, 0.0) * df / trace)
    kept = _kept(cells, table, own)
    return Memory(own * base, df, kept, len(programs), len(moments), float(fdtrc(df, inside, q / df)))


def _joined(cells: Cells) -> Cells:
    """Without programs seen at one moment, and moments at which one was seen: they say nothing."""
    while True:
        rows, columns = [number for number, _ in cells], [moment for _, moment in cells]
        kept = {cell: scores for cell, scores in cells.items() if rows.count(cell[0]) > 1 and columns.count(cell[1]) > 1}
        if len(kept) == len(cells):
            return kept
        cells = kept


@dataclass(frozen=True, slots=True)
class _Table:
    """Weighted least squares of the cells' means, in units of the sd within: what is left of each, and what that comes to."""

    left: np.ndarray  # a cell each
    variance: np.ndarray  # of each cell's mean without memory
    q: float
    trace: float
    df: int

    @staticmethod
    def of(cells: Cells, base: float) -> _Table:
        import numpy as np

        programs = {number: i for i, number in enumerate(dict.fromkeys(number for number, _ in cells))}
        moments = {moment: len(programs) + i for i, moment in enumerate(dict.fromkeys(moment for _, moment in cells))}
        means = [mean_of(scores) for scores in cells.values()]
        middle = mean_of(means)
        y = np.array([difference(one, middle) / base for one in means])
        design = np.zeros((len(cells), len(programs) + len(moments)))
        for i, (number, moment) in enumerate(cells):
            design[i, programs[number]] = design[i, moments[moment]] = 1.0
        own = _variances(cells, base)
        variance = np.array([own[number] / len(scores) for (number, _), scores in cells.items()])
        with np.errstate(all="ignore"):
            root = design / np.sqrt(variance)[:, None]
            u, values, _ = np.linalg.svd(root, full_matrices=False)
            u = u[:, values > 1e-9 * values[0]]
            z = y / np.sqrt(variance)
            left = z - u @ (u.T @ z)
            trace = float(np.sum((1.0 - np.sum(u * u, axis=1)) / variance))
            return _Table(left * np.sqrt(variance), variance, float(left @ left), trace, len(cells) - u.shape[1])


def _variances(cells: Cells, base: float) -> dict[int, float]:
    """Variance of one run of each program, shrunk towards that of all, in units of it; a little more where it is from few runs, so
    that the mean of 1 / variance is right."""
    found: dict[int, tuple[int, float]] = {}
    for (number, _), scores in cells.items():
        n, m2 = found.get(number, (1, 0.0))
        found[number] = n + len(scores) - 1, min(m2 + (sd_of(scores) / base) ** 2 * (len(scores) - 1), 1e300)
    return {
        number: shrunk_variance(n, m2, 1.0) * (1.0 + 2.0 * (n - 1) / (PRIOR_DF + n - 1) ** 2) for number, (n, m2) in found.items()
    }


def _kept(cells: Cells, table: _Table, own: float) -> float:
    """Correlation of slow parts of that sd at two moments of the panel next to each other: their variogram at one step."""
    place = {cell: i for i, cell in enumerate(cells)}
    pairs = [
        (i, place[number, moment + 1])
        for (number, moment), i in place.items()
        if isinstance(moment, int) and (number, moment + 1) in place
    ]
    if own <= 0.0 or not pairs:
        return 0.0
    moved = math.fsum((table.left[j] - table.left[i]) ** 2 for i, j in pairs) / len(pairs)
    share = table.df / len(cells)  # of the variance that the fit has left
    noise = math.fsum(table.variance[i] + table.variance[j] for i, j in pairs) / len(pairs)
    return min(max(1.0 - (moved / share - noise) / (2.0 * own * own), 0.0), 1.0)
