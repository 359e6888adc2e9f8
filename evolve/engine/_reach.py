"""Whether a run's operators can change the program it starts from; asked before it starts, so that nobody waits for nothing."""

from __future__ import annotations

from collections.abc import Iterable

from archive import ProposalStatus
from evolve.problem.contract._contract import Problem
from evolve.propose import Operator, ProposalTask
from evolve.propose._entries import scope_of
from evolve.search._rng import generator

KINDS = "Python, and numbers in JSON, TOML, YAML, INI and C-like files,"
_TRIES = 3
_MADE = (ProposalStatus.CHILD, ProposalStatus.TUNER)


def out_of_reach(problem: Problem, operators: Iterable[Operator]) -> str:
    """Why none of these operators can change the initial program, each in its own words; "" where one can.

    An operator that needs a second program can change none alone.  Deterministic.
    """
    task = ProposalTask((problem.initial_files,), (), scope_of(problem))
    reasons = []
    for operator in operators:
        tries = [operator.propose(task, generator(0, f"reach:{operator.spec.name}", i)) for i in range(_TRIES)]
        if any(proposal.status in _MADE for proposal in tries):
            return ""
        reasons.append(f"{operator.spec.name}: {tries[0].reason.rstrip('.')}")
    return "; ".join(reasons)
