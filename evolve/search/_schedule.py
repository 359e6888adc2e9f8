"""Which measurement is due next: a new idea, or more certainty about an old one.

The order: the initial program until it is known; vaults that are open; on a noisy problem, candidates that may still be the best
(``search.replication_share``); warm results that someone wants to use (``search.cold_check_share`` of the slots' time, newest
leader first); then children, in the order they were made.  When searching is over: what is left of the vaults; more certainty about
who may still be confirmed; where nothing could be, best against initial program on fresh seeds; or the best's cold start.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from archive import BlockEntry, Purpose, Resources, StartMode
from evolve.budget._cpu_budget import INITIAL
from evolve.budget._usage import Reservation, affordable_evaluations
from evolve.confirm import SIZES
from evolve.search._bars import with_bars
from evolve.search._room import FINAL_MARGIN, final_runs, is_warm, limit_without_room, reserved, reserved_for_end
from evolve.search.claims import _evidence_runs as evidence
from evolve.search.claims import _prospects as prospects
from evolve.search.policy._policies import policy_of
from evolve.search.state._state import ProblemState

_ENOUGH = 3  # programs that are measured again once scores are known not to repeat
_BUILT_ON = 15  # the same, where warm results breed at once: only who stays in front is worth a check
_LED_FOR = 50  # children that are measured while one leads


@dataclass(frozen=True, slots=True)
class PlannedBlock:
    """A block before it has a ticket."""

    purpose: Purpose
    entries: tuple[BlockEntry, ...]
    needs: Resources


def next_block(state: ProblemState, now: float) -> PlannedBlock | None:
    """The next block of a search that is not over."""
    known = _initial_block(state) or _repeat_faulty(state)
    doubted = known or _reverify(state) or _confirm(state) or _panel(state, now)
    return doubted or _replicate(state) or _verify_cold(state) or _evaluate_children(state) or _repeat_faulty(state, early=True)


def waiting_block(state: ProblemState) -> PlannedBlock | None:
    """The initial program until it is known, then children that are there: no more than that."""
    mine = (Purpose.INITIAL, Purpose.SEARCH)
    return _initial_block(state) or _repeat_faulty(state, mine, early=True) or _evaluate_children(state)


def probe_initial(state: ProblemState, now: float) -> PlannedBlock | None:
    """The initial program, which the evaluator judged before: can it still?  Nothing else is measured meanwhile."""
    if state.blocks or now < state.faults.look_at:
        return None
    return _replicate_one(state, INITIAL, Purpose.INITIAL)


def _repeat_faulty(
    state: ProblemState, purposes: Sequence[Purpose] = tuple(Purpose), *, early: bool = False
) -> PlannedBlock | None:
    """A measurement that the evaluator could not make, with the same seed."""
    doubt = state.faults.due(purposes, early=early) if state.faults.waiting else None
    return None if doubt is None else PlannedBlock(doubt.purpose, (doubt.entry,), state.contract.stage(doubt.entry.stage).needs)


def final_block(state: ProblemState, now: float) -> PlannedBlock | None:
    """The next block once searching is over; None when nothing is left to be measured."""
    population = state.population
    leader = population.leader
    budget = replace(state.budget, candidates=None)
    affordable = not limit_without_room(state, now, Reservation(), budget=budget, beside=False)
    spare = not limit_without_room(state, now, reserved_for_end(state), budget=budget)  # beside what the end itself is owed
    again = _repeat_faulty(state, (Purpose.VAULT,), early=True)  # what was opened is brought to its end
    if again or (spare and (again := _repeat_faulty(state, early=True))):
        return again
    if state.to_reverify and affordable:
        return _reverify(state)
    if state.contract.noisy:
        return _confirm(state) or _panel(state, now) or _spend_rest_on_evidence(state, now) or _compare_with_initial(state)
    if leader is None or not _in_time(state, now):
        return None
    return _check_repeats(state, leader) or (_spend_reserve(state, leader) if affordable else None)


def _in_time(state: ProblemState, now: float) -> bool:
    """Whether one more measurement fits before the wall limit."""
    clock = replace(state.budget, cpu_s=None, evaluations=None, candidates=None)
    return not limit_without_room(state, now, Reservation(), budget=clock, beside=False)


def _check_repeats(state: ProblemState, leader: int) -> PlannedBlock | None:
    """On a deterministic problem the initial program and the leader, each measured again once; once scores are known not to repeat,
    a leader by more than the noise."""
    steadiness = state.steadiness
    known = leader == INITIAL and not steadiness.rejected
    left = _room(state, 0)
    noise_known = steadiness.doubtful and len(steadiness.scores) >= _ENOUGH
    if known or left < 1 or (noise_known and not steadiness.leads(state.population, leader)):
        return None
    for number in (INITIAL, leader)[-int(min(left, 2)) :]:
        if number == leader and _others_in_flight(state, Purpose.RECHECK):
            return None  # another may lead by what is still measured
        if not (steadiness.was_repeated(number) or _busy(state, number)):
            return _replicate_one(state, number, Purpose.RECHECK)
    return None


def _spend_reserve(state: ProblemState, leader: int) -> PlannedBlock | None:
    """What was kept back to check a leader that was checked before: it is measured once more, rather than nothing."""
    kept = 1 <= _room(state, 0) <= reserved_for_end(state).evaluations
    return _replicate_one(state, leader, Purpose.RECHECK) if kept and not state.blocks and not _busy(state, leader) else None


def _reverify(state: ProblemState) -> PlannedBlock | None:
    """A descendant of a retracted candidate that holds a place or a claim, or is champion: measured again, from a fresh process."""
    idle = (number for number in state.to_reverify if not _busy(state, number))
    number = next(idle, None)
    return None if number is None else _replicate_one(state, number, Purpose.RECHECK)


def _busy(state: ProblemState, number: int) -> bool:
    """Whether a candidate is being measured, or is to be measured again, or the evaluator cannot measure it."""
    row = state.population.candidates[number]
    return row.n_in_flight > 0 or state.faults.waits_for(row.id) or number in state.faults.unjudged


def _confirm(state: ProblemState) -> PlannedBlock | None:
    entries = evidence.confirmation_entries(state) if state.contract.noisy else ()
    needs = replace(state.contract.stages[-1].needs, elsewhere=state.run.config.second_machine == "true")
    return PlannedBlock(Purpose.VAULT, entries, needs) if entries else None


def _panel(state: ProblemState, now: float) -> PlannedBlock | None:
    if not state.contract.noisy or state.population.candidates[INITIAL].stage < state.population.last_stage:
        return None
    entries = evidence.panel_entries(state, now)
    if len(entries) > _room(state, state.confirmations.outstanding):
        return None
    return PlannedBlock(Purpose.PANEL, entries, state.contract.stages[-1].needs) if entries else None


def _room(state: ProblemState, kept: int) -> float:
    """Measurements that the budget still allows if so many are kept back."""
    limit = state.budget.evaluations
    return math.inf if limit is None else max(limit - state.usage.evaluations - kept, 0)


def _spend_rest_on_evidence(state: ProblemState, now: float) -> PlannedBlock | None:
    """What was set aside for vaults brings those who may still be confirmed nearer to one, until it only just pays for the vaults
    of those who are there."""
    if state.final_comparison is not None or state.confirmations.has_open or not prospects.affords_one(state):
        return None
    ahead = max(prospects.pending_cost(state), 2 * final_runs(state), SIZES[0].n_candidate + SIZES[0].n_control)
    spend = state.usage
    kept = Reservation(
        wall_s=FINAL_MARGIN * math.ceil(ahead / state.run.slots) * spend.measure_wall_s,
        cpu_s=FINAL_MARGIN * ahead * spend.measure_cpu_s,
        evaluations=ahead,
    )
    limits = replace(state.budget, candidates=None)
    if limit_without_room(state, now, kept, budget=limits, queued=state.n_unmeasured):
        return None
    if state.run.tickets.has_external and _certain_enough(state, ahead):
        return None
    entries = evidence.replication_entries(state, _room(state, ahead))
    return PlannedBlock(Purpose.REMEASURE, entries, state.contract.stages[-1].needs) if entries else None


def _certain_enough(state: ProblemState, ahead: int) -> bool:
    """Where people or agents make the children more may come: certainty takes no more than what is set aside for claims, and all
    that whoever is there takes where nothing limits the run."""
    if math.isinf(affordable_evaluations(state.budget, state.usage, state.run.slots, repeated=True)):
        return False
    taken = state.usage.count(Purpose.REMEASURE, Purpose.REFERENCE)
    return taken + ahead + state.confirmations.cost >= prospects.confirm_budget(state)


def _others_in_flight(state: ProblemState, last: Purpose) -> bool:
    """Whether anything but the last measurements themselves is in flight."""
    return any(block.issued.purpose is not last for block in state.blocks.values())


def _compare_with_initial(state: ProblemState) -> PlannedBlock | None:
    """Best and initial program side by side, where no vault says more."""
    population, leader = state.population, state.population.leader
    if _others_in_flight(state, Purpose.FINAL) or state.confirmations.confirmations or policy_of(state).fixed_candidates:
        return None
    if state.final_comparison is not None:
        return _final(state, state.final_comparison[0], state.final_comparison[1])
    if state.champion_test.keeps_champion and state.champion_test.champion != INITIAL:
        leader = state.champion_test.champion
    if population.by_descent:
        leader = population.best_so_far
    return _final(state, population.candidates[leader].id, 2 * final_runs(state)) if leader not in (None, INITIAL) else None


def on_target(state: ProblemState, number: int | None) -> bool:
    """Whether a candidate is as good as ``stop.target`` asks, warm or cold; on a noisy problem by two measurements that are not
    far off."""
    population, target = state.population, state.run.stop.target
    worth = population.worth(number) if number is not None else None
    if number is None or worth is None or target is None:
        return False
    if state.contract.noisy:
        if population.n_measured(number) - len(population.far_off(number)) < 2:
            return False
        worth = min(worth, population.posterior_as_measured(number)[0])
    return worth >= population.sign * target


def _entry(state: ProblemState, number: int, stage: int, *, start: StartMode, stream: str = "search", index: int = 0) -> BlockEntry:
    row = state.population.candidates[number]
    declared = state.contract.stages[stage]
    kill_s = state.population.cpu_budget.kill_s if state.population.cpu_budget is not None and number != INITIAL else None
    return BlockEntry(
        candidate=row.id,
        stage=declared.name,
        seed=state.run.measurement_seed(row.id, stream, index),
        start=start,
        cpu_limit_s=kill_s if stage == state.population.last_stage else None,
    )


def _initial_block(state: ProblemState) -> PlannedBlock | None:
    """The initial program, cold, once a stage; then what a noisy problem needs to know its noise."""
    population = state.population
    row = population.candidates[INITIAL]
    if row.stage < population.last_stage:
        stage = row.stage + 1
        if row.n_in_flight or state.faults.waits_for(row.id):
            return None
    else:
        stage = population.last_stage
        if not state.contract.noisy or population.n_measured(INITIAL) + row.n_in_flight >= state.run.config.initial_runs:
            return None
    entry = _entry(state, INITIAL, stage, start=_fresh(state, stage), index=row.next_seed_index)
    return PlannedBlock(Purpose.INITIAL, (entry,), state.contract.stages[stage].needs)


def _fresh(state: ProblemState, stage: int) -> StartMode:
    """The declared start, or cold where it is warm."""
    start = state.contract.stages[stage].start
    return StartMode.COLD if start is StartMode.WARM else start


def _replicate_one(state: ProblemState, number: int, purpose: Purpose) -> PlannedBlock:
    """One more measurement of a known candidate, from a fresh process and, where there are several, in another slot.

    A deterministic score is asked for with the seed it was first measured with; of the initial program with another one, on which
    it must not hang.
    """
    population = state.population
    stage = population.last_stage
    index = population.candidates[number].next_seed_index if state.contract.noisy else stage
    stream = "again" if number == INITIAL and not state.contract.noisy else "search"
    entry = _entry(state, number, stage, start=_fresh(state, stage), stream=stream, index=index)
    return PlannedBlock(purpose, (entry,), replace(state.contract.stages[stage].needs, elsewhere=True))


def _replicate(state: ProblemState) -> PlannedBlock | None:
    if not state.contract.noisy:
        return None
    configured = state.run.config.replication_share
    share = policy_of(state).schedule.replication_share if configured is None else configured
    entries = evidence.replication_entries(state, _room(state, reserved(state).evaluations), share)
    return PlannedBlock(Purpose.REMEASURE, entries, state.contract.stages[-1].needs) if entries else None


def _verify_cold(state: ProblemState) -> PlannedBlock | None:
    population = state.population
    rows, leader = population.candidates, population.leader
    if state.steadiness.rejected and not (state.steadiness.was_repeated(INITIAL) or _busy(state, INITIAL)):
        return _replicate_one(state, INITIAL, Purpose.RECHECK)  # before others are blamed for what may be the evaluator's
    if not is_warm(state):
        return _check_long_leader(state)
    if state.usage.share_of_wall(Purpose.RECHECK) >= state.run.config.cold_check_share and not on_target(state, leader):
        return None
    breeds_warm = policy_of(state).schedule.breeds_warm
    stood = population.n_credited - population.leader_since >= _BUILT_ON or on_target(state, leader)
    if leader is not None and not rows[leader].measured_cold and (stood or not breeds_warm):
        return None if _busy(state, leader) else _replicate_one(state, leader, Purpose.RECHECK)
    for number in () if breeds_warm else reversed(population.unverified_elites):
        if not rows[number].measured_cold and population.holds_place(number) and not _busy(state, number):
            return _replicate_one(state, number, Purpose.RECHECK)
    return _check_long_leader(state)


def _check_long_leader(state: ProblemState) -> PlannedBlock | None:
    """On a deterministic problem the initial program once, and whoever has led for a while: a score that does not repeat is better
    known before all others descend from it."""
    population, leader = state.population, state.population.leader
    if state.contract.noisy or state.steadiness.doubtful or population.n_credited < _LED_FOR:
        return None
    stood = population.n_credited - population.leader_since >= _LED_FOR
    wanted = [one for one in (INITIAL, leader if stood else None) if one is not None and not state.steadiness.was_repeated(one)]
    number = next((one for one in wanted if not _busy(state, one)), None)
    if number is None or state.usage.share_of_wall(Purpose.RECHECK) >= state.run.config.cold_check_share:
        return None
    return _replicate_one(state, number, Purpose.RECHECK)


def _evaluate_children(state: ProblemState) -> PlannedBlock | None:
    """Up to ``stage.block`` children at one stage."""
    population, contract = state.population, state.contract
    ready = [due for due in population.queue if due.index != INITIAL]
    if not ready:
        return None
    first = ready[0]
    stage = contract.stages[first.stage]
    room = min(stage.batch_size, _room(state, reserved(state).evaluations))
    batch = [due for due in ready if due.stage == first.stage][: max(int(room), 1)]
    starts = [
        stage.start if population.candidates[due.index].arm >= 0 else _fresh(state, due.stage) for due in batch
    ]  # told ones count at once
    entries = tuple(
        with_bars(
            state, _entry(state, due.index, due.stage, start=start, index=population.candidates[due.index].next_seed_index), due
        )
        for due, start in zip(batch, starts, strict=True)
    )
    return PlannedBlock(Purpose.SEARCH, entries, stage.needs)


def _final(state: ProblemState, finalist: str, owed: int) -> PlannedBlock | None:
    """Pairs of (best, initial program) on fresh seeds, alternating on one lease, shared out over the slots."""
    population = state.population
    pairs = min(math.ceil(final_runs(state) / state.run.slots), owed // 2, int(min(_room(state, 0), owed)) // 2)
    if pairs < 1:
        return None
    best, stage = population.by_id[finalist], population.last_stage
    entries: list[BlockEntry] = []
    for pair in range(pairs):
        order = (best, INITIAL) if pair % 2 == 0 else (INITIAL, best)
        for number in order:
            index = population.candidates[number].next_seed_index + pair
            entries.append(
                _entry(
                    state,
                    number,
                    stage,
                    start=_fresh(state, stage),
                    stream="final",
                    index=index,
                )
            )
    return PlannedBlock(Purpose.FINAL, tuple(entries), state.contract.stages[stage].needs)
