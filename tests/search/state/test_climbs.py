"""Climbs: the main one drifts and never falls; an excursion is taken up where it got as high, and given up in time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.search.state._climbs import ARCHIVE, EXCURSION, MAIN, NONE, Climbs, luby

STEPS = st.lists(st.tuples(st.sampled_from([MAIN, EXCURSION, ARCHIVE]), st.one_of(st.none(), st.integers(0, 9))), max_size=80)


def test_the_restart_sequence_is_lubys() -> None:
    assert [luby(n) for n in range(1, 16)] == [1, 1, 2, 1, 1, 2, 4, 1, 1, 2, 1, 1, 2, 4, 8]


@given(STEPS)
def test_the_main_climb_never_falls_and_takes_what_is_as_good(steps) -> None:
    climbs, scores = Climbs(), {0: 3}
    for number, (selector, score) in enumerate(steps, 1):
        if climbs.excursion == NONE and selector == EXCURSION:
            climbs.begin(0)
        main, excursion = scores[climbs.main], scores.get(climbs.excursion)
        climbs.on_child(number, score, main=main, excursion=excursion, selector=selector)
        scores[number] = score
        assert scores[climbs.main] >= main
        assert (climbs.main == number) == (score is not None and score >= main)
        assert climbs.excursion == NONE or scores[climbs.excursion] is not None
        assert climbs.excursion == NONE or climbs.excursion != climbs.main or climbs.excursion == 0


def gone(climbs: Climbs, *, score: float | None) -> int:
    """How many children of this score an excursion has before it is given up."""
    for n in range(1, 1000):
        climbs.on_child(n, score, main=10.0, excursion=5.0, selector=EXCURSION)
        if climbs.excursion == NONE:
            return n
    return 1000


def test_an_excursion_takes_its_first_steps_whatever_they_cost_and_then_only_climbs() -> None:
    climbs = Climbs()
    climbs.begin(7)
    assert (climbs.excursion, climbs.kicks) == (7, 1)
    climbs.on_child(8, 1.0, main=10.0, excursion=5.0, selector=EXCURSION)
    assert climbs.excursion == 8
    climbs.on_child(9, 0.5, main=10.0, excursion=1.0, selector=EXCURSION)
    assert climbs.excursion == 8
    climbs.on_child(10, 1.0, main=10.0, excursion=1.0, selector=EXCURSION)
    assert climbs.excursion == 10
    climbs.on_child(11, 10.0, main=10.0, excursion=1.0, selector=EXCURSION)
    assert (climbs.main, climbs.excursion) == (11, NONE)


@pytest.mark.parametrize("score", [None, 1.0])
def test_an_excursion_that_gains_nothing_is_given_up_later_by_the_restart_sequence(score: float | None) -> None:
    climbs, patience = Climbs(), []
    for _ in range(7):
        climbs.begin(0)
        climbs.kicks = 0
        patience.append(gone(climbs, score=score))
    assert [n // patience[0] for n in patience] == [luby(n) for n in range(1, 8)]


def test_children_of_others_do_not_count_against_an_excursion() -> None:
    climbs = Climbs()
    climbs.begin(0)
    for n in range(1, 200):
        climbs.on_child(n, 1.0, main=10.0, excursion=5.0, selector=MAIN)
    assert climbs.excursion == 0


@given(st.lists(st.one_of(st.none(), st.integers(0, 40)), max_size=120))
def test_what_was_best_sixteen_gains_ago_is_within_reach_and_what_is_worse_is_not(scores) -> None:
    climbs, best, bests = Climbs(), 0, []
    for number, score in enumerate(scores, 1):
        if score is not None and score > best:
            bests.append(score)
        climbs.on_child(number, score, main=best, excursion=None, selector=MAIN)
        best = max(best, score or 0)
        assert climbs.reach == (bests[-17] if len(bests) > 16 else None)


def test_what_must_gain_takes_no_place_by_being_as_good() -> None:
    climbs = Climbs()
    climbs.on_child(1, 3.0, main=3.0, excursion=None, selector=MAIN, must_gain=True)
    assert climbs.main == 0
    climbs.on_child(2, 3.5, main=3.0, excursion=None, selector=MAIN, must_gain=True)
    assert climbs.main == 2
    climbs.begin(0)
    climbs.on_child(3, 1.0, main=3.5, excursion=1.0, selector=EXCURSION, must_gain=True)
    assert climbs.excursion == 0
    climbs.on_child(4, 1.5, main=3.5, excursion=1.0, selector=EXCURSION, must_gain=True)
    assert climbs.excursion == 4
