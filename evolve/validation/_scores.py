"""A few scores of one or two programs, as people are shown them: without those that are far off by the search's own judgement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archive import mean_of, sd_of, tame
from evolve._counted import far_off_text
from evolve.select import Lineage


@dataclass(frozen=True, slots=True)
class TypicalScores:
    """Mean and standard deviation of ``n`` scores (0 of one), beside which ``far_off`` others are wild, and in neither."""

    mean: float
    sd: float
    n: int
    far_off: int = 0

    @property
    def far_off_words(self) -> str:
        """What must stand beside these numbers; "" where nothing is far off."""
        return far_off_text(self.n, self.far_off)

    @property
    def words(self) -> str:
        """The mean, with its standard error where that is known."""
        return f"{self.mean:.10g}" + (f" ± {self.sd / self.n**0.5:.2g}" if self.sd > 0 else "")


def typical_scores(*programs: Sequence[float]) -> list[TypicalScores]:
    """What the scores of each program come to; the others are children of the first."""
    known = Lineage()
    for number, scores in enumerate(programs):
        for score in scores:
            known.add(number, range(number), tame(score))
    found = []
    for number, scores in enumerate(programs):
        far = known.far_off(number)
        rest = [score for score in scores if tame(score) not in far] or scores
        sd = sd_of(rest) if len(rest) > 1 else 0.0
        found.append(TypicalScores(mean_of(rest), sd, len(rest), len(scores) - len(rest)))
    return found
