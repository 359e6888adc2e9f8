"""Sketches of programs, and the threshold above which a child is turned away."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.select._novelty import DIMS, ENOUGH, KEPT, LEAST, Novelty, sketch, unsketch

vectors = st.integers(2, 700).flatmap(
    lambda n: st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).standard_normal(n))
)


@given(vectors)
def test_a_sketch_is_short_and_the_same_for_the_same_direction(vector):
    text = sketch(vector)
    assert len(text) == DIMS * 5 // 4
    assert text == sketch(vector * 2.0)  # a power of two changes no bit of a mantissa
    assert float(np.linalg.norm(unsketch(text))) == pytest.approx(1.0)


def test_nothing_has_no_sketch():
    assert sketch(np.zeros(10)) == ""
    assert sketch(np.array([np.nan, 1.0])) == ""
    with pytest.raises(ValueError, match="sketch"):
        unsketch("abc")


def test_near_vectors_have_near_sketches_and_far_ones_do_not():
    rng = np.random.default_rng(0)
    base = rng.standard_normal(512)
    for noise, low, high in ((0.05, 0.99, 1.0), (0.3, 0.9, 0.99), (10.0, -0.5, 0.6)):
        cosines = [float(unsketch(sketch(base)) @ unsketch(sketch(base + noise * rng.standard_normal(512)))) for _ in range(20)]
        assert low <= np.mean(cosines) <= high, noise


def test_nothing_is_turned_away_before_enough_is_known():
    novelty = Novelty(0.25)
    for _ in range(ENOUGH - 1):
        novelty.record_similarity(0.99)
    assert novelty.threshold > 1.0
    novelty.record_similarity(0.99)
    assert novelty.threshold == pytest.approx(0.99)


@given(st.floats(0.01, 0.5), st.lists(st.floats(0.0, 1.0), min_size=ENOUGH, max_size=200))
def test_at_most_the_share_lies_above_the_threshold_and_nothing_below_the_least(share, similarities):
    novelty = Novelty(share)
    for similarity in similarities:
        novelty.record_similarity(similarity)
    above = sum(similarity > novelty.threshold for similarity in similarities)
    assert above <= share * len(similarities) + 1
    assert novelty.threshold >= LEAST


def test_the_nearest_is_found_and_old_ones_are_forgotten():
    rng = np.random.default_rng(1)
    novelty = Novelty(0.1)
    assert novelty.nearest(sketch(rng.standard_normal(64))) is None
    known = [rng.standard_normal(64) for _ in range(KEPT + 5)]
    for number, vector in enumerate(known):
        novelty.add(number, sketch(vector))
    assert len(novelty.kept) == KEPT
    assert 0 not in novelty.kept
    number, similarity = novelty.nearest(sketch(known[-1]))
    assert (number, round(similarity, 6)) == (KEPT + 4, 1.0)
    number, similarity = novelty.nearest(sketch(known[0]))
    assert similarity < 0.9
