"""A difference that does not last is told from one that does, by the moments after its vault."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.confirm import Comparison, Memory, compared, fading, lasting, upper_tail


def comparison(rng, *, effect=0.0, slow=0.0, kept=0.0, later=4, runs=12):
    """One vault and the moments after it; the candidate's and the reference's slow parts are kept from one to the next."""
    own, theirs = slow * rng.standard_normal(2)
    ours_in, theirs_in = effect + own + rng.standard_normal(runs), theirs + rng.standard_normal(runs)
    groups = []
    for moment in range(1, later + 1):
        own, theirs = kept * np.array([own, theirs]) + slow * np.sqrt(1 - kept**2) * rng.standard_normal(2)
        groups.append((moment, list(effect + own + rng.standard_normal(2)), list(theirs + rng.standard_normal(2))))
    return Comparison(list(ours_in), list(theirs_in), groups)


def known(sd, kept=0.0, df=1000):
    return Memory(sd, df, kept, 10, 6, 0.001)


@pytest.mark.parametrize("kept", [0.0, 0.6])
@pytest.mark.parametrize("later", [0, 1, 5])
def test_the_error_of_a_difference_over_moments_is_what_it_says(kept, later):
    rng = np.random.default_rng(0)
    gaps = []
    for _ in range(400):
        one = comparison(rng, slow=1.0, kept=kept, later=later)
        gaps.append(lasting(compared(one.candidate, one.control, paired=False), one, known(1.0, kept)))
    assert np.std([gap.mean / gap.error for gap in gaps]) == pytest.approx(1.0, abs=0.12)
    assert 0.025 <= np.mean([upper_tail(gap) < 0.05 for gap in gaps]) <= 0.08


def test_more_moments_show_more():
    rng = np.random.default_rng(1)
    errors = []
    for later in (0, 2, 5):
        one = comparison(rng, slow=1.0, later=later)
        errors.append(lasting(compared(one.candidate, one.control, paired=False), one, known(1.0)).error)
    assert errors[0] > 1.3 * errors[1] > 1.5 * errors[2]
    one = comparison(rng, later=5)
    gap = compared(one.candidate, one.control, paired=False)
    assert lasting(gap, one, known(0.0)).error < gap.error


def test_differences_that_shrink_are_seen_and_those_that_last_are_not():
    rng = np.random.default_rng(2)

    def chosen(slow):
        """Vaults that were opened for whoever looked better: by luck of a slow part, or truly."""
        found = []
        while len(found) < 5:
            one = comparison(rng, effect=0.0 if slow else 1.2, slow=slow, later=3)
            if np.mean(one.candidate) - np.mean(one.control) > 1.0 or not slow:
                found.append(one)
        return fading(found)

    assert np.mean([chosen(1.0) < 0.02 for _ in range(100)]) > 0.5
    assert np.mean([chosen(0.0) < 0.05 for _ in range(300)]) <= 0.07
    assert fading([]) == 1.0
    assert fading([comparison(rng, later=0)]) == 1.0


@given(st.lists(st.floats(-1e150, 1e150), min_size=12, max_size=12), st.floats(0, 1e200), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_any_finite_scores_give_a_difference(scores, sd, kept):
    one = Comparison(scores[:4], scores[4:8], [(2, scores[8:10], scores[10:12])])
    gap = lasting(compared(one.candidate, one.control, paired=False), one, known(sd, kept, 9))
    assert np.isfinite([gap.mean, gap.error]).all()
    assert 0.0 <= upper_tail(gap) <= 1.0
    assert 0.0 <= fading([one]) <= 1.0
