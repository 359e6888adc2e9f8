"""What measurements of relatives say: against the same model solved as one dense system, and on lineages that were drawn."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.select import Lineage, _lineage

UNRELATED = 10_000  # programs that are measured often, and so say what the noise is


def known_noise(sd: float) -> Lineage:
    """A lineage that knows the noise, and nothing else."""
    lineage, rng = Lineage(), np.random.default_rng(0)
    for number in range(40):
        for score in rng.normal(0, sd, 6):
            lineage.add(UNRELATED + number, (), float(score))
    return lineage


def line(parents: np.ndarray, row: int) -> list[int]:
    """Whom a program descends from, the nearest first."""
    found = []
    while (row := int(parents[row])) >= 0:
        found.append(row)
    return found


def grown(rng: np.random.Generator, n: int, roots: int = 1) -> np.ndarray:
    """Parents of ``n`` programs, the first of which descend from none."""
    return np.array([-1 if row < roots else int(rng.integers(row)) for row in range(n)])


def measured(lineage: Lineage, parents: np.ndarray, scores: np.ndarray) -> Lineage:
    """The same with one more measurement of each program."""
    for row, score in enumerate(scores):
        lineage.add(row, line(parents, row), float(score))
    return lineage


def worths(lineage: Lineage, n: int) -> np.ndarray:
    """Mean and standard deviation of the first ``n``."""
    return np.array([lineage.of(number) for number in range(n)])


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 3))
def test_means_and_variances_are_those_of_the_dense_system_after_any_measurement(seed, n, roots):
    """Messages are changed one by one: what is asked for is as if all of it had been solved at once."""
    rng = np.random.default_rng(seed)
    parents = grown(rng, n, min(roots, n))
    lineage = measured(known_noise(1.0), parents, rng.normal(0, 3, n))
    for row in rng.integers(0, n, 10):
        lineage.add(int(row), line(parents, int(row)), float(rng.normal(0, 3)))
    lineage.forget(int(rng.integers(n)))
    size = len(lineage.numbers)
    information = np.diag([weight for weight, _ in lineage.own])
    for row, parent in enumerate(lineage.parents):
        if parent >= 0:
            step = np.zeros(size)
            step[[row, parent]] = 1.0, -1.0
            information += lineage.steps[row] * np.outer(step, step)
    alive = [row for row in range(size) if lineage.scores[row]]
    told = np.flatnonzero([math.isfinite(one) and one > 1e-6 for one in np.diag(information)])
    covariance = np.linalg.inv(information[np.ix_(told, told)])
    means = covariance @ np.array([lineage.own[row][1] for row in told])
    for row in alive:
        at = int(np.searchsorted(told, row))
        mean, sd = lineage.of(lineage.numbers[row])
        assert mean / lineage.unit == pytest.approx(means[at], abs=1e-6)
        assert sd / lineage.unit == pytest.approx(math.sqrt(covariance[at, at]), rel=1e-6)


@settings(max_examples=10)
@given(st.integers(0, 2**32), st.integers(30, 200))
def test_the_best_is_best_of_all_or_nearly(seed, n):
    """Between two times that everybody is judged it is looked for among those who may be."""
    rng = np.random.default_rng(seed)
    parents = grown(rng, n)
    lineage = measured(known_noise(1.0), parents, drawn(rng, parents, step=0.5, noise=1.0, broken=0.2)[0])
    known = worths(lineage, n)
    mean, sd = lineage.of(lineage.best)
    assert mean >= known[:, 0].max() - 0.1 * sd
    assert lineage.best == lineage.foremost[0]
    assert all(lineage.of(one)[0] >= lineage.of(other)[0] for one, other in pairwise(lineage.foremost))
    assert all(lineage.of(one)[0] >= mean - sd for one in lineage.foremost)


def drawn(
    rng: np.random.Generator, parents: np.ndarray, *, step: float, noise: float, broken: float
) -> tuple[np.ndarray, np.ndarray]:
    """Measurements of programs, and what they are truly worth."""
    true = np.zeros(len(parents))
    for row in range(1, len(parents)):
        true[row] = true[parents[row]] + (-50.0 if rng.random() < broken else rng.normal(0, step))
    return true + rng.normal(0, noise, len(parents)), true


def test_relatives_take_more_than_half_of_the_variance_where_steps_are_small_against_the_noise():
    errors = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        parents = grown(rng, 120)
        scores, true = drawn(rng, parents, step=0.1, noise=1.0, broken=0.2)
        mean = worths(measured(known_noise(1.0), parents, scores), 120)[:, 0]
        errors.append([np.square(one - true)[true > -25.0].mean() for one in (mean, scores)])
    together, alone = np.mean(errors, axis=0)
    assert together < alone / 2


def test_where_steps_are_large_a_program_is_worth_what_was_measured():
    rng = np.random.default_rng(0)
    parents = grown(rng, 120)
    scores, _ = drawn(rng, parents, step=30.0, noise=0.1, broken=0.0)
    found = worths(measured(known_noise(0.1), parents, scores), 120)
    assert np.abs(found[:, 0] - scores).max() < 0.1
    assert np.all(found[:, 1] <= 0.1 * 1.3)


def test_a_child_that_is_broken_says_nothing_of_its_parent():
    parents, scores = np.array([-1, *[0] * 20]), np.array([0.0, *np.linspace(-0.5, 0.5, 19), -1000.0])
    with_it, without = (measured(known_noise(0.3), parents[:n], scores[:n]).of(0)[0] for n in (21, 20))
    assert with_it == pytest.approx(without, abs=0.01)


def test_what_is_said_to_be_likely_is():
    """Nineteen in twenty true worths lie within two standard deviations, or nearly."""
    inside = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        parents = grown(rng, 150)
        scores, true = drawn(rng, parents, step=0.3, noise=1.0, broken=0.1)
        mean, sd = worths(measured(known_noise(1.0), parents, scores), 150).T
        inside += [*(np.abs(mean - true) < 2 * sd)]
    assert 0.88 < np.mean(inside) < 0.99


@settings(max_examples=10)
@given(st.integers(0, 2**32), st.floats(-1e3, 1e3), st.sampled_from([1e-3, 1.0, 1e6]))
def test_another_unit_gives_the_same_in_that_unit(seed, shift, scale):
    rng = np.random.default_rng(seed)
    parents = grown(rng, 60)
    scores, _ = drawn(rng, parents, step=0.3, noise=1.0, broken=0.1)
    mean, sd = worths(measured(known_noise(1.0), parents, scores), 60).T
    other, spread = worths(measured(known_noise(scale), parents, scale * (scores + shift)), 60).T
    assert other / scale - shift == pytest.approx(mean, abs=1e-5)
    assert spread / scale == pytest.approx(sd, rel=1e-5)


def test_before_anybody_is_measured_twice_programs_are_worth_what_was_measured():
    lineage = measured(Lineage(), np.array([-1, 0, 0]), np.array([1.0, 3.0, 2.0]))
    assert [lineage.of(number) for number in range(3)] == [(1.0, 0.0), (3.0, 0.0), (2.0, 0.0)]
    assert lineage.foremost == [1]


def test_who_failed_is_worth_nothing_and_its_children_are_still_what_they_were():
    parents = np.array([-1, 0, 1, 1])
    lineage = measured(known_noise(0.1), parents, np.array([0.0, 9.0, 5.0, 5.1]))
    lineage.forget(1)
    assert 1 not in lineage
    assert lineage.best == 3
    with pytest.raises(KeyError):
        lineage.of(1)
    for number in lineage.numbers:
        lineage.forget(number)
    assert (lineage.best, lineage.foremost) == (0, [])


@pytest.mark.parametrize("off", [-20.0, 20.0])
def test_one_wild_measurement_of_a_program_with_children_is_taken_for_that(off):
    parents = np.array([-1, 0, 1, 1, 1])
    lineage = measured(known_noise(1.0), parents, np.array([0.3, off, -0.2, 0.4, 0.0]))
    assert abs(lineage.of(1)[0]) < 1.0
    assert all(abs(lineage.of(child)[0]) < 1.0 for child in (2, 3, 4))


def test_of_two_measurements_that_differ_the_parent_says_which_is_wild():
    lineage = known_noise(1.0)
    for number, ancestors, score in ((0, [], 0.0), (1, [0], 20.0), (1, [0], 0.5), (2, [0], -20.0), (2, [0], 0.5)):
        lineage.add(number, ancestors, score)
    assert all(abs(lineage.of(number)[0]) < 1.0 for number in (1, 2))


def test_a_first_measurement_that_is_a_huge_gain_is_believed_until_there_is_another():
    lineage = measured(known_noise(1.0), np.array([-1, *[0] * 20, 3]), np.array([*np.linspace(-1, 1, 21), 20.0]))
    assert lineage.best == 21
    assert lineage.of(21)[0] > 15.0
    lineage.add(21, [3, 0], 20.5)
    assert lineage.of(21)[0] == pytest.approx(20.2, abs=1.0)


def test_the_noise_is_that_of_most_pairs():
    rng = np.random.default_rng(0)
    clean = [[*rng.normal(0, 2, n)] for n in (20, 5, 5, 2, 2, 1)]
    assert _lineage.noise_sd(clean) == pytest.approx(2.0, rel=0.2)
    wild = [[score - 40.0 * (rng.random() < 0.1) for score in scores] for scores in clean]
    assert _lineage.noise_sd(wild) == pytest.approx(2.0, rel=0.35)
    assert _lineage.noise_sd([[3.0], [4.0]]) == 0.0
    assert _lineage.noise_sd([[0.0, 0.0, 0.0, 1.0]]) == pytest.approx(0.5)


def test_a_measurement_costs_little_more_where_there_are_eight_times_as_many_programs(monkeypatch):
    steps = 0

    def counted(known, precision, *, through=_lineage.through):
        nonlocal steps
        steps += 1
        return through(known, precision)

    monkeypatch.setattr(_lineage, "through", counted)
    rng, lineage, spent = np.random.default_rng(0), known_noise(1.0), []
    for n in range(1600):
        parent = lineage.best if n else 0
        lineage.add(n, [parent] if n else [], float(rng.normal()))
        if n + 1 in (200, 400, 800, 1600):
            spent.append(steps)
    each = [more / n for more, n in zip(np.diff(spent), (200, 400, 800), strict=True)]
    assert each[-1] < 2 * each[0]


@pytest.mark.parametrize("noise", [1e-150, 1e-6, 1.0, 1e145])
@pytest.mark.parametrize("scale", [0.0, 1e-300, 1.0, 1e150])
def test_scores_of_any_size_give_numbers(scale, noise):
    rng = np.random.default_rng(0)
    scores = np.clip(rng.normal(size=12) * scale, -1e150, 1e150)
    scores[3] = 1e150
    lineage = measured(known_noise(noise), grown(rng, 12), scores)
    lineage.add(5, line(grown(np.random.default_rng(0), 12), 5), -1e150)
    assert np.isfinite(worths(lineage, 12)).all()
    assert lineage.foremost


def test_what_is_wild_for_certain_is_no_part_of_what_is_shown():
    lineage = measured(known_noise(1.0), np.array([-1, 0]), np.array([0.0, 0.5]))
    for score in (0.3, 1e6, -0.3, 0.6, -1e6):
        lineage.add(1, [0], score)
    assert sorted(lineage.far_off(1)) == [-1e6, 1e6]
    mean, sd = lineage.typical(1)
    assert mean == pytest.approx(np.mean([0.5, 0.3, -0.3, 0.6]))
    assert sd == pytest.approx(0.5, rel=0.2)
    assert lineage.far_off(0) == lineage.far_off(999) == []
    with pytest.raises(KeyError):
        lineage.typical(999)
    lineage.forget(1)
    assert lineage.far_off(1) == []


def test_a_program_that_scatters_widely_is_shown_by_all_its_measurements():
    lineage = measured(known_noise(1.0), np.array([-1, 0]), np.array([0.0, 0.5]))
    scores = [400.0, -700.0, 1500.0, 2800.0, -1900.0, 900.0, -3100.0]
    for score in scores:
        lineage.add(1, [0], score)
    assert lineage.far_off(1) == []
    assert lineage.typical(1)[0] == pytest.approx(np.mean([0.5, *scores]))


def test_of_a_program_of_which_nothing_else_is_known_relatives_say_what_is_shown():
    lineage = measured(known_noise(1.0), np.array([-1, 0, 1, 1, 1]), np.array([0.3, 1e6, -0.2, 0.4, 0.0]))
    assert lineage.far_off(1) == [1e6]
    assert lineage.typical(1) == lineage.of(1)
    assert abs(lineage.typical(1)[0]) < 1.0


@pytest.mark.parametrize("step", [0.1, 1.0, 100.0])
def test_nothing_is_wild_under_normal_noise(step):
    rng, seen = np.random.default_rng(int(step)), 0
    for _ in range(5):
        parents = grown(rng, 80)
        truth = np.zeros(80)
        for row in range(1, 80):
            truth[row] = truth[parents[row]] + rng.normal(0, step) * (5.0 if rng.random() < 0.2 else 1.0)
        lineage = Lineage()
        for row in [*[0] * 5, *range(1, 80), *rng.integers(0, 80, 40)]:
            lineage.add(int(row), line(parents, int(row)), float(truth[row] + rng.normal()))
            seen += bool(lineage.far)
    assert seen == 0


def test_where_measurements_were_wild_one_that_is_as_far_off_makes_nobody_the_best_that_is_named():
    parents = np.array([-1, *[0] * 20, 3])
    lineage = measured(known_noise(1.0), parents, np.array([*np.linspace(4, 6, 21), 1000.0]))
    assert lineage.standing == lineage.best == 21  # nothing was wild so far
    for score in (4.2, 1e6, 4.1):
        lineage.add(7, [0], score)
    assert lineage.best == 21
    assert 1 <= lineage.standing <= 20
    lineage.add(21, [3, 0], 1000.5)
    assert lineage.standing == lineage.best == 21
    lineage.add(30, [21, 3, 0], 1001.0)
    assert lineage.standing in (21, 30)  # its parent says the same


def test_a_child_that_scores_as_much_speaks_for_the_one_measurement_of_its_parent():
    lineage = measured(known_noise(1.0), np.array([-1, *[0] * 20, 3, 21]), np.array([*np.linspace(-1, 1, 21), 1000.0, 999.5]))
    for score in (0.2, 1e6, 0.1):
        lineage.add(7, [0], score)
    assert lineage.standing == lineage.best == 21


def test_what_is_only_somewhat_off_is_shown_although_it_counts_next_to_nothing():
    lineage = measured(known_noise(1.0), np.array([-1, 0]), np.array([0.0, 0.5]))
    for score in (0.3, 13.0, -0.3):
        lineage.add(1, [0], score)
    assert lineage.of(1)[0] < 1.0
    assert lineage.far_off(1) == []
    assert lineage.typical(1)[0] == pytest.approx(np.mean([0.5, 0.3, 13.0, -0.3]))


def often_measured(n: int) -> Lineage:
    """A lineage with one program that is measured so many times, with a wild measurement now and then."""
    rng = np.random.default_rng(1)
    lineage = measured(known_noise(1.0), np.array([-1, 0, 1, 1]), rng.normal(0, 1, 4))
    for score in rng.standard_t(3, n):
        lineage.add(1, (0,), float(score))
    return lineage


def test_of_many_measurements_the_newest_is_judged_alone_and_all_come_to_the_same(monkeypatch):
    found = [worths(often_measured(n), 4) for n in (300, 700, 1000)]
    monkeypatch.setattr(_lineage, "_MANY", math.inf)
    for quick, whole in zip(found, [worths(often_measured(n), 4) for n in (300, 700, 1000)], strict=True):
        assert np.abs(quick - whole)[:, 0] == pytest.approx(0.0, abs=0.1 * float(whole[1, 1]))
        assert quick[:, 1] == pytest.approx(whole[:, 1], rel=1e-3)


def test_a_measurement_of_who_was_measured_a_thousand_times_costs_no_more_than_a_few(monkeypatch):
    judged, counted = _lineage.judged, []
    monkeypatch.setattr(_lineage, "judged", lambda scores, *others: counted.append(len(scores)) or judged(scores, *others))
    often_measured(500)
    few = sum(counted) / 500
    counted.clear()
    often_measured(4000)
    assert sum(counted) / 4000 < 2 * few
