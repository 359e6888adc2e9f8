"""Gate, estimate, sizes and the rate over all openings, against scipy.stats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evolve.confirm import (
    SIZES,
    benjamini_yekutieli,
    choose_sizes,
    describe_noise,
    estimate,
    pair_correlation,
    power,
    resolvable,
    welch_p_value,
)

rngs = st.integers(0, 2**32).map(np.random.default_rng)


@given(rngs, st.integers(2, 20), st.integers(2, 20), st.floats(-2, 2), st.floats(0.3, 3))
def test_the_gate_is_welchs_test(rng, n, m, shift, factor):
    ours, theirs = shift + factor * rng.standard_normal(n), rng.standard_normal(m)
    expected = stats.ttest_ind(ours, theirs, equal_var=False, alternative="greater")
    assert welch_p_value(ours.tolist(), theirs.tolist(), paired=False) == pytest.approx(expected.pvalue, rel=1e-9)
    both = stats.ttest_ind(ours, theirs, equal_var=False)
    low, high = both.confidence_interval(0.95)
    found = estimate(ours.tolist(), theirs.tolist(), paired=False)
    assert (found.effect, found.low, found.high) == pytest.approx((ours.mean() - theirs.mean(), low, high))


@given(rngs, st.integers(2, 20), st.integers(0, 5))
def test_pairs_are_compared_in_order_as_many_as_both_have(rng, n, more):
    ours, theirs = rng.standard_normal(n), rng.standard_normal(n + more)
    expected = stats.ttest_rel(ours, theirs[:n], alternative="greater")
    assert welch_p_value(ours.tolist(), theirs.tolist(), paired=True) == pytest.approx(expected.pvalue, rel=1e-9)


def test_without_noise_a_difference_is_certain():
    assert welch_p_value([1.0, 1.0], [0.5, 0.5], paired=False) == 0.0
    assert welch_p_value([0.5, 0.5], [0.5, 0.5], paired=False) == 1.0


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=30))
def test_claims_hold_under_benjamini_and_yekutieli(p_values):
    adjusted = stats.false_discovery_control(p_values, method="by")
    close = np.abs(adjusted - 0.05) < 1e-12
    assert all(close | (np.array(benjamini_yekutieli(p_values)) == (adjusted <= 0.05)))


@pytest.mark.parametrize("sizes", SIZES)
def test_power_is_that_of_the_noncentral_t(sizes):
    n, m = sizes.test
    shift = 1.2 / np.sqrt(1 / n + 1 / m)
    expected = stats.nct.sf(stats.t.ppf(0.99, n + m - 2), n + m - 2, shift)
    assert power(1.2, 1.0, n, m) == pytest.approx(expected, abs=1e-6)
    assert power(resolvable(1.0, n, m), 1.0, n, m) == pytest.approx(0.8, abs=0.03)


def test_the_smallest_vault_that_is_strong_enough_is_opened_if_the_budget_holds_it():
    small, middle, large = SIZES
    assert choose_sizes(5.0, 1.0, 1000) is small
    assert choose_sizes(2.0, 1.0, 1000) is middle
    assert choose_sizes(0.5, 1.0, 1000) is large
    assert choose_sizes(0.5, 1.0, large.n_candidate + large.n_control - 1) is None
    assert choose_sizes(5.0, 1.0, 20) is small
    assert choose_sizes(0.5, 1.0, large.n_candidate + large.n_control - 1, last=True) is middle
    assert choose_sizes(0.5, 1.0, 1000, last=True) is large
    assert choose_sizes(0.5, 1.0, small.n_candidate + small.n_control - 1, last=True) is None
    for sizes in (small, middle):
        assert choose_sizes(2.0, 1.0, 1000) is sizes or power(2.0, 1.0, *sizes.test) < 0.9


@given(st.floats(0.1, 10), st.integers(1, 200))
def test_the_noise_floor_has_the_chi_square_interval(sd, df):
    found = describe_noise(sd**2, df)
    low, high = (sd * np.sqrt(df / stats.chi2.ppf(q, df)) for q in (0.95, 0.05))
    assert (found.sd, found.low, found.high) == pytest.approx((sd, low, high), rel=1e-6)


def test_heavy_tails_are_told_from_normal_ones():
    rng = np.random.default_rng(0)
    assert not describe_noise(1.0, 500, rng.standard_normal(500).tolist()).heavy_tailed
    assert describe_noise(1.0, 500, rng.standard_t(3, 500).tolist()).heavy_tailed
    assert describe_noise(1.0, 10, rng.standard_t(3, 10).tolist()).kurtosis is None


@pytest.mark.parametrize(("rho", "low", "high"), [(0.0, -0.3, 0.3), (0.8, 0.6, 0.95)])
def test_the_correlation_at_equal_seeds_is_measured_within_candidates(rho, low, high):
    rng = np.random.default_rng(3)
    pairs = []
    for who in range(20):
        level = 10 * rng.standard_normal()  # differences between candidates say nothing
        for _ in range(4):
            shared = np.sqrt(rho) * rng.standard_normal()
            ours, theirs = shared + np.sqrt(1 - rho) * rng.standard_normal(2)
            pairs.append((who, level + ours, theirs))
    assert low < pair_correlation(pairs) < high
    assert pair_correlation(pairs[:20]) is None
