"""Evidence that may be looked at after every run: the formulas against quadrature, the bounds by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from evolve.confirm import E_CHAMPION, SampleStats, futile, log_e_not_worse, log_e_value, shrunk_variance
from evolve.confirm._evidence import FUTILE, PRIOR_DF, log_ratio

means = st.floats(-3, 3)
counts = st.integers(1, 40)
variances = st.floats(0.1, 4)


@given(means, counts, variances, counts, variances, st.floats(0.2, 3))
def test_the_e_value_is_the_mixture_of_likelihood_ratios(mean, n, var_c, m, var_r, spread):
    candidate, reference = SampleStats(n, mean, var_c), SampleStats(m, 0.0, var_r)
    error = math.sqrt(var_c / n + var_r / m)
    density = stats.norm(0, spread)

    def weighted(effect: float) -> float:
        return 2 * density.pdf(effect) * math.exp(log_ratio(candidate, reference, effect))

    centre = mean / error**2 / (1 / error**2 + 1 / spread**2)
    points = [point for point in (centre - error, centre, centre + error) if 0 < point < 9 * spread + 6]
    expected = integrate.quad(weighted, 0, 9 * spread + 6, points=points or None, limit=300)[0]
    assert math.exp(log_e_value(candidate, reference, spread)) == pytest.approx(expected, rel=1e-5)


@given(means, counts, counts, st.floats(0.1, 3))
def test_the_ratio_is_that_of_two_normal_densities(mean, n, m, worth):
    candidate, reference = SampleStats(n, mean, 1.3), SampleStats(m, 0.0, 0.7)
    error = math.sqrt(1.3 / n + 0.7 / m)
    expected = stats.norm.logpdf(mean, worth, error) - stats.norm.logpdf(mean, 0, error)
    assert log_ratio(candidate, reference, worth) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_a_margin_is_a_shift_of_the_reference():
    candidate, reference = SampleStats(5, 0.2, 1.0), SampleStats(9, 0.0, 1.0)
    shifted = SampleStats(9, -0.25, 1.0)
    assert log_e_value(candidate, reference, 1.0, margin=-0.25) == pytest.approx(log_e_value(candidate, shifted, 1.0))


def test_a_simplification_must_be_shown_not_to_cost_a_quarter_of_a_standard_deviation():
    noise_sd = 2.0
    equal, worse = SampleStats(400, 0.0, 4.0), SampleStats(400, -0.5, 4.0)
    assert log_e_not_worse(equal, SampleStats(400, 0.0, 4.0), noise_sd) > math.log(E_CHAMPION)
    assert log_e_not_worse(worse, SampleStats(400, 0.0, 4.0), noise_sd) < 0
    assert log_e_not_worse(SampleStats(30, 0.0, 4.0), SampleStats(30, 0.0, 4.0), noise_sd) < math.log(E_CHAMPION)


def test_nothing_is_evidence_before_there_are_runs_and_noise():
    assert log_e_value(SampleStats(0, 0.0, 1.0), SampleStats(5, 0.0, 1.0), 1.0) == 0.0
    assert log_e_value(SampleStats(3, 9.0, 0.0), SampleStats(5, 0.0, 0.0), 1.0) == 0.0
    assert not futile(SampleStats(3, -9.0, 0.0), SampleStats(5, 0.0, 0.0), 1.0)


@pytest.mark.parametrize("which", ["mixture", "ratio"])
def test_who_is_not_better_passes_a_bar_of_b_in_at_most_one_of_b_cases_however_often_one_looks(which):
    rng = np.random.default_rng(1)
    passed, paths, looks, m = 0, 3000, 40, 50
    for _ in range(paths):
        runs = rng.standard_normal(looks)
        reference = SampleStats(m, float(rng.standard_normal() / math.sqrt(m)), 1.0)
        sums = np.cumsum(runs)
        for n in range(1, looks + 1):
            candidate = SampleStats(n, float(sums[n - 1]) / n, 1.0)
            log_e = log_e_value(candidate, reference, 1.0) if which == "mixture" else log_ratio(candidate, reference, 1.25)
            if log_e >= math.log(E_CHAMPION):
                passed += 1
                break
    assert 0.1 / E_CHAMPION < passed / paths < 1.0 / E_CHAMPION + 3 * math.sqrt(0.05 * 0.95 / paths)


def test_who_is_better_passes_and_who_is_as_good_is_given_up_soon():
    reference = SampleStats(60, 0.0, 1.0)
    assert log_e_value(SampleStats(12, 1.25, 1.0), reference, 1.0) > math.log(300)
    assert futile(SampleStats(6, 0.0, 1.0), reference, 1.25)
    assert not futile(SampleStats(1, 0.0, 1.0), reference, 1.25)
    edge = (0.5 * 1.25**2 + math.log(FUTILE) * (1 / 4 + 1 / 60)) / 1.25
    assert futile(SampleStats(4, edge - 1e-9, 1.0), reference, 1.25)
    assert not futile(SampleStats(4, edge + 1e-9, 1.0), reference, 1.25)


@given(st.integers(1, 200), st.floats(0, 100), st.floats(0.01, 10))
def test_a_candidates_variance_lies_between_the_pooled_one_and_its_own(n, m2, noise):
    found = shrunk_variance(n, m2, noise)
    if n == 1:
        assert found == pytest.approx((PRIOR_DF * noise + m2) / PRIOR_DF)
    else:
        own = m2 / (n - 1)
        assert min(own, noise) - 1e-9 <= found <= max(own, noise) + 1e-9
