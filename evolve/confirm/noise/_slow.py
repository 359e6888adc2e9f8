"""Memory of a program's own: how much its scores at one moment differ from those at another, beside what all programs share.

A table of cells (program, moment) with the runs made there.  With n runs in a cell, s_i the sd of a run of program i, program and
moment as factors of weighted least squares with weights n / s_i^2,

    Q = sum n (mean - fitted)^2 / s_i^2,    Q / df  is  F(df, df within)  where programs have no memory

(the test of interaction of a two-way layout with unequal numbers, Searle 1971, ch. 7).  A slow part of variance v, of which a share
``kept`` is left one moment later, adds v trace(P K) to Q = y' P y, with K = kept ** |time apart| within a program.  ``kept``
is the likeliest of a few (restricted likelihood with v free, Patterson and Thompson 1971); v is then taken with Q at its upper 95 %
bound.  What moves all programs alike is the moments' factor.  F looks alike at all that a table can show; what moves slowly shows
in y' P K P y with K at the largest ``kept``, the score test of v there (its distribution by Satterthwaite's degrees of freedom).
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
KEPT = (0.0, 0.15, 0.3, 0.45, 0.6, 0.75)  # what is slower is not told from the programs' means
# The two tests mostly agree: with this both together are as often wrong as they say (tests/confirm/noise/test_slow.py).
_TWO_LOOKS = 4 / 3
_VARIANCES = 40  # of slow parts, from a hundredth of that of a run to ten thousand times as much

Moment = tuple[float, Hashable]  # its time, the panel's moments being 1 apart; and which one it is
Cell = tuple[int, Moment]  # a program and a moment
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
    z, spread = _contrasts(cells, base)
    df, q = len(z), float(z @ z)
    if df < 1 or not math.isfinite(q):
        return None
    slow = _likeliest(z, spread, cells)
    own = math.sqrt(max(q * df / float(chdtri(df, 0.95)) - df, 0.0) / slow.size)
    p_value = min(float(fdtrc(df, inside, q / df)), float(fdtrc(slow.df, inside, slow.ratio)))
    return Memory(own * base, df, slow.kept, len(programs), len(moments), min(_TWO_LOOKS * p_value, 1.0))


def _joined(cells: Cells) -> Cells:
    """Without programs seen at one moment, and moments at which one was seen: they say nothing."""
    while True:
        rows, columns = [number for number, _ in cells], [moment for _, moment in cells]
        kept = {cell: scores for cell, scores in cells.items() if rows.count(cell[0]) > 1 and columns.count(cell[1]) > 1}
        if len(kept) == len(cells):
            return kept
        cells = kept


def _contrasts(cells: Cells, base: float) -> tuple[np.ndarray, np.ndarray]:
    """What programs and moments do not explain of the cells' means, as independent numbers of variance 1 without memory; and
    (cells x contrasts) how much of each cell is in each."""
    import numpy as np

    programs = {number: i for i, number in enumerate(dict.fromkeys(number for number, _ in cells))}
    moments = {moment: len(programs) + i for i, moment in enumerate(dict.fromkeys(moment for _, moment in cells))}
    own = _variances(cells, base)
    error = np.sqrt([own[number] / len(scores) for (number, _), scores in cells.items()])
    design = np.zeros((len(cells), len(programs) + len(moments)))
    for i, (number, moment) in enumerate(cells):
        design[i, programs[number]] = design[i, moments[moment]] = 1.0 / error[i]
    middle = mean_of([mean_of(scores) for scores in cells.values()])
    y = np.array([difference(mean_of(scores), middle) / base for scores in cells.values()])
    u, values, _ = np.linalg.svd(design)
    rest = u[:, int(np.sum(values > 1e-9 * values[0])) :]
    with np.errstate(all="ignore"):
        return rest.T @ (y / error), rest / error[:, None]


@dataclass(frozen=True, slots=True)
class _Slow:
    """The likeliest ``kept``, what a slow part of variance 1 adds to Q with it, and the score test of the slowest."""

    kept: float
    size: float
    ratio: float
    df: float


def _likeliest(z: np.ndarray, spread: np.ndarray, cells: Cells) -> _Slow:
    import numpy as np

    times = np.array([time for _, (time, _) in cells])
    same = np.equal.outer(*2 * [np.array([number for number, _ in cells])])
    apart, variances = np.abs(np.subtract.outer(times, times)), np.geomspace(0.01, 1e4, _VARIANCES)
    found = []
    for kept in KEPT:
        sizes, turn = np.linalg.eigh(spread.T @ np.where(same, kept**apart, 0.0) @ spread)
        sizes, w2 = np.maximum(sizes, 0.0), (turn.T @ z) ** 2
        total = 1.0 + np.outer(variances, sizes)
        fits = -np.sum(np.log(total) + w2 / total, axis=1)
        size = float(sizes.sum())
        found.append((float(fits.max()), -kept, _Slow(kept, size, float(sizes @ w2) / size, size**2 / float(sizes @ sizes))))
    slowest = found[-1][2]
    likeliest = max(found, key=lambda one: one[:2])[2]
    return _Slow(likeliest.kept, likeliest.size, slowest.ratio, slowest.df)


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
