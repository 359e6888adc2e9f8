"""The cpu_budget frame: one noisy number decides nothing, a real excess is found."""

from __future__ import annotations

import numpy as np
import pytest

from evolve._frames import ALLOWANCE, KILL_AT, SEED, CpuFrame


def frame(rng, *, sd=0.06, seed_runs=5):
    made = CpuFrame()
    for cost in 10 * np.exp(sd * rng.standard_normal(seed_runs)):
        made.add(SEED, float(cost))
    return made


def test_nobody_is_judged_before_the_seed_program_is_known():
    made = frame(np.random.default_rng(0), seed_runs=4)
    assert made.seed_cpu_s is None
    assert made.kill_s is None
    assert not made.over_with(1, 1000.0)


def test_the_kill_limit_follows_the_seed_program():
    made = frame(np.random.default_rng(0))
    assert made.kill_s == pytest.approx(KILL_AT * made.seed_cpu_s)


def test_an_equal_candidate_is_rarely_and_a_dear_one_surely_over():
    rng = np.random.default_rng(1)
    wrong = missed = 0
    for _ in range(200):
        made = frame(rng)
        for row, factor in ((1, 1.0), (2, 1.35)):
            over = False
            for cost in 10 * factor * np.exp(0.06 * rng.standard_normal(4)):
                over = over or made.over_with(row, float(cost))
                made.add(row, float(cost))
            if row == 1:
                wrong += over
            else:
                missed += not over
    assert wrong <= 10
    assert missed <= 10


def test_the_seed_program_is_never_over_its_own_budget():
    made = frame(np.random.default_rng(2))
    assert not made.over_with(SEED, 10 * made.seed_cpu_s * ALLOWANCE)
