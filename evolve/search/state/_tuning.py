"""The constant tuner's place in the search: one program is tuned at a time, in depth, and the tuner learns from the leader.

A tuner is opened on a program by a propose ticket and then hands out samples.  When a program that is not the tuner's leads,
another ticket lists its literals: if they are the same ones, that is where the tuner's next restart begins; if not, and it leads by
enough, a tuner is opened on that program which inherits what was learnt about the literals that survive.  A tuner that
stagnates restarts around its best while that gains, else from where it began; after a few restarts the next is opened elsewhere.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from archive import Literal, TunerSample, difference, is_better
from evolve.search.state._population import Population
from evolve.search.state._tuner_course import LOOK_BACK, TunerCourse
from evolve.select import Tuner, inherit, open_tuner, tunable

MAX_RESTARTS = 8
_Z_DIGITS = 4  # of a standard normal draw: more would only lengthen the journal


class TunerSession:
    """The tuner in hand and what it waits for."""

    def __init__(self) -> None:
        self.tuner: Tuner | None = None
        self.ticket = -1  # that opened it
        self.base = -1  # row of the program whose literals it moves
        self.course = TunerCourse()
        self.opening = False
        self.exhausted: set[int] = set()  # bases on which a tuner has nothing left to gain, or which have nothing to tune
        self.seen: set[int] = set()  # leaders that were looked at
        self.issued: tuple[TunerSample, ...] = ()  # of one generation, in the order of their tickets
        self.in_flight: dict[int, TunerSample] = {}  # row of the child -> its sample
        self.duplicates_in_flight: dict[
            int, list[TunerSample]
        ] = {}  # row of a child in flight -> samples that gave the same program

    @property
    def can_sample(self) -> bool:
        """Whether the tuner in hand can hand out a sample."""
        return self.tuner is not None and not self.opening

    @property
    def best(self) -> float | None:
        """The best score told to the tuner in hand, higher is better."""
        return self.tuner.best[1] if self.tuner is not None and self.tuner.best is not None else None

    @property
    def is_gaining(self) -> bool:
        """Whether the tuner in hand may still be learning."""
        return self.tuner is None or self.course.is_gaining(self.tuner.history)

    def literals_of(self, sample: TunerSample | None) -> tuple[Literal, ...]:
        """What a sample's values stand for; nothing when its tuner is no longer in hand."""
        return self.tuner.literals if self.tuner is not None and sample is not None and sample.tuner == self.ticket else ()

    def should_reopen_on(self, row: int, population: Population) -> bool:
        """Whether to look at a program that leads: it is not of this tuner, which has had a generation of its own and knows nothing
        as good."""
        if self.tuner is None or row == self.base or row in self.seen or row in self.exhausted:
            return False
        found, score, best = population.candidates[row], population.worth(row), self.best
        if score is None or (best is not None and not is_better(score, best)):
            return False
        return found.measured_cold and found.tuner != self.ticket and self.tuner.told_count >= self.tuner.population

    def is_exhausted(self, row: int) -> bool:
        """Whether there is nothing left to gain from tuning this program."""
        return row in self.exhausted

    def draw(self, rng: np.random.Generator) -> TunerSample:
        """A sample of the tuner in hand.

        Raises:
            RuntimeError: there is no tuner; ask ``can_sample`` first.
        """
        if self.tuner is None:
            raise RuntimeError("draw was called without a tuner; ask can_sample first.")
        before = [sample.z for sample in self.issued if sample.generation == self.tuner.generation]
        z = tuple(round(one, _Z_DIGITS) for one in self.tuner.turned(rng.standard_normal(self.tuner.n).tolist(), before))
        values, generation = self.tuner.sample(z)
        return TunerSample(self.ticket, generation, z, values)

    def on_opened(self, ticket: int, base: int, literals: tuple[Literal, ...], population: Population) -> None:
        """A propose ticket found literals to tune in ``base``: they become a point for the tuner in hand, or a tuner of their own.

        A program with the same literals is where the next restart begins.  One with others replaces the base if it leads by more
        than the tuner has gained over its last generations: a smaller lead it will make up by itself, and moving costs momentum.
        """
        self.opening = False
        self.seen.add(base)
        if not literals or not all(map(tunable, literals)):  # of a journal that another version wrote
            self.exhausted.add(base)
            return
        tuner, score = self.tuner, population.worth(base)
        if tuner is not None and [literal.path for literal in literals] == [literal.path for literal in tuner.literals]:
            self.tuner = tuner if score is None else tuner.hint([literal.value for literal in literals], score)
        elif tuner is None or (score is not None and self._is_overtaken(tuner, score)):
            self.tuner = open_tuner(literals) if tuner is None else inherit(tuner, literals)
            paths = tuple(literal.path for literal in literals)
            again = paths == self.course.paths  # the tuner before had the same numbers, and nothing left to gain
            self.course = replace(self.course, is_anew=True) if again else TunerCourse(paths, score)
            self.ticket, self.base = ticket, base
            self.issued = ()
            self.in_flight.clear()
            self.duplicates_in_flight.clear()

    def _is_overtaken(self, tuner: Tuner, score: float) -> bool:
        bests = [best for best in tuner.history[-LOOK_BACK:] if best is not None]
        if tuner.best is None or not bests:
            return True
        return is_better(score, tuner.best[1]) and difference(score, tuner.best[1]) > difference(max(bests), bests[0])

    def on_refused(self, base: int) -> None:
        """There is nothing to tune in ``base``."""
        self.opening = False
        self.exhausted.add(base)

    def on_issued(self, sample: TunerSample) -> None:
        """A ticket with a sample was handed out: what is drawn next in its generation looks elsewhere."""
        if sample.tuner == self.ticket:
            self.issued = (*(one for one in self.issued if one.generation == sample.generation), sample)

    def on_sampled(self, row: int, sample: TunerSample) -> None:
        """A sample became the child ``row``."""
        if sample.tuner == self.ticket:
            self.in_flight[row] = sample

    def on_duplicate(self, sample: TunerSample, twin: int | None, score: float | None, *, settled: bool) -> None:
        """A sample gave no new program: its twin's score is its own, once that is known; without a twin it failed."""
        if sample.tuner != self.ticket:
            return
        if settled or twin is None:
            self._tell(sample, score)
        else:
            self.duplicates_in_flight.setdefault(twin, []).append(sample)

    def on_credited(self, row: int, score: float | None) -> None:
        """It is known what became of a child (None: it failed)."""
        samples = [self.in_flight.pop(row)] if row in self.in_flight else []
        for sample in samples + self.duplicates_in_flight.pop(row, []):
            self._tell(sample, score)

    def _tell(self, sample: TunerSample, score: float | None) -> None:
        if self.tuner is None:
            return
        before, self.tuner = self.tuner, self.tuner.tell(sample, score)
        if self.tuner.generation > before.generation:
            self.course = self.course.closed(self.tuner.history[-1])
        if not self.tuner.is_stagnant:
            return
        self.course = replace(self.course, is_anew=True)
        if self.tuner.restarts < MAX_RESTARTS:
            self.tuner = self.tuner.restart()
        else:
            self.exhausted.add(self.base)
            self.tuner = None
