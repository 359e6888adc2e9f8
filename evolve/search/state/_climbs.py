"""What the engine's own policy remembers: where its climbs stand, and what its ways of choosing parents earned.

The *main* climb stands at the best so far and drifts: a child that is as good takes its place.  An *excursion* leaves from some
program, takes a few steps whatever they cost, and then climbs by itself (iterated local search); once it stands as high as the main
climb it is that, and when it has gained nothing for a while it is given up.  How long it is granted follows the restart sequence
1, 1, 2, 1, 1, 2, 4, ... of Luby, Sinclair and Zuckerman, https://doi.org/10.1016/0020-0190(93)90029-9.
"""

from __future__ import annotations

from archive import Arm
from evolve.budget._cpu_budget import INITIAL
from evolve.select import Bandit

MAIN, EXCURSION, ARCHIVE = SELECTORS = ("main", "excursion", "archive")
NONE = -1  # no excursion is under way

_PRIORS = (1.0, 0.15, 0.15)  # of the selectors
_DISCOUNT, _FLOOR = 0.99, 0.005
_GRANT = 12  # children without a gain, times the restart sequence, after which an excursion is given up
_GAINS = 16  # of the best: an elite that is worse than the best was so many gains ago is out of reach
_LATELY = 20  # tickets of each way of choosing parents, of which it is remembered whether they gained
_MOST_KICKS = 3  # steps that an excursion takes whatever they cost: one, two, three, and again


class Climbs:
    """Where the climbs stand, as rows of the population."""

    def __init__(self) -> None:
        self.main = INITIAL
        self.excursion = NONE
        self.kicks = 0  # steps that the excursion still takes whatever they cost
        self.tried = 0  # its children since it last gained
        self.n_excursions = 0
        self.heights: list[float] = []  # scores of the last bests, the newest last
        self.lately: dict[str, list[bool]] = {name: [] for name in SELECTORS}  # whether its last tickets gained, the newest last
        self.earned = Bandit([Arm(name) for name in SELECTORS], SELECTORS, discount=_DISCOUNT, family_floor=_FLOOR, priors=_PRIORS)

    @property
    def reach(self) -> float | None:
        """The score of what was best some gains ago, higher is better: what is worse than that will hardly catch up; None while the
        best has not gained so often."""
        return self.heights[0] if len(self.heights) > _GAINS else None

    def on_refused(self, selector: str) -> None:
        """A ticket led to no program to measure: none at all, or a known one.  Where that is the rule, all around is known."""
        if selector == EXCURSION and self.excursion != NONE:
            self._on_step(NONE, None, None)
        self.learn(selector, None, made=False)

    def learn(self, selector: str, gain: float | None, *, made: bool = True) -> None:
        """What a ticket of this way of choosing parents came to: the child's gain over the best (None: it has no score); ``made``:
        whether it led to a program to measure."""
        self.earned.learn(SELECTORS.index(selector), gain, 1.0, made=made)
        self.lately[selector] = [*self.lately[selector], gain is not None and gain > 0][-_LATELY:]

    def begin(self, start: int) -> None:
        """An excursion leaves from ``start``."""
        self.excursion, self.kicks, self.tried = start, 1 + self.n_excursions % _MOST_KICKS, 0
        self.n_excursions += 1

    def on_child(
        self,
        number: int,
        score: float | None,
        *,
        main: float | None,
        excursion: float | None,
        selector: str,
        must_gain: bool = False,
    ) -> None:
        """It is known what became of a child; ``main`` and ``excursion`` are the scores of where the climbs stand.
        ``must_gain``: it must be better to take a place."""
        if selector == EXCURSION and self.excursion != NONE:
            is_for_nothing = must_gain and score is not None and excursion is not None and score <= excursion
            self._on_step(number, None if is_for_nothing else score, excursion)
        if score is None or (main is not None and (score < main or (must_gain and score == main))):
            return
        self.main = number
        if main is None or score > main:
            self.heights = [*self.heights, score][-_GAINS - 1 :]
        if selector == EXCURSION:
            self.excursion = NONE

    def _on_step(self, number: int, score: float | None, before: float | None) -> None:
        """A child of the excursion, which stands at ``before``."""
        self.tried += 1
        taken = score is not None and (self.kicks > 0 or before is None or score >= before)
        if taken and (self.kicks > 0 or before is None or (score is not None and score > before)):
            self.tried = 0
        if taken:
            self.excursion, self.kicks = number, max(self.kicks - 1, 0)
        if self.tried >= _GRANT * luby(self.n_excursions):
            self.excursion = NONE


def luby(n: int) -> int:
    """The n-th member, from 1, of 1, 1, 2, 1, 1, 2, 4, 1, 1, 2, 1, 1, 2, 4, 8, ..."""
    while n + 1 != 1 << n.bit_length():
        n -= (1 << (n.bit_length() - 1)) - 1
    return 1 << (n.bit_length() - 1)
