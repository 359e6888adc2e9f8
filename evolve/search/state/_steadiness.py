"""Whether a deterministic problem's scores repeat: its leader and its initial program are measured again, each in a fresh process.

The initial program is measured again with another seed, since a deterministic score must not hang on one; every other program with
the seed of its first measurement, so that a difference is its own.  What follows from a difference:

- A program whose score in a fresh process is not that in a warm one is ``rejected``: how it was started is no property of it.
- So is one that differs between fresh processes while the initial program's scores are equal to the last bit: its own clock or
  randomness decides its score.
- Three programs a run are, and none once the initial program differs: after that the evaluator is the likelier cause.  The score of
  a fresh process then takes the place of that of a warm one; where the initial program repeats, that alone is no noise.
- Otherwise the problem is not deterministic, and the run says so from then on.  Two runs tell a standard deviation no better than
  Student's t with one degree of freedom has it, so a gain within ``TIMES`` the largest difference is not called one, and a lead
  within it changes nobody's place: a run stands by the best that was measured again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from archive import Measured, Purpose, Status, difference
from evolve.budget._cpu_budget import INITIAL
from evolve.search.state._population import Population

NOT_REPRODUCIBLE = "not_reproducible"
TIMES = 12.7  # two-sided 95 % quantile of Student's t with one degree of freedom
TRUSTED = 3  # programs that are rejected before the evaluator is suspected
REMEDY = "write `noise: noisy` in problem.yaml and start a new run"


@dataclass(slots=True)
class Steadiness:
    """What measuring again came to.

    ``scores`` of each program that was measured again at the last stage, higher is better, the first score first.
    ``initial_failure`` says how the initial program failed when it was.  ``reported`` is set once the journal has an event that
    says so.
    """

    scores: dict[int, list[float]] = field(default_factory=dict)
    rejected: int = 0
    initial_failure: str = ""
    reported: bool = False
    widest: tuple[int, float, float] | None = field(init=False)  # whose scores differ most, the least and the largest; None: equal

    def __post_init__(self) -> None:
        self._compare()

    def was_repeated(self, number: int) -> bool:
        """Whether a program was measured again."""
        return number in self.scores or (number == INITIAL and bool(self.initial_failure))

    @property
    def steady(self) -> bool:
        """Whether the initial program is known to give the same score again."""
        return INITIAL in self.scores and len(set(self.scores[INITIAL])) == 1

    @property
    def doubtful(self) -> bool:
        """Whether the problem, not a program, is taken not to be deterministic."""
        return self.widest is not None or bool(self.initial_failure)

    @property
    def rejects(self) -> bool:
        """Whether a program whose score differs is still taken to be the cause itself."""
        return not self.doubtful and self.rejected < TRUSTED

    def on_measured(self, population: Population, number: int, record: Measured) -> None:
        """A program was measured again; to be called before the population counts the result."""
        result, stats = record.result, population.stats(number)
        if (
            population.contract.noisy
            or record.purpose is not Purpose.RECHECK
            or result.stage != population.contract.stages[-1].name
        ):
            return
        row = population.candidates[number]
        self.rejected += result.status is Status.REJECTED and result.reason.startswith(NOT_REPRODUCIBLE)
        if result.status is Status.OK and result.score is not None and stats is not None:
            score, warm = population.sign * result.score, not row.measured_cold
            if warm and self.steady and not reproduced(stats.mean, score, warm=True):
                return  # what a warm process gave counts no more, and fresh ones have given one score
            self.scores.setdefault(number, [stats.mean]).append(score)
        elif result.status not in (Status.OK, Status.EVALUATOR_ERROR):
            self.scores.pop(number, None)
            if number == INITIAL:
                self.initial_failure = f"the initial program ended as {result.status} when it was measured again: {result.reason}"
        self._compare()

    def _compare(self) -> None:
        """What a search asks for at every step is found out once, when a score has come."""
        ranges = [(difference(max(found), min(found)), number) for number, found in self.scores.items()]
        gap, number = max(ranges, key=lambda item: (item[0], -item[1]), default=(0.0, INITIAL))
        self.widest = (number, min(self.scores[number]), max(self.scores[number])) if gap > 0 else None

    def no_gain(self, gain: float) -> bool:
        """Whether a difference from the initial program's score is not to be called one."""
        return bool(self.initial_failure) or self.within_noise(gain)

    def within_noise(self, gain: float) -> bool:
        """Whether a difference of scores lies within what is found between runs of one program."""
        widest = self.widest
        return widest is not None and abs(gain) <= TIMES * difference(widest[2], widest[1])

    def leads(self, population: Population, number: int) -> bool:
        """Whether a program is better than all that were measured again, by more than the noise."""
        again, score = self._best_repeated(population), population.score(number)
        best = None if again is None else population.score(again)
        return score is not None and (best is None or (score > best and not self.within_noise(difference(score, best))))

    def standing(self, population: Population) -> int | None:
        """The best so far that a run stands by: measured in a fresh process and, unless it is clear of the noise, again."""
        best, again = population.best_verified(), self._best_repeated(population)
        if best is None or self.widest is None or again in (None, INITIAL) or self.leads(population, best):
            return best
        return again

    def _best_repeated(self, population: Population) -> int | None:
        scores = {number: score for number in self.scores if (score := population.score(number)) is not None}
        return max(scores, key=lambda number: (scores[number], -number), default=None)

    def message(self, population: Population) -> str:
        """What was found, in words, and what to type; "" while scores repeat."""
        widest = self.widest
        if widest is None:
            return f"not deterministic: {self.initial_failure}; {REMEDY}" if self.initial_failure else ""
        number, *ends = widest
        low, high = sorted(population.sign * end for end in ends)
        who = "the initial program" if number == INITIAL else population.candidates[number].id
        found = f"{who} scored {low!r} and {high!r}, a difference of {difference(high, low):.4g}"
        return f"noisy although declared deterministic: {found}; {REMEDY}"


def reproduced(first: float, score: float, *, warm: bool) -> bool:
    """Whether a score is the first one: to the last bit, or up to rounding where the first came from a warm process."""
    return score == first or (warm and abs(difference(score, first)) <= 1e-9 * max(1.0, abs(first)))


def not_reproducible(first: float, score: float, *, warm: bool) -> str:
    """The reason of a rejection."""
    before = "in a warm process" if warm else "at first"
    return f"{NOT_REPRODUCIBLE}: scored {first!r} {before} and {score!r} in a fresh one, with the same seed"
