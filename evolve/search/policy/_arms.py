"""Arms: operator x model x format, whether one may get a ticket now, and what its money is worth in seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archive import Arm
from evolve.budget._usage import affordable_evaluations
from evolve.config._llm import LlmConfig
from evolve.config._schema import SearchConfig
from evolve.search.state._operators import OperatorSpec
from evolve.search.state._state import ProblemState

EXTERNAL = "external"  # the operator of people and agents
NO_ARM = -1  # of what no arm made
_HOUR_USD = 1.0  # of a slot, where no budget says what an hour is worth


def arms_of(config: SearchConfig, llm: LlmConfig, operators: Mapping[str, OperatorSpec]) -> list[Arm]:
    """What the bandit may choose: the operators that ask no model, then operator x model x format."""
    arms = [Arm(name) for name in config.operator_names]
    answers = llm.sampling.edit_formats
    for operator in llm.operators if llm.provider != "none" else ():
        spec = operators[operator]
        formats: Sequence[str] = (spec.prefers,) if spec.prefers in answers else spec.formats or answers
        for model in llm.asked:
            if not spec.when_stuck or model == (llm.strong_model or model):
                arms += [Arm(operator, model, format) for format in formats]
    return arms


def slot_usd_per_hour(state: ProblemState) -> float:
    """What an hour of one slot is worth in dollars: as configured; else what makes the money last as long as the machine's time."""
    if state.run.llm.hour_usd is not None:
        return state.run.llm.hour_usd
    budget, spend = state.run.budget, state.run.usage  # money is not shared out, so its worth is that of the whole run's time
    hours = affordable_evaluations(budget, spend, state.run.slots) * spend.measure_wall_s / 3600
    if budget.usd is None or not 0 < hours < float("inf"):
        return _HOUR_USD
    return budget.usd / hours


def usd_to_seconds(state: ProblemState, usd: float) -> float:
    """Money as seconds of a slot, for comparing what children cost."""
    return 3600 * usd / slot_usd_per_hour(state) if usd else 0.0


def n_in_flight(state: ProblemState) -> int:
    """Propose tickets that wait for a model."""
    return sum(bool(ticket.arm.model) for ticket in state.run.tickets.proposals.values())


def any_available(state: ProblemState) -> bool:
    """Whether any model can be asked, now or later: the large one only where others' children have led to stagnation, or may."""
    limits = state.run.model_limits
    left = [model for model in limits.available if limits.is_available(model) and not limits.in_vain(model)]
    others = bool(state.run.config.operators) or any(not _is_large(state, model) for model in left)
    return bool(left) and (others or _stagnant(state))


def _is_large(state: ProblemState, model: str) -> bool:
    return model == state.run.llm.strong_model and model not in state.run.llm.models


def _stagnant(state: ProblemState) -> bool:
    return state.population.n_credited - state.population.leader_since >= state.run.llm.stagnation


def may_draw(state: ProblemState, arm: Arm, now: float) -> bool:
    """Whether a model's arm may get a ticket now, whatever its operator needs of the archive."""
    return n_in_flight(state) < state.run.llm.max_concurrency and is_able(state, arm, now)


def is_able(state: ProblemState, arm: Arm, now: float) -> bool:
    """The same, however many calls are under way."""
    if not state.run.model_limits.is_available(arm.model):
        return False
    if state.run.model_limits.backoff_until.get(arm.model, 0.0) > now:
        return False
    return _stagnant(state) or not (_is_large(state, arm.model) or state.operators[arm.operator].when_stuck)
