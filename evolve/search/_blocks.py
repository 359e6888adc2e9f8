"""What blocks of measurements come to: handed out, measured, closed.  Called by the search's ``apply`` alone."""

from __future__ import annotations

from archive import BlockClosed, BlockEntry, BlockStatus, ElitePlaced, Measured, MeasureIssued, Measurement, Purpose, Status
from evolve._counted import counted
from evolve.search import _results as offspring
from evolve.search._notes import remember_best
from evolve.search._room import final_runs
from evolve.search.claims import _claims as confirming
from evolve.search.state._faults import TRIES, named
from evolve.search.state._state import INITIAL, ProblemState
from evolve.search.state._tickets import MAX_LOSSES


def on_issued(state: ProblemState, record: MeasureIssued) -> None:
    if not state.run.tickets.on_issued(record):
        return
    again = state.faults.on_issued(record)
    for entry in record.entries:
        number = state.population.by_id[entry.candidate]
        row = state.population.candidates[number]
        row.n_in_flight += 1
        row.next_seed_index += not again and (record.purpose is not Purpose.RECHECK or state.contract.noisy)
        target = row is state.population.candidates[state.champion_test.target]
        compared = target and record.purpose is Purpose.REMEASURE and len(record.entries) > 1
        for usage in state.usages:
            usage.on_issued(Purpose.REFERENCE if compared else record.purpose)
        if record.purpose is Purpose.RECHECK and number in state.to_reverify:
            state.to_reverify.remove(number)
    if again:
        return
    confirming.on_issued(state, record)
    state.population.on_block_issued(record.purpose, record.entries)
    if record.purpose is Purpose.FINAL:
        finalist = next(entry.candidate for entry in record.entries if entry.candidate != state.population.candidates[INITIAL].id)
        owed = state.final_comparison[1] if state.final_comparison is not None else 2 * final_runs(state)
        state.final_comparison = (finalist, owed - len(record.entries))


def on_measured(state: ProblemState, record: Measured) -> list[ElitePlaced]:
    block = state.run.tickets.open_block(record.attempt)
    if block is None or record.index in block.done:
        return []
    state.run.tickets.on_measured(block, record.index)
    if state.contract.stage(record.result.stage).calibrated:
        block.uncalibrated.append(record)
        return []
    return _count(state, record, block.issued.entries[record.index])


def on_closed(state: ProblemState, record: BlockClosed) -> list[ElitePlaced]:
    block = state.run.tickets.open_block(record.attempt)
    if block is None:
        return []
    if record.lost is not None:
        lost = block.issued.entries[record.lost]
        state.population.candidates[state.population.by_id[lost.candidate]].n_losses += 1
        if block.issued.purpose is Purpose.VAULT:
            confirming.on_dropped(state, (lost,), "a run of its vault was lost", cancelled=False)
    if _is_machines_fault(state, record):
        block.n_lost += 1
    if block.n_lost >= MAX_LOSSES:
        state.run.fail(f"a block was lost {MAX_LOSSES} times: {record.reason}")
    open_before = block.remaining()
    entries = block.issued.entries
    placed = [one for held in state.run.tickets.on_block_closed(record) for one in _count(state, held, entries[held.index])]
    if record.attempt.ticket not in state.blocks:
        _given_up(state, record, block.issued, sorted({*open_before, *block.remaining()}))
    return placed


def _is_machines_fault(state: ProblemState, record: BlockClosed) -> bool:
    """Whether a block was lost through nobody's doing that is known: who is named is judged after two losses, but for the initial
    program, and on a cluster nodes come and go."""
    if record.status is not BlockStatus.LOST:
        return False
    entries = state.run.tickets.blocks[record.attempt.ticket].issued.entries
    return record.lost is None or state.population.by_id[entries[record.lost].candidate] == INITIAL


def _given_up(state: ProblemState, record: BlockClosed, issued: MeasureIssued, gone: list[int]) -> None:
    """A block is closed for good: entries that were skipped, cancelled, or void too often will not end any more."""
    rows, by_id = state.population.candidates, state.population.by_id
    for i in gone:
        rows[by_id[issued.entries[i].candidate]].n_in_flight -= 1
        state.faults.on_dropped(issued.entries[i])
    void = record.status is BlockStatus.VOID
    if issued.purpose is Purpose.VAULT:
        dropped = tuple(issued.entries[i] for i in gone if i not in record.skipped)
        confirming.on_dropped(state, dropped, record.reason, cancelled=record.status is BlockStatus.CANCELLED)
    for number in sorted({by_id[issued.entries[i].candidate] for i in gone} if void else ()):
        if number == INITIAL and rows[INITIAL].stage < state.population.last_stage:
            state.run.fail(f"the machine never stood still for the initial program: {record.reason}")
        if rows[number].status is None:  # it could not be measured, which is no fault of its own
            rows[number].status = Status.EVALUATOR_ERROR
            offspring.assign_credit(state, number)  # without a score nothing takes a place


def _count(state: ProblemState, record: Measured, entry: BlockEntry) -> list[ElitePlaced]:
    result = record.result
    number = state.population.by_id[result.candidate]
    row = state.population.candidates[number]
    row.n_in_flight -= 1
    for usage in state.usages:
        usage.on_measured(record.purpose, result)
    state.computed.on_measured(result)
    if number != INITIAL:
        state.costs.on_measured((row.selector, row.arm), result)
    state.steadiness.on_measured(state.population, number, record)
    if state.steadiness.initial_failure and number == INITIAL and record.purpose is Purpose.RECHECK:
        state.faults.on_dropped(entry)
        return []  # it was good once, and the run stands on that
    if record.purpose in (Purpose.INITIAL, Purpose.SEARCH) and result.stage == state.contract.stages[-1].name:
        best = state.population.leader
        state.pruning.on_measured(state.contract, number, entry, result, None if best is None else state.population.score(best))
    failures = state.population.failures.get(result.status, 0)
    placed = state.population.add_measurement(number, result, vault=record.purpose is Purpose.VAULT)
    if state.population.failures.get(result.status, 0) > failures:
        state.memory.on_failed(number, result.status, result.reason)
    again = _heard(state, number, record, entry)
    if state.contract.noisy and not again:
        confirming.on_measured(state, number, record)
    if record.purpose is Purpose.FINAL:
        _on_final(state, number, result)
    state.memory.on_measured(number, result)
    placed += offspring.assign_credit(state, number)
    remember_best(state, number)
    state.fail(_hopeless(state, result))
    return placed + offspring.try_replace_parent(state, number)


def _on_final(state: ProblemState, number: int, result: Measurement) -> None:
    """A score of the comparison at the end; a finalist that has lost its own ends it, and who stands then may be compared."""
    if state.final_comparison is None:
        return
    finalist = state.population.by_id[state.final_comparison[0]]
    if state.population.score(finalist) is None:
        state.final_comparison, state.final_scores = None, []
    elif result.score is not None and number in (INITIAL, finalist):
        state.final_scores.append((result.candidate, result.score))


def _heard(state: ProblemState, number: int, record: Measured, entry: BlockEntry) -> bool:
    """Take in what the evaluator said, and whether the run can go on; returns whether it is asked again."""
    result, faults = record.result, state.faults
    erred = result.status is Status.EVALUATOR_ERROR
    if faults.is_alarmed and record.purpose is Purpose.INITIAL and state.population.leader is not None:
        state.fail(faults.on_probed(erred, state.run.usage.last_at, result.reason))
        if erred:
            faults.errors += 1
            return False
    if not erred:
        faults.on_measured(number, entry, result)
        if number == INITIAL and result.status is not Status.OK:
            state.fail(f"the initial program failed ({result.status}): {result.reason}")
        return False
    again = faults.on_fault(number, entry, record.purpose, result.reason)
    if number == INITIAL and not again and state.population.candidates[INITIAL].status is not Status.OK:
        state.fail(f"the evaluator failed on the initial program, {TRIES} times: {result.reason}")
    return again


def _hopeless(state: ProblemState, result: Measurement) -> str:
    """After an error: why the evaluator is given up, which can judge too few programs ("" while it is not)."""
    faults, population = state.faults, state.population
    if result.status is not Status.EVALUATOR_ERROR or not faults.hopeless(population.n_credited):
        return ""
    ids = named([population.candidates[number].id for number in faults.unjudged])
    tried = counted(population.n_credited, "program")
    return f"the evaluator could not judge {len(faults.unjudged)} of {tried} ({ids}): {faults.first}"
