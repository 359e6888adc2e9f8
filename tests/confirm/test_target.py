"""The rule of races with a fixed target, beside its version that may be looked at any time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from evolve.confirm import beats_target, beats_target_any_time


@given(st.integers(0, 2**32), st.integers(2, 30), st.floats(-1, 1))
def test_the_races_rule_is_the_one_sided_t_test(seed, n, shift):
    losses = 3.28 + shift + np.random.default_rng(seed).standard_normal(n)
    assert beats_target(losses.tolist(), 3.28) == pytest.approx(
        stats.ttest_1samp(losses, 3.28, alternative="less").pvalue, rel=1e-8
    )


@pytest.mark.parametrize("n", [5, 8, 30])
@pytest.mark.parametrize("shift", [-0.8, 0.0, 0.6])
def test_the_e_value_is_the_mixture_of_noncentral_t_densities(n, shift):
    losses = 1.0 + shift + np.random.default_rng(n).standard_normal(n)
    t = (1.0 - losses.mean()) / (losses.std(ddof=1) / math.sqrt(n))

    def weighted(effect: float) -> float:
        return 2 * stats.norm.pdf(effect) * stats.nct.pdf(t, n - 1, effect * math.sqrt(n)) / stats.t.pdf(t, n - 1)

    expected = integrate.quad(weighted, 0, 6, limit=200)[0]
    assert beats_target_any_time(losses.tolist(), 1.0) == pytest.approx(expected, rel=0.01)


def test_looking_after_every_run_fools_the_t_test_and_not_the_e_value():
    rng = np.random.default_rng(0)
    paths, fooled, held = 100, 0, 0
    for _ in range(paths):
        losses = (3.28 + rng.standard_normal(25)).tolist()
        fooled += any(beats_target(losses[:n], 3.28) < 0.05 for n in range(3, 26))
        held += any(beats_target_any_time(losses[:n], 3.28) >= 20 for n in range(3, 26))
    assert fooled / paths > 0.10  # at a nominal 0.05
    assert held / paths < 0.05 + 3 * math.sqrt(0.05 * 0.95 / paths)


def test_a_clear_record_is_one_by_both():
    losses = [3.271, 3.268, 3.272, 3.27, 3.269, 3.273, 3.27, 3.268]
    assert beats_target(losses, 3.28) < 0.01
    assert beats_target_any_time(losses, 3.28) > 100


@pytest.mark.parametrize("losses", [[], [3.0]])
def test_one_run_shows_nothing(losses):
    assert beats_target(losses, 3.28) == 1.0
    assert beats_target_any_time(losses, 3.28) == 1.0


@pytest.mark.parametrize("losses", [[3.2, 3.2], [3.2] * 12, [3.3, 3.3], [0.0, 1.0, 0.0, 0.0, 0.0, 0.0]])
def test_equal_losses_and_coins_show_nothing(losses):
    assert beats_target_any_time(losses, 3.28) == 1.0
    assert beats_target(losses, 3.28) == 1.0 or len(set(losses)) > 1


@pytest.mark.parametrize(
    "draw",
    [
        pytest.param(lambda rng: float(rng.integers(0, 2)) - 0.5, id="coin"),
        pytest.param(lambda rng: rng.binomial(10, 0.1) / 10 - 0.1, id="tenths"),
        pytest.param(lambda rng: rng.binomial(100, 0.05) / 100 - 0.05, id="hundredths", marks=pytest.mark.slow),
        pytest.param(lambda rng: round(0.02 * rng.standard_normal(), 2), id="rounded", marks=pytest.mark.slow),
        pytest.param(lambda rng: float(rng.standard_t(3)), id="t3", marks=pytest.mark.slow),
    ],
)
def test_coarse_scores_and_heavy_tails_do_not_pass_for_records(draw):
    rng, false = np.random.default_rng(7), 0
    for _ in range(100):
        losses = [draw(rng) for _ in range(20)]
        false += any(beats_target_any_time(losses[:n], 0.0) >= 100 for n in range(2, 21))
    assert false <= 4  # 1 is to be expected at the level of 0.01
