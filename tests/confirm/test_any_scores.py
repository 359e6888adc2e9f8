"""From scores to decisions: every function of the statistics is total over finite floats."""

from __future__ import annotations

import math
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.special import log_ndtr

from evolve.confirm import (
    SampleStats,
    beats_target,
    beats_target_any_time,
    choose_sizes,
    describe_noise,
    estimate,
    futile,
    log_e_not_worse,
    log_e_value,
    pair_correlation,
    power,
    resolvable,
    shrunk_variance,
    welch_p_value,
)
from evolve.confirm._evidence import MAX_LOG, e_value_of, log_ratio

LARGEST = sys.float_info.max
FINITE = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(0, LARGEST)
RUNS = st.builds(SampleStats, st.integers(0, 40), FINITE, POSITIVE)
SAMPLE = st.lists(FINITE, min_size=4, max_size=8)


@given(RUNS, RUNS, POSITIVE)
@example(SampleStats(4, LARGEST, 5e-324), SampleStats(4, -LARGEST, 5e-324), LARGEST)
@example(SampleStats(1, 0.0, LARGEST), SampleStats(1, 1.0, LARGEST), LARGEST)
def test_evidence_is_a_number(ours: SampleStats, theirs: SampleStats, spread: float) -> None:
    for found in (log_e_value(ours, theirs, spread), log_e_not_worse(ours, theirs, spread), log_ratio(ours, theirs, spread)):
        assert -MAX_LOG <= found <= MAX_LOG
        assert 0.0 <= e_value_of(found) < math.inf
    assert futile(ours, theirs, spread) in (True, False)
    assert math.isfinite(shrunk_variance(3, 1e300, 1e300))


@given(st.floats(-8, 8), st.floats(0.01, 4), st.floats(0.01, 4))
def test_of_ordinary_numbers_it_is_the_formula(gap: float, variance: float, spread: float) -> None:
    ours, theirs = SampleStats(4, gap, 2 * variance), SampleStats(4, 0.0, 2 * variance)
    score, ratio = gap / variance, spread**2 / variance
    tail = float(log_ndtr(score * spread / math.sqrt(1 + ratio)))
    plain = math.log(2) - 0.5 * math.log1p(ratio) + (score * spread) ** 2 / (2 * (1 + ratio)) + tail
    assert log_e_value(ours, theirs, spread) == pytest.approx(plain, rel=1e-9, abs=1e-7)


@pytest.mark.parametrize("sds", [14.0, 43.0, 400.0, 1e6, 1e100])
def test_what_is_far_above_the_champion_is_evidence_that_can_be_written_down(sds: float) -> None:
    found = log_e_value(SampleStats(16, sds, 1.0), SampleStats(16, 0.0, 1.0), 1.0)
    assert found > math.log(300)
    assert e_value_of(found) <= math.exp(700)
    assert found > log_e_value(SampleStats(16, sds / 2, 1.0), SampleStats(16, 0.0, 1.0), 1.0)


@given(SAMPLE, SAMPLE, st.booleans())
@example([LARGEST] * 4, [-LARGEST] * 4, False)
@example([1e-170, 2e-170, 1e-170, 2e-170], [0.0] * 4, False)
@example([1e200, 2e200, 3e200, 1e200], [1e-200] * 4, True)
def test_gate_and_estimate_answer_any_runs(ours: list[float], theirs: list[float], paired: bool) -> None:
    assert 0.0 <= welch_p_value(ours, theirs, paired=paired) <= 1.0
    found = estimate(ours, theirs, paired=paired)
    assert -LARGEST <= found.low <= found.effect <= found.high <= LARGEST


@pytest.mark.parametrize("unit", [1e-300, 1e-170, 1e-9, 1.0, 1e9, 1e170, 1e300])
def test_the_gate_does_not_depend_on_the_unit(unit: float) -> None:
    ours, theirs = [5.1, 5.3, 4.9, 5.2], [4.1, 4.0, 4.4, 4.2, 3.9]
    scaled = welch_p_value([unit * one for one in ours], [unit * one for one in theirs], paired=False)
    assert scaled == pytest.approx(welch_p_value(ours, theirs, paired=False), rel=1e-6)
    effect = estimate([unit * one for one in ours], [unit * one for one in theirs], paired=False)
    assert effect.low / unit == pytest.approx(estimate(ours, theirs, paired=False).low, rel=1e-6)


@given(FINITE, POSITIVE, st.integers(2, 20), st.integers(2, 20))
def test_power_and_sizes_are_total(effect: float, noise: float, n: int, m: int) -> None:
    assert 0.0 <= power(effect, noise, n, m) <= 1.0
    assert choose_sizes(effect, noise, 1000.0) is not None
    assert resolvable(min(noise, 1e300), n, m) >= 0.0


@given(POSITIVE, st.integers(1, 100), st.lists(FINITE, min_size=40, max_size=45))
def test_any_noise_can_be_described(variance: float, df: int, residuals: list[float]) -> None:
    found = describe_noise(variance, df, residuals)
    assert found is None or (0 < found.low <= found.sd <= found.high and found.heavy_tailed in (True, False))


@given(st.lists(st.tuples(st.just(1), FINITE, FINITE), min_size=22, max_size=30))
def test_any_pairs_have_a_correlation_or_none(pairs: list[tuple[int, float, float]]) -> None:
    found = pair_correlation(pairs)
    assert found is None or -1.0 - 1e-9 <= found <= 1.0 + 1e-9


@given(st.lists(FINITE, min_size=0, max_size=8), FINITE)
@example([1e-300, 2e-300, 3e-300, 1e-300, 4e-300], 1.0)
@example([LARGEST, -LARGEST, 0.0, 1.0, 2.0], LARGEST)
def test_a_race_of_any_losses_has_its_values(losses: list[float], target: float) -> None:
    assert 0.0 <= beats_target(losses, target) <= 1.0
    assert 0.0 <= beats_target_any_time(losses, target) < math.inf
