"""Rare losses and gains: which runs are rare, what cannot be excluded, and when they are everyone's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.confirm import margin, pool, runs_needed, tails

QUIET = [0.0, 0.1, -0.1, 0.2, -0.2, 0.15, 0.05, -0.05]


def test_a_run_far_from_all_others_is_rare_on_its_side():
    low, high = tails([*QUIET, -8.0], 0.1), tails([*QUIET, 8.0, 9.0], 0.1)
    assert (low.low, low.high, low.lost) == (1, 0, pytest.approx(8.05, abs=0.1))
    assert (high.low, high.high, high.gained) == (0, 2, pytest.approx(17.0, abs=0.3))
    assert low.holds(0.2)
    assert not low.holds(-8.0)


@pytest.mark.parametrize("scores", [[0.0, -8.0], [0.0, 0.1, -8.0], [-30.0, 5.0, 40.0, 0.0, 11.0], [], [1.0]])
def test_few_runs_and_runs_that_scatter_widely_have_no_rare_ones(scores):
    found = tails(scores, 0.1)
    assert (found.low, found.high) == (0, 0)


@pytest.mark.parametrize(("draw", "most"), [("standard_normal", 0), ("standard_exponential", 12), ("t", 12)])
def test_tails_of_usual_noise_are_hardly_ever_rare(draw, most):
    rng = np.random.default_rng(0)
    runs = [rng.standard_t(4, 8) if draw == "t" else getattr(rng, draw)(8) for _ in range(1000)]
    typical = float(np.median([np.var(one, ddof=1) for one in runs])) ** 0.5
    found = pool(tails(list(map(float, one)), typical) for one in runs)
    assert found.low + found.high <= most


def test_a_candidate_must_exclude_what_others_lost_and_more_quiet_runs_do():
    gambler = tails([*QUIET, -16.0], 0.1)
    everyone = pool([gambler] * 6 + [tails(QUIET, 0.1)] * 50)
    quiet, reference = tails(QUIET * 3, 0.1), tails(QUIET * 20, 0.1)
    assert margin(quiet, reference, everyone) == pytest.approx(16.0 * (1 - 0.01 ** (1 / 24)), rel=0.02)
    needed = runs_needed(quiet, reference, everyone, 1.2, 150)
    assert 24 < needed < 150
    assert margin(tails(QUIET * (needed // 8 + 1), 0.1), reference, everyone) < 1.2
    assert runs_needed(quiet, reference, everyone, 0.1, 150) == 0
    assert margin(quiet, reference, pool([tails(QUIET, 0.1)] * 50)) == 0.0
    assert margin(quiet, reference, pool([gambler] * 2 + [tails(QUIET, 0.1)] * 50)) > 0.0
    assert margin(quiet, reference, pool([gambler] + [tails(QUIET, 0.1)] * 50)) == 0.0  # one in thousands of runs is chance


def test_a_reference_that_is_rarely_lucky_is_taken_at_what_its_luck_may_be():
    lucky = tails([*QUIET * 12, *[8.0] * 5], 0.1)
    asked = margin(tails(QUIET, 0.1), lucky, pool([lucky, tails(QUIET, 0.1)]))
    assert 8.0 * 5 / 101 < asked < 8.0 * 0.15


def test_one_rare_gain_of_the_reference_is_reckoned_with():
    lucky = tails([*QUIET * 12, 8.0], 0.1)
    assert margin(tails(QUIET, 0.1), lucky, pool([lucky, tails(QUIET, 0.1)])) > 8.0 / 97


def test_losses_that_the_reference_has_as_often_are_everyones():
    rng = np.random.default_rng(0)
    everyone = [tails([float(-20.0 * (rng.random() < 0.05) + rng.standard_normal()) for _ in range(12)], 1.0) for _ in range(100)]
    reference = tails([float(-20.0 * (rng.random() < 0.05) + rng.standard_normal()) for _ in range(300)], 1.0)
    assert reference.low > 5
    assert margin(everyone[0], reference, pool([*everyone, reference])) == 0.0


@given(st.lists(st.floats(-1e150, 1e150), max_size=20), st.floats(0.0, 1e150), st.lists(st.floats(-1e150, 1e150), max_size=20))
@settings(max_examples=60, deadline=None)
def test_any_finite_scores_have_a_margin(ours, typical, theirs):
    a, b = tails(ours, typical), tails(theirs, typical)
    everyone = pool([a, b])
    assert margin(a, b, everyone) >= 0.0
    assert runs_needed(a, b, everyone, 1.0, 150) >= 0
