"""What a search keeps back for its end, and whether a limit leaves room beside that.

Of several problems each plans with its own part of the budget, but there is one clock: what all of them keep back is taken off
it.  So they are over at the same time, whatever share each has, and what the end of one takes is not spent by another.
"""

from __future__ import annotations

import math
from dataclasses import replace

from archive import Purpose, StartMode
from evolve.budget._cpu_budget import INITIAL
from evolve.budget._usage import Reservation, Usage, exhausted
from evolve.problem.contract._contract import Budget
from evolve.search.claims import _prospects as prospects
from evolve.search.policy._policies import policy_of
from evolve.search.state._state import ProblemState

FINAL_MARGIN = 1.15  # final runs take this much longer than the estimate before they are late
_START_S = 0.2  # that a measurement from a fresh process takes besides


def final_runs(state: ProblemState) -> int:
    """Final measurements each of best and initial program; fewer where the budget cannot hold more than twice as many others."""
    limit = state.budget.evaluations
    runs = state.run.config.final_runs
    return runs if limit is None else min(runs, max(limit - state.run.config.initial_runs, 0) // 4)


def reserved(state: ProblemState) -> Reservation:
    """What has to be left when searching ends: for its last measurements, and for those that the evaluator could not make."""
    last, waiting = reserved_for_end(state), len(state.faults.waiting)
    return replace(last, evaluations=last.evaluations + waiting) if waiting else last


def reserved_for_end(state: ProblemState) -> Reservation:
    """What has to be left for the measurements of the end itself."""
    spend = state.usage
    if not state.contract.noisy:
        owed, limit = _to_repeat(state), state.budget.evaluations
        held = owed if limit is None else min(owed, max(limit // 4, int(is_warm(state))))
        return Reservation(wall_s=owed * _fresh_s(state), evaluations=held)
    owed, looks = _owed(state)
    in_time = owed + looks  # a last look may be what a vault opens on
    rounds = math.ceil(in_time / 2 / state.run.slots) * 2
    return Reservation(
        wall_s=FINAL_MARGIN * rounds * spend.measure_wall_s,
        cpu_s=FINAL_MARGIN * in_time * spend.measure_cpu_s,
        evaluations=looks if state.final_comparison is not None else max(owed, looks),
    )


def limit_without_room(
    state: ProblemState, now: float, reserve: Reservation, *, budget: Budget | None = None, queued: int = 0, beside: bool = True
) -> str:
    """Which limit leaves no room for another measurement after ``queued`` ones once ``reserve`` is kept back ("" if none does).

    ``budget`` are other limits than the problem's; ``beside`` those things are kept back too that other problems still owe.
    """
    limits, spend, slots = budget or state.budget, state.usage, state.run.slots
    wall_s = state.run.budget.wall_s
    if not state.others or wall_s is None or limits.wall_s is None:
        return exhausted(limits, spend, now, reserve, queued=queued / slots)
    theirs = _owed_by_others(state) / slots if beside else 0.0
    limits, spend = replace(limits, wall_s=wall_s), replace(spend, pace=1.0)
    return exhausted(limits, spend, now, replace(reserve, wall_s=reserve.wall_s + theirs), queued=queued / slots)


def is_warm(state: ProblemState) -> bool:
    """Whether the last stage's measurements start warm."""
    return state.contract.stages[-1].start is StartMode.WARM


def _owed_by_others(state: ProblemState) -> float:
    """Seconds of a slot that the other problems still take: what they have under way, and their ends.  Between two records the sum
    is worked out once."""
    if state.pool.owed_s is None:
        state.pool.owed_s = sum(_owed_s(one) for one in (state, *state.others))
    return state.pool.owed_s - _owed_s(state)


def _owed_s(state: ProblemState) -> float:
    if state.failure or state.population.leader is None:
        return 0.0
    under_way = state.n_unmeasured * state.part.usage.measure_wall_s
    if not state.contract.noisy:
        return under_way + _to_repeat(state) * _fresh_s(state)
    return under_way + FINAL_MARGIN * sum(_owed(state)) * state.part.usage.measure_wall_s


def _owed(state: ProblemState) -> tuple[int, int]:
    """Measurements of a noisy problem's end: those of vaults, and of a last look at best and initial program."""
    confirmations, compared = state.confirmations, state.final_comparison
    if compared is None:
        looks = not confirmations.confirmations and not policy_of(state).fixed_candidates
        return prospects.reserved_evaluations(state), 2 * final_runs(state) if looks else 0
    if compared[1] or any(block.issued.purpose is Purpose.FINAL for block in state.blocks.values()):
        return prospects.reserved_evaluations(state), compared[1]
    return max(confirmations.outstanding, prospects.pending_cost(state)), 0


def _to_repeat(state: ProblemState) -> int:
    """Measurements of a deterministic problem's end: of whoever leads then, and of the initial program unless that was repeated."""
    steadiness, leader = state.steadiness, state.population.leader
    initial = not steadiness.was_repeated(INITIAL)
    if state.part.fixed is None or leader is None:
        return 1 + initial
    return 0 if leader == INITIAL and not steadiness.rejected else initial + (not steadiness.was_repeated(leader))


def _fresh_s(state: ProblemState) -> float:
    """Seconds that measuring a program from a fresh process takes: as long as those did that were, or as one takes lately."""
    spend: Usage = state.part.usage if state.others else state.usage
    known = [spend.mean_wall_s(purpose) for purpose in (Purpose.INITIAL, Purpose.RECHECK)]
    return _START_S + FINAL_MARGIN * max(*known, spend.measure_wall_s)
