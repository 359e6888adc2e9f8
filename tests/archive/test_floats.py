"""Means, differences and posteriors of any finite numbers are finite numbers, and those of ordinary ones are the usual ones."""

from __future__ import annotations

import math
import statistics
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from archive import PooledPosterior, RunningStats, bounded, difference, is_better, mean_of, sd_of, shrink, tame

LARGEST = sys.float_info.max
FINITE = st.floats(allow_nan=False, allow_infinity=False)
ORDINARY = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6)


@given(st.lists(FINITE, min_size=2, max_size=20))
@example([LARGEST, LARGEST])
@example([LARGEST, -LARGEST])
@example([5e-324, 1e-323])
def test_any_numbers_have_a_mean_and_a_spread(values: list[float]) -> None:
    mean, sd = mean_of(values), sd_of(values)
    assert min(values) <= mean <= max(values) or mean == pytest.approx(values[0], rel=1e-15)
    assert 0.0 <= sd <= LARGEST
    assert (sd > 0.0) is (len({value + 0.0 for value in values}) > 1)


@given(st.lists(ORDINARY, min_size=2, max_size=20))
def test_of_ordinary_numbers_they_are_the_usual_ones(values: list[float]) -> None:
    assert mean_of(values) == statistics.fmean(values)
    assert sd_of(values) == pytest.approx(statistics.stdev(values), rel=1e-9, abs=1e-12)


@given(FINITE, FINITE)
def test_a_difference_is_a_number(a: float, b: float) -> None:
    assert math.isfinite(difference(a, b))
    assert difference(a, b) == a - b or abs(a - b) == math.inf
    assert difference(a, b) == -difference(b, a)


def test_what_is_no_number_becomes_one() -> None:
    assert [bounded(value) for value in (math.inf, -math.inf, math.nan)] == [LARGEST, -LARGEST, 0.0]
    assert [tame(value) for value in (1e200, -1e200, 1e20)] == [1e150, -1e150, 1e20]


@given(FINITE, st.integers(1, 100), st.floats(0, LARGEST), st.one_of(st.none(), st.tuples(FINITE, st.floats(0, LARGEST))))
@example(1.0, 2, 5e-324, (1.0, 0.0))
@example(LARGEST, 1, LARGEST, (-LARGEST, LARGEST))
def test_a_posterior_lies_between_the_mean_and_where_it_started(
    mean: float, n: int, noise: float, prior: tuple[float, float] | None
) -> None:
    got, sd = shrink(mean, n, noise, prior)
    assert 0.0 <= sd <= LARGEST
    low, high = sorted((mean, prior[0] if prior else mean))
    slack = 1e-12 * max(abs(low), abs(high))
    assert low - slack <= got <= high + slack


@given(st.booleans(), st.lists(st.tuples(st.sampled_from("abcd"), FINITE), min_size=1, max_size=30))
def test_any_scores_have_posteriors_whose_state_can_be_kept(noisy: bool, scores: list[tuple[str, float]]) -> None:
    pooled = PooledPosterior(noisy)
    for name, score in scores:
        pooled.add(name, score)
    again = PooledPosterior.load(pooled.dump())
    for name, _ in scores:
        mean, sd = pooled.posterior(name)
        assert math.isfinite(mean)
        assert math.isfinite(sd)
        assert again.posterior(name) == (mean, sd)


@given(st.lists(FINITE, min_size=1, max_size=20))
def test_a_tally_of_any_scores_is_made_of_numbers(scores: list[float]) -> None:
    stats = RunningStats()
    for score in scores:
        stats.add(score)
    assert math.isfinite(stats.mean)
    assert 0.0 <= stats.m2 <= LARGEST


@pytest.mark.parametrize("wild", [1e14, 1e20, 1e150, 1e200, -1e300, LARGEST])
def test_one_wild_score_leaves_the_others_their_digits(wild: float) -> None:
    pooled = PooledPosterior(noisy=True)
    for name, center in (("a", 1.32), ("b", 1.5), ("c", 2.0)):
        for step in range(12):
            pooled.add(name, center + 0.01 * (-1) ** step)
    pooled.add("wild", wild)
    for name, center in (("a", 1.32), ("b", 1.5), ("c", 2.0)):
        assert pooled.posterior(name)[0] == pytest.approx(center, rel=1e-12)
        assert pooled.posterior(name)[1] == pytest.approx(0.01 / math.sqrt(11), rel=0.1)


@pytest.mark.parametrize("unit", [1e-300, 1e-9, 1.0, 1e300])
def test_rounding_is_not_better_in_any_unit(unit: float) -> None:
    for before in (2.1 * unit, -2.1 * unit):
        assert not is_better(before + math.ulp(before), before)
        assert not is_better(before, before)
        assert not is_better(before - 1e-9 * unit, before)
        assert is_better(before + 1e-9 * unit, before)


def test_whatever_is_above_nothing_is_better() -> None:
    assert is_better(1e-300, 0.0)
    assert is_better(0.0, -1e-300)
    assert is_better(sys.float_info.max, -sys.float_info.max)
