"""What measurements of relatives say: against the same model solved as one dense system, and on lineages that were drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.select import Lineages, _lineage, lineage_posterior


def grown(rng: np.random.Generator, n: int, roots: int = 1) -> np.ndarray:
    """Parents of ``n`` programs, the first of which descend from none."""
    return np.array([-1 if row < roots else int(rng.integers(row)) for row in range(n)])


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 3))
def test_means_and_variances_are_those_of_the_dense_system(seed, n, roots):
    rng = np.random.default_rng(seed)
    parents = grown(rng, n, min(roots, n))
    counts, means = rng.integers(1, 5, n).astype(float), rng.normal(size=n)
    precision = np.where(parents >= 0, rng.uniform(0.1, 9.0, n), 0.0)
    information = np.diag(counts)
    for row, parent in enumerate(parents):
        if parent >= 0:
            step = np.zeros(n)
            step[[row, parent]] = 1.0, -1.0
            information += precision[row] * np.outer(step, step)
    covariance = np.linalg.inv(information)
    found = _lineage._smoothed(parents, _lineage._levels(parents), counts, means, precision)
    assert found[0] == pytest.approx(covariance @ (counts * means))
    assert found[1] == pytest.approx(np.diag(covariance))


def drawn(rng: np.random.Generator, n: int, *, step: float, noise: float, broken: float) -> tuple[Lineages, np.ndarray]:
    """Lineages whose true worths are known."""
    parents, true = grown(rng, n), np.zeros(n)
    for row in range(1, n):
        true[row] = true[parents[row]] + (-50.0 if rng.random() < broken else rng.normal(0, step))
    return Lineages(parents, np.ones(n), true + rng.normal(0, noise, n)), true


def test_relatives_take_more_than_half_of_the_variance_where_steps_are_small_against_the_noise():
    errors = []
    for seed in range(20):
        lineages, true = drawn(np.random.default_rng(seed), 120, step=0.1, noise=1.0, broken=0.2)
        mean, _ = lineage_posterior(lineages, 1.0)
        whole = true > -25.0
        errors.append([np.square(one - true)[whole].mean() for one in (mean, lineages.means)])
    together, alone = np.mean(errors, axis=0)
    assert together < alone / 2


def test_where_steps_are_large_a_program_is_worth_what_was_measured():
    lineages, _ = drawn(np.random.default_rng(0), 120, step=30.0, noise=0.1, broken=0.0)
    mean, variance = lineage_posterior(lineages, 0.01)
    assert np.abs(mean - lineages.means).max() < 0.05
    assert np.all(variance <= 0.01 + 1e-12)


def test_a_child_that_is_broken_says_nothing_of_its_parent():
    parents = np.array([-1, *[0] * 20])
    means = np.array([0.0, *np.linspace(-0.5, 0.5, 19), -1000.0])
    with_it, without = (lineage_posterior(Lineages(parents[:n], np.ones(n), means[:n]), 0.1)[0][0] for n in (21, 20))
    assert with_it == pytest.approx(without, abs=0.01)


def test_what_is_said_to_be_likely_is():
    """Nineteen in twenty true worths lie within two standard deviations, or nearly."""
    inside = []
    for seed in range(30):
        lineages, true = drawn(np.random.default_rng(seed), 150, step=0.3, noise=1.0, broken=0.1)
        mean, variance = lineage_posterior(lineages, 1.0)
        inside += [*(np.abs(mean - true) < 2 * np.sqrt(variance))]
    assert 0.9 < np.mean(inside) < 0.99


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.floats(-1e3, 1e3), st.sampled_from([1e-3, 1.0, 1e6]))
def test_another_unit_gives_the_same_in_that_unit(seed, shift, scale):
    lineages, _ = drawn(np.random.default_rng(seed), 60, step=0.3, noise=1.0, broken=0.1)
    mean, variance = lineage_posterior(lineages, 1.0)
    moved = Lineages(lineages.parents, lineages.counts, scale * (lineages.means + shift))
    other, spread = lineage_posterior(moved, scale**2)
    assert other / scale - shift == pytest.approx(mean, abs=1e-6)
    assert spread / scale**2 == pytest.approx(variance)


def test_one_program_is_worth_what_was_measured_of_it():
    mean, variance = lineage_posterior(Lineages(np.array([-1]), np.array([4.0]), np.array([2.0])), 1.0)
    assert (mean[0], variance[0]) == (2.0, 0.25)


@pytest.mark.parametrize("noise", [1e-300, 1e-12, 1.0, 1e290])
@pytest.mark.parametrize("scale", [0.0, 1e-300, 1.0, 1e150])
def test_scores_of_any_size_give_numbers(scale, noise):
    rng = np.random.default_rng(0)
    means = rng.normal(size=12) * scale
    means[3] = 1e150
    found = lineage_posterior(Lineages(grown(rng, 12), np.ones(12), means), noise)
    assert np.isfinite(found).all()
