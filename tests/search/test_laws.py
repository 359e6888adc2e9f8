"""The laws of the search, under permuted arrivals, lost graders and drivers killed at any record."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation import Simulation, build, contract, hash_of, state

from archive import (
    Attempt,
    Axis,
    BlockStatus,
    BudgetSet,
    Claim,
    LateResult,
    Measured,
    MeasureIssued,
    ProposalStatus,
    Proposed,
    Purpose,
    Rebinned,
    StartMode,
    Status,
    StopRequested,
)
from evolve.runs._checkpoint import dump_state, load_state
from evolve.search._stopping import search_is_over
from evolve.search.state._tickets import ProposalResult
from evolve.views._summary import best_candidate, evidence_label
from evolve.views._unchecked import unchecked

KINDS = st.sampled_from(
    [
        contract(),
        contract(noisy=True),
        contract(start=StartMode.WARM, block=3),
        contract(stages=2),
    ]
)
POLICIES = st.sampled_from(["auto", "map_elites", "independent", "best_of_n", "hill_climb", "one_plus_one"])


def simulate(kind, policy, arrivals, *, losses=0.0, evaluations=60, noise=None):
    search = build(kind, policy=policy, evaluations=evaluations)
    run = Simulation(search, np.random.default_rng(arrivals), losses=losses, noise=0.05 if kind.noisy and noise is None else 0.0)
    run.begin()
    return run


@dataclass
class FinalistFails(Simulation):
    """The first program that is compared with the initial one at the end fails there."""

    failing: str | None = None

    def measure(self, issued, index):
        made, entry = super().measure(issued, index), issued.entries[index]
        if issued.purpose is Purpose.FINAL and entry.candidate != "seed":
            self.failing = self.failing or entry.candidate
        fails = issued.purpose is Purpose.FINAL and entry.candidate == self.failing
        return replace(made, status=Status.CRASH, score=None) if fails else made


@settings(max_examples=8, deadline=None)
@given(KINDS, POLICIES, st.integers(0, 2**32), st.floats(0, 0.3))
def test_replay_gives_the_same_state_at_every_record(kind, policy, arrivals, losses):
    run = simulate(kind, policy, arrivals, losses=losses)
    replayed = build(kind, policy=policy)
    done = 0
    for _ in range(120):
        if not run.step():
            break
        for stamped in run.log[done:]:
            replayed.apply(stamped)
        done = len(run.log)
        assert state(replayed) == state(run.search)
        tickets = run.search.run.tickets
        assert sum(tickets.n_unmeasured.values()) == sum(len(block.remaining()) for block in tickets.blocks.values())
    assert run.search.run.failure or len(run.log) > 30


@settings(max_examples=8, deadline=None)
@given(KINDS, st.integers(0, 2**32), st.integers(3, 200))
def test_checkpoint_and_tail_equal_full_replay(kind, arrivals, cut):
    run = simulate(kind, "map_elites", arrivals, losses=0.1)
    run.run()
    cut = min(cut, len(run.log))
    head, whole = build(kind), build(kind)
    for stamped in run.log[:cut]:
        head.apply(stamped)
    arrays: list[np.ndarray] = []
    tree = dump_state(head, arrays)
    resumed = build(kind)
    load_state(resumed, tree, arrays)
    for stamped in run.log[cut:]:
        resumed.apply(stamped)
    for stamped in run.log:
        whole.apply(stamped)
    assert state(resumed) == state(whole) == state(run.search)


@settings(max_examples=5, deadline=None)
@given(KINDS, POLICIES, st.integers(0, 2**32))
def test_asking_and_accepting_change_nothing(kind, policy, arrivals):
    run = simulate(kind, policy, arrivals)
    for _ in range(120):
        before = state(run.search)
        for room in (0, 3):
            run.search.ask(run.now, room=room, entropy=run.entropy)
            run.search.done(run.now)
        for issued in run.in_hand:
            run.search.accept_entry(issued.attempt, 0, run.measure(issued, 0))
            run.search.accept_block(issued.attempt, BlockStatus.OK, skipped=(), drift=None, reason="", lost=None)
        assert state(run.search) == before
        if not run.step():
            break


@settings(max_examples=10, deadline=None)
@given(KINDS, st.integers(0, 2**32), st.lists(st.integers(1, 60), min_size=1, max_size=4))
def test_killed_drivers_lose_nothing_and_count_nothing_twice(kind, arrivals, kills):
    run = simulate(kind, "map_elites", arrivals, losses=0.1)
    for steps in kills:
        for _ in range(steps):
            run.step()
        stale = list(run.in_hand)
        fresh = build(kind)
        for stamped in run.log:
            fresh.apply(stamped)
        run.search = fresh
        owed = {ticket: block.remaining() for ticket, block in fresh.run.tickets.blocks.items()}
        seeds = {ticket: [block.issued.entries[i] for i in owed[ticket]] for ticket, block in fresh.run.tickets.blocks.items()}
        run.open()
        for issued in stale:  # a result of the killed driver's, delivered late
            record = run.search.accept_entry(issued.attempt, 0, run.measure(issued, 0))
            assert isinstance(record, LateResult)
            run.write(record)
        reissued = set()
        while run.search.run.tickets.to_reissue:
            again = run.search.run.tickets.reissue()
            run.write(again)
            assert again.attempt.n >= 2
            if isinstance(again, MeasureIssued):
                assert list(again.entries) == seeds[again.attempt.ticket]
                reissued.add(again.attempt.ticket)
                run.in_hand.append(again)
        assert reissued == set(owed)
    run.run()
    counted = [
        (s.record.attempt.ticket, s.record.result.candidate, s.record.result.seed) for s in run.log if type(s.record) is Measured
    ]
    assert len(counted) == len(set(counted))
    assert run.search.run.failure or not run.search.run.tickets.blocks  # three losses of one block end the run as failed
    assert run.search.run.usage.evaluations <= 60


@settings(max_examples=40, deadline=None)
@given(KINDS, POLICIES, st.integers(0, 2**32), st.integers(1, 80))
def test_the_budget_is_never_exceeded(kind, policy, arrivals, limit):
    run = simulate(kind, policy, arrivals, losses=0.2, evaluations=limit)
    run.run()
    handed_out = {
        (s.record.attempt.ticket, e.candidate, e.seed)
        for s in run.log
        if isinstance(s.record, MeasureIssued)
        for e in s.record.entries
    }
    unjudged = {
        (s.record.attempt.ticket, s.record.result.candidate, s.record.result.seed)
        for s in run.log
        if isinstance(s.record, Measured) and s.record.result.status is Status.EVALUATOR_ERROR
    }  # a grader lost twice: made again, and no measurement
    assert len(handed_out - unjudged) <= max(limit, len(kind.stages))  # the initial program is measured whatever the budget
    assert run.search.done(run.now)


@settings(max_examples=8, deadline=None)
@given(KINDS, st.integers(0, 2**32))
def test_a_failure_is_never_an_elite_and_scores_are_never_invented(kind, arrivals):
    run = simulate(kind, "map_elites", arrivals)
    while run.step():
        population = run.search.state.population
        for number in population.elites:
            row = population.candidates[number]
            assert row.status is Status.OK
            assert row.stage == population.last_stage
        assert population.leader is None or population.leader in population.elites


def test_results_are_told_once_whatever_is_delivered_again():
    run = simulate(contract(), "map_elites", 5)
    while not run.in_hand:
        run.step()
    issued = run.in_hand[0]
    first = run.search.accept_entry(issued.attempt, 0, run.measure(issued, 0))
    run.write(first)
    before = run.search.run.usage.cpu_s
    again = run.search.accept_entry(issued.attempt, 0, run.measure(issued, 0))
    assert isinstance(again, LateResult)
    run.write(first)  # even a journal that held it twice would count it once
    assert run.search.run.usage.cpu_s == before


def test_the_final_runs_alternate_and_are_reserved():
    run = simulate(contract(noisy=True), "map_elites", 3, evaluations=60)
    run.run()
    finals = [s.record for s in run.log if isinstance(s.record, MeasureIssued) and s.record.purpose is Purpose.FINAL]
    entries = [entry for block in finals for entry in block.entries]
    finalist = run.search.state.final_comparison[0]
    assert len(entries) == 10
    assert sum(entry.candidate == finalist for entry in entries) == 5
    assert len({(entry.candidate, entry.seed) for entry in entries}) == 10
    for block in finals:
        sides = [entry.candidate == finalist for entry in block.entries]
        assert all(sides[i] != sides[i + 1] for i in range(0, len(sides), 2))
    earlier = {entry.seed for s in run.log if isinstance(s.record, MeasureIssued) for entry in s.record.entries
               if s.record.purpose is not Purpose.FINAL}  # fmt: skip
    assert not earlier & {entry.seed for entry in entries}
    assert len(run.search.state.final_scores) == 10


def test_a_finalist_that_loses_its_score_is_run_no_further_and_another_is_compared():
    run = FinalistFails(build(contract(noisy=True), evaluations=60), np.random.default_rng(3), noise=0.05)
    run.begin()
    while run.step():
        while run.in_hand:  # one block at a time
            run.finish(run.in_hand.pop())
    state = run.search.state
    finals = [s.record for s in run.log if isinstance(s.record, MeasureIssued) and s.record.purpose is Purpose.FINAL]
    failed = run.failing
    assert failed is not None
    assert state.population.score(state.population.by_id[failed]) is None
    assert sum(entry.candidate == failed for block in finals for entry in block.entries) == 3  # its first block, and no more
    assert state.final_comparison is None or state.final_comparison[0] != failed
    assert failed not in {id_ for id_, _ in state.final_scores}
    assert {entry.candidate for block in finals for entry in block.entries} - {failed, "seed"}  # somebody else was compared
    best = best_candidate(state)
    assert state.population.candidates[best].id != failed
    assert evidence_label(state, state.population.by_id[failed]) == ""


def test_a_raised_budget_goes_on_and_ends_with_final_runs_of_its_own():
    run = simulate(contract(noisy=True), "map_elites", 4, evaluations=40)
    run.run()
    first = run.search.run.usage.evaluations
    run.open()
    run.write(BudgetSet(evaluations=80))
    run.run()
    assert first <= 40 < run.search.run.usage.evaluations <= 80
    ruled = [s.record for s in run.log if isinstance(s.record, Claim)]
    assert len(run.search.state.final_scores) == 10 or ruled  # a vault says more than final runs


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_no_more_than_their_share_goes_to_candidates_measured_already_while_there_are_new_ones(share):
    search = build(contract(noisy=True), policy="map_elites", evaluations=300, replication_share=share)
    run = Simulation(search, np.random.default_rng(6), noise=0.3)
    run.begin()
    most = 0.0
    while run.step() and not search_is_over(search.state, run.now):
        if search.run.usage.evaluations > 30:
            most = max(most, search.run.usage.share_of_count(Purpose.REMEASURE, Purpose.REFERENCE))
    assert share - 0.05 < most < share + 0.05


def test_only_who_may_still_be_better_is_measured_again():
    run = simulate(contract(noisy=True), "map_elites", 6, evaluations=300)
    search, seen = run.search, 0
    while run.step():
        record = run.log[-1].record
        if isinstance(record, MeasureIssued) and record.purpose is Purpose.REMEASURE:
            for entry in record.entries:
                number = search.state.population.by_id[entry.candidate]
                seen += number != search.state.champion_test.champion
                assert number in search.state.champion_test.contenders or number == search.state.champion_test.champion
    assert seen > 10


def test_what_came_from_a_warm_start_is_measured_again_cold_before_it_is_reported():
    run = simulate(contract(start=StartMode.WARM), "map_elites", 7, evaluations=80)
    run.run()
    rows = run.search.state.population.candidates
    assert rows[run.search.state.population.best_verified()].measured_cold
    used = {
        row.parents[0] for row in rows
        if row.parents and row.arm != rows[row.parents[0]].arm and rows[row.parents[0]].arm >= 0 and row.tuner < 0
    }  # fmt: skip
    assert all(rows[number].measured_cold for number in used)


def test_the_best_cold_result_is_reported_also_while_a_warm_one_holds_its_place():
    run = simulate(contract(start=StartMode.WARM), "map_elites", 7, evaluations=80)
    pushed_out = 0
    while run.step():
        population = run.search.state.population
        scores = {number: population.score(number) for number, row in enumerate(population.candidates) if row.measured_cold}
        known = {number: score for number, score in scores.items() if score is not None}
        if known:
            assert known[population.best_verified()] == max(known.values())
            pushed_out += population.best_verified() not in population.archives[0].cells
    assert pushed_out > 0  # or the test shows nothing


def test_better_scores_that_wait_for_a_fresh_process_are_told_and_going_on_measures_them():
    stopped = 0
    for steps in range(10, 130, 10):
        run = simulate(contract(start=StartMode.WARM), "map_elites", 7, evaluations=80)
        run.run(steps)
        search, population = run.search, run.search.state.population
        if search.state.population.leader is None:
            continue
        run.write(StopRequested(reason="stopped"))
        run.run()
        best = best_candidate(search.state)
        told = unchecked(search.state, best, run.now, run="my run")
        better = [
            population.score(one)
            for one in population.elites
            if not population.candidates[one].measured_cold and population.score(one) > population.score(best)
        ]
        assert (told is None) == (not better)
        if told is None:
            continue
        stopped += 1
        assert (told.programs, told.best_score, told.command) == (len(better), max(better), "evolve resume 'my run'")
        run.open()
        run.run()
        assert unchecked(search.state, best_candidate(search.state), run.now, run="my run") is None
        assert population.score(best_candidate(search.state)) >= told.best_score
    assert stopped > 0  # or the test shows nothing


def test_a_score_that_depends_on_how_the_process_was_started_is_rejected():
    run = simulate(contract(start=StartMode.WARM), "map_elites", 8, evaluations=80)
    honest = run.measure

    def cheat(issued, index):
        result = honest(issued, index)
        if result.start is StartMode.WARM and result.score is not None:
            return type(result)(**{**{f: getattr(result, f) for f in result.__slots__}, "score": result.score + 1.0})
        return result

    run.measure = cheat
    run.run()
    population = run.search.state.population
    assert population.failures.get(Status.REJECTED, 0) > 0
    assert population.candidates[population.best_verified()].measured_cold
    assert population.score(population.best_verified()) <= 1.0


def test_after_two_losses_with_the_same_candidate_the_evaluator_cannot_judge_it():
    run = simulate(contract(), "map_elites", 9)
    while not (run.in_hand and run.in_hand[0].purpose is Purpose.SEARCH):
        run.step()
    issued = run.in_hand.pop(0)
    victim = issued.entries[0].candidate
    for expected in (1, 2):
        for record in run.search.accept_block(issued.attempt, BlockStatus.LOST, skipped=(), drift=None, reason="died", lost=0):
            run.write(record)
        if expected == 1:
            issued = run.search.run.tickets.reissue()
            run.write(issued)
    row = run.search.state.population.candidates[run.search.state.population.by_id[victim]]
    assert row.status is not Status.CRASH  # what ended the graders is not known, and the program cannot have reached them
    assert "its grader was lost twice: died" in str(run.search.state.faults.first)
    assert run.search.state.faults.waits_for(victim)
    assert issued.attempt.ticket not in run.search.run.tickets.blocks


@pytest.mark.parametrize("status", [Status.CRASH, Status.EVALUATOR_ERROR])
def test_a_seed_program_that_fails_ends_the_run(status):
    run = simulate(contract(), "map_elites", 10)
    honest = run.measure
    run.measure = lambda issued, index: type(honest(issued, index))("seed", "stage0", 1, status, reason="boom")
    run.run()
    assert "boom" in run.search.run.failure
    assert run.search.done(run.now)


def test_a_duplicate_never_reaches_an_evaluator():
    run = simulate(contract(), "map_elites", 11, evaluations=200)
    run.run()
    proposed = [s.record for s in run.log if isinstance(s.record, Proposed)]
    twins = [record for record in proposed if record.duplicate_of]
    assert twins
    assert all(record.candidate is None for record in twins)
    hashes = [row.code_hash for row in run.search.state.population.candidates]
    assert len(hashes) == len(set(hashes))


def test_an_unknown_attempt_is_only_logged():
    run = simulate(contract(), "map_elites", 12)
    run.step()
    stranger = Attempt("nobody", 999)
    before = state(run.search)
    for record in run.search.accept_block(stranger, BlockStatus.OK, skipped=(), drift=None, reason="", lost=None):
        assert isinstance(record, LateResult)
        run.search.apply(type(run.log[0])(len(run.log), run.log[-1].at, record))
    assert state(run.search) == before


@pytest.mark.parametrize("how", ["outputs", "probe"])
def test_a_candidate_that_ignores_its_seed_is_rejected_the_second_time(how):
    run = simulate(contract(noisy=True), "map_elites", 13, evaluations=120)
    honest = run.measure

    def measure(issued, index):
        result = honest(issued, index)
        constant = result.candidate != "seed" and hash_of(result.candidate) % 2 == 0
        own = "same" if constant else str(result.seed)
        if how == "probe":
            return replace(result, output_hash=str(result.seed), probe_hash=own)
        return replace(result, output_hash=own, score=0.9 if constant and result.score is not None else result.score)

    run.measure = measure
    run.run()
    population = run.search.state.population
    again = [row for number, row in enumerate(population.candidates) if row.id != "seed" and population.n_measured(number) > 1]
    assert population.failures[Status.REJECTED] > 0
    assert again
    assert all(hash_of(row.id) % 2 for row in again if row.status is Status.OK)


def test_equal_outputs_are_no_fault_where_the_seed_program_has_them_too():
    run = simulate(contract(noisy=True), "map_elites", 14)
    honest = run.measure
    run.measure = lambda issued, index: replace(honest(issued, index), output_hash="same", probe_hash="same")
    run.run()
    assert Status.REJECTED not in run.search.state.population.failures


def test_other_axes_are_another_space_and_survive_a_checkpoint():
    run = simulate(contract(), "map_elites", 15, evaluations=80)
    for _ in range(100):
        run.step()
    leader = run.search.state.population.leader
    run.write(Rebinned(run.search.state.problem, 2, (Axis("where", 0.0, 1.0, 3),)))
    population = run.search.state.population
    assert population.archives[0].space == 2
    assert population.archives[0].cells.n_filled <= 3
    assert population.leader == leader
    assert all(
        population.candidates[number].cell == population.archives[0].cell_of(population.candidates[number].descriptors)
        for number in population.elites
    )
    arrays: list[np.ndarray] = []
    tree = dump_state(run.search, arrays)
    resumed = build(contract(), evaluations=80)
    load_state(resumed, tree, arrays)
    assert state(resumed) == state(run.search)
    run.run()
    assert run.search.done(run.now)


@pytest.mark.parametrize("operators", [("ast_edit",), ("tune",), ("tune", "ast_edit", "crossover")])
def test_a_search_whose_operators_have_nothing_left_ends_by_itself(operators):
    run = Simulation(build(contract(), evaluations=None, operators=operators), np.random.default_rng(0), wrongs=0.0)
    run.make = lambda issued: ProposalResult(issued.attempt, ProposalStatus.INVALID, reason="nothing to change")
    run.begin()
    assert run.run(20_000) < 20_000
    assert "no new program" in run.search.done(run.now) or not run.search.ask(run.now, room=1, entropy=run.entropy)


def test_the_time_between_two_openings_does_not_count():
    run = simulate(contract(), "map_elites", 16)
    for _ in range(50):
        run.step()
    before = run.search.run.usage.elapsed(run.now)
    run.now += 3600.0
    run.open()
    assert run.search.run.usage.elapsed(run.now) == pytest.approx(before)
    run.now += 5.0
    assert run.search.run.usage.elapsed(run.now) == pytest.approx(before + 5.0)


def test_a_warm_result_on_target_is_checked_at_once():
    search = build(contract(start=StartMode.WARM), evaluations=400)
    search.run.stop.target = 0.9
    run = Simulation(search, np.random.default_rng(3))
    run.begin()
    run.run()
    assert search.done(run.now) == "stop.target"
    crossed = next(
        i for i, row in enumerate(search.state.population.candidates) if (search.state.population.score(i) or 0.0) >= 0.9
    )
    assert len(search.state.population.candidates) - crossed < 12


@dataclass
class SomeWild(Simulation):
    """The seventh measurement of a child is off by far, upwards, and so is each seventh after it."""

    made: int = 0

    def measure(self, issued, index):
        found = super().measure(issued, index)
        if issued.entries[index].candidate == "seed" or found.score is None:
            return found
        self.made += 1
        return replace(found, score=1e6) if self.made % 7 == 0 else found


@pytest.mark.parametrize("policy", ["auto", "one_plus_one", "map_elites"])
def test_measurements_of_a_noisy_problem_that_are_far_off_do_not_end_a_search_as_on_target(policy):
    search = build(contract(noisy=True), policy=policy, evaluations=40)
    search.run.stop.target = 5.0
    run, highest = SomeWild(search, np.random.default_rng(3), noise=0.05), 0.0
    run.begin()
    while run.step():
        population = search.state.population
        highest = max([highest, *(population.score(i) or 0.0 for i in range(len(population.candidates)))])
        assert search.done(run.now) != "stop.target"
    assert highest > 5.0


def test_a_noisy_problem_on_target_by_more_than_one_measurement_ends():
    search = build(contract(noisy=True), policy="auto", evaluations=400)
    search.run.stop.target = 0.8
    run = Simulation(search, np.random.default_rng(3), noise=0.05)
    run.begin()
    run.run()
    assert search.done(run.now) == "stop.target"
    population = search.state.population
    assert population.n_measured(population.best_so_far) > 1
