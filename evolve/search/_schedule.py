"""Which measurement is due next: a new idea, or more certainty about an old one.

The order: the seed program until it is known; vaults that are open; on a noisy problem, candidates that may still be the best
(``search.remeasure_share``); warm results that someone wants to use (``search.recheck_share`` of the slots' time, newest leader
first); then children, in the order they were made.  When searching is over: what is left of the vaults; more certainty about who
may still be confirmed; where nothing could be, best against seed on fresh seeds; or the best's cold start.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from archive import Entry, Needs, Purpose, Start
from evolve.budget._usage import Reserve, affordable, exhausted
from evolve.confirm import SIZES
from evolve.search import _claims as confirming
from evolve.search import _evidence_runs as evidence
from evolve.search._policies import SEED, policy_of
from evolve.search._state import ProblemState

_FINAL_MARGIN = 1.15  # final runs take this much longer than the estimate before they are late
_ENOUGH = 3  # programs that are measured again once scores are known not to repeat
_STOOD = 50  # children that are measured while one leads
_COLD_START_S = 2.0  # kept back for measuring the best of a warm run again cold


@dataclass(frozen=True, slots=True)
class Due:
    """A block before it has a ticket."""

    purpose: Purpose
    entries: tuple[Entry, ...]
    needs: Needs


def next_block(state: ProblemState, now: float) -> Due | None:
    """The next block of a search that is not over."""
    known = _seed_block(state) or _made_again(state)
    doubted = known or _suspect(state) or _vault(state) or _panel(state, now)
    return doubted or _remeasure(state) or _recheck(state) or _children(state) or _made_again(state, early=True)


def waiting_block(state: ProblemState) -> Due | None:
    """The seed program until it is known, then children that are there: no more than that."""
    mine = (Purpose.SEED, Purpose.SEARCH)
    return _seed_block(state) or _made_again(state, mine, early=True) or _children(state)


def look(state: ProblemState, now: float) -> Due | None:
    """The seed program, which the evaluator judged before: can it still?  Nothing else is measured meanwhile."""
    if state.run.tickets.blocks or now < state.faults.look_at:
        return None
    return _again(state, SEED, Purpose.SEED)


def _made_again(state: ProblemState, purposes: Sequence[Purpose] = tuple(Purpose), *, early: bool = False) -> Due | None:
    """A measurement that the evaluator could not make, with the same seed."""
    doubt = state.faults.due(purposes, early=early) if state.faults.waiting else None
    return None if doubt is None else Due(doubt.purpose, (doubt.entry,), state.contract.stage(doubt.entry.stage).needs)


def final_block(state: ProblemState, now: float) -> Due | None:
    """The next block once searching is over; None when nothing is left to be measured."""
    people = state.population
    leader = people.leader
    budget = replace(state.run.budget, candidates=None)
    affordable = not exhausted(budget, state.run.usage, now, Reserve(), queued=0.0)
    spare = not exhausted(budget, state.run.usage, now, _last(state), queued=0.0)  # beside what the end itself is owed
    again = _made_again(state, (Purpose.VAULT,), early=True)  # what was opened is brought to its end
    if again or (spare and (again := _made_again(state, early=True))):
        return again
    if state.to_reverify and affordable:
        return _suspect(state)
    if state.contract.noisy:
        return _vault(state) or _panel(state, now) or _more_certainty(state, now) or _last_look(state)
    return None if leader is None else _checked(state, leader) or (_once_more(state, leader) if affordable else None)


def _checked(state: ProblemState, leader: int) -> Due | None:
    """On a deterministic problem the seed program and the leader, each measured again once."""
    steadiness = state.steadiness
    known = leader == SEED and not steadiness.rejected
    left = _room(state, 0)
    if known or left < 1 or (steadiness.doubtful and len(steadiness.scores) >= _ENOUGH):
        return None
    for number in (SEED, leader)[-int(min(left, 2)) :]:
        if number == leader and _awaited(state, Purpose.RECHECK):
            return None  # another may lead by what is still measured
        if not (steadiness.has(number) or _busy(state, number)):
            return _again(state, number, Purpose.RECHECK)
    return None


def _once_more(state: ProblemState, leader: int) -> Due | None:
    """What was kept back to check a leader that was checked before: it is measured once more, rather than nothing."""
    kept = 1 <= _room(state, 0) <= _last(state).evaluations
    return _again(state, leader, Purpose.RECHECK) if kept and not state.run.tickets.blocks and not _busy(state, leader) else None


def _suspect(state: ProblemState) -> Due | None:
    """A descendant of a retracted candidate that holds a place, the title or a claim: measured again, from a fresh process."""
    idle = (number for number in state.to_reverify if not _busy(state, number))
    number = next(idle, None)
    return None if number is None else _again(state, number, Purpose.RECHECK)


def _busy(state: ProblemState, number: int) -> bool:
    """Whether a candidate is being measured, or is to be measured again, or the evaluator cannot measure it."""
    row = state.population.rows[number]
    return row.pending > 0 or state.faults.waits_for(row.id) or number in state.faults.unjudged


def _vault(state: ProblemState) -> Due | None:
    entries = evidence.vault_entries(state) if state.contract.noisy else ()
    return Due(Purpose.VAULT, entries, state.contract.stages[-1].needs) if entries else None


def _panel(state: ProblemState, now: float) -> Due | None:
    if not state.contract.noisy or state.population.rows[SEED].stage < state.population.last_stage:
        return None
    entries = evidence.panel_entries(state, now)
    if len(entries) > _room(state, state.docket.outstanding):
        return None
    return Due(Purpose.PANEL, entries, state.contract.stages[-1].needs) if entries else None


def _room(state: ProblemState, kept: int) -> float:
    """Measurements that the budget still allows if so many are kept back."""
    limit = state.run.budget.evaluations
    return math.inf if limit is None else max(limit - state.run.usage.evaluations - kept, 0)


def _more_certainty(state: ProblemState, now: float) -> Due | None:
    """What was set aside for vaults brings those who may still be confirmed nearer to one, until it only just pays for the vaults
    of those who are there."""
    if state.finals is not None or state.docket.undecided or not confirming.holds_a_vault(state):
        return None
    ahead = max(confirming.vaults_ahead(state), 2 * final_runs(state), SIZES[0].own + SIZES[0].bank)
    spend = state.run.usage
    kept = Reserve(
        wall_s=_FINAL_MARGIN * math.ceil(ahead / state.run.slots) * spend.measure_wall_s,
        cpu_s=_FINAL_MARGIN * ahead * spend.measure_cpu_s,
        evaluations=ahead,
    )
    limits = replace(state.run.budget, candidates=None)
    queued = sum(len(block.remaining()) for block in state.run.tickets.blocks.values()) / state.run.slots
    if exhausted(limits, spend, now, kept, queued=queued) or (state.run.tickets.has_outside and _certain_enough(state, ahead)):
        return None
    entries = evidence.remeasure_entries(state, _room(state, ahead), ending=True)
    return Due(Purpose.REMEASURE, entries, state.contract.stages[-1].needs) if entries else None


def _certain_enough(state: ProblemState, ahead: int) -> bool:
    """Where people or agents make the children more may come: certainty takes no more than what is set aside for claims, and all
    that whoever is there takes where nothing limits the run."""
    if math.isinf(affordable(state.run.budget, state.run.usage, state.run.slots, repeated=True)):
        return False
    taken = state.run.usage.count(Purpose.REMEASURE, Purpose.REFERENCE)
    return taken + ahead + state.docket.cost >= confirming.allowance(state)


def _awaited(state: ProblemState, last: Purpose) -> bool:
    """Whether anything but the last measurements themselves is in flight."""
    return any(block.issued.purpose is not last for block in state.run.tickets.blocks.values())


def _last_look(state: ProblemState) -> Due | None:
    """Best and seed side by side, where no vault says more."""
    people, leader = state.population, state.population.leader
    if _awaited(state, Purpose.FINAL) or state.docket.vaults or policy_of(state).given:
        return None
    if state.finals is not None:
        return _final(state, state.finals[0], state.finals[1])
    if state.contest.titled and state.contest.champion != SEED:
        leader = state.contest.champion
    return _final(state, people.rows[leader].id, 2 * final_runs(state)) if leader not in (None, SEED) else None


def final_runs(state: ProblemState) -> int:
    """Final measurements each of best and seed; fewer where the budget cannot hold more than twice as many others."""
    limit = state.run.budget.evaluations
    runs = state.run.config.final_runs
    return runs if limit is None else min(runs, max(limit - state.run.config.seed_runs, 0) // 4)


def reserve(state: ProblemState) -> Reserve:
    """What has to be left when searching ends: for its last measurements, and for those that the evaluator could not make."""
    last, waiting = _last(state), len(state.faults.waiting)
    return replace(last, evaluations=last.evaluations + waiting) if waiting else last


def _last(state: ProblemState) -> Reserve:
    """What has to be left for the measurements of the end itself."""
    spend = state.run.usage
    if not state.contract.noisy:
        owed = 1 + (not state.steadiness.has(SEED))
        limit = state.run.budget.evaluations
        held = owed if limit is None else min(owed, max(limit // 4, int(_warm(state))))
        return Reserve(wall_s=owed * (_COLD_START_S + spend.measure_wall_s), evaluations=held)
    if state.finals is not None:
        owed = state.finals[1]
    else:
        looks = not state.docket.vaults and not policy_of(state).given  # a last look is made
        owed = max(confirming.kept(state), 2 * final_runs(state) if looks else 0)
    rounds = math.ceil(owed / 2 / state.run.slots) * 2
    return Reserve(
        wall_s=_FINAL_MARGIN * rounds * spend.measure_wall_s, cpu_s=_FINAL_MARGIN * owed * spend.measure_cpu_s, evaluations=owed
    )


def on_target(state: ProblemState, number: int | None) -> bool:
    """Whether a candidate's score is as good as ``stop.target`` asks, warm or cold."""
    score = state.population.score(number) if number is not None else None
    return state.run.stop.target is not None and score is not None and score >= state.population.sign * state.run.stop.target


def _warm(state: ProblemState) -> bool:
    return state.contract.stages[-1].start is Start.WARM


def _entry(state: ProblemState, number: int, stage: int, *, start: Start, stream: str = "search", index: int = 0) -> Entry:
    row = state.population.rows[number]
    declared = state.contract.stages[stage]
    kill_s = state.population.frame.kill_s if state.population.frame is not None and number != SEED else None
    return Entry(
        candidate=row.id,
        stage=declared.name,
        seed=state.run.measurement_seed(row.id, stream, index),
        start=start,
        cpu_limit_s=kill_s if stage == state.population.last_stage else None,
    )


def _seed_block(state: ProblemState) -> Due | None:
    """The seed program, cold, once a stage; then what a noisy problem needs to know its noise."""
    people = state.population
    row = people.rows[SEED]
    if row.stage < people.last_stage:
        stage = row.stage + 1
        if row.pending or state.faults.waits_for(row.id):
            return None
    else:
        stage = people.last_stage
        if not state.contract.noisy or people.n_measured(SEED) + row.pending >= state.run.config.seed_runs:
            return None
    entry = _entry(state, SEED, stage, start=_fresh(state, stage), index=row.next_index)
    return Due(Purpose.SEED, (entry,), state.contract.stages[stage].needs)


def _fresh(state: ProblemState, stage: int) -> Start:
    """The declared start, or cold where it is warm."""
    start = state.contract.stages[stage].start
    return Start.COLD if start is Start.WARM else start


def _again(state: ProblemState, number: int, purpose: Purpose) -> Due:
    """One more measurement of a known candidate, from a fresh process and, where there are several, in another slot.

    A deterministic score is asked for with the seed it was first measured with; of the seed program with another one, on which it
    must not hang.
    """
    people = state.population
    stage = people.last_stage
    index = people.rows[number].next_index if state.contract.noisy else stage
    stream = "again" if number == SEED and not state.contract.noisy else "search"
    entry = _entry(state, number, stage, start=_fresh(state, stage), stream=stream, index=index)
    return Due(purpose, (entry,), replace(state.contract.stages[stage].needs, elsewhere=True))


def _remeasure(state: ProblemState) -> Due | None:
    if not state.contract.noisy:
        return None
    entries = evidence.remeasure_entries(state, _room(state, reserve(state).evaluations), ending=False)
    return Due(Purpose.REMEASURE, entries, state.contract.stages[-1].needs) if entries else None


def _recheck(state: ProblemState) -> Due | None:
    people = state.population
    rows, leader = people.rows, people.leader
    if not _warm(state):
        return _stood(state)
    if state.run.usage.share_of_wall(Purpose.RECHECK) >= state.run.config.recheck_share and not on_target(state, leader):
        return None
    if leader is not None and not rows[leader].cold:
        return None if _busy(state, leader) else _again(state, leader, Purpose.RECHECK)
    for number in reversed(people.warm_elites):
        if not rows[number].cold and number in people.archive.cells and not _busy(state, number):
            return _again(state, number, Purpose.RECHECK)
    return _stood(state)


def _stood(state: ProblemState) -> Due | None:
    """On a deterministic problem the seed program once, and whoever has led for a while: a score that does not repeat is better
    known before all others descend from it."""
    people, leader = state.population, state.population.leader
    if state.contract.noisy or state.steadiness.doubtful or people.n_settled < _STOOD:
        return None
    stood = people.n_settled - people.leader_at >= _STOOD
    wanted = [one for one in (SEED, leader if stood else None) if one is not None and not state.steadiness.has(one)]
    number = next((one for one in wanted if not _busy(state, one)), None)
    if number is None or state.run.usage.share_of_wall(Purpose.RECHECK) >= state.run.config.recheck_share:
        return None
    return _again(state, number, Purpose.RECHECK)


def _children(state: ProblemState) -> Due | None:
    """Up to ``stage.block`` children at one stage."""
    people, contract = state.population, state.contract
    ready = [due for due in people.ready if due.row != SEED]
    if not ready:
        return None
    first = ready[0]
    stage = contract.stages[first.stage]
    room = min(stage.block, _room(state, reserve(state).evaluations))
    batch = [due for due in ready if due.stage == first.stage][: max(int(room), 1)]
    starts = [
        stage.start if people.rows[due.row].arm >= 0 else _fresh(state, due.stage) for due in batch
    ]  # told ones count at once
    entries = tuple(
        _entry(state, due.row, due.stage, start=start, index=people.rows[due.row].next_index)
        for due, start in zip(batch, starts, strict=True)
    )
    return Due(Purpose.SEARCH, entries, stage.needs)


def _final(state: ProblemState, finalist: str, owed: int) -> Due | None:
    """Pairs of (best, seed) on fresh seeds, alternating on one lease, shared out over the slots."""
    people = state.population
    pairs = min(math.ceil(final_runs(state) / state.run.slots), owed // 2, int(min(_room(state, 0), owed)) // 2)
    if pairs < 1:
        return None
    best, stage = people.by_id[finalist], people.last_stage
    entries: list[Entry] = []
    for pair in range(pairs):
        order = (best, SEED) if pair % 2 == 0 else (SEED, best)
        for number in order:
            index = people.rows[number].next_index + pair
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
    return Due(Purpose.FINAL, tuple(entries), state.contract.stages[stage].needs)
