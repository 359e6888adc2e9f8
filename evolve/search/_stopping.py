"""When a search is over, and when a run has nothing left to do.  Reads the search and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from archive import Event, Purpose
from evolve.budget import _model_limits as accounts
from evolve.budget._usage import exhausted
from evolve.problem._contract import Budget
from evolve.search import _claims as confirming
from evolve.search._schedule import Due, final_block, look, next_block, on_target, reserve, waiting_block

if TYPE_CHECKING:
    from evolve.search._search import Search

BARREN = 1000  # propose tickets without a new program, after which the operators have nothing left
GIVEN = "everything that was given is measured"
NO_MODEL = "no model can be asked any more, and search.operators names nothing else"
NO_MODEL_NO_LIMIT = "no model can be asked any more, and the budget limits nothing else"
TARGET, PATIENCE = "stop.target", "stop.patience"
PAUSED = "paused"
NOISY = "not_deterministic"  # of the event that says so


def over(search: Search, now: float) -> str:
    """Why nothing new is searched for ("" while something is); children that are there and final measurements may still be due."""
    people, stop = search.people, search.stop
    leader = people.leader
    if leader is None:
        return ""  # the seed program is measured whatever the budget
    if people.rows[leader].cold and on_target(search, leader):
        return TARGET
    if stop.patience is not None and people.n_settled - people.leader_at >= stop.patience:
        return PATIENCE
    if search.policy.given and not people.ready:
        return GIVEN
    if sum(search.fruitless.values()) >= BARREN:
        return f"exhausted: the last {BARREN} attempts gave no new program ({_most_frequent(search.fruitless)})"
    budget = limits(search)
    mechanical = not only_models(search)
    measured = not people.ready and not search.tickets.blocks  # all that models made
    if not mechanical and measured and _models_over(search):
        return NO_MODEL
    if not budget.bounds_machine and budget.bounds_models and (mechanical or measured) and _models_over(search):
        return NO_MODEL_NO_LIMIT
    return spent(search, now) or search.docket.ended_by


def noise_found(search: Search) -> Event | None:
    """What is to be recorded once a deterministic problem's scores are found not to repeat."""
    said = "" if search.steadiness.told else search.steadiness.said(search.people)
    return Event("warning", NOISY, said, search.problem) if said else None


def _most_frequent(reasons: Mapping[str, int]) -> str:
    ordered = sorted(reasons.items(), key=lambda item: -item[1])[:3]
    return "; ".join(f"{count} x {reason}" for reason, count in ordered)


def spent(search: Search, now: float) -> str:
    """The limit that leaves no room for another measurement once what is set aside is kept back ("" if none does)."""
    if search.people.leader is None:
        return ""
    queued = sum(len(block.remaining()) for block in search.tickets.blocks.values())
    return exhausted(limits(search), search.spend, now, reserve(search), queued=queued / search.slots)


def draining(search: Search, now: float, why: str) -> bool:
    """Whether children that are there are still measured although nothing new is searched for, for the reason ``why``."""
    return bool(why and search.people.ready) and why not in (TARGET, PATIENCE) and _room_for_ready(search, now)


def _room_for_ready(search: Search, now: float) -> bool:
    return spent(search, now) in ("", "budget.candidates")  # those that are there are counted already


def limits(search: Search) -> Budget:
    """The budget; where it limits nothing but models and none can be asked, the problem's own limits beside it."""
    if search.budget.bounds_machine or not search.budget.bounds_models or not _models_over(search):
        return search.budget
    own = search.contract.budget
    return replace(search.budget, wall_s=own.wall_s, cpu_s=own.cpu_s, evaluations=own.evaluations, candidates=own.candidates)


def only_models(search: Search) -> bool:
    """Whether nothing but models makes children."""
    return not (search.config.operators or search.policy.given)


def _models_over(search: Search) -> bool:
    """Whether no model can be asked any more, and none has still to answer."""
    return not accounts.able(search) and not accounts.in_flight(search)


def done(search: Search, now: float) -> str:
    """Why nothing more will be asked for ("" while something will, or is under way)."""
    if search.failed or search.stopping:
        return search.failed or search.stopping
    tickets = search.tickets
    if search.pausing:
        return "" if tickets.blocks or tickets.again or ready_block(search, now) else _left(search, now)
    why = over(search, now)
    if not why:
        return ""
    busy = tickets.blocks or tickets.again or draining(search, now, why)
    return "" if busy or confirming.is_due(search, now) or final(search, now) is not None else why


def _left(search: Search, now: float) -> str:
    """Why an opening that only measures what is ready is done: nothing is, or a limit is in the way."""
    return (spent(search, now) if search.people.ready else "") or PAUSED


def due(search: Search, now: float, why: str) -> Due | None:
    """The block to hand out now; ``why`` says why searching is over, "" while it is not."""
    if search.pausing:
        return ready_block(search, now)
    if why and not draining(search, now, why):
        return final(search, now)
    return look(search, now) if search.faults.alarmed and search.people.leader is not None else next_block(search)


def ready_block(search: Search, now: float) -> Due | None:
    """Of what is due what nobody has to decide on: the seed program, then children.  All else belongs to the whole run."""
    return waiting_block(search) if _room_for_ready(search, now) else None


def final(search: Search, now: float) -> Due | None:
    """What is due at the end; not before everything else has ended, since it decides who is best."""
    ending = (Purpose.FINAL, Purpose.VAULT, Purpose.REMEASURE, Purpose.PANEL)
    others = any(block.issued.purpose not in ending for block in search.tickets.blocks.values())
    return None if others or search.tickets.waiting() else final_block(search, now)
