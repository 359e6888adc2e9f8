"""When a tuner has stopped gaining: digits are no gain, learning is, and what a restart regains is not."""

from __future__ import annotations

import pytest

from evolve.search.state._tuner_course import LOOK_BACK, TunerCourse

FEW = 2 * LOOK_BACK


def after(bests, *, start=0.0, is_anew=False, n=1):
    """A course of these generations of so many numbers, and whether it gains."""
    course = TunerCourse(tuple(f"a.py::x/{i}" for i in range(n)), start, is_anew=is_anew)
    for best in bests:
        course = course.closed(best)
    return course, course.is_gaining([] if is_anew else bests)


def converging(generations, rate=0.5):
    return [1.0 - rate**n for n in range(1, generations + 1)]


def test_few_generations_may_be_learning():
    assert after([0.5] * FEW)[1]
    assert not after([0.5] * (FEW + 1))[1]


def test_the_last_digits_of_a_number_are_no_gain():
    bests = converging(30)
    assert bests[-1] > bests[-FEW - 1]  # it still gets better, by less than a thousandth of it all
    assert after(converging(16))[1]
    assert not after(bests)[1]


@pytest.mark.parametrize(("unit", "shift"), [(1e-9, 0.0), (1e6, -3e5), (1.0, 1000.0)])
def test_neither_unit_nor_shift_of_the_score_matters(unit, shift):
    for generations in range(FEW, 40):
        plain, other = (
            after([a * best + b for best in converging(generations)], start=b)[1] for a, b in ((1.0, 0.0), (unit, shift))
        )
        assert plain == other


def test_generations_that_learn_gain_before_any_beats_the_program():
    assert after([-9.0 + n / 10 for n in range(30)])[1]
    assert not after([-9.0] * 30)[1]


def test_after_a_restart_only_a_better_best_is_a_gain():
    regained = [1.0] * 3 + [0.1 + n / 20 for n in range(16)]
    assert not after(regained, is_anew=True)[1]
    assert after([*regained, 1.2], is_anew=True)[1]
    assert not after([*regained, 1.2, *[0.9] * FEW], is_anew=True)[1]


def test_a_broken_program_is_no_measure_of_what_was_gained():
    bests = [0.5 + n / 100 for n in range(30)]
    assert after(bests, start=-1e6)[1]
    assert after([None, None, *bests], start=None)[1]


def test_generations_that_all_fail_gain_nothing():
    course, is_gaining = after([0.5, *[None] * (FEW + 1)], is_anew=True)
    assert not is_gaining
    assert course.bests == (0.5,) * (FEW + 1)
    assert not after([None] * (FEW + 1), start=None, is_anew=True)[1]


def test_generations_that_scatter_are_learning_in_many_dimensions():
    """As a packing of 26 discs was tuned: still below the program that it began at, and better only in the mean of many."""
    scattered = [1.70 + n / 130 for n in range(34)]
    scattered[20], scattered[29], scattered[31] = 2.0, 1.7, 1.7
    assert not after(scattered, start=2.07)[1]
    assert after(scattered, start=2.07, n=52)[1]
    assert not after([*scattered, *[1.9] * 40], start=2.07, n=52)[1]
