"""Whose turn it is in a run of several problems: that of whoever has had the least for what it earns.

A problem's rate is what it gained of late over what that cost, and each is due cost in proportion to its rate, above a floor that
nobody falls below.  Whoever has had the least of late for its share goes first; what is under way counts as had.  There is
no draw in it: what was recorded decides.  A gain is a share of all that the problem has gained over its first score, so the first
gains of each count most, and one that has gained much must gain much again.  With ``suite.allocation=equal`` all shares are equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archive import BudgetSet, CallReserved, CallSettled, Event, Record, difference
from evolve.budget._ledger import Amount
from evolve.search.claims._openings import is_limit
from evolve.search.state._state import ProblemState
from evolve.search.state._tickets import Tickets
from evolve.search.state._turns import Turns

BANDIT, EQUAL = "bandit", "equal"
FLOOR = 0.3  # of an equal share: the least that a problem gets
PROBLEM_FAILED = "problem_failed"  # of the event that says so
_MEMORY = 40  # measurements of each problem after which what was earned counts a third
_PRIOR = 10.0  # mean measurements at the mean rate that each is credited with before its own are believed


def shares(turns: Sequence[Turns], costs: Sequence[float]) -> list[float]:
    """The share of the cost that each problem is due; ``costs`` are those of one measurement.  They add up to 1."""
    n = len(turns)
    gain, cost = sum(one.gain for one in turns), sum(one.cost for one in turns)
    if gain <= 0.0 or cost <= 0.0:
        return [1 / n] * n
    mean, known = gain / cost, [one for one in costs if one > 0.0]
    typical = sum(known) / len(known) if known else 1.0
    priors = [_PRIOR * (one or typical) for one in costs]
    rates = [(one.gain + prior * mean) / (one.cost + prior) for one, prior in zip(turns, priors, strict=True)]
    total = sum(rates)
    return [FLOOR / n + (1 - FLOOR) * rate / total for rate in rates]


def on_counted(turns: Sequence[Turns], index: int, n: int, cost: float, best: float | None) -> None:
    """``n`` measurements of problem ``index`` have ended at this cost, after which its best score is ``best``, higher is better."""
    if n:
        kept = (1 - 1 / (_MEMORY * len(turns))) ** n
        for one in turns:
            one.gain *= kept
            one.cost *= kept
    own = turns[index]
    own.cost += cost
    if best is None:
        return
    if own.first is None or own.best is None:
        own.first = own.best = best
        return
    if (gained := difference(best, own.best)) > 0:
        own.gain += gained / difference(best, own.first)
        own.best = best


# ------------------------------------------------------------------------------------------------ of a search


def in_turn(states: Sequence[ProblemState]) -> list[ProblemState]:
    """The problems, whose turn it is first."""
    if len(states) == 1:
        return list(states)
    turns, costs = [state.turns for state in states], [_cost(state) for state in states]
    equal = states[0].run.suite.allocation == EQUAL
    due = [1 / len(states)] * len(states) if equal else shares(turns, costs)
    had = [(state.turns.cost + _promised(state) * cost) / share for state, cost, share in zip(states, costs, due, strict=True)]
    return [states[i] for i in sorted(range(len(states)), key=had.__getitem__)]


def on_applied(state: ProblemState, states: Sequence[ProblemState]) -> None:
    """A record about this problem was applied: what it cost and gained is counted."""
    usage, turns = state.part.usage, state.turns
    wall_s = sum(usage.wall_by_purpose.values())
    n, took_s = usage.measured - turns.measured, wall_s - turns.wall_s
    turns.measured, turns.wall_s = usage.measured, wall_s
    number = state.population.best_so_far if state.population.leader is not None else None
    best = state.population.worth(number) if number is not None else None
    index = next(i for i, one in enumerate(states) if one is state)
    on_counted([one.turns for one in states], index, n, n if _counts(state) else took_s, best)


def on_paid(problems: Mapping[str, ProblemState], tickets: Tickets, record: CallReserved | CallSettled, paid: Amount) -> None:
    """A call of a model was recorded, and so much more is settled: it is booked where its ticket is."""
    ticket = record.attempt.ticket
    issued = tickets.proposals.get(ticket) or tickets.reviews.get(ticket)
    if issued is not None and issued.problem in problems:
        problems[issued.problem].part.models += paid


def next_record(state: ProblemState, over: str) -> Record | None:
    """What is to be recorded of one problem of several: that it is given up; which part of the budget is its own, once a limit has
    ended its search."""
    if state.failure:
        told = PROBLEM_FAILED in state.told_failures
        return None if told else Event("warning", PROBLEM_FAILED, state.failure, state.problem)
    if not is_limit(over) or state.part.fixed is not None:
        return None
    part = state.budget
    return BudgetSet(
        wall_s=part.wall_s,
        cpu_s=part.cpu_s,
        evaluations=part.evaluations,
        candidates=part.candidates,
        problem=state.problem,
    )


def has_next_record(state: ProblemState, over: str) -> bool:
    """Whether there is such a thing."""
    return bool(state.others) and next_record(state, over) is not None


def is_crowded(states: Sequence[ProblemState]) -> bool:
    """Whether as many children wait as keep the slots busy, whosever they are; what more is made now would only grow old."""
    waiting = sum(len(state.population.queue) + state.n_local_proposals() for state in states)
    return waiting >= 2 * states[0].run.slots * max(state.contract.stages[0].batch_size for state in states)


def end_of(whys: Sequence[str]) -> str:
    """Why a run is over whose problems are over for these reasons: the limit of the budget, where one ended any of them."""
    return next((why for why in whys if is_limit(why)), "; ".join(dict.fromkeys(whys)))


def _counts(state: ProblemState) -> bool:
    """Whether a measurement is a measurement, whatever it takes: where their number is what the run may spend."""
    budget = state.run.budget
    return budget.wall_s is None and budget.cpu_s is None


def _cost(state: ProblemState) -> float:
    return 1.0 if _counts(state) else state.part.usage.measure_wall_s


def _promised(state: ProblemState) -> int:
    """Measurements that are under way, and children that models make now.  What only waits does not count: where one takes long
    nobody's turn would come for it."""
    return state.n_unmeasured + sum(bool(issued.arm.model) for issued in state.proposals.values())
