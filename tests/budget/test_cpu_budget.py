"""The compute rule cpu_budget: noise is no excess, a real excess is found, in the mean, in the share of runs, in the vault."""

from __future__ import annotations

import numpy as np
import pytest

from evolve.budget._cpu_budget import CPU_ALLOWANCE, INITIAL, CpuBudget, run_limit


def cpu_budget(rng, *, sd=0.06, seed_runs=5):
    made = CpuBudget()
    for cost in 10 * np.exp(sd * rng.standard_normal(seed_runs)):
        made.add(INITIAL, float(cost))
    return made


def test_nobody_is_judged_before_the_seed_program_is_known():
    made = cpu_budget(np.random.default_rng(0), seed_runs=4)
    assert made.initial_cpu_s is None
    assert made.kill_s is None
    assert made.excess_with(1, 1000.0) == ""


@pytest.mark.parametrize("sd", [0.01, 0.05, 0.1])
def test_where_a_run_is_stopped_follows_from_the_seed_programs_noise(sd):
    rng = np.random.default_rng(0)
    limits = [cpu_budget(rng, sd=sd, seed_runs=40).kill_s / 10 for _ in range(20)]
    assert CPU_ALLOWANCE * (1 + sd) < np.mean(limits) < CPU_ALLOWANCE * (1.08 + 4 * sd)
    costs = [9.0, 10.0, 11.0, 10.5, 9.5]
    made = CpuBudget()
    for cost in costs:
        made.add(INITIAL, cost)
    assert run_limit(costs) == pytest.approx(made.kill_s)
    assert run_limit([0.0]) == np.inf


def test_what_a_candidate_spends_moves_no_limit_of_anothers():
    made = cpu_budget(np.random.default_rng(0))
    before = made.kill_s
    for cost in (1.0, 13.5, 0.1, 13.5):
        made.add(1, cost)
    assert made.kill_s == before


def refused(rng, sd, program, *, runs=36, vault_from=10):
    """At which run a program is refused that costs ``program(i)`` times what the initial program does; None if it is not."""
    made = cpu_budget(rng, sd=sd)
    for i in range(runs):
        if i >= vault_from:
            made.add(INITIAL, float(10 * np.exp(sd * rng.standard_normal())))
        cost = float(10 * program(i) * np.exp(sd * rng.standard_normal()))
        if cost > made.kill_s or made.excess_with(1, cost, vault=i >= vault_from):
            return i + 1
        made.add(1, cost, vault=i >= vault_from)
    return runs if made.claim_excess(1) else None


@pytest.mark.parametrize(("sd", "most"), [(0.05, 1), (0.1, 8)])
def test_a_program_that_spends_what_the_seed_program_spends_is_rarely_refused(sd, most):
    rng = np.random.default_rng(1)
    assert sum(refused(rng, sd, lambda i: 1.0) is not None for _ in range(200)) <= most


@pytest.mark.parametrize(("sd", "latest"), [(0.05, 10), (0.1, 24)])
def test_a_cheap_first_run_makes_up_for_no_dear_ones(sd, latest):
    rng = np.random.default_rng(2)
    found = [refused(rng, sd, lambda i: 1.35 if i else 0.1) for _ in range(100)]
    assert None not in found
    assert max(found) <= latest


@pytest.mark.parametrize(
    "program",
    [lambda i: 1.35 if i % 3 == 0 else 1.0, lambda i: 1.3 if i % 2 else 0.3, lambda i: 1.2, lambda i: 1.35 if i > 9 else 0.5],
)
def test_dear_runs_are_found_whenever_they_come(program):
    rng = np.random.default_rng(3)
    assert sum(refused(rng, 0.06, program) is None for _ in range(60)) <= 1


def test_a_vault_is_judged_by_its_own_runs():
    made = cpu_budget(np.random.default_rng(0), seed_runs=30)
    for _ in range(40):
        made.add(1, 5.0)
    dear = 1.2 * made.initial_cpu_s
    assert made.excess_with(1, dear) == ""
    made.add(1, dear, vault=True)
    assert made.excess_with(1, dear) == ""
    assert "of its vault" in made.excess_with(1, dear, vault=True)
    assert "in its vault it took 1.2 x" in made.claim_excess(1)
    made.on_vault_opened(1)
    assert made.claim_excess(1) == ""


def test_the_seed_program_is_never_over_its_own_budget():
    made = cpu_budget(np.random.default_rng(2))
    assert made.excess_with(INITIAL, 10 * made.initial_cpu_s * CPU_ALLOWANCE) == ""
