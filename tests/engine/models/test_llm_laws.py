"""The laws of the search with tickets of models, people and dead drivers in it: replay and checkpoints give the same state."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llm_world import assert_within
from model_simulation import build, simulate
from simulation import state

from archive import CallReserved, CallSettled, Proposed, ProposeIssued
from evolve.runs._checkpoint import dump_state, load_state
from evolve.search.policy._arms import n_in_flight


def lived(arrivals: int, kills: list[int], **more):
    """A run whose drivers die after so many steps each; then one that raises the budget and goes on to the end."""
    run = simulate(arrivals, **more)
    for steps in kills:
        run.run(steps)
        run.open()
    run.raise_budget(2.0, 90)
    run.run()
    return run


KILLS = st.lists(st.integers(1, 60), max_size=4)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32), st.sets(st.integers(1, 120), max_size=3))
def test_replay_gives_the_same_state_at_every_record(arrivals, kills):
    run, replayed, done = simulate(arrivals), build(), 0
    for step in range(120):
        if step in kills:
            run.open()
        if not run.step():
            break
        for stamped in run.log[done:]:
            replayed.apply(stamped)
        done = len(run.log)
        assert state(replayed) == state(run.search)
    assert done > 30


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32), KILLS, st.floats(0, 1))
def test_checkpoint_and_tail_equal_full_replay(arrivals, kills, where):
    run = lived(arrivals, kills)
    cut = int(where * len(run.log))
    head, resumed = build(), build()
    for stamped in run.log[:cut]:
        head.apply(stamped)
    arrays: list[np.ndarray] = []
    tree = dump_state(head, arrays)
    load_state(resumed, tree, arrays)
    assert state(resumed) == state(head)
    for stamped in run.log[cut:]:
        resumed.apply(stamped)
    assert state(resumed) == state(run.search)


def test_such_runs_have_everything_in_them():
    """Else the laws above would say less than they seem to."""
    found = set()
    for arrivals in range(10):
        records = [stamped.record for stamped in lived(arrivals, [40, 30, 50]).log]
        operators = {record.attempt.ticket: record.arm.operator for record in records if isinstance(record, ProposeIssued)}
        for record in records:
            if isinstance(record, Proposed):
                found.add((operators.get(record.attempt.ticket, ""), str(record.status), record.outcome))
            elif isinstance(record, CallSettled):
                found.add(record.outcome)
    wanted = {("external", "child", ""), ("external", "lost", ""), ("", "child", ""), ("llm_mutate", "lost", ""), "lost", "auth"}
    wanted |= {("llm_mutate", "child", ""), ("llm_mutate", "invalid", "empty"), ("llm_mutate", "failed", "refusal"), "not_found"}
    wanted |= {("llm_crossover", "child", ""), ("llm_paradigm", "child", ""), ("llm_repair", "child", "")}
    assert found >= wanted, wanted - found


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32), KILLS, st.sampled_from([0.03, 0.1, 0.25]))
def test_money_is_never_overspent_and_every_reservation_ends_once(arrivals, kills, cap):
    run = simulate(arrivals, usd=cap)
    for steps in [*kills, 10_000]:
        for _ in range(steps):
            assert_within(run.search.run.model_limits.ledger)
            if not run.step():
                break
        run.open()
    reserved = [r for s in run.log if isinstance(r := s.record, CallReserved)]
    settled = [r for s in run.log if isinstance(r := s.record, CallSettled)]
    calls = [(r.attempt, r.call) for r in reserved]
    assert len(calls) == len(set(calls)) == len(settled)
    assert set(calls) == {(r.attempt, r.call) for r in settled}
    assert run.search.run.model_limits.ledger.reserved.nano == 0


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32), KILLS)
def test_a_ticket_of_a_model_is_issued_once_and_ends_once(arrivals, kills):
    run = lived(arrivals, kills)
    models = [r.attempt.ticket for s in run.log if isinstance(r := s.record, ProposeIssued) and r.arm.model]
    assert len(models) == len(set(models))
    ended = [r.attempt.ticket for s in run.log if isinstance(r := s.record, Proposed)]
    assert {ticket: ended.count(ticket) for ticket in models} == dict.fromkeys(models, 1)
    assert not n_in_flight(run.search.state)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32))
def test_asking_changes_nothing_with_models_in_flight(arrivals):
    run = simulate(arrivals)
    for _ in range(80):
        before = state(run.search)
        run.search.ask(run.now, room=2, entropy=lambda n: (0,) * n)
        run.search.done(run.now)
        assert state(run.search) == before
        if not run.step():
            break


@pytest.mark.parametrize("arrivals", range(3))
def test_equal_arrivals_give_equal_runs(arrivals):
    first, second = lived(arrivals, [30, 30]), lived(arrivals, [30, 30])
    assert first.log == second.log
