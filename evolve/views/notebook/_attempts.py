"""What was tried: children, who made them, and what they came to."""

from __future__ import annotations

import math
from dataclasses import dataclass

from archive import Status
from evolve.budget._cpu_budget import INITIAL
from evolve.search._notes import arm_name, effect_of, is_clear
from evolve.search.state._state import ProblemState

NEW_BEST, BETTER, WORSE, WITHIN, EQUAL = "new best", "better", "worse", "within noise", "no difference"
UNKNOWN, WAITS, UNJUDGED = "noise not known yet", "not measured yet", "the evaluator could not judge it"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One child.

    ``effect`` is its score minus its first parent's, in the problem's own sign, with its standard deviation (not a number while the
    noise is not known, 0 on a deterministic problem); None where either has no score.  ``words`` are those of whoever made it:
    untrusted, as is the reason in ``verdict`` of one that failed.
    """

    id: str
    parent: str
    maker: str
    words: str
    effect: float | None
    effect_sd: float
    verdict: str


def attempt(state: ProblemState, number: int) -> Attempt:
    """A child as it is known now."""
    population = state.population
    row, effect = population.candidates[number], effect_of(state, number)
    sd = effect.sd if effect is not None else 0.0
    return Attempt(
        id=row.id,
        parent=population.candidates[row.parents[0]].id if row.parents else "",
        maker=arm_name(state, number),
        words=state.memory.summaries.get(number, ""),
        effect=population.sign * effect.effect if effect is not None else None,
        effect_sd=math.nan if state.contract.noisy and not sd > 0 else sd,
        verdict=_verdict(state, number),
    )


def latest(state: ProblemState, most: int) -> tuple[Attempt, ...]:
    """The latest children, the newest first."""
    n = len(state.population.candidates)
    return tuple(attempt(state, number) for number in range(n - 1, max(n - 1 - most, INITIAL), -1))


def _verdict(state: ProblemState, number: int) -> str:
    population, memory = state.population, state.memory
    row = population.candidates[number]
    if row.status is None or (row.status is Status.OK and population.score(number) is None and not row.credited):
        return WAITS
    if row.status is Status.EVALUATOR_ERROR:
        return UNJUDGED if row.credited else WAITS
    if row.status is not Status.OK:
        told = memory.feedback.get(number)
        why = f" ({told.reason})" if told is not None and told.reason else ""
        return f"failed: {row.status}{why}"
    if number in memory.bests:
        return NEW_BEST
    effect = effect_of(state, number)
    if effect is None:
        return "passed no further stage" if population.score(number) is None else "its parent has no score"
    if state.contract.noisy and not effect.sd > 0:
        return UNKNOWN
    if not is_clear(state, effect):
        return WITHIN if state.contract.noisy or state.steadiness.doubtful else EQUAL
    return BETTER if effect.effect > 0 else WORSE
