"""What is worked out once and kept until a record may change it is, whenever it is asked for, what it is from scratch."""

from __future__ import annotations

import numpy as np
import pytest
from simulation import Simulation, build, contract

from evolve.search.claims import _prospects as prospects
from evolve.search.policy import _changes as changes
from evolve.search.policy._portfolio import main_climb
from evolve.search.state._operators import Parent


def begun(policy, *, noisy, seed):
    kind = contract(noisy=noisy)
    run = Simulation(
        build(kind, policy=policy, evaluations=150, seed=seed), np.random.default_rng(seed), noise=0.05 if noisy else 0.0
    )
    run.begin()
    return run


@pytest.mark.parametrize("policy", ["auto", "map_elites"])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_kept_back_for_claims_is_what_it_is_from_scratch(policy, seed):
    run, seen = begun(policy, noisy=True, seed=seed), set()
    while run.step():
        state = run.search.state
        if state.population.leader is not None:
            assert prospects.reserved_evaluations(state) == prospects._to_be_kept_back(state)
            seen.add(state.kept_back)
    assert len(seen) > 2


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_gains_elsewhere_and_weights_of_arms_are_what_they_are_from_scratch(noisy, seed):
    run, found = begun("auto", noisy=noisy, seed=seed), set()
    (merge,) = (spec for spec in run.search.state.operators.values() if spec.repeats and spec.parent is Parent.GAINS)
    while run.step():
        state = run.search.state
        target = main_climb(state) if state.population.leader is not None else 0
        change = changes.known_change(state, merge, target)
        assert change == changes._found_elsewhere(state, merge, target)
        assert state.bandit.weights().tolist() == state.bandit._worked_out().tolist()
        found.add(change)
    assert len(found) > 2
