"""The tuner: replayable, exact to store, keeps what survives, steady under late, failed and duplicate results."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive import Literal, TunerSample
from evolve.runs._checkpoint import decoded, encoded
from evolve.select._tuner import Tuner, inherit, open_tuner, tunable

FLOAT = Literal("a.py::x/0", 1.0, "float", "linear", 0.5, -10.0, 10.0)
LOG = Literal("a.py::lr/0", 1e-3, "float", "log", 0.3, 1e-5, 1e-1)
INT = Literal("a.py::n/0", 4.0, "int", "linear", 0.7, 1.0, 16.0)
LOG_INT = Literal("a.py::steps/0", 200.0, "int", "log", 0.3, 25.0, 1600.0)
MIXED = (FLOAT, LOG, INT, LOG_INT)


def draws(seed: int, tuner: Tuner) -> tuple[float, ...]:
    return tuple(np.random.Generator(np.random.Philox(seed)).standard_normal(tuner.n).tolist())


def issue(tuner: Tuner, seed: int) -> TunerSample:
    z = draws(seed, tuner)
    values, generation = tuner.sample(z)
    return TunerSample(tuner=1, generation=generation, z=z, values=values)


def dumped(tuner: Tuner) -> object:
    """Everything a tuner holds; equal exactly when two are."""
    arrays: list[np.ndarray] = []
    return encoded(tuner, arrays), [array.tolist() for array in arrays]


def drive(tuner: Tuner, objective: object, evaluations: int, *, late: int = 0, seed: int = 0) -> Tuner:
    """Ask and tell with ``late`` samples always in flight."""
    flight: list[TunerSample] = []
    for i in range(evaluations):
        while len(flight) <= late:
            flight.append(issue(tuner, seed * 1_000_003 + i * 7 + len(flight)))
        sample = flight.pop(0)
        tuner = tuner.tell(sample, objective(sample.values))  # type: ignore[operator]
    return tuner


def bowl(values: tuple[float, ...]) -> float:
    x, lr, n, steps = values
    return -((x - 3) ** 2) - (math.log(lr / 0.02)) ** 2 - 0.3 * (n - 9) ** 2 - (math.log(steps / 700)) ** 2


scores = st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=60)


@settings(max_examples=50, deadline=None)
@given(scores=scores, seed=st.integers(0, 1000))
def test_stored_and_read_back_it_is_the_same_and_goes_on_the_same(scores: list[float | None], seed: int) -> None:
    tuner = open_tuner(MIXED)
    for i, score in enumerate(scores):
        tuner = tuner.tell(issue(tuner, seed + i), score)
    arrays: list[np.ndarray] = []
    again = decoded(json.loads(json.dumps(encoded(tuner, arrays))), arrays)
    assert dumped(again) == dumped(tuner)
    assert again.literals == tuner.literals
    for i in range(12):
        sample = issue(tuner, 5000 + i)
        assert sample == issue(again, 5000 + i)
        tuner, again = tuner.tell(sample, float(i % 5)), again.tell(sample, float(i % 5))
    assert dumped(again) == dumped(tuner)


@settings(max_examples=30, deadline=None)
@given(scores=scores, seed=st.integers(0, 1000), order=st.randoms(use_true_random=False))
def test_tuners_do_not_touch_each_other(scores: list[float | None], seed: int, order: object) -> None:
    def alone(literals: tuple[Literal, ...], offset: int) -> Tuner:
        tuner = open_tuner(literals)
        for i, score in enumerate(scores):
            tuner = tuner.tell(issue(tuner, seed + offset + i), score)
        return tuner

    turns = [0] * len(scores) + [1] * len(scores)
    order.shuffle(turns)  # type: ignore[attr-defined]
    pair = [open_tuner(MIXED), open_tuner((FLOAT,))]
    done = [0, 0]
    for which in turns:
        sample = issue(pair[which], seed + 500 * which + done[which])
        pair[which] = pair[which].tell(sample, scores[done[which]])
        done[which] += 1
    assert dumped(pair[0]) == dumped(alone(MIXED, 0))
    assert dumped(pair[1]) == dumped(alone((FLOAT,), 500))


def test_sampling_changes_nothing() -> None:
    tuner = open_tuner(MIXED)
    before = dumped(tuner)
    assert issue(tuner, 1) == issue(tuner, 1)
    assert dumped(tuner) == before


def test_a_generation_closes_at_its_size_in_record_order() -> None:
    tuner = open_tuner(MIXED)
    for i in range(tuner.population - 1):
        tuner = tuner.tell(issue(tuner, i), float(i))
        assert tuner.generation == 0
    tuner = tuner.tell(issue(tuner, 99), 0.0)
    assert (tuner.generation, tuner.pending, tuner.history) == (1, (), (float(tuner.population - 2),))


@pytest.mark.parametrize("generations", [1, 2])
def test_late_samples_count_by_their_draws_and_later_ones_by_their_values(generations: int) -> None:
    tuner = open_tuner((FLOAT, LOG))
    late = issue(tuner, 1234)
    for i in range(generations * tuner.population):
        tuner = tuner.tell(issue(tuner, i), float(i))
    after = tuner.tell(late, 1.0)
    assert after.generation == generations
    assert len(after.pending) == 1
    other_draw = TunerSample(late.tuner, late.generation, tuple(-z for z in late.z), late.values)
    other_values = TunerSample(late.tuner, late.generation, late.z, tuple(0.9 * value for value in late.values))
    same, differs = (other_values, other_draw) if generations == 1 else (other_draw, other_values)
    assert tuner.tell(same, 1.0).pending == after.pending
    assert tuner.tell(differs, 1.0).pending != after.pending


def test_a_sample_of_before_a_restart_counts_by_its_values() -> None:
    tuner = drive(open_tuner(MIXED), bowl, 300)
    late = issue(tuner, 7)
    again = tuner.restart()
    turned_round = TunerSample(late.tuner, late.generation, tuple(-z for z in late.z), late.values)
    assert again.tell(turned_round, 1.0).pending == again.tell(late, 1.0).pending


@given(seed=st.integers(0, 1000), issued=st.integers(0, 11))
def test_draws_of_a_generation_are_at_right_angles_a_block_of_n_at_a_time(seed: int, issued: int) -> None:
    tuner = open_tuner(MIXED)
    block: list[tuple[float, ...]] = []
    for i in range(issued):
        block.append(tuner.turned(draws(seed + i, tuner), block))
    z = draws(seed + issued, tuner)
    turned = np.array(tuner.turned(z, block))
    assert np.linalg.norm(turned) == pytest.approx(np.linalg.norm(z))
    for other in block[issued // tuner.n * tuner.n :]:
        assert abs(turned @ np.array(other)) < 1e-6 * np.linalg.norm(turned) * np.linalg.norm(other)


@pytest.mark.parametrize("late", [0, 1, 5, 20])
def test_it_finds_the_optimum_however_late_results_are(late: int) -> None:
    tuner = drive(open_tuner(MIXED), bowl, 500 + 50 * late, late=late)
    assert tuner.best is not None
    assert tuner.best[1] > -0.02


@pytest.mark.parametrize("literals", [(FLOAT,), (FLOAT, LOG), (INT,), (LOG_INT, INT)])
def test_few_dimensions_work(literals: tuple[Literal, ...]) -> None:
    goal = {FLOAT.path: 3.0, LOG.path: 0.02, INT.path: 9.0, LOG_INT.path: 700.0}

    def objective(values: tuple[float, ...]) -> float:
        return -sum(((v - goal[lit.path]) / goal[lit.path]) ** 2 for v, lit in zip(values, literals, strict=True))

    tuner = drive(open_tuner(literals), objective, 300)
    assert tuner.best is not None
    assert tuner.best[1] > -1e-4


def test_an_integer_never_freezes_by_rounding() -> None:
    tuner = drive(open_tuner((INT,)), lambda values: -((values[0] - 9) ** 2), 400)
    assert {issue(tuner, i).values[0] for i in range(60)} >= {9.0, 10.0}


@settings(max_examples=60, deadline=None)
@given(
    z=st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=4),
    sigma=st.floats(1e-200, 1e3),
)
def test_values_stay_in_bounds_and_integers_whole(z: list[float], sigma: float) -> None:
    tuner = open_tuner(MIXED, sigma=sigma)
    values, _ = tuner.sample(z)
    for literal, value in zip(MIXED, values, strict=True):
        assert literal.low <= value <= literal.high
        assert literal.kind == "float" or value == int(value)
        assert sigma > 1e-6 or literal.kind == "int" or value == pytest.approx(literal.value, rel=1e-2)


def test_values_have_no_more_digits_than_the_spread_calls_for() -> None:
    values, _ = open_tuner(MIXED).sample(draws(3, open_tuner(MIXED)))
    assert len(repr(values[0])) <= 8
    assert len(repr(values[1])) <= 12


def test_a_generation_of_failures_halves_the_step_and_is_survived() -> None:
    tuner = open_tuner(MIXED)
    for i in range(tuner.population):
        tuner = tuner.tell(issue(tuner, i), None)
    assert tuner.state.sigma == 0.5
    assert tuner.history == (None,)
    tuner = drive(tuner, bowl, 500)
    assert tuner.best is not None
    assert tuner.best[1] > -0.05


def test_failures_rank_below_any_score() -> None:
    """A region that fails pushes the mean away, however bad the scores outside it are."""
    tuner = open_tuner((FLOAT, LOG))
    for i in range(40):
        sample = issue(tuner, i)
        tuner = tuner.tell(sample, None if sample.values[0] < 1.0 else -1e9)
    assert tuner.state.mean[0] > 0


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -float("inf")])
def test_scores_must_be_finite(score: float) -> None:
    tuner = open_tuner(MIXED)
    with pytest.raises(ValueError, match="finite"):
        tuner.tell(issue(tuner, 0), score)


def test_inherited_by_path() -> None:
    old = drive(open_tuner(MIXED), bowl, 200)
    new_x = Literal(FLOAT.path, 2.9, "float", "linear", 0.5, -10.0, 10.0)
    added = Literal("a.py::new/0", 5.0, "float", "linear", 1.0, 0.0, 9.0)
    child = inherit(old, (added, LOG, new_x))
    assert child.literals == (added, LOG, new_x)
    assert (child.state.mean == 0).all()
    assert (child.generation, child.pending, child.best) == (0, (), None)
    sds = child.state.sds
    assert sds[0] == pytest.approx(1.0)  # the new one starts with its own step
    assert sds[1] == pytest.approx(max(0.1, old.state.sds[1]))
    assert sds[2] == pytest.approx(max(0.1, old.state.sds[0]))
    old_cov, new_cov = old.state.cov, child.state.cov
    if min(old.state.sds[:2]) > 0.1:
        correlation = old_cov[0, 1] / math.sqrt(old_cov[0, 0] * old_cov[1, 1])
        assert new_cov[1, 2] / math.sqrt(new_cov[1, 1] * new_cov[2, 2]) == pytest.approx(correlation)


def test_inheriting_nothing_is_starting_fresh() -> None:
    old = drive(open_tuner((FLOAT,)), lambda values: -abs(values[0]), 50)
    assert dumped(inherit(old, (LOG, INT))) == dumped(open_tuner((LOG, INT)))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), told=st.integers(0, 120), kept=st.sets(st.integers(0, 3)))
def test_an_inherited_distribution_is_usable(seed: int, told: int, kept: set[int]) -> None:
    old = drive(open_tuner(MIXED), bowl, told, seed=seed)
    literals = tuple(MIXED[i] if i in kept else Literal(f"b.py::{i}/0", 1.0, "float", "linear", 1.0, 0.0, 2.0) for i in range(4))
    child = inherit(old, literals)
    assert (np.linalg.eigvalsh(child.state.cov) > 0).all()
    assert (child.state.sds >= 0.1 - 1e-12).all()


def test_it_says_when_nothing_is_left_to_gain() -> None:
    tuner = open_tuner((FLOAT, LOG))
    assert not tuner.is_stagnant
    assert drive(tuner, lambda values: -((values[0] - 3) ** 2) - math.log(values[1] / 0.02) ** 2, 600).is_stagnant
    assert drive(tuner, lambda values: 1.0, 1500).is_stagnant


def test_a_restart_begins_at_the_best_while_that_gains_and_else_where_the_first_began() -> None:
    tuner = drive(open_tuner(MIXED), bowl, 300)
    assert tuner.best is not None
    again = tuner.restart()
    assert again.population == tuner.population
    assert again.generation > tuner.generation + 1  # its last draws were of another distribution
    assert (again.state.mean == np.array(tuner.best[0])).all()
    assert again.best == tuner.best
    assert not again.is_stagnant
    elsewhere = again.restart()
    assert (elsewhere.state.mean == 0.0).all()
    assert (elsewhere.state.sds == 1.0).all()
    assert elsewhere.best == tuner.best


@pytest.mark.parametrize(
    "literal",
    [
        Literal("p", 1.0, "float", "linear", 0.0, 0.0, 2.0),
        Literal("p", 3.0, "float", "linear", 1.0, 0.0, 2.0),
        Literal("p", 1.0, "float", "log", 1.0, 0.0, 2.0),
    ],
)
def test_impossible_literals_are_refused(literal: Literal) -> None:
    with pytest.raises(ValueError, match="expected low <= value <= high"):
        open_tuner((literal,))


def test_no_literals_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one literal"):
        open_tuner(())


def _literal(ends: tuple[float, float, float], step: float, kind: str, scale: str) -> Literal:
    low, value, high = sorted(ends)
    return Literal("a.py::x/0", value, kind, scale, step, low, high)


EXTREME = st.one_of(st.floats(-1e308, 1e308), st.floats(-1e100, 1e100), st.floats(-1e3, 1e3))
LITERALS = st.lists(
    st.one_of(
        st.builds(
            _literal,
            st.tuples(EXTREME, EXTREME, EXTREME),
            st.floats(5e-324, 1e308) | st.floats(1e-6, 1e6),
            st.sampled_from(["float", "int"]),
            st.just("linear"),
        ),
        st.builds(
            _literal,
            st.tuples(*[st.floats(5e-324, 1e308) | st.floats(1e-100, 1e100)] * 3),
            st.floats(5e-324, 1e3),
            st.sampled_from(["float", "int"]),
            st.just("log"),
        ),
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=60, deadline=None)
@given(LITERALS, st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), min_size=12, max_size=40))
def test_any_numbers_of_a_program_and_any_scores_can_be_told(literals: list[Literal], scores: list[float | None]) -> None:
    if not all(map(tunable, literals)):
        with pytest.raises(ValueError, match="expected low"):
            open_tuner(literals)
        return
    tuner = open_tuner(literals)
    for seed, score in enumerate(scores):
        sample = issue(tuner, seed)
        assert all(math.isfinite(value) for value in sample.values)
        tuner = tuner.tell(sample, score)
        tuner = tuner.restart() if tuner.is_stagnant else tuner
    assert inherit(tuner, literals).sample(draws(0, tuner))
