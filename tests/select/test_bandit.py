"""The bandit: its probabilities, what it learns, and that its state is exact."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive import Arm
from evolve.select import Bandit
from evolve.select._bandit import RECENT_GAINS

FAMILIES = ("tune", "edit", "edit", "merge")
ARMS = tuple(Arm(f"operator{i}") for i in range(len(FAMILIES)))
RESULTS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.one_of(st.none(), st.floats(-1e6, 1e6)),
        st.floats(0, 1e4),
    ),
    max_size=60,
)
MASKS = st.lists(st.booleans(), min_size=4, max_size=4).filter(any)


def bandit(*, discount: float = 0.9, family_floor: float = 0.05) -> Bandit:
    return Bandit(ARMS, FAMILIES, discount=discount, family_floor=family_floor)


def taught(results, **options) -> Bandit:
    found = bandit(**options)
    for arm, gain, cost_s in results:
        found.learn(arm, gain, cost_s)
    return found


@given(RESULTS, MASKS, st.floats(0, 1))
def test_probabilities_add_up_and_are_zero_only_where_not_allowed(results, allowed, family_floor):
    p = taught(results, family_floor=family_floor).probabilities(allowed)
    assert p.sum() == pytest.approx(1.0)
    assert (p >= 0).all()
    assert all(chance == 0 for chance, may in zip(p, allowed, strict=True) if not may)
    assert family_floor == 0 or all(chance > 0 for chance, may in zip(p, allowed, strict=True) if may)


@given(RESULTS)
def test_every_family_keeps_its_floor(results):
    p = taught(results, family_floor=0.1).probabilities([True] * 4)
    for family in set(FAMILIES):
        assert sum(p[i] for i in range(4) if FAMILIES[i] == family) >= 0.1 - 1e-12


@given(RESULTS, MASKS, st.floats(0, 1, exclude_max=True))
def test_the_arm_drawn_is_allowed_and_its_probability_is_the_one_recorded(results, allowed, u):
    found = taught(results)
    arm, propensity = found.choose(allowed, u)
    assert allowed[arm]
    assert propensity == found.probabilities(allowed)[arm] > 0


def test_arms_are_drawn_as_often_as_their_probability_says():
    found = taught([(1, 1.0, 1.0), (1, 2.0, 1.0), (2, 0.5, 2.0), (0, None, 1.0)] * 5)
    p = found.probabilities([True] * 4)
    drawn = [found.choose([True] * 4, (i + 0.5) / 10_000)[0] for i in range(10_000)]
    assert np.bincount(drawn, minlength=4) / 10_000 == pytest.approx(p, abs=2e-4)


def test_no_arm_allowed_is_an_error():
    with pytest.raises(ValueError, match="no arm is allowed"):
        bandit().probabilities([False] * 4)


def test_a_gain_at_less_cost_is_worth_more():
    p = taught([(1, 1.0, 1.0), (2, 1.0, 10.0)] * 20).probabilities([True] * 4)
    assert p[1] > p[2]


def test_an_arm_that_gains_beats_one_that_fails():
    p = taught([(1, 1.0, 1.0), (2, None, 1.0), (3, -1.0, 1.0)] * 20).probabilities([True] * 4)
    assert p[1] > 3 * max(p[2], p[3])


def test_an_arm_never_tried_is_taken_to_be_as_good_as_the_best():
    p = taught([(1, 1.0, 1.0), (2, None, 1.0), (3, None, 1.0)] * 30, family_floor=0.0).probabilities([True] * 4)
    assert p[0] >= p[1] > p[2]


def test_the_past_fades():
    found = taught([(1, 1.0, 1.0)] * 50)
    for _ in range(200):
        found.learn(1, None, 1.0)
        found.learn(2, 1.0, 1.0)
    p = found.probabilities([True] * 4)
    assert p[2] > p[1]


@given(RESULTS)
def test_the_unit_of_gains_does_not_matter(results):
    scaled = [(arm, None if gain is None else gain * 1024.0, cost_s) for arm, gain, cost_s in results]
    assert taught(results).states == taught(scaled).states


@given(st.lists(st.floats(1e-6, 1e6), max_size=300), st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=10))
def test_rank_grows_with_the_gain_and_stays_between_0_and_1(recent, asked):
    found = taught([(0, gain, 1.0) for gain in recent])
    ranks = [found.rank(gain) for gain in sorted(asked)]
    assert ranks == sorted(ranks)
    assert all(0 <= rank <= 1 for rank in ranks)
    assert all((rank > 0) == (gain > 0) for rank, gain in zip(ranks, sorted(asked), strict=True))


def test_only_recent_gains_rank():
    found = taught([(0, 1e9, 1.0)] * RECENT_GAINS)
    assert found.rank(1.0) == pytest.approx(1 / (RECENT_GAINS + 1))
    for _ in range(RECENT_GAINS):
        found.learn(0, 1e-3, 1.0)
    assert found.rank(1.0) == 1.0


@given(RESULTS, RESULTS)
def test_saved_and_loaded_it_goes_on_the_same(before, after):
    found = taught(before)
    twin = bandit()
    twin.load(json.loads(json.dumps(found.dump())))
    for arm, gain, cost_s in after:
        found.learn(arm, gain, cost_s)
        twin.learn(arm, gain, cost_s)
    assert twin.dump() == found.dump()
    assert (twin.probabilities([True] * 4) == found.probabilities([True] * 4)).all()


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(allow_nan=False), st.floats(0, allow_infinity=False)), max_size=40), MASKS)
def test_any_gain_at_any_cost_leaves_probabilities(results: list[tuple[int, float, float]], allowed: list[bool]) -> None:
    one = bandit()
    for arm, gain, cost_s in results:
        one.learn(arm, gain, cost_s)
    found = one.probabilities(allowed)
    assert np.isfinite(found).all()
    assert found.sum() == pytest.approx(1.0)
    assert 0 <= one.choose(allowed, 0.999999)[0] < 4


def test_priors_say_who_is_tried_first_and_what_is_earned_overrules_them() -> None:
    told = Bandit(ARMS, FAMILIES, discount=1.0, family_floor=0.0, priors=(1.0, 0.5, 0.25, 0.25))
    first = told.probabilities([True] * 4)
    assert first == pytest.approx(np.array([16, 4, 1, 1]) / 22)
    for _ in range(60):
        told.learn(0, 0.0, 1.0)
        told.learn(3, 1.0, 1.0)
    assert told.probabilities([True] * 4).argmax() == 3


def test_where_gains_are_rare_one_of_them_does_not_overrule_what_was_expected() -> None:
    rare = Bandit(ARMS, FAMILIES, discount=0.995, family_floor=0.0, priors=(1.0, 0.1, 0.1, 0.1))
    for _ in range(300):
        rare.learn(0, 0.0, 1.0)
    before = rare.probabilities([True] * 4)[1]
    rare.learn(1, 1.0, 1.0)
    after = rare.probabilities([True] * 4)[1]
    assert before < after < 0.25
    for n in range(20):
        rare.learn(1, 2.0 + n, 1.0)
    assert rare.probabilities([True] * 4)[1] > 0.5


def test_with_priors_what_never_gives_a_program_loses_its_share_though_it_costs_nothing() -> None:
    told = Bandit(ARMS, FAMILIES, discount=1.0, family_floor=0.01, priors=(1.0,) * 4)
    for _ in range(20):
        told.learn(1, 1.0, 1.0)
        for _ in range(10):
            told.learn(2, None, 0.0, made=False)
    shares = told.probabilities([True] * 4)
    assert shares[2] < shares[0] / 3
