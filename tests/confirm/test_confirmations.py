"""Vaults: what is measured, in which order, and what it comes to."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.confirm import LEVEL, SIZES, Confirmations, Effect, Sizes, make_confirmation

SMALL, LARGE = SIZES[0], SIZES[-1]
REFERENCE = 0


def open_group(confirmations: Confirmations, candidates, sizes: Sizes = SMALL, milestone: int = 1, *, paired: bool = False) -> None:
    """One vault a candidate; the first brings the bank."""
    fresh, first = count(1000 * (len(confirmations.confirmations) + 1)), len(confirmations.confirmations)
    for candidate in candidates:
        number = len(confirmations.confirmations)
        n = sizes.n_candidate + (sizes.n_control if number == first else 0)
        seeds = [next(fresh) for _ in range(n)]
        confirmations.on_opened(make_confirmation(number, candidate, REFERENCE, milestone, sizes, first, paired, seeds))


def carry_out(confirmations: Confirmations, score) -> list[tuple[int, int]]:
    """Hand out and measure everything that is wanted; what was, in order."""
    done = []
    while wanted := confirmations.next_runs():
        one = wanted[0]
        confirmations.on_issued(one.candidate, one.seed)
        done.append((one.candidate, one.seed))
        confirmations.on_measured(one.candidate, one.seed, score(one.candidate, one.seed), "crash")
    return done


def record(confirmations: Confirmations) -> dict[int, bool]:
    found = {}
    while rulings := confirmations.decisions():
        for ruling in rulings:
            confirmations.on_decided(ruling.confirmation.number, ruling.confirmed)
            found[ruling.confirmation.number] = ruling.confirmed
    return found


def noisy(better, sd=1.0):
    return lambda candidate, seed: (
        better.get(candidate, 0.0) + sd * float(np.random.default_rng([candidate, seed]).standard_normal())
    )


def test_a_clear_improvement_is_confirmed_and_its_effect_comes_from_the_other_half():
    confirmations = Confirmations()
    open_group(confirmations, [7])
    done = carry_out(confirmations, noisy({7: 8.0}))
    assert len(done) == SMALL.n_candidate + SMALL.n_control == confirmations.cost
    vault = confirmations.confirmations[0]
    ours = [vault.candidate_scores[seed] for seed in vault.candidate_seeds[4:]]
    theirs = [vault.control_scores[seed] for seed in vault.control_seeds[8:]]
    assert vault.effect.effect == pytest.approx(np.mean(ours) - np.mean(theirs))
    assert record(confirmations) == {0: True}
    assert confirmations.fresh_runs(vault).n == 4


def test_without_improvement_the_estimate_is_not_paid_for():
    confirmations = Confirmations()
    open_group(confirmations, [7], LARGE)
    done = carry_out(confirmations, noisy({}))
    assert len(done) == LARGE.test[0] + LARGE.test[1]
    assert record(confirmations) == {0: False}
    assert confirmations.confirmations[0].effect is None
    assert confirmations.cost == LARGE.test[0] + LARGE.n_control
    assert confirmations.outstanding == 0


def test_openings_of_one_milestone_share_one_bank_and_run_in_turn_with_it():
    confirmations = Confirmations()
    open_group(confirmations, [3, 4, 5])
    order = [one.candidate for one in confirmations.next_runs()]
    assert order.count(REFERENCE) == SMALL.test[1]
    assert [order.count(candidate) for candidate in (3, 4, 5)] == [SMALL.test[0]] * 3
    for start in range(0, len(order) - 9, 5):
        assert set(order[start : start + 10]) >= {REFERENCE, 3, 4, 5}


def test_pairs_run_at_the_references_own_seeds():
    confirmations = Confirmations()
    bank = list(range(100, 112))
    own = [*bank[:4], *bank[8:12]]
    confirmations.on_opened(make_confirmation(0, 7, REFERENCE, 1, SMALL, 0, True, own + bank))
    shared = {seed: 10.0 * float(np.random.default_rng(seed).standard_normal()) for seed in bank}
    carry_out(confirmations, lambda candidate, seed: shared[seed] + (1.0 if candidate == 7 else 0.0) + 0.01 * (seed % 3))
    assert confirmations.confirmations[0].test_p < 1e-3  # independent runs with this noise would show nothing
    assert confirmations.confirmations[0].effect.effect == pytest.approx(1.0)


@pytest.mark.parametrize("failing", [0, 2, 9])
def test_a_pair_without_its_reference_run_is_left_out_and_the_others_stay_together(failing):
    confirmations = Confirmations()
    bank = list(range(100, 112))
    confirmations.on_opened(make_confirmation(0, 7, REFERENCE, 1, SMALL, 0, True, [*bank[:4], *bank[8:12], *bank]))
    shared = {seed: 10.0 * float(np.random.default_rng(seed).standard_normal()) for seed in bank}

    def score(candidate, seed):
        if candidate == REFERENCE and seed == bank[failing]:
            return None
        return shared[seed] + (1.0 if candidate == 7 else 0.0) + 0.01 * (seed % 3)

    carry_out(confirmations, score)
    assert confirmations.confirmations[0].test_p < 0.01
    assert confirmations.confirmations[0].effect.effect == pytest.approx(1.0)
    assert confirmations.confirmations[0].effect.high - confirmations.confirmations[0].effect.low < 0.1


def test_one_lost_run_loses_the_claim_and_so_does_a_failing_one():
    confirmations = Confirmations()
    open_group(confirmations, [7, 8, 9])
    confirmations.on_lost(7, "a run of its vault was lost")
    carry_out(confirmations, lambda candidate, seed: None if candidate == 8 else noisy({9: 9.0})(candidate, seed))
    assert record(confirmations) == {0: False, 1: False, 2: True}
    assert [vault.failed for vault in confirmations.confirmations] == ["a run of its vault was lost", "crash", ""]


def test_a_bank_does_without_a_run_that_failed_and_not_without_many():
    for failing, held in ((1, True), (4, False)):
        confirmations = Confirmations()
        open_group(confirmations, [7])
        bad = set(confirmations.confirmations[0].control_seeds[:failing])
        carry_out(
            confirmations, lambda who, seed, bad=bad: None if who == REFERENCE and seed in bad else noisy({7: 9.0})(who, seed)
        )
        assert record(confirmations) == {0: held}


def test_what_was_returned_is_wanted_again():
    confirmations = Confirmations()
    open_group(confirmations, [7])
    first = confirmations.next_runs()[0]
    confirmations.on_issued(first.candidate, first.seed)
    assert first not in confirmations.next_runs()
    assert confirmations.on_started(1)
    confirmations.on_returned(first.candidate, first.seed)
    assert first in confirmations.next_runs()


def test_later_openings_can_take_a_claim_back():
    """Under Benjamini and Yekutieli the bar falls with every opening that finds nothing."""
    confirmations = Confirmations()
    open_group(confirmations, [7])
    carry_out(confirmations, noisy({7: 2.2}, sd=1.0))
    vault = confirmations.confirmations[0]
    vault.test_p = 0.009
    vault.effect = vault.effect or type("E", (), {"effect": 1.0})()
    assert record(confirmations) == {0: True}
    open_group(confirmations, range(20, 30), milestone=2)
    carry_out(confirmations, noisy({}))
    found = record(confirmations)
    assert found[0] is False
    assert (
        "all openings" in next(r for r in [*confirmations.confirmations] if r.number == 0).failed
        or confirmations.confirmations[0].confirmed is False
    )


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_no_run_is_handed_out_twice_and_every_vault_is_ruled_on(seed, n):
    rng = np.random.default_rng(seed)
    confirmations = Confirmations()
    better = {candidate: float(rng.choice([0.0, 4.0])) for candidate in range(1, n + 1)}
    open_group(confirmations, better)
    done = carry_out(confirmations, noisy(better))
    assert len(done) == len(set(done))
    assert set(record(confirmations)) == set(range(n))
    assert not confirmations.has_open
    assert len(done) <= confirmations.cost


def told_p_values(p_values, effects) -> Confirmations:
    """Vaults that came to these p-values and effects."""
    confirmations = Confirmations()
    for number, (p_value, effect) in enumerate(zip(p_values, effects, strict=True)):
        open_group(confirmations, [number + 1], milestone=number + 1)
        vault = confirmations.confirmations[-1]
        vault.test_p = float(p_value)
        vault.effect = Effect(float(effect), float(effect) - 1, float(effect) + 1) if p_value < LEVEL else None
    return confirmations


def test_false_claims_are_rare_over_all_problems_of_a_run_and_not_of_each_alone():
    """Planted nulls: 400 runs of eight problems with six vaults each."""
    rng, runs, n_problems, n_vaults = np.random.default_rng(5), 400, 8, 6
    alone = together = 0
    for _ in range(runs):
        p_values, effects = rng.uniform(size=(n_problems, n_vaults)), rng.standard_normal((n_problems, n_vaults))
        problems = [told_p_values(*pair) for pair in zip(p_values, effects, strict=True)]
        alone += any(one.confirmed for problem in problems for one in problem.decisions())
        together += any(
            one.confirmed
            for i, problem in enumerate(problems)
            for one in problem.decisions(elsewhere=list(np.delete(p_values, i, axis=0).ravel()))
        )
    assert alone > 0.05 * runs
    assert together < 0.02 * runs
