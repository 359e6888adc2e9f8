"""When a search is over, and when a run has nothing left to do.  Reads the search and changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from archive import Purpose
from evolve import _accounts as accounts
from evolve import _confirming as confirming
from evolve._contract import Budget
from evolve._due import Due, final_block, on_target, reserve
from evolve._frames import SEED
from evolve._spend import exhausted, nearest_limit

if TYPE_CHECKING:
    from evolve._search import Search

BARREN = 1000  # propose tickets without a new program, after which the operators have nothing left
PAUSED = "paused"


def over(search: Search, now: float) -> str:
    """Why searching is over ("" while it is not); final measurements may still be due."""
    people, stop = search.people, search.stop
    leader = people.leader
    if leader is None:
        return ""  # the seed program is measured whatever the budget
    if people.rows[leader].cold and on_target(search, leader):
        return "stop.target"
    if stop.patience is not None and people.n_settled - people.leader_at >= stop.patience:
        return "stop.patience"
    if search.policy.given and not people.ready:
        return "everything that was given is measured"
    budget = limits(search)
    nearest = nearest_limit(budget, search.spend, now)
    if nearest is not None and confirming.ended(search):
        return nearest[1]
    if search.barren >= BARREN:
        return f"exhausted: the last {BARREN} attempts gave no new program"
    mechanical = search.config.operators or search.policy.given
    measured = not people.ready and not search.tickets.blocks  # all that models made
    if not mechanical and measured and _models_over(search):
        return "no model can be asked any more, and search.operators names nothing else"
    if not budget.bounds_machine and budget.bounds_models and (mechanical or measured) and _models_over(search):
        return "no model can be asked any more, and the budget limits nothing else"
    queued = sum(len(block.remaining()) for block in search.tickets.blocks.values())
    return exhausted(budget, search.spend, now, reserve(search), queued=queued / search.slots)


def limits(search: Search) -> Budget:
    """The budget; where it limits nothing but models and none can be asked, the problem's own limits beside it."""
    if search.budget.bounds_machine or not search.budget.bounds_models or not _models_over(search):
        return search.budget
    own = search.contract.budget
    return replace(search.budget, wall_s=own.wall_s, cpu_s=own.cpu_s, evaluations=own.evaluations, candidates=own.candidates)


def _models_over(search: Search) -> bool:
    """Whether no model can be asked any more, and none has still to answer."""
    return not accounts.able(search) and not accounts.in_flight(search)


def done(search: Search, now: float) -> str:
    """Why nothing more will be asked for ("" while something will, or is under way)."""
    if search.failed or search.stopping:
        return search.failed or search.stopping
    people, tickets = search.people, search.tickets
    why = over(search, now)
    busy = tickets.blocks or tickets.again or (why == "budget.candidates" and people.ready)
    if search.pausing:
        unknown = not people.rows or people.rows[SEED].stage < people.last_stage
        return "" if busy or (not why and (unknown or people.ready)) else why or PAUSED
    return "" if busy or confirming.is_due(search, now) or final(search, now) is not None else why


def final(search: Search, now: float) -> Due | None:
    """What is due at the end; not before everything else has ended, since it decides who is best."""
    ending = (Purpose.FINAL, Purpose.VAULT, Purpose.REMEASURE)
    others = any(block.issued.purpose not in ending for block in search.tickets.blocks.values())
    return None if others or search.tickets.waiting() else final_block(search, now)
