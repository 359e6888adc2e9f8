"""The pooled variance without the wild: against the formulas by numpy, in any order, and what it is for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from archive.elites._noise import RobustNoise, far_bound, median_of

GROUPS = st.lists(st.tuples(st.integers(1, 30), st.one_of(st.floats(0, 1e3), st.floats(1e3, 1e9), st.just(0.0))), max_size=60)


def formulas(groups: list[tuple[int, float]]) -> tuple[int, float, set[int]]:
    """The module's docstring, written down: degrees of freedom, sum of squares, who is far."""
    if not groups:
        return 0, 0.0, set()
    typical = float(np.median([m2 / (v * (1 - 2 / (9 * v)) ** 3) for v, m2 in groups]))
    excess = [m2 / max(v + 2 * math.sqrt(14 * v) + 28, 10 * v) for v, m2 in groups]
    order = sorted(range(len(groups)), key=lambda i: (excess[i], f"{i:03}"), reverse=True)
    far = {i for i in order[: len(groups) // 10] if excess[i] > typical > 0}
    kept = [group for i, group in enumerate(groups) if i not in far]
    return sum(v for v, _ in kept), math.fsum(m2 for _, m2 in kept), far


@given(GROUPS, st.randoms(use_true_random=False))
def test_it_equals_the_formulas_in_any_order_of_arrival(groups: list[tuple[int, float]], random) -> None:  # type: ignore[no-untyped-def]
    scatter = RobustNoise()
    steps = [(i, max(1, v // 2), m2 / 3) for i, (v, m2) in enumerate(groups)] + [(i, v, m2) for i, (v, m2) in enumerate(groups)]
    random.shuffle(steps)
    for i, v, m2 in steps:
        scatter.update(f"{i:03}", v, m2)
    for i, (v, m2) in enumerate(groups):
        scatter.update(f"{i:03}", v, m2)
    df, within, far = formulas(groups)
    assert scatter.df == df
    assert scatter.within == pytest.approx(within, rel=1e-9, abs=1e-9 * max((m2 for _, m2 in groups), default=0.0))
    assert {i for i in range(len(groups)) if scatter.is_outlier(f"{i:03}")} == far


@pytest.mark.parametrize("df", [1, 2, 3, 5, 10, 30, 100])
def test_the_two_approximations_are_what_they_are_said_to_be(df: int) -> None:
    assert chi2.sf(far_bound(df), df) < 1e-6
    assert median_of(df) == pytest.approx(float(chi2.median(df)), rel=0.04)


@pytest.mark.parametrize("wild", [1, 3])
def test_a_few_wild_programs_do_not_inflate_it(wild: int) -> None:
    rng = np.random.default_rng(0)
    scatter = RobustNoise()
    for i in range(40):
        scatter.update(str(i), 3, float(rng.chisquare(3)) * (1e6 if i < wild else 1.0))
    assert scatter.within / scatter.df == pytest.approx(1.0, rel=0.3)
    assert [scatter.is_outlier(str(i)) for i in range(40)] == [i < wild for i in range(40)]
    assert scatter.own_variance("0") > 1e4


def test_where_many_are_wild_it_is_how_the_problem_is() -> None:
    scatter = RobustNoise()
    for i in range(40):
        scatter.update(str(i), 3, 3e4 if i < 12 else 3.0)
    assert scatter.within / scatter.df == pytest.approx((8 * 3e4 + 28 * 3) / (36 * 3))


def test_an_absurd_sum_leaves_nothing_of_itself_behind() -> None:
    scatter = RobustNoise()
    for i in range(20):
        scatter.update(str(i), 1, 1e300 if i == 4 else 1.0)
    assert (scatter.df, scatter.within) == (19, 19.0)
    scatter.update("4", 2, 1e300)
    scatter.update("4", 3, 2.0)
    assert (scatter.df, scatter.within) == (22, 21.0)


def test_honest_noise_is_pooled_whole() -> None:
    """No honest normal program is left out, in ten thousand."""
    rng = np.random.default_rng(1)
    scatter = RobustNoise()
    for i in range(10_000):
        df = 1 + i % 6
        scatter.update(str(i), df, float(rng.chisquare(df)))
    assert scatter.df == sum(1 + i % 6 for i in range(10_000))
