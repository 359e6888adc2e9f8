"""What measurements of relatives say of a program: a Gaussian model over the tree of descent.

A child is its parent with a change, so it is worth what the parent is worth and a little more or less: a measurement of one is half
a measurement of the other.  Most changes are small against the noise and a few are not, such as those that break a program, so a
step is drawn from a narrow or from a wide distribution; which of the two is judged from what was measured, and so is which
measurements are wild (``_wild.py``).  Given that, means and variances are exact: what is below each program is gathered, then
handed down (belief propagation: Pearl 1988, *Probabilistic reasoning in intelligent systems*; on trees of Gaussians Chou, Willsky
and Benveniste 1994, https://doi.org/10.1109/9.280746).

A measurement changes what is gathered on the way to the root, and nothing else; what is handed down is worked out for whom somebody
asks about.  Once one measurement in twenty is new everybody is judged again; until then of a program with many measurements only
the newest is judged.  So a measurement costs about as much as the line of descent is long, however many programs and measurements
there are.  Scores are finite, below 1e150.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from statistics import median

from evolve.select._wild import NOTHING, Known, far_off, is_alone, judged, narrow_step, weight_of

_RENEWED = 0.05  # of the measurements are new when everybody is judged again
_MANY = 256  # measurements and children, beyond which one more is judged by itself until all are judged again
_KEPT = 32  # who may be best until then, beside who is new or measured again
_FARTHEST = 1e100  # standard deviations of the noise: what is further off counts as this far, so that squares are numbers
_TRIMMED = 5.2  # times the median difference of two runs of one program: 3.5 sd, beyond which a pair says nothing of the noise
_RUNS_PAIRED = 32  # of one program, the newest

Message = tuple[float, float]  # precision, and precision times mean


class Lineage:
    """Measurements of programs and of whom they descend from.  Deterministic: everything follows from the order of the calls."""

    def __init__(self) -> None:
        self.rows: dict[int, int] = {}  # number of a program -> its row
        self.numbers: list[int] = []
        self.parents: list[int] = []  # row of each one's parent, which comes before it; -1 of one that descends from none
        self.children: list[list[int]] = []
        self.scores: list[list[float]] = []  # none of one that failed
        self.own: list[Message] = []
        self.below: list[Message] = []  # own measurements and those of all descendants
        self.up: list[Message] = []  # what of that is told to the parent
        self.steps: list[float] = []  # precision of the step from the parent
        self.far: dict[int, list[float]] = {}  # row -> those of its measurements that are wild for certain
        self.narrow = 1.0  # variance of a narrow step; in units of the noise, as all of these
        self.unit = 0.0  # standard deviation of the noise; 0 while unknown
        self.count = 0
        self.due = 1
        self.contenders: list[int] = []  # rows, of which one is best
        self._foremost: list[int] | None = None  # until something changes
        self._handed: dict[int, Message] = {}  # row -> what is handed down to it, until something changes

    def __contains__(self, number: int) -> bool:
        return number in self.rows and bool(self.scores[self.rows[number]])

    def add(self, number: int, ancestors: Iterable[int], score: float) -> None:
        """One measurement; ``ancestors`` of the program along first parents, the nearest first."""
        if number not in self.rows:
            self.rows[number] = len(self.numbers)
            parent = next((self.rows[one] for one in ancestors if one in self.rows), -1)
            self.numbers.append(number)
            self.parents.append(parent)
            self.children.append([])
            self.scores.append([])
            if parent >= 0:
                self.children[parent].append(self.rows[number])
            for messages in (self.own, self.below, self.up):
                messages.append((0.0, 0.0))
            self.steps.append(0.0)
        row = self.rows[number]
        self.scores[row].append(score)
        self.count += 1
        if self.count >= self.due or (self.unit <= 0.0 and len(self.scores[row]) > 1):
            self._judge_all()
            return
        if self.unit > 0.0:
            self._judge(row, newest=True)
            if (parent := self.parents[row]) >= 0 and 2.0 * self.steps[row] * self.narrow < 1.0:
                self._judge(parent, newest=False)  # so far from each other: perhaps the parent's measurement is wild
        if row not in self.contenders:
            self.contenders.append(row)
        self._forget_asked()

    def forget(self, number: int) -> None:
        """A program failed: what was measured of it says nothing any more."""
        if number not in self:
            return
        row = self.rows[number]
        self.scores[row] = []
        self.far.pop(row, None)
        self._set_own(row, (0.0, 0.0))
        self._tell_up(row)
        self.contenders = [one for one in self.contenders if one != row]
        self._forget_asked()
        if not self.contenders:
            self._judge_all()

    def of(self, number: int) -> tuple[float, float]:
        """Mean and standard deviation of what a program is worth, given all measurements.

        Raises:
            KeyError: it has none.
        """
        if number not in self:
            raise KeyError(number)
        return self._known(self.rows[number])

    def far_off(self, number: int) -> list[float]:
        """The measurements of a program that are no part of what people are shown of it: wild for certain, and not most of them."""
        return self.far.get(self.rows.get(number, -1), [])

    def typical(self, number: int) -> tuple[float, float]:
        """Mean and standard deviation by a program's other measurements alone; where there are none, by its relatives.

        Raises:
            KeyError: it has none at all.
        """
        if number not in self:
            raise KeyError(number)
        far = set(self.far_off(number))
        rest = [score for score in self.scores[self.rows[number]] if score not in far]
        return (math.fsum(rest) / len(rest), self.unit / math.sqrt(len(rest))) if rest else self.of(number)

    @property
    def best(self) -> int:
        """Who is worth most; the first program where nobody has a score."""
        return next(iter(self.foremost), 0)

    @property
    def standing(self) -> int:
        """The best; where measurements were wild already, of those for whom not one measurement alone speaks that may be so too."""
        if not self.far or self.best not in self or not self._is_alone(self.rows[self.best]):
            return self.best
        others = [row for row in self.contenders if not self._is_alone(row)]
        return self.numbers[max(others, key=lambda row: (self._known(row)[0], -row))] if others else self.best

    @property
    def foremost(self) -> list[int]:
        """The best, and who is behind it by less than its standard deviation; the best first."""
        if self._foremost is None:
            known = sorted(((*self._known(row), self.numbers[row]) for row in self.contenders), key=lambda one: (-one[0], one[2]))
            self._foremost = [number for mean, _, number in known if mean >= known[0][0] - known[0][1]]
        return self._foremost

    # ------------------------------------------------------------------------------------------------ inside

    def _forget_asked(self) -> None:
        self._foremost, self._handed = None, {}

    def _is_alone(self, row: int) -> bool:
        if len(self.scores[row]) > 1:
            return False
        relatives = (self._above(row, self._handed), *(self.below[child] for child in self.children[row]))
        return is_alone(self._scaled(self.scores[row][0]), [one for told in relatives if (one := _as_known(told))], self.narrow)

    def _known(self, row: int) -> tuple[float, float]:
        if self.unit <= 0.0:
            return math.fsum(self.scores[row]) / len(self.scores[row]), 0.0
        (weight, pull), (more, pull_down) = self.below[row], self._hand_down(row, self._handed)
        if weight + more <= NOTHING:  # all of it is wild
            return median(self.scores[row]), self.unit
        return (pull + pull_down) / (weight + more) * self.unit, self.unit / math.sqrt(weight + more)

    def _hand_down(self, row: int, handed: dict[int, Message]) -> Message:
        """What is known of a program but by itself and its descendants; ``handed`` keeps what is handed down to whom."""
        way = []
        while row >= 0 and row not in handed:
            way.append(row)
            row = self.parents[row]
        for row in reversed(way):
            handed[row] = through(self._but(row, handed), self.steps[row])
        return handed[row]

    def _above(self, row: int, handed: dict[int, Message]) -> Message:
        """What is known of a program's parent but through this one."""
        if (parent := self.parents[row]) >= 0:
            self._hand_down(parent, handed)
        return self._but(row, handed)

    def _but(self, row: int, handed: dict[int, Message]) -> Message:
        """The same, where it is known what is handed down to the parent."""
        if (parent := self.parents[row]) < 0:
            return 0.0, 0.0
        (weight, pull), (ours, our_pull), (more, pull_down) = self.below[parent], self.up[row], handed[parent]
        return weight - ours + more, pull - our_pull + pull_down

    def _judge(self, row: int, *, newest: bool) -> None:
        """Judge one program after a measurement of it, or of a child far from it, and tell all it descends from."""
        above = self._above(row, self._handed)
        if len(self.scores[row]) + len(self.children[row]) <= _MANY:
            self._judge_given(row, above)
        elif newest:
            self._count_newest(row, above)
        self._tell_up(row)
        self._forget_asked()

    def _count_newest(self, row: int, above: Message) -> None:
        """Judge the newest of many measurements by all that is known; those before it wait until all are judged again."""
        score = self._scaled(self.scores[row][-1])
        (weight, pull), (more, pull_down), (own, own_pull) = self.below[row], through(above, self.steps[row]), self.own[row]
        counts = 1.0
        if (known := _as_known((weight + more, pull + pull_down))) is not None:
            counts = weight_of(score - known[0], known[1], self.narrow)
            if far_off([score], [counts], None, [known]):
                self.far.setdefault(row, []).append(self.scores[row][-1])
        self._set_own(row, (own + counts, own_pull + counts * score))

    def _judge_given(self, row: int, above: Message) -> None:
        """What a program's measurements count, and how wide the step to it was."""
        if not self.scores[row]:
            return
        scores = [self._scaled(score) for score in self.scores[row]]
        below = [known for child in self.children[row] if (known := _as_known(self.below[child])) is not None]
        told = _as_known(above)
        weights, self.steps[row] = judged(scores, told, below, self.narrow)
        self._set_own(row, (math.fsum(weights), math.fsum(one * score for one, score in zip(weights, scores, strict=True))))
        self.far.pop(row, None)
        if far := far_off(scores, weights, told, below):
            self.far[row] = [self.scores[row][i] for i in far]

    def _scaled(self, score: float) -> float:
        return max(-_FARTHEST, min(_FARTHEST, score / self.unit))

    def _set_own(self, row: int, own: Message) -> None:
        (before, pull_before), (weight, pull) = self.own[row], self.below[row]
        self.below[row] = weight - before + own[0], pull - pull_before + own[1]
        self.own[row] = own

    def _tell_up(self, row: int) -> None:
        """What is known of a program has changed: all it descends from hear of it."""
        while (parent := self.parents[row]) >= 0:
            (before, pull_before), self.up[row] = self.up[row], through(self.below[row], self.steps[row])
            (weight, pull), (now, pull_now) = self.below[parent], self.up[row]
            self.below[parent] = weight - before + now, pull - pull_before + pull_now
            row = parent

    def _judge_all(self) -> None:
        """All judgements anew, from the roots to the leaves, and who may be best."""
        self._forget_asked()
        self.due = self.count + math.ceil(_RENEWED * self.count)
        before, self.unit = self.unit, noise_sd(self.scores)
        if self.unit > 0.0:
            if before <= 0.0:
                self._gather(0.0)
            elif before != self.unit:
                self._gather(before / self.unit)
            self.narrow = narrow_step(self._gaps())
            handed: dict[int, Message] = {}
            for row in range(len(self.numbers)):
                above = self._but(row, handed)
                self._judge_given(row, above)
                handed[row] = through(above, self.steps[row])
            self._gather(1.0)
        alive = [row for row, scores in enumerate(self.scores) if scores]
        self.contenders = heapq.nlargest(_KEPT, alive, key=lambda row: (self._known(row)[0], -row))

    def _gaps(self) -> list[Known]:
        """How far each program was from its parent when measured, and the variance of that."""
        means = [self._scaled(median(scores) if len(scores) > 1 else scores[0]) if scores else 0.0 for scores in self.scores]
        counts = [len(scores) for scores in self.scores]
        ends = [(row, parent) for row, parent in enumerate(self.parents) if parent >= 0 and counts[row] and counts[parent]]
        return [(means[row] - means[parent], 1.0 / counts[row] + 1.0 / counts[parent]) for row, parent in ends]

    def _gather(self, scale: float) -> None:
        """What is below each program from its own measurements, which are so many times what they were: another unit."""
        self.own = [(weight, scale * pull) for weight, pull in self.own]
        self.below = list(self.own)
        for row in range(len(self.numbers) - 1, -1, -1):
            self.up[row] = through(self.below[row], self.steps[row])
            if (parent := self.parents[row]) >= 0:
                (weight, pull), (more, pull_up) = self.below[parent], self.up[row]
                self.below[parent] = weight + more, pull + pull_up


def through(known: Message, precision: float) -> Message:
    """What is known of one end of a step by what is known of the other."""
    weight, pull = known
    if weight <= NOTHING or precision <= 0.0:
        return 0.0, 0.0
    part = precision / (weight + precision)
    return weight * part, pull * part


def _as_known(message: Message) -> Known | None:
    """None where nothing is known.  No mean is further off than a score can be, whatever is left of the sums of such scores."""
    weight, pull = message
    return (max(-_FARTHEST, min(_FARTHEST, pull / weight)), 1.0 / weight) if weight > NOTHING else None


def noise_sd(scores: Iterable[Sequence[float]]) -> float:
    """Standard deviation of one measurement, by pairs of one program; those that differ far more than half of all do count for
    nothing.  0 while nobody was measured twice."""
    pairs: list[tuple[float, float]] = []  # difference, and what it counts: n - 1 a program in all
    for runs in scores:
        newest = runs[-_RUNS_PAIRED:]
        pairs += [(abs(one - other), 2.0 / len(newest)) for i, one in enumerate(newest) for other in newest[:i]]
    far = (_TRIMMED * median(difference for difference, _ in pairs) if pairs else 0.0) or math.inf
    near = [(difference, weight) for difference, weight in pairs if difference <= far]
    largest = max((difference for difference, _ in near), default=0.0)  # in whose units squares are numbers
    if largest <= 0.0:
        return 0.0
    squares = math.fsum(0.5 * (one / largest) ** 2 * weight for one, weight in near)
    return largest * math.sqrt(squares / math.fsum(weight for _, weight in near))
