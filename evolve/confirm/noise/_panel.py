"""The panel: who is run again at several moments of a search, to see whether programs score the same at another moment.

A warm cache, a hot neighbour, a build that landed well: every run of a vault has the same share of it, so that the standard error
of the vault is that of one run of a slow process, whatever the number of runs says.  A *panel* (the initial program and a few
others) is run twice at each of several moments of the whole search; ``_slow`` says what that shows.  What is slower than the whole
search moves little in it and is not seen.

Whoever's vault has found something is a guest of the panel from then on: the comparison is made again at every later moment
(``after``), which ``_lasting`` judges.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from evolve.confirm.noise._slow import FEWEST, Cell

MOMENTS = 6
ROUNDS = 2  # runs of a program at a moment
MOST = 12  # programs
_APART = 0.6  # of the distance that moments have on average
GUESTS = 12  # at most, beside the members


class Panel:
    """Who is run again, and what came of it."""

    def __init__(self) -> None:
        self.members: list[int] = []
        self.rounds: dict[int, int] = {}  # ticket -> which round it is
        self.began = 0  # measurements handed out when the latest moment began
        self.runs: list[tuple[int, int, float]] = []  # program, moment, score (higher is better)
        self.before: dict[int, int] = {}  # vault -> rounds that had been handed out when it opened

    def on_issued(self, ticket: int, members: list[int], evaluations: int) -> None:
        """A round was handed out after so many measurements; the first says who is on the panel."""
        self.members = self.members or members
        if len(self.rounds) % ROUNDS == 0:
            self.began = evaluations
        self.rounds[ticket] = len(self.rounds)

    def on_run_opened(self, vault: int) -> None:
        """A vault was opened."""
        self.before[vault] = len(self.rounds)

    def on_measured(self, ticket: int, number: int, score: float) -> None:
        """A run ended ok."""
        if ticket in self.rounds:
            self.runs.append((number, self.rounds[ticket] // ROUNDS, score))

    def next_to_measure(self, spent: float, evaluations: int, affordable: float) -> bool:
        """Whether a round is due once a share of the search is spent: two at each moment, the moments evenly over the whole and
        never close together, though one was late."""
        done = len(self.rounds)
        if done % ROUNDS:
            return True
        apart = done == 0 or evaluations - self.began >= _APART * affordable / MOMENTS
        return apart and done < MOMENTS * ROUNDS and spent >= (done // ROUNDS + 0.5) / MOMENTS

    def time_of(self, vault: int) -> float:
        """When a vault was opened, in moments: half a moment before the next."""
        return -(-self.before.get(vault, 0) // ROUNDS) - 0.5

    def after(self, vault: int, candidate: int, reference: int) -> list[tuple[int, Sequence[float], Sequence[float]]]:
        """Moments after a vault at which both were run: which one (1 is the next), the candidate's scores, the reference's."""
        cells, first = self._scores(), math.ceil(self.time_of(vault))
        moments = range(first, -(-len(self.rounds) // ROUNDS))
        both = [one for one in moments if (candidate, one) in cells and (reference, one) in cells]
        return [(one - first + 1, cells[candidate, one], cells[reference, one]) for one in both]

    def cells(self) -> dict[Cell, Sequence[float]]:
        """Scores by program and moment, where none is missing."""
        return {(number, (float(moment), "panel")): scores for (number, moment), scores in self._scores().items()}

    def _scores(self) -> dict[tuple[int, int], list[float]]:
        found: dict[tuple[int, int], list[float]] = {}
        for number, moment, score in self.runs:
            found.setdefault((number, moment), []).append(score)
        return {cell: scores for cell, scores in found.items() if len(scores) == ROUNDS}


def panel_size(affordable: float) -> int:
    """How many programs a budget of so many runs has on its panel, for a tenth of it at most; 0 where it cannot hold one."""
    size = int(min(0.1 * affordable / (MOMENTS * ROUNDS), MOST))
    return size if size >= FEWEST else 0
