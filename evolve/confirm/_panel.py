"""Whether programs score the same at another moment: memory of a program's own, which no vault at one moment can see.

A warm cache, a hot neighbour, a build that landed well: every run of a vault has the same share of it, so that the standard error
of the vault is that of one run of a slow process, whatever the number of runs says.  A *panel* (the seed program and a few others)
is run twice at each of several moments of the whole search.  With y the mean of a program's runs at a moment, R programs, G moments
and 2 runs a cell, the two-way layout

    resid = y - (program's mean) - (moment's mean) + (mean),  MS = 2 sum resid^2 / ((R - 1) (G - 1)),  MS0 = variance within cells

takes out what moves all programs alike; under no memory MS / MS0 is F.  Where that is significant, (MS - MS0) / 2 estimates the
variance of a program's own slow part (one-way random effects in each row); it is taken with MS at its upper 95 % bound, for moments
are not quite independent.  A comparison made at one moment has twice that added to its variance.  What is slower than the whole
search moves little in it and is not seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from archive import difference, mean_of

MOMENTS = 6
ROUNDS = 2  # runs of a program at a moment
FEWEST, MOST = 4, 12  # programs
MIN_MOMENTS = 3
_APART = 0.6  # of the distance that moments have on average
LEVEL = 0.15  # of the F test; a low bar: what it costs is claims, what a high one costs is truth


@dataclass(frozen=True, slots=True)
class Memory:
    """Upper 95 % bound of the sd of programs' own slow parts, the degrees of freedom of that, and what it was seen in."""

    sd: float
    df: int
    programs: int
    moments: int


class Panel:
    """Who is run again, and what came of it."""

    def __init__(self) -> None:
        self.members: list[int] = []
        self.rounds: dict[int, int] = {}  # ticket -> which round it is
        self.began = 0  # measurements handed out when the latest moment began
        self.runs: list[tuple[int, int, float]] = []  # program, moment, score (higher is better)

    def issued(self, ticket: int, members: list[int], evaluations: int) -> None:
        """A round was handed out after so many measurements; the first says who is on the panel."""
        self.members = self.members or members
        if len(self.rounds) % ROUNDS == 0:
            self.began = evaluations
        self.rounds[ticket] = len(self.rounds)

    def measured(self, ticket: int, number: int, score: float) -> None:
        """A run ended ok."""
        if ticket in self.rounds:
            self.runs.append((number, self.rounds[ticket] // ROUNDS, score))

    def due(self, spent: float, evaluations: int, affordable: float) -> bool:
        """Whether a round is due once a share of the search is spent: two at each moment, the moments evenly over the whole and
        never close together, though one was late."""
        done = len(self.rounds)
        if done % ROUNDS:
            return True
        apart = done == 0 or evaluations - self.began >= _APART * affordable / MOMENTS
        return apart and done < MOMENTS * ROUNDS and spent >= (done // ROUNDS + 0.5) / MOMENTS

    def memory(self) -> Memory | None:
        """What the runs so far show; None where they show nothing."""
        from scipy.special import chdtri, fdtrc

        cells: dict[tuple[int, int], list[float]] = {}
        for number, moment, score in self.runs:
            cells.setdefault((number, moment), []).append(score)
        full = {cell: scores for cell, scores in cells.items() if len(scores) == ROUNDS}
        moments = sorted({moment for _, moment in full})
        programs = [number for number in self.members if all((number, moment) in full for moment in moments)]
        rows, columns = len(programs), len(moments)
        if rows < FEWEST or columns < MIN_MOMENTS:
            return None
        y = [[mean_of(full[number, moment]) for moment in moments] for number in programs]
        within = [difference(*full[number, moment]) for number in programs for moment in moments]
        base = math.hypot(*within) / math.sqrt(2.0 * rows * columns)
        df = (rows - 1) * (columns - 1)
        found = math.hypot(*_residuals(y)) * math.sqrt(ROUNDS / df)
        if not 0.0 < base < math.inf or not found < math.inf or float(fdtrc(df, rows * columns, (found / base) ** 2)) >= LEVEL:
            return None
        most = found * math.sqrt(df / float(chdtri(df, 0.95)))
        return Memory(most * math.sqrt(max(1.0 - (base / most) ** 2, 0.0) / ROUNDS), df, rows, columns)


def panel_size(affordable: float) -> int:
    """How many programs a budget of so many runs has on its panel, for a tenth of it at most; 0 where it cannot hold one."""
    size = int(min(0.1 * affordable / (MOMENTS * ROUNDS), MOST))
    return size if size >= FEWEST else 0


def _residuals(y: list[list[float]]) -> list[float]:
    """What is left of a table without its rows' and columns' means."""
    rows = [mean_of(row) for row in y]
    columns = [mean_of(column) for column in zip(*y, strict=True)]
    mean = mean_of(rows)
    return [
        difference(difference(one, row), difference(column, mean))
        for row, line in zip(rows, y, strict=True)
        for one, column in zip(line, columns, strict=True)
    ]
