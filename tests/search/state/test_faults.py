"""An evaluator's errors are no verdict: they are tried again, counted, and end a run only where the evaluator is at fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from simulation import PROBLEM, Simulation, build, contract, hash_of, state

from archive import (
    Attempt,
    Claim,
    ConfirmationOpened,
    Measured,
    MeasureIssued,
    Measurement,
    ProposalStatus,
    Proposed,
    Purpose,
    RunClosed,
    StartMode,
    Status,
)
from evolve.problem.contract._contract import INCOMPLETE, DescriptorSpec
from evolve.runs._checkpoint import dump_state, load_state
from evolve.search._room import final_runs
from evolve.search.state._faults import ALARM, GAP, LEAST, OUTAGE_S, SHARE, TRIES, Faults, _lower

KINDS = st.sampled_from([contract(), contract(noisy=True), contract(start=StartMode.WARM, block=3), contract(stages=2)])
Rule = Callable[[Simulation, MeasureIssued, int], bool]  # whether the evaluator errs


def errs(run: Simulation, rule: Rule) -> Simulation:
    honest = run.measure

    def measure(issued: MeasureIssued, index: int) -> Measurement:
        result = honest(issued, index)
        if rule(run, issued, index):
            return replace(result, status=Status.EVALUATOR_ERROR, score=None, reason="evaluate.py:1: the service is down")
        return result

    run.measure = measure  # type: ignore[method-assign]
    return run


def simulate(kind=None, *, evaluations: int = 150, arrivals: int = 1, losses: float = 0.0, **config: object) -> Simulation:
    kind = kind or contract()
    search = build(kind, evaluations=evaluations, **config)
    run = Simulation(search, np.random.default_rng(arrivals), wrongs=0.0, losses=losses, noise=0.05 if kind.noisy else 0.0)
    run.begin()
    return run


def go_on(run: Simulation, steps: int = 20_000) -> str:
    """Until the search says that it is done, the clock going on where it waits."""
    for _ in range(steps):
        if why := run.search.done(run.now, measure_only=run.measure_only):
            return why
        if not run.step():
            run.now += 0.5
    raise AssertionError("it never ends")


def entries_of(run: Simulation, candidate: str) -> list[tuple[int, int]]:
    """(place in the log, seed) of each measurement of a candidate."""
    return [
        (one.seq, one.record.result.seed)
        for one in run.log
        if isinstance(one.record, Measured) and one.record.result.candidate == candidate
    ]


# ---------------------------------------------------------------------------------------------------- laws


@settings(max_examples=20, deadline=None)
@given(KINDS, st.integers(0, 2**32), st.floats(0, 0.2), st.floats(0, 0.5), st.integers(3, 200))
def test_replay_and_checkpoint_know_of_errors_what_the_search_knew(kind, arrivals, losses, share, cut) -> None:
    run = errs(simulate(kind, arrivals=arrivals, losses=losses, evaluations=60), lambda run, *_: run.rng.random() < share)
    for _ in range(250):
        if not run.step():
            run.now += 1.0
        if len(run.log) % 60 == 0:
            run.open()
    cut = min(cut, len(run.log))
    head, whole, resumed = build(kind), build(kind), build(kind)
    for stamped in run.log[:cut]:
        head.apply(stamped)
    arrays: list[np.ndarray] = []
    load_state(resumed, dump_state(head, arrays), arrays)
    for stamped in run.log:
        whole.apply(stamped)
    for stamped in run.log[cut:]:
        resumed.apply(stamped)
    assert state(whole) == state(resumed) == state(run.search)


@settings(max_examples=8, deadline=None)
@given(KINDS, st.integers(0, 2**32), st.sampled_from([0.05, 0.1]))
def test_an_evaluator_that_hiccups_ends_no_run_and_costs_no_program(kind, arrivals, share) -> None:
    run = errs(simulate(kind, arrivals=arrivals, evaluations=80), lambda run, *_: run.rng.random() < share)
    why = go_on(run)
    assert not run.search.run.failure
    assert why.startswith("budget.")
    rows = run.search.state.population.candidates
    unjudged = set(run.search.state.faults.unjudged)
    lasting = [n for n, row in enumerate(rows) if row.credited and row.status is Status.EVALUATOR_ERROR]
    assert set(lasting) <= unjudged
    assert len(unjudged) <= 3


# ---------------------------------------------------------------------------------------------------- trying again


def test_what_errs_is_measured_again_with_its_seed_as_often_as_said_and_last_after_other_work() -> None:
    run = simulate()
    victims: list[str] = []

    def rule(run: Simulation, issued: MeasureIssued, index: int) -> bool:
        name = issued.entries[index].candidate
        if issued.purpose is Purpose.SEARCH and not victims and len(run.log) > 60:
            victims.append(name)
        return name in victims

    go_on(errs(run, rule))
    (victim,) = victims
    tried = entries_of(run, victim)
    assert len(tried) == TRIES
    assert len({seed for _, seed in tried}) == 1
    between = [isinstance(one.record, Measured) for one in run.log[tried[-2][0] + 1 : tried[-1][0]]]
    assert sum(between) >= GAP
    tickets = {
        one.record.attempt.ticket for one in run.log if isinstance(one.record, Measured) and one.record.result.candidate == victim
    }
    assert len(tickets) == TRIES
    number = run.search.state.population.by_id[victim]
    assert list(run.search.state.faults.unjudged) == [number]
    assert run.search.state.population.candidates[number].credited


def test_one_error_leaves_no_trace_on_the_program() -> None:
    run = simulate()
    once: set[str] = set()

    def rule(run: Simulation, issued: MeasureIssued, index: int) -> bool:
        name = issued.entries[index].candidate
        return (
            issued.purpose is Purpose.SEARCH
            and hash_of(name) % 4 == 0
            and not once.add(name)
            and Counter(  # type: ignore[func-returns-value]
                candidate for _, candidate, _ in run.executed
            )[name]
            == 1
        )

    go_on(errs(run, rule))
    assert run.search.state.faults.errors > 5
    assert run.search.state.faults.unjudged == {}
    names = {
        run.search.state.population.candidates[n].status
        for n in range(len(run.search.state.population.candidates))
        if run.search.state.population.candidates[n].credited
    }
    assert names == {Status.OK}


def test_a_vault_is_not_lost_by_an_error_that_passes() -> None:
    run = simulate(contract(noisy=True), evaluations=500, arrivals=3)
    seen: Counter[tuple[str, int]] = Counter()

    def rule(run: Simulation, issued: MeasureIssued, index: int) -> bool:
        entry = issued.entries[index]
        seen[entry.candidate, entry.seed] += issued.purpose is Purpose.VAULT
        return issued.purpose is Purpose.VAULT and seen[entry.candidate, entry.seed] == 1 and entry.seed % 3 == 0

    go_on(errs(run, rule))
    assert any(isinstance(one.record, ConfirmationOpened) for one in run.log)
    assert run.search.state.faults.errors > 0
    assert any(vault.confirmed for vault in run.search.state.confirmations.confirmations)
    claims = [one.record for one in run.log if isinstance(one.record, Claim)]
    assert claims
    assert not any("evaluator_error" in claim.reason for claim in claims)


# ---------------------------------------------------------------------------------------------------- outages


@pytest.mark.parametrize("noisy", [False, True])
def test_a_service_that_is_down_for_a_minute_is_waited_for(noisy: bool) -> None:
    run = simulate(contract(noisy=noisy), evaluations=200)
    down: list[float] = []

    def rule(run: Simulation, issued: MeasureIssued, index: int) -> bool:
        if len(run.log) > 150 and not down:
            down.append(run.now + 60.0)
        return bool(down) and run.now < down[0]

    why = go_on(errs(run, rule))
    assert why.startswith("budget.")
    assert not run.search.run.failure
    assert run.now > down[0]
    assert run.search.state.faults.unjudged == {}
    assert run.search.state.faults.errors < 30, "an outage must not eat the budget"


def test_an_evaluator_that_never_recovers_ends_the_run_in_words_and_spends_little() -> None:
    run = simulate(evaluations=2000)
    began: list[float] = []

    def rule(run: Simulation, issued: MeasureIssued, index: int) -> bool:
        if len(run.log) > 150 and not began:
            began.append(run.now)
        return bool(began)

    go_on(errs(run, rule))
    assert run.search.run.failure.startswith("the evaluator has failed for ")
    assert run.search.run.failure.endswith("on the initial program too: evaluate.py:1: the service is down")
    assert OUTAGE_S <= run.now - began[0] < 2 * OUTAGE_S
    assert run.search.state.faults.errors < 40


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_an_evaluator_that_cannot_judge_some_programs_goes_on_to_the_budget(share: float) -> None:
    run = errs(simulate(evaluations=400), lambda run, issued, index: _unlucky(issued.entries[index].candidate, share))
    assert go_on(run).startswith("budget.")
    assert not run.search.run.failure
    assert len(run.search.state.faults.unjudged) > 5


def test_an_evaluator_that_can_judge_hardly_any_program_ends_the_run_and_names_them() -> None:
    run = errs(simulate(evaluations=2000), lambda run, issued, index: _unlucky(issued.entries[index].candidate, 1.0))
    go_on(run)
    assert run.search.run.failure.startswith("the evaluator could not judge ")
    first = run.search.state.population.candidates[next(iter(run.search.state.faults.unjudged))].id
    assert f"({first}, " in run.search.run.failure
    assert run.search.run.usage.evaluations < 200


def _unlucky(candidate: str, share: float) -> bool:
    return candidate != "seed" and hash_of(candidate) % 1000 < 1000 * share


@given(st.integers(0, 400), st.integers(1, 400))
def test_the_bound_of_a_share_lies_between_nothing_and_the_share(k: int, n: int) -> None:
    k = min(k, n)
    assert -1e-12 <= _lower(k, n) <= k / n + 1e-12


def test_few_programs_prove_nothing() -> None:
    faults = Faults()
    faults.unjudged = dict.fromkeys(range(LEAST - 1), 3)
    assert not faults.hopeless(LEAST - 1)
    faults.unjudged = dict.fromkeys(range(LEAST), 3)
    assert faults.hopeless(LEAST)
    assert not faults.hopeless(int(LEAST / SHARE))
    assert not faults.is_alarmed
    faults.in_row = ALARM
    assert faults.is_alarmed


# ---------------------------------------------------------------------------------------------------- other chances


def _run_with_an_unjudged_program() -> tuple[Simulation, str, list[bool]]:
    run, victims, down = simulate(evaluations=60), [], [True]

    def rule(run: Simulation, issued: MeasureIssued, index: int) -> bool:
        name = issued.entries[index].candidate
        if issued.purpose is Purpose.SEARCH and not victims:
            victims.append(name)
        return down[0] and name in victims

    go_on(errs(run, rule))
    assert run.search.state.population.candidates[run.search.state.population.by_id[victims[0]]].status is Status.EVALUATOR_ERROR
    run.write(RunClosed(run.epoch, "done", ""))
    down[0] = False
    return run, victims[0], down


def test_an_opening_of_the_run_gives_a_program_another_chance_once() -> None:
    run, victim, down = _run_with_an_unjudged_program()
    row = run.search.state.population.candidates[run.search.state.population.by_id[victim]]
    down[0] = True
    run.measure_only = True
    for errors in (2 * TRIES, 2 * TRIES):
        run.open()
        run.search.run.budget = replace(run.search.run.budget, evaluations=200)
        go_on(run)
        assert len(entries_of(run, victim)) == errors
        assert (row.status, row.credited) == (Status.EVALUATOR_ERROR, True)


def test_a_known_program_that_could_not_be_judged_is_measured_when_it_comes_again() -> None:
    run, victim, _ = _run_with_an_unjudged_program()
    run.search.state.faults.erred[run.search.state.population.by_id[victim]] = 100  # no opening gives it a chance any more
    run.search.state.faults.unjudged[run.search.state.population.by_id[victim]] = 100
    run.open()
    run.search.run.budget = replace(run.search.run.budget, evaluations=200)
    row = run.search.state.population.candidates[run.search.state.population.by_id[victim]]
    assert row.status is Status.EVALUATOR_ERROR
    run.write(
        Proposed(run.search.run.tickets.next_attempt(), PROBLEM, ProposalStatus.DUPLICATE, duplicate_of=victim, reason="told again")
    )
    go_on(run)
    assert row.status is Status.OK
    assert run.search.state.population.score(run.search.state.population.by_id[victim]) is not None
    run.write(Proposed(Attempt(run.epoch, 10**6), PROBLEM, ProposalStatus.DUPLICATE, duplicate_of=victim))
    assert row.status is Status.OK, "a program that was judged stays judged"


# ---------------------------------------------------------------------------------------------------- what is not said


def test_a_program_without_a_descriptor_keeps_its_score_and_stands_at_the_low_end() -> None:
    kind = replace(contract(), axes=(DescriptorSpec(name="place", source="outcome", low=2.0, high=4.0, bins=4),))
    run = simulate(kind, evaluations=20)
    honest = run.measure
    run.measure = lambda issued, index: replace(  # type: ignore[method-assign]
        honest(issued, index), reason=f"{INCOMPLETE}descriptors.place is nan, expected a finite number"
    )
    go_on(run)
    population = run.search.state.population
    assert population.leader is not None
    assert population.score(population.leader) == max(population.score(n) or -9.0 for n in range(len(population.candidates)))
    assert {row.cell for row in population.candidates if row.status is Status.OK} == {0}
    assert run.search.state.faults.incomplete == run.search.run.usage.evaluations
    assert run.search.state.faults.lacking == "descriptors.place is nan, expected a finite number"


# ---------------------------------------------------------------------------------------------------- the end of a budget


@settings(max_examples=12, deadline=None)
@example(False, 1638, 46, 0.125)  # two lead with one score: measuring one again does not make the other lead
@given(st.booleans(), st.integers(0, 2**32), st.integers(20, 60), st.floats(0.1, 0.4))
def test_measuring_again_neither_exceeds_the_budget_nor_takes_what_the_end_is_owed(noisy, arrivals, evaluations, share) -> None:
    erring = {"search": True}

    def rule(run: Simulation, issued: MeasureIssued, index: int) -> bool:
        return erring["search"] and issued.purpose is Purpose.SEARCH and run.rng.random() < share

    run = errs(simulate(contract(noisy=noisy), arrivals=arrivals, evaluations=evaluations), rule)
    why = go_on(run)
    search = run.search
    assert search.run.usage.evaluations <= evaluations
    if why == "budget.evaluations" and noisy and not search.state.confirmations.confirmations and search.state.population.leader:
        assert search.run.usage.count(Purpose.FINAL) == 2 * final_runs(search.state)
    if why == "budget.evaluations" and not noisy and search.state.population.leader:
        assert search.state.steadiness.was_repeated(search.state.population.leader)
