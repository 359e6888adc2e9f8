"""When a search is over, and when a run has nothing left to do.  Reads the search and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from archive import Event, Purpose, RunClosed, StopRequested
from evolve.problem.contract._contract import Budget
from evolve.search._rng import generator
from evolve.search._room import limit_without_room, reserved
from evolve.search._schedule import PlannedBlock, final_block, next_block, on_target, probe_initial, waiting_block
from evolve.search.claims import _claims as confirming
from evolve.search.policy import _arms
from evolve.search.policy._policies import policy_of
from evolve.search.state._state import Phase, ProblemState, RunState, StopReason

MAX_FRUITLESS = 1000  # propose tickets without a new program, after which the operators have nothing left
GIVEN = "everything that was given is measured"
NO_MODEL = "no model can be asked any more, and search.operators names nothing else"
NO_MODEL_NO_LIMIT = "no model can be asked any more, and the budget limits nothing else"
NO_CHILD = "exhausted: no operator finds anything more to change"
TARGET, PATIENCE = "stop.target", "stop.patience"
PAUSED = "paused"
NOISY = "not_deterministic"  # of the event that says so
OPERATOR_FAILED = "operator_failed"  # likewise


def search_is_over(state: ProblemState, now: float) -> str:
    """Why nothing new is searched for ("" while something is); children that are there and final measurements may still be due."""
    population, stop = state.population, state.run.stop
    if state.failure:
        return state.failure
    if population.leader is None:
        return ""  # the initial program is measured whatever the budget
    best = population.best_so_far
    if best is not None and population.candidates[best].measured_cold and on_target(state, best):
        return TARGET
    if stop.patience is not None and population.n_credited - population.leader_since >= stop.patience:
        return PATIENCE
    given = policy_of(state).fixed_candidates
    if given and not population.queue:
        return GIVEN
    if sum(state.fruitless.values()) >= MAX_FRUITLESS:
        return f"exhausted: the last {MAX_FRUITLESS} attempts gave no new program ({_most_frequent(state.fruitless)})"
    budget = effective_budget(state)
    mechanical = not only_models(state)
    measured = not population.queue and not state.blocks  # all that models made
    if not mechanical and measured and _models_over(state):
        return NO_MODEL
    if not budget.bounds_machine and budget.bounds_models and (mechanical or measured) and _models_over(state):
        return NO_MODEL_NO_LIMIT
    return exhausted_limit(state, now) or state.confirmations.ended_by or (NO_CHILD if _is_idle(state, now) else "")


def _is_idle(state: ProblemState, now: float) -> bool:
    """Whether nothing is under way or due, and no operator finds anything to work on: what is asked again is answered the same."""
    run, faults = state.run, state.faults
    if any(not arm.model and state.operators[arm.operator].edits for arm in state.bandit.arms):
        return False  # such an operator works on any program
    under_way = state.blocks or state.proposals or run.tickets.to_reissue or state.population.queue
    if under_way or faults.is_alarmed or faults.waiting or _arms.any_available(state) or next_block(state, now) is not None:
        return False
    return policy_of(state).plan(state, generator(run.seed, "propose", run.tickets.next_ticket), now) is None


def noise_found(state: ProblemState) -> Event | None:
    """What is to be recorded once a deterministic problem's scores are found not to repeat."""
    said = "" if state.steadiness.reported else state.steadiness.message(state.population)
    return Event("warning", NOISY, said, state.problem) if said else None


def failure_found(state: ProblemState) -> Event | None:
    """What is to be recorded once an operator has broken for the first time."""
    name = untold_failure(state)
    if not name:
        return None
    text = f"an operator failed at a ticket, and the run goes on: {state.first_failures[name]}"
    return Event("warning", OPERATOR_FAILED, text, state.problem)


def untold_failure(state: ProblemState) -> str:
    """The first operator that has broken and of which no event says so; "" where there is none."""
    return next((name for name in state.first_failures if name not in state.told_failures), "")


def _most_frequent(reasons: Mapping[str, int]) -> str:
    ordered = sorted(reasons.items(), key=lambda item: -item[1])[:3]
    return "; ".join(f"{count} x {reason}" for reason, count in ordered)


def exhausted_limit(state: ProblemState, now: float) -> str:
    """The limit that leaves no room for another measurement once what is set aside is kept back ("" if none does)."""
    if state.population.leader is None:
        return ""
    return limit_without_room(state, now, reserved(state), budget=effective_budget(state), queued=state.n_unmeasured)


def is_draining(state: ProblemState, now: float, why: str) -> bool:
    """Whether children that are there are still measured although nothing new is searched for, for the reason ``why``."""
    return bool(why and state.population.queue) and why not in (TARGET, PATIENCE) and _room_for_ready(state, now)


def _room_for_ready(state: ProblemState, now: float) -> bool:
    return exhausted_limit(state, now) in ("", "budget.candidates")  # those that are there are counted already


def effective_budget(state: ProblemState) -> Budget:
    """The budget; where it limits nothing but models and none can be asked, the problem's own limits beside it."""
    if state.budget.bounds_machine or not state.budget.bounds_models or not _models_over(state):
        return state.budget
    own = state.contract.budget
    return replace(state.budget, wall_s=own.wall_s, cpu_s=own.cpu_s, evaluations=own.evaluations, candidates=own.candidates)


def only_models(state: ProblemState) -> bool:
    """Whether nothing but models makes children."""
    return not (state.run.config.operators or policy_of(state).fixed_candidates)


def _models_over(state: ProblemState) -> bool:
    """Whether no model can be asked any more, and none has still to answer."""
    return not _arms.any_available(state) and not _arms.n_in_flight(state)


def on_end(run: RunState, record: StopRequested | RunClosed) -> None:
    """A run was told to end, or its driver let go of it."""
    if isinstance(record, StopRequested):
        if run.end.phase is not Phase.FAILED:
            run.end = StopReason(Phase.STOPPING, record.reason, record.reason)
    elif not run.end.ends:
        run.end = StopReason(Phase.PAUSED if record.reason == PAUSED else Phase.CLOSED, record.status, record.reason)


def nothing_is_begun(run: RunState, states: Sequence[ProblemState], now: float) -> bool:
    """Whether nothing new is searched for, whatever is still being measured."""
    return bool(run.end.ends) or all(search_is_over(state, now) for state in states)


def run_is_over(state: ProblemState, now: float, *, measure_only: bool = False) -> str:
    """Why nothing more will be asked for ("" while something will, or is under way)."""
    if state.run.end.ends:
        return state.run.end.ends
    tickets = state.run.tickets
    if measure_only:
        return "" if state.blocks or tickets.to_reissue or ready_block(state, now) else _why_paused(state, now)
    why = search_is_over(state, now)
    if not why or state.failure:
        return "" if not why or state.blocks else why
    busy = state.blocks or tickets.to_reissue or is_draining(state, now, why)
    return "" if busy or confirming.has_next_record(state, now, why) or last_block(state, now) is not None else why


def _why_paused(state: ProblemState, now: float) -> str:
    """Why an opening that only measures what is ready is done: nothing is, or a limit is in the way."""
    return (exhausted_limit(state, now) if state.population.queue else "") or PAUSED


def planned_block(state: ProblemState, now: float, why: str, *, measure_only: bool = False) -> PlannedBlock | None:
    """The block to hand out now; ``why`` says why searching is over, "" while it is not."""
    if measure_only:
        return ready_block(state, now)
    if why and not is_draining(state, now, why):
        return last_block(state, now)
    return probe_initial(state, now) if state.faults.is_alarmed and state.population.leader is not None else next_block(state, now)


def ready_block(state: ProblemState, now: float) -> PlannedBlock | None:
    """Of what is due what nobody has to decide on: the initial program, then children.  All else belongs to the whole run."""
    return waiting_block(state) if _room_for_ready(state, now) else None


def last_block(state: ProblemState, now: float) -> PlannedBlock | None:
    """What is due at the end; not before everything else has ended, since it decides who is best."""
    ending = (Purpose.FINAL, Purpose.VAULT, Purpose.REMEASURE, Purpose.PANEL)
    others = any(block.issued.purpose not in ending for block in state.blocks.values())
    return None if others or state.n_local_proposals() else final_block(state, now)
