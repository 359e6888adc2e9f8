"""The panel: memory of a program's own is seen, what moves all programs alike is not taken for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.confirm import Panel, panel_size


def run_panel(rng, *, programs=10, moments=6, memory=0.0, drift=0.0, sd=1.0):
    panel = Panel()
    values = rng.standard_normal(programs)
    for moment in range(moments):
        own, level = memory * rng.standard_normal(programs), drift * rng.standard_normal()
        for round_ in range(2):
            ticket = 100 + 2 * moment + round_
            panel.issued(ticket, list(range(programs)), 100 * moment)
            for number in map(int, rng.permutation(programs)):
                score = values[number] + own[number] + level + sd * rng.standard_normal()
                panel.measured(ticket, number, float(score))
    return panel


def test_memory_of_a_programs_own_is_seen_with_its_size():
    rng = np.random.default_rng(0)
    found = [run_panel(rng, memory=1.0).memory() for _ in range(100)]
    assert all(found)
    assert sum(one.sd > 1.0 for one in found) >= 90
    assert np.mean([one.sd for one in found]) < 1.5
    assert (found[0].programs, found[0].moments, found[0].df) == (10, 6, 45)


@pytest.mark.parametrize("drift", [0.0, 5.0])
def test_what_moves_all_programs_alike_is_no_memory(drift):
    rng = np.random.default_rng(1)
    assert sum(run_panel(rng, drift=drift).memory() is not None for _ in range(200)) <= 45  # 15 %


def test_few_programs_or_moments_and_runs_without_noise_say_nothing():
    rng = np.random.default_rng(2)
    assert run_panel(rng, programs=3, memory=9.0).memory() is None
    assert run_panel(rng, moments=2, memory=9.0).memory() is None
    assert run_panel(rng, sd=0.0).memory() is None


def test_a_program_that_failed_on_the_way_is_left_out():
    panel = run_panel(np.random.default_rng(3), memory=1.0)
    panel.runs = [run for run in panel.runs if run[:2] != (4, 5)]
    assert panel.memory().programs == 9


def test_moments_are_spread_over_the_whole_search_and_never_close_together():
    panel, due = Panel(), []
    for evaluations in range(1200):
        if panel.due(evaluations / 1200, evaluations, 1200.0):
            due.append(evaluations)
            panel.issued(len(due), [0, 1], evaluations)
    assert len(due) == 12
    late = Panel()
    late.issued(1, [0], 700)
    late.issued(2, [0], 701)
    assert not late.due(0.6, 710, 1200.0)
    assert late.due(0.7, 830, 1200.0)
    assert [panel_size(runs) for runs in (100, 600, 4500)] == [0, 5, 12]


@given(st.lists(st.floats(-1e150, 1e150), min_size=24, max_size=24))
@settings(max_examples=40, deadline=None)
def test_any_finite_scores_show_memory_or_none(scores):
    panel = Panel()
    for i, score in enumerate(scores):
        if i % 4 == 0:
            panel.issued(i // 4, [0, 1, 2, 3], i)
        panel.measured(i // 4, i % 4, score)
    found = panel.memory()
    assert found is None or found.sd >= 0.0
