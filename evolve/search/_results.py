"""What becomes of tickets and children: the population grows, bandit and tuner learn.  Called by the search's ``apply`` alone."""

from __future__ import annotations

import math
from dataclasses import replace

from archive import ElitePlaced, ProposalStatus, Proposed, ProposeIssued, Status, difference
from evolve.budget._cpu_budget import INITIAL
from evolve.confirm import E_CHAMPION, SampleStats, log_e_not_worse, shrunk_variance
from evolve.search._notes import remember
from evolve.search.policy._arms import NO_ARM, usd_to_seconds
from evolve.search.policy._policies import policy_of
from evolve.search.policy._relatives import on_offered
from evolve.search.state._candidates import PendingStage
from evolve.search.state._faults import CHANCES
from evolve.search.state._operators import Parent
from evolve.search.state._state import ProblemState

_MAX_REASONS, _MAX_REASON_CHARS = 8, 160
_MAX_FAILURE_CHARS = 400
_TINY_GAIN = 1e-300  # the least gain: what is as good and shorter is worth something


def deduplicated(state: ProblemState, record: Proposed) -> Proposed:
    """The record of a child as the gates leave it: a known program becomes a duplicate; one too like a known one is invalid."""
    candidate, rows = record.candidate, state.population.candidates
    if candidate is None:
        return record
    known = state.population.by_hash.get(candidate.code_hash)
    if known is not None:
        return replace(record, status=ProposalStatus.DUPLICATE, candidate=None, duplicate_of=rows[known].id)
    near = state.novelty.nearest(candidate.sketch) if candidate.sketch else None
    if near is None:
        return record
    number, similarity = near
    if similarity <= state.novelty.threshold:
        return replace(record, similarity=similarity)
    reason = f"its text is too like {rows[number].id} (cosine {similarity:.4f})"
    refused = replace(record, status=ProposalStatus.INVALID, candidate=None, reason=reason, outcome="too_similar")
    return replace(refused, similarity=similarity)


def on_issued(state: ProblemState, record: ProposeIssued, at: float) -> None:
    """A propose ticket was handed out at this Unix time."""
    new = state.run.tickets.on_issued(record)
    if record.arm.model:
        state.run.tickets.asked_at[record.attempt.ticket] = at
    if new and record.sample is None and state.tunes(record.arm):
        state.tuner_session.opening = True
    if not new:
        return
    if record.sample is not None:
        state.tuner_session.on_issued(record.sample)
    spec = state.operators.get(record.arm.operator)
    if spec is not None and spec.repeats:
        state.changes.on_given(spec.name, tuple(state.population.by_id[parent] for parent in record.parents))
    if spec is not None and spec.parent is Parent.RELATIVE:
        for id_ in record.inspirations:
            on_offered(state, id_)
    policy_of(state).on_issued(state, record)


def on_proposed(state: ProblemState, record: Proposed, at: float) -> None:
    """A propose ticket ended at this Unix time; or a program came without one: the initial program, or one that was told."""
    ticket = record.attempt.ticket
    _ask_again(state, record)
    if state.run.tickets.open_proposal(record.attempt) is None:
        if state.population.candidates:
            state.costs.on_proposed(("", NO_ARM), record)
        if record.candidate is not None and record.candidate.id not in state.population.by_id:  # the first, or told
            number = state.population.add(record.candidate, arm=NO_ARM, ticket=ticket, tuner=-1, baseline=None)
            state.memory.on_candidate(number, record.candidate, state.population.candidates[number].parents)
            for usage in state.usages:
                usage.candidates += number != INITIAL
            state.run.tickets.next_ticket = max(state.run.tickets.next_ticket, ticket + 1)
        return
    issued = state.run.tickets.on_proposed(ticket)
    _count_fruitless(state.fruitless, record)
    external = issued.expires_at is not None
    if record.status is ProposalStatus.FAILED and not issued.arm.model:
        name = issued.arm.operator
        state.failed[name] = state.failed.get(name, 0) + 1
        state.first_failures.setdefault(name, record.reason[:_MAX_FAILURE_CHARS])
    arm, sample = NO_ARM if external else state.bandit.arms.index(issued.arm), issued.sample
    state.costs.on_proposed((issued.selector, arm), record)
    if issued.arm.model:
        asked_at = state.run.tickets.asked_at.pop(ticket, at)
        for usage in state.usages:
            usage.on_answered(at - asked_at)
        state.run.model_limits.on_proposed(record, issued.arm.model, at, state.run.tickets.next_ticket)
    if record.similarity is not None:
        state.novelty.record_similarity(record.similarity)
    cost_s = record.cpu_s + usd_to_seconds(state, record.usd)
    if record.candidate is not None:
        tuner = sample.tuner if sample is not None else -1
        number = state.population.add(
            record.candidate, arm=arm, ticket=ticket, tuner=tuner, baseline=issued.baseline, island=issued.island
        )
        state.population.candidates[number].cost_s += cost_s
        state.population.candidates[number].selector = issued.selector
        state.memory.on_candidate(number, record.candidate, state.population.candidates[number].parents)
        state.pruning.on_child(number, record.candidate.touched)
        if record.candidate.sketch:
            state.novelty.add(number, record.candidate.sketch)
        for usage in state.usages:
            usage.candidates += 1
        if sample is not None:
            state.tuner_session.on_sampled(number, sample)
        return
    counts = record.status is not ProposalStatus.TUNER if policy_of(state).operators.earned else not state.tunes(issued.arm)
    if not external and record.status is not ProposalStatus.LOST and counts:
        state.bandit.learn(arm, None, cost_s, made=False)
        policy_of(state).on_refused(state, issued.selector)
    if record.status is ProposalStatus.TUNER:
        state.tuner_session.on_opened(ticket, state.population.by_id[issued.parents[0]], record.literals, state.population)
    elif sample is None and state.tunes(issued.arm):
        state.tuner_session.on_refused(state.population.by_id[issued.parents[0]])
    elif sample is not None:
        twin = state.population.by_id.get(record.duplicate_of)
        settled = twin is None or state.population.candidates[twin].credited
        state.tuner_session.on_duplicate(sample, twin, state.population.worth(twin) if twin is not None else None, settled=settled)


def _ask_again(state: ProblemState, record: Proposed) -> None:
    """A child that is a known program, which the evaluator could not judge: it is measured again, a bounded number of times where
    operators come by it, always where somebody tells it."""
    number = state.population.by_id.get(record.duplicate_of)
    if number is None:
        return
    issued = state.run.tickets.open_proposal(record.attempt)
    if issued is None or issued.expires_at is not None or state.faults.erred.get(number, 0) < CHANCES:
        revive(state, number)


def _count_fruitless(reasons: dict[str, int], record: Proposed) -> None:
    """Another ticket that gave no new program; one that did begins the count anew."""
    if record.candidate is not None or record.status is ProposalStatus.TUNER:
        reasons.clear()
        return
    reason = "a program that is known" if record.status is ProposalStatus.DUPLICATE else record.reason or record.status.value
    reason = reason[:_MAX_REASON_CHARS].rstrip(".")
    if reason not in reasons and len(reasons) >= _MAX_REASONS:
        reason = "other reasons"
    reasons[reason] = reasons.get(reason, 0) + 1


def unjudged_twin(state: ProblemState, code_hash: str) -> int | None:
    """The program of this hash that the evaluator could not judge, which nobody is about to measure: one may ask for it again."""
    twin = state.population.by_hash.get(code_hash)
    return twin if twin is not None and _is_unjudged(state, twin) else None


def _is_unjudged(state: ProblemState, number: int) -> bool:
    row = state.population.candidates[number]
    return row.credited and row.status is Status.EVALUATOR_ERROR and not row.n_in_flight


def revive(state: ProblemState, number: int) -> None:
    """A program that the evaluator could not judge is due again, as if nobody had measured it."""
    if not _is_unjudged(state, number):
        return
    row = state.population.candidates[number]
    row.status, row.credited = None, False
    state.population.n_credited -= 1
    state.faults.unjudged.pop(number, None)
    if number != INITIAL:
        state.population.queue.append(PendingStage(number, row.stage + 1))


def assign_credit(state: ProblemState, number: int) -> list[ElitePlaced]:
    """Tell the bandit, the tuner, the memory and the incumbent once it is known what became of a child.

    Returns what changed in the archive: a simplification that is no worse takes the place of what it simplifies.
    """
    row = state.population.candidates[number]
    score = state.population.worth(number)
    going_on = score is None and (any(due.index == number for due in state.population.queue) or state.faults.waits_for(row.id))
    if row.credited or row.status is None or going_on:
        return []
    row.credited = True
    state.population.n_credited += 1
    placed: list[ElitePlaced] = []
    maker = state.maker(number)
    allocator = policy_of(state).operators
    if maker is not None and (allocator.earned or not maker.tunes):
        baseline = allocator.counted_from(state, row.baseline) if row.baseline is not None else score
        gain = difference(score, baseline) if score is not None and baseline is not None else None
        if maker.replaces and score is not None and not state.contract.noisy:
            parent = row.parents[0]
            before = state.population.score(parent)
            if before is not None and score >= before:
                gain = gain if allocator.earned else max(difference(score, before), _TINY_GAIN)
                placed = state.population.replace_parent(number, parent)
        state.bandit.learn(row.arm, gain, row.cost_s)
    if row.parents and row.tuner < 0:
        state.changes.on_child(number, score, state.population.worth(row.parents[0]))
    state.tuner_session.on_credited(number, score)
    policy_of(state).on_credited(state, number, score)
    remember(state, number, score)
    return placed


def try_replace_parent(state: ProblemState, number: int) -> list[ElitePlaced]:
    """On a noisy problem a simplification takes its parent's place once its runs have shown that it is not worse."""
    population = state.population
    row, noise = population.candidates[number], population.noise
    maker = state.maker(number)
    if maker is None or not maker.replaces or not state.contract.noisy:
        return []
    mine, before = population.stats(number), population.stats(row.parents[0])
    if mine is None or before is None or noise <= 0.0:
        return []
    both = ((number, mine), (row.parents[0], before))
    ours, theirs = (
        SampleStats(stats.n, stats.mean, shrunk_variance(stats.n, stats.m2, population.noise_of(who))) for who, stats in both
    )
    if log_e_not_worse(ours, theirs, math.sqrt(noise)) < math.log(E_CHAMPION):
        return []
    return population.replace_parent(number, row.parents[0])
