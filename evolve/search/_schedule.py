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
from typing import TYPE_CHECKING

from archive import Entry, Needs, Purpose, Start
from evolve.budget._usage import Reserve, affordable, exhausted
from evolve.confirm import SIZES
from evolve.search import _claims as confirming
from evolve.search import _evidence_runs as evidence
from evolve.search._policies import SEED

if TYPE_CHECKING:
    from evolve.search._search import Search

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


def next_block(search: Search) -> Due | None:
    """The next block of a search that is not over."""
    known = _seed_block(search) or _made_again(search)
    doubted = known or _suspect(search) or _vault(search) or _panel(search, search.now)
    return doubted or _remeasure(search) or _recheck(search) or _children(search) or _made_again(search, early=True)


def waiting_block(search: Search) -> Due | None:
    """The seed program until it is known, then children that are there: no more than that."""
    mine = (Purpose.SEED, Purpose.SEARCH)
    return _seed_block(search) or _made_again(search, mine, early=True) or _children(search)


def look(search: Search, now: float) -> Due | None:
    """The seed program, which the evaluator judged before: can it still?  Nothing else is measured meanwhile."""
    if search.tickets.blocks or now < search.faults.look_at:
        return None
    return _again(search, SEED, Purpose.SEED)


def _made_again(search: Search, purposes: Sequence[Purpose] = tuple(Purpose), *, early: bool = False) -> Due | None:
    """A measurement that the evaluator could not make, with the same seed."""
    doubt = search.faults.due(purposes, early=early) if search.faults.waiting else None
    return None if doubt is None else Due(doubt.purpose, (doubt.entry,), search.contract.stage(doubt.entry.stage).needs)


def final_block(search: Search, now: float) -> Due | None:
    """The next block once searching is over; None when nothing is left to be measured."""
    people = search.people
    leader = people.leader
    budget = replace(search.budget, candidates=None)
    affordable = not exhausted(budget, search.spend, now, Reserve(), queued=0.0)
    spare = not exhausted(budget, search.spend, now, _last(search), queued=0.0)  # beside what the end itself is owed
    again = _made_again(search, (Purpose.VAULT,), early=True)  # what was opened is brought to its end
    if again or (spare and (again := _made_again(search, early=True))):
        return again
    if search.suspects and affordable:
        return _suspect(search)
    if search.contract.noisy:
        return _vault(search) or _panel(search, now) or _more_certainty(search, now) or _last_look(search)
    steadiness = search.steadiness
    known = leader == SEED and not steadiness.rejected
    if leader is None or known or (steadiness.doubtful and len(steadiness.scores) >= _ENOUGH):
        return None
    left = _room(search, 0)
    for number in (SEED, leader)[-int(min(left, 2)) :] if left >= 1 else ():
        if number == leader and _awaited(search, Purpose.RECHECK):
            return None  # another may lead by what is still measured
        if not (steadiness.has(number) or _busy(search, number)):
            return _again(search, number, Purpose.RECHECK)
    return None


def _suspect(search: Search) -> Due | None:
    """A descendant of a retracted candidate that holds a place, the title or a claim: measured again, from a fresh process."""
    idle = (number for number in search.suspects if not _busy(search, number))
    number = next(idle, None)
    return None if number is None else _again(search, number, Purpose.RECHECK)


def _busy(search: Search, number: int) -> bool:
    """Whether a candidate is being measured, or is to be measured again, or the evaluator cannot measure it."""
    row = search.people.rows[number]
    return row.pending > 0 or search.faults.waits_for(row.id) or number in search.faults.unjudged


def _vault(search: Search) -> Due | None:
    entries = evidence.vault_entries(search) if search.contract.noisy else ()
    return Due(Purpose.VAULT, entries, search.contract.stages[-1].needs) if entries else None


def _panel(search: Search, now: float) -> Due | None:
    if not search.contract.noisy or search.people.rows[SEED].stage < search.people.last_stage:
        return None
    entries = evidence.panel_entries(search, now)
    if len(entries) > _room(search, search.docket.outstanding):
        return None
    return Due(Purpose.PANEL, entries, search.contract.stages[-1].needs) if entries else None


def _room(search: Search, kept: int) -> float:
    """Measurements that the budget still allows if so many are kept back."""
    limit = search.budget.evaluations
    return math.inf if limit is None else max(limit - search.spend.evaluations - kept, 0)


def _more_certainty(search: Search, now: float) -> Due | None:
    """What was set aside for vaults brings those who may still be confirmed nearer to one, until it only just pays for the vaults
    of those who are there."""
    if search.finals is not None or search.docket.undecided or not confirming.holds_a_vault(search):
        return None
    ahead = max(confirming.vaults_ahead(search), 2 * final_runs(search), SIZES[0].own + SIZES[0].bank)
    spend = search.spend
    kept = Reserve(
        wall_s=_FINAL_MARGIN * math.ceil(ahead / search.slots) * spend.measure_wall_s,
        cpu_s=_FINAL_MARGIN * ahead * spend.measure_cpu_s,
        evaluations=ahead,
    )
    limits = replace(search.budget, candidates=None)
    queued = sum(len(block.remaining()) for block in search.tickets.blocks.values()) / search.slots
    if exhausted(limits, spend, now, kept, queued=queued) or (search.tickets.has_outside and _certain_enough(search, ahead)):
        return None
    entries = evidence.remeasure_entries(search, _room(search, ahead), ending=True)
    return Due(Purpose.REMEASURE, entries, search.contract.stages[-1].needs) if entries else None


def _certain_enough(search: Search, ahead: int) -> bool:
    """Where people or agents make the children more may come: certainty takes no more than what is set aside for claims, and all
    that whoever is there takes where nothing limits the run."""
    if math.isinf(affordable(search.budget, search.spend, search.slots, repeated=True)):
        return False
    taken = search.spend.count(Purpose.REMEASURE, Purpose.REFERENCE)
    return taken + ahead + search.docket.cost >= confirming.allowance(search)


def _awaited(search: Search, last: Purpose) -> bool:
    """Whether anything but the last measurements themselves is in flight."""
    return any(block.issued.purpose is not last for block in search.tickets.blocks.values())


def _last_look(search: Search) -> Due | None:
    """Best and seed side by side, where no vault says more."""
    people, leader = search.people, search.people.leader
    if _awaited(search, Purpose.FINAL) or search.docket.vaults or search.policy.given:
        return None
    if search.finals is not None:
        return _final(search, search.finals[0], search.finals[1])
    if search.contest.titled and search.contest.champion != SEED:
        leader = search.contest.champion
    return _final(search, people.rows[leader].id, 2 * final_runs(search)) if leader not in (None, SEED) else None


def final_runs(search: Search) -> int:
    """Final measurements each of best and seed; fewer where the budget cannot hold more than twice as many others."""
    limit = search.budget.evaluations
    runs = search.config.final_runs
    return runs if limit is None else min(runs, max(limit - search.config.seed_runs, 0) // 4)


def reserve(search: Search) -> Reserve:
    """What has to be left when searching ends: for its last measurements, and for those that the evaluator could not make."""
    last, waiting = _last(search), len(search.faults.waiting)
    return replace(last, evaluations=last.evaluations + waiting) if waiting else last


def _last(search: Search) -> Reserve:
    """What has to be left for the measurements of the end itself."""
    spend = search.spend
    if not search.contract.noisy:
        owed = 1 + (not search.steadiness.has(SEED))
        limit = search.budget.evaluations
        held = owed if limit is None else min(owed, max(limit // 4, int(_warm(search))))
        return Reserve(wall_s=owed * (_COLD_START_S + spend.measure_wall_s), evaluations=held)
    if search.finals is not None:
        owed = search.finals[1]
    else:
        looks = not search.docket.vaults and not search.policy.given  # a last look is made
        owed = max(confirming.kept(search), 2 * final_runs(search) if looks else 0)
    rounds = math.ceil(owed / 2 / search.slots) * 2
    return Reserve(
        wall_s=_FINAL_MARGIN * rounds * spend.measure_wall_s, cpu_s=_FINAL_MARGIN * owed * spend.measure_cpu_s, evaluations=owed
    )


def on_target(search: Search, number: int | None) -> bool:
    """Whether a candidate's score is as good as ``stop.target`` asks, warm or cold."""
    score = search.people.score(number) if number is not None else None
    return search.stop.target is not None and score is not None and score >= search.people.sign * search.stop.target


def _warm(search: Search) -> bool:
    return search.contract.stages[-1].start is Start.WARM


def _entry(search: Search, number: int, stage: int, *, start: Start, stream: str = "search", index: int = 0) -> Entry:
    row = search.people.rows[number]
    declared = search.contract.stages[stage]
    kill_s = search.people.frame.kill_s if search.people.frame is not None and number != SEED else None
    return Entry(
        candidate=row.id,
        stage=declared.name,
        seed=search.measurement_seed(row.id, stream, index),
        start=start,
        cpu_limit_s=kill_s if stage == search.people.last_stage else None,
    )


def _seed_block(search: Search) -> Due | None:
    """The seed program, cold, once a stage; then what a noisy problem needs to know its noise."""
    people = search.people
    row = people.rows[SEED]
    if row.stage < people.last_stage:
        stage = row.stage + 1
        if row.pending or search.faults.waits_for(row.id):
            return None
    else:
        stage = people.last_stage
        if not search.contract.noisy or people.n_measured(SEED) + row.pending >= search.config.seed_runs:
            return None
    entry = _entry(search, SEED, stage, start=_fresh(search, stage), index=row.next_index)
    return Due(Purpose.SEED, (entry,), search.contract.stages[stage].needs)


def _fresh(search: Search, stage: int) -> Start:
    """The declared start, or cold where it is warm."""
    start = search.contract.stages[stage].start
    return Start.COLD if start is Start.WARM else start


def _again(search: Search, number: int, purpose: Purpose) -> Due:
    """One more measurement of a known candidate, from a fresh process and, where there are several, in another slot.

    A deterministic score is asked for with the seed it was first measured with; of the seed program with another one, on which it
    must not hang.
    """
    people = search.people
    stage = people.last_stage
    index = people.rows[number].next_index if search.contract.noisy else stage
    stream = "again" if number == SEED and not search.contract.noisy else "search"
    entry = _entry(search, number, stage, start=_fresh(search, stage), stream=stream, index=index)
    return Due(purpose, (entry,), replace(search.contract.stages[stage].needs, elsewhere=True))


def _remeasure(search: Search) -> Due | None:
    if not search.contract.noisy:
        return None
    entries = evidence.remeasure_entries(search, _room(search, reserve(search).evaluations), ending=False)
    return Due(Purpose.REMEASURE, entries, search.contract.stages[-1].needs) if entries else None


def _recheck(search: Search) -> Due | None:
    people = search.people
    rows, leader = people.rows, people.leader
    if not _warm(search):
        return _stood(search)
    if search.spend.share_of_wall(Purpose.RECHECK) >= search.config.recheck_share and not on_target(search, leader):
        return None
    if leader is not None and not rows[leader].cold:
        return None if _busy(search, leader) else _again(search, leader, Purpose.RECHECK)
    for number in reversed(people.warm_elites):
        if not rows[number].cold and number in people.archive.cells and not _busy(search, number):
            return _again(search, number, Purpose.RECHECK)
    return _stood(search)


def _stood(search: Search) -> Due | None:
    """On a deterministic problem the seed program once, and whoever has led for a while: a score that does not repeat is better
    known before all others descend from it."""
    people, leader = search.people, search.people.leader
    if search.contract.noisy or search.steadiness.doubtful or people.n_settled < _STOOD:
        return None
    stood = people.n_settled - people.leader_at >= _STOOD
    wanted = [one for one in (SEED, leader if stood else None) if one is not None and not search.steadiness.has(one)]
    number = next((one for one in wanted if not _busy(search, one)), None)
    if number is None or search.spend.share_of_wall(Purpose.RECHECK) >= search.config.recheck_share:
        return None
    return _again(search, number, Purpose.RECHECK)


def _children(search: Search) -> Due | None:
    """Up to ``stage.block`` children at one stage."""
    people, contract = search.people, search.contract
    ready = [due for due in people.ready if due.row != SEED]
    if not ready:
        return None
    first = ready[0]
    stage = contract.stages[first.stage]
    room = min(stage.block, _room(search, reserve(search).evaluations))
    batch = [due for due in ready if due.stage == first.stage][: max(int(room), 1)]
    starts = [
        stage.start if people.rows[due.row].arm >= 0 else _fresh(search, due.stage) for due in batch
    ]  # told ones count at once
    entries = tuple(
        _entry(search, due.row, due.stage, start=start, index=people.rows[due.row].next_index)
        for due, start in zip(batch, starts, strict=True)
    )
    return Due(Purpose.SEARCH, entries, stage.needs)


def _final(search: Search, finalist: str, owed: int) -> Due | None:
    """Pairs of (best, seed) on fresh seeds, alternating on one lease, shared out over the slots."""
    people = search.people
    pairs = min(math.ceil(final_runs(search) / search.slots), owed // 2, int(min(_room(search, 0), owed)) // 2)
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
                    search,
                    number,
                    stage,
                    start=_fresh(search, stage),
                    stream="final",
                    index=index,
                )
            )
    return Due(Purpose.FINAL, tuple(entries), search.contract.stages[stage].needs)
