"""Scores that change with how often a program has run: seen in the reference, and taken off a comparison."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.confirm import Gap, trend, upper_tail


def worn(rng, n, wear):
    return [float(rng.standard_normal()) - wear * math.log2(age) for age in range(1, n + 1)]


def test_wear_is_found_and_none_hardly_ever():
    rng = np.random.default_rng(0)
    assert sum(trend(worn(rng, 100, 0.0)) is not None for _ in range(400)) <= 10
    found = [trend(worn(rng, 120, 0.25)) for _ in range(100)]
    slopes = [one.slope for one in found if one is not None]
    assert len(slopes) >= 60
    assert np.mean(slopes) == pytest.approx(-0.25, abs=0.06)
    assert trend([0.0] * 19) is None
    assert trend([1.0] * 40) is None


def test_a_young_candidates_advantage_is_taken_off_and_a_disadvantage_is_left():
    slope = trend(worn(np.random.default_rng(0), 400, 0.5))
    old, young = range(200, 230), range(5, 17)
    by, error = slope.shift(old, young)
    assert by == pytest.approx(-0.5 * 4.4, rel=0.2)
    assert 0.0 < error < 0.3
    assert slope.shift(young, old) == (0.0, 0.0)


def test_a_difference_that_age_explains_is_no_difference():
    rng = np.random.default_rng(1)
    slope = trend(worn(rng, 200, 0.5))
    gap = Gap(2.0, 0.3, 28.0)
    assert upper_tail(gap) < 1e-6
    assert upper_tail(gap.moved(*slope.shift(range(170, 200), range(5, 17)), slope.df)) > 0.01


@given(st.lists(st.floats(-1e150, 1e150), min_size=20, max_size=40))
@settings(max_examples=60, deadline=None)
def test_any_finite_scores_have_a_trend_or_none(scores):
    found = trend(scores)
    assert found is None or found.error < math.inf
