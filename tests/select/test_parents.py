"""Who breeds, and who is looked at beside."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.select import inspirations, tournament

KEYS = st.lists(st.integers(0, 10_000), min_size=1, max_size=60, unique=True)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


def choose(elites, seed=0, *, mean=float, sd=0.0, bred=lambda key: 0, size=16, uniform_share=0.0, eligible=lambda key: True):
    return tournament(
        elites, lambda key: (mean(key), sd), bred, rng(seed), size=size, uniform_share=uniform_share, eligible=eligible
    )


@given(KEYS, st.integers(0, 99), st.integers(1, 20), st.floats(0, 1), st.floats(0, 10))
def test_the_parent_is_an_elite_that_may_breed(elites, seed, size, uniform_share, sd):
    even = choose(elites, seed, size=size, uniform_share=uniform_share, sd=sd, eligible=lambda key: key % 2 == 0)
    assert even is None or (even in elites and even % 2 == 0)
    assert choose(elites, seed, size=size, uniform_share=uniform_share, sd=sd) in elites


@given(KEYS)
def test_without_anyone_eligible_there_is_no_parent(elites):
    assert choose(elites, eligible=lambda key: False) is None


@given(KEYS, st.integers(0, 99))
def test_a_tournament_of_all_with_nothing_unknown_is_won_by_the_best(elites, seed):
    assert choose(elites, seed, size=len(elites)) == max(elites)


@given(KEYS, st.integers(0, 99), st.sampled_from([2.0**-20, 0.5, 8.0, 2.0**30]))
def test_the_unit_of_the_score_does_not_matter(elites, seed, unit):
    plain = choose(elites, seed, sd=3.0, size=4)
    scaled = tournament(
        elites, lambda key: (key * unit, 3.0 * unit), lambda key: 0, rng(seed), size=4, uniform_share=0.0, eligible=bool_
    )
    assert plain == scaled


def bool_(key: int) -> bool:
    return True


def test_equal_arguments_give_the_same_parent():
    elites = list(range(1000))
    assert [choose(elites, seed, sd=5.0) for seed in range(20)] == [choose(elites, seed, sd=5.0) for seed in range(20)]


def test_the_uniform_share_reaches_everyone_alike():
    elites = list(range(20))
    drawn = Counter(choose(elites, seed, size=4, uniform_share=1.0) for seed in range(8000))
    assert min(drawn[key] for key in elites) > 320  # 400 expected, standard deviation 19.5
    assert max(drawn.values()) < 480


def test_better_elites_breed_more_often_and_uncertain_ones_get_their_chance():
    elites = list(range(100))
    sure = Counter(choose(elites, seed, size=8) for seed in range(2000))
    unsure = Counter(choose(elites, seed, size=8, sd=200.0) for seed in range(2000))
    top = range(80, 100)
    assert sum(sure[key] for key in top) > 1500
    assert 400 < sum(unsure[key] for key in top) < 900


def test_who_has_bred_much_is_slowed_down_but_not_starved():
    elites = list(range(8))
    children = {7: 100}
    drawn = Counter(choose(elites, seed, size=8, sd=0.3, bred=lambda key: children.get(key, 0)) for seed in range(500))
    assert drawn[6] > drawn[7]
    children = {7: 2}
    drawn = Counter(choose(elites, seed, size=8, sd=0.3, bred=lambda key: children.get(key, 0)) for seed in range(500))
    assert drawn[7] > drawn[6]


@given(KEYS, st.integers(0, 99), st.integers(0, 8), st.data())
def test_inspirations_are_others_and_the_leader_comes_first(elites, seed, count, data):
    leader, parent = data.draw(st.sampled_from(elites)), data.draw(st.sampled_from(elites))
    found = inspirations(elites, leader, parent, rng(seed), count=count)
    assert len(set(found)) == len(found) <= count
    assert parent not in found
    assert set(found) <= set(elites)
    if count and leader != parent:
        assert found[0] == leader


def test_of_many_elites_as_many_inspirations_as_asked_for():
    elites = list(range(1000))
    for seed in range(50):
        assert len(inspirations(elites, 3, 5, rng(seed), count=5)) == 5


def test_a_lone_parent_has_no_inspirations():
    assert inspirations([4], 4, 4, rng(), count=5) == ()


@pytest.mark.parametrize("size", [1, 2, 16])
def test_a_lone_elite_is_its_own_parent(size):
    assert choose([4], size=size) == 4
