"""Scores that hang on speed are of one class of hardware, whatever an executor reports."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation import Simulation, build, contract, state

from archive import Hardware, HardwareSeen, Measured, Status
from evolve.search._hardware import measured_on

KINDS = [Hardware("A"), Hardware("B"), Hardware("A", "card")]


class Mixed(Simulation):
    """Measurements are made anywhere; one in ten does not say where."""

    others: float = 0.3

    def measure(self, issued, index):
        where = KINDS[0] if self.rng.random() >= self.others else KINDS[int(self.rng.integers(3))]
        if where.id not in self.search.run.hardware:
            self.write(HardwareSeen(where.id, where))
        return replace(super().measure(issued, index), hardware="" if self.rng.random() < 0.1 else where.id)


def simulate(kind, arrivals):
    run = Mixed(build(kind, evaluations=60), np.random.default_rng(arrivals))
    run.begin()
    run.run()
    return run, [stamped.record.result for stamped in run.log if isinstance(stamped.record, Measured)]


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([contract(), contract(noisy=True), contract(stages=2), contract(block=3)]), st.integers(0, 2**32))
def test_no_score_of_other_hardware_counts_where_scores_hang_on_speed(kind, arrivals):
    run, results = simulate(replace(kind, compute_rule="wall"), arrivals)
    counted = [one for one in results if one.status is not Status.EVALUATOR_ERROR]
    assert all(len({one.hardware for one in counted if one.stage == stage.name} - {""}) <= 1 for stage in kind.stages)
    for one in results:
        if one.status is Status.EVALUATOR_ERROR:
            assert one.score is None
            assert "hang on speed, and those of different hardware are never compared" in one.reason
    again = build(replace(kind, compute_rule="wall"))
    for stamped in run.log:
        again.apply(stamped)
    assert state(again) == state(run.search)
    on = measured_on([run.search.state])
    assert on is None or on.id in {one.hardware for one in counted}


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_elsewhere_all_hardware_counts(arrivals):
    run, results = simulate(contract(), arrivals)
    assert not any(one.status is Status.EVALUATOR_ERROR for one in results)
    assert measured_on([run.search.state]) is None
