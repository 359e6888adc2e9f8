"""Contributions with intervals under one error rate: they cover the truth together, and find what is there."""

from __future__ import annotations

import numpy as np
import pytest

from evolve.research._effects import Interval, interval, n_contrasts, quantile, runs_needed, scatter_of

N_TABLES = 400


def contrasts(k: int) -> list[dict[str, float]]:
    """Of a champion, an initial program, and k changes left out and put in."""
    asked = [{"champion": 1.0, "initial": -1.0}]
    for n in range(k):
        asked += [
            {"champion": 1.0, f"without {n}": -1.0},
            {f"alone {n}": 1.0, "initial": -1.0},
            {"champion": 1.0, f"without {n}": -1.0, f"alone {n}": -1.0, "initial": 1.0},
        ]
    return asked


def programs(k: int) -> list[str]:
    return ["champion", "initial", *(f"{how} {n}" for n in range(k) for how in ("without", "alone"))]


def table(
    rng: np.random.Generator, means: dict[str, float], n: int, *, seed_sd: float = 1.0, wild: float = 1.0
) -> dict[str, list[float]]:
    """Scores: what the program is worth, what the seed does to all, and noise; of the second program ``wild`` times as much."""
    by_seed = rng.normal(0.0, seed_sd, n)
    sds = dict.fromkeys(means, 1.0) | {"initial": wild}
    return {name: list(mean + by_seed + sds[name] * rng.normal(0.0, 1.0, n)) for name, mean in means.items()}


def all_hold(means: dict[str, float], scores: dict[str, list[float]], k: int) -> bool:
    asked = contrasts(k)
    scatter = scatter_of(scores, n_contrasts(asked) + 1)
    found = [(interval(scores, weights, scatter), sum(w * means[name] for name, w in weights.items())) for weights in asked]
    return all(one.low <= true <= one.high for one, true in found)


@pytest.mark.parametrize(("k", "n", "wild"), [(2, 3, 1.0), (5, 3, 1.0), (8, 8, 1.0), (10, 20, 1.0), (20, 4, 1.0), (6, 10, 4.0)])
def test_all_intervals_of_a_table_hold_together_19_times_of_20(k, n, wild):
    rng, held = np.random.default_rng([k, n]), 0
    for _ in range(N_TABLES):
        means = {name: float(rng.normal(0.0, 3.0)) for name in programs(k)}
        held += all_hold(means, table(rng, means, n, wild=wild), k)
    assert held / N_TABLES >= 0.95


def test_a_contribution_of_one_standard_deviation_is_found_four_times_of_five():
    k, rng = 6, np.random.default_rng(5)
    n = runs_needed(n_contrasts(contrasts(k)) + 1, len(programs(k)))
    found, false = 0, 0
    for _ in range(N_TABLES):
        means = dict.fromkeys(programs(k), 5.0) | {"without 0": 4.0}
        scores = table(rng, means, n, seed_sd=3.0)
        scatter = scatter_of(scores, n_contrasts(contrasts(k)) + 1)
        found += interval(scores, {"champion": 1.0, "without 0": -1.0}, scatter).helps
        false += interval(scores, {"champion": 1.0, "without 1": -1.0}, scatter).shown
    assert found / N_TABLES > 0.75
    assert false / N_TABLES < 0.02


def test_more_is_needed_for_less():
    assert runs_needed(20, 14, 0.5) > 3 * runs_needed(20, 14, 1.0)
    assert runs_needed(20, 14, 100.0) == 3
    assert runs_needed(60, 42) > runs_needed(6, 6)


def test_what_a_seed_does_to_all_programs_costs_nothing():
    means = dict.fromkeys(programs(3), 0.0)
    calm, loud = (table(np.random.default_rng(1), means, 6, seed_sd=sd) for sd in (0.0, 50.0))
    widths = [interval(one, {"champion": 1.0, "initial": -1.0}, scatter_of(one, 5)) for one in (calm, loud)]
    assert widths[0].high - widths[0].low == pytest.approx(widths[1].high - widths[1].low)


def test_a_program_that_scatters_otherwise_is_seen_and_the_others_are_not_blamed():
    means = dict.fromkeys(programs(4), 0.0)
    scores = table(np.random.default_rng(2), means, 12, wild=30.0)
    scatter = scatter_of(scores, 13)
    assert not scatter.pooled
    near, far = (interval(scores, {"champion": 1.0, other: -1.0}, scatter) for other in ("without 0", "initial"))
    assert far.high - far.low > 5 * (near.high - near.low)


def test_equal_scatter_is_mostly_taken_as_equal():
    rng, means = np.random.default_rng(3), dict.fromkeys(programs(4), 0.0)
    pooled = sum(scatter_of(table(rng, means, 6), 13).pooled for _ in range(200))
    assert 0.7 < pooled / 200 < 0.95


def test_without_noise_differences_are_exact_up_to_rounding():
    scores = {"a": [0.1 + 0.2], "b": [0.3], "c": [1e300], "d": [-1e300]}
    scatter = scatter_of(scores, 3, exact=True)
    assert interval(scores, {"a": 1.0, "b": -1.0}, scatter) == Interval(0.0, 0.0, 0.0)
    assert interval({"a": [0.5], "b": [0.25]}, {"a": 1.0, "b": -1.0}, scatter).helps
    assert np.isfinite(interval(scores, {"c": 1.0, "d": -1.0}, scatter).effect)


def test_scores_of_any_size_have_intervals():
    for size in (1e-300, 1e140, 1e308):
        scores = {name: list(size * np.random.default_rng(n).uniform(0.5, 1.0, 4)) for n, name in enumerate("abc")}
        found = interval(scores, {"a": 1.0, "b": -1.0}, scatter_of(scores, 3))
        assert np.isfinite([found.effect, found.low, found.high]).all()


def test_scores_without_any_scatter_have_intervals_without_width():
    scores = {"a": [1.0, 2.0, 3.0], "b": [0.5, 1.5, 2.5], "c": [1.0, 2.0, 3.0]}
    found = interval(scores, {"a": 1.0, "b": -1.0}, scatter_of(scores, 3))
    assert (found.effect, found.helps) == (0.5, True)
    assert not interval(scores, {"a": 1.0, "c": -1.0}, scatter_of(scores, 3)).shown


def test_noise_that_the_largest_scores_hide_is_no_certainty_about_the_others():
    rng = np.random.default_rng(6)
    scores = {"champion": [1e40] * 3, "initial": list(rng.normal(0.0, 1.0, 3)), "alone": list(rng.normal(0.0, 1.0, 3))}
    found = interval(scores, {"alone": 1.0, "initial": -1.0}, scatter_of(scores, 5))
    assert not found.shown
    assert interval(scores, {"champion": 1.0, "initial": -1.0}, scatter_of(scores, 5)).helps


def test_one_contrast_that_is_asked_for_twice_is_one_interval():
    assert n_contrasts([{"a": 1.0, "b": -1.0}, {"b": 1.0, "a": -1.0}, {"a": 1.0, "b": -1.0, "c": 0.0}, {"a": 1.0, "c": -1.0}]) == 2


def test_an_interval_reaches_as_far_as_the_t_distribution_says():
    assert quantile(1, 20) == pytest.approx(2.086, abs=1e-3)
    assert quantile(10, 20) == pytest.approx(3.153, abs=1e-3)
    assert quantile(1, 4) == pytest.approx(2.776, abs=1e-3)
