"""The tuner in hand hands out draws of one generation that look in different directions."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from archive import Literal, TunerSample
from evolve.search.state._tuning import TunerSession
from evolve.select import open_tuner

LITERALS = tuple(Literal(f"a.py::x/{i}", 0.0, "float", "linear", 1.0, -9.0, 9.0) for i in range(5))


def session() -> TunerSession:
    found = TunerSession()
    found.tuner, found.ticket = open_tuner(LITERALS), 3
    return found


def cosine(one: TunerSample, other: TunerSample) -> float:
    a, b = np.array(one.z), np.array(other.z)
    return abs(float(a @ b)) / float(np.linalg.norm(a) * np.linalg.norm(b))


def test_draws_after_issued_ones_are_at_right_angles_to_them() -> None:
    tuning, rng = session(), np.random.default_rng(0)
    samples = []
    for _ in range(5):
        samples.append(tuning.draw(rng))
        tuning.on_issued(samples[-1])
    assert max(cosine(samples[i], samples[j]) for i in range(5) for j in range(i)) < 1e-2  # what rounding leaves


def test_a_sample_of_another_tuner_or_generation_turns_no_draw() -> None:
    first = session().draw(np.random.default_rng(0))
    for other in (TunerSample(4, 0, first.z, first.values), TunerSample(3, -1, first.z, first.values)):
        tuning = session()
        tuning.on_issued(other)
        assert tuning.draw(np.random.default_rng(0)) == first


def population(score: float, *, ticket: int = -1, measured_cold: bool = True) -> SimpleNamespace:
    """A population in which program 1 has this score."""
    row = SimpleNamespace(measured_cold=measured_cold, tuner=ticket)
    return SimpleNamespace(candidates=[row, row], worth=lambda number: score)


def learnt(*bests: float) -> TunerSession:
    """A session whose tuner, of program 0, has had generations of these bests."""
    tuning = session()
    tuning.base = 0
    point = tuple(literal.value for literal in LITERALS)
    best = (point, max(bests))
    tuning.tuner = replace(open_tuner(LITERALS), history=bests, best=best, told_count=1000)
    return tuning


@pytest.mark.parametrize(("score", "looks"), [(1.9, False), (2.0, False), (2.0 + 4.4e-16, False), (2.0 + 1e-9, True)])
def test_a_program_is_looked_at_where_it_is_better_by_more_than_rounding(score: float, looks: bool) -> None:
    assert learnt(1.0, 2.0).should_reopen_on(1, population(score)) is looks


def test_a_program_of_the_same_tuner_or_of_a_warm_process_is_not_looked_at() -> None:
    tuning = learnt(1.0, 2.0)
    assert not tuning.should_reopen_on(1, population(3.0, ticket=tuning.ticket))
    assert not tuning.should_reopen_on(1, population(3.0, measured_cold=False))


@pytest.mark.parametrize(
    ("bests", "score", "moves"),
    [
        ((1.0, 2.0), 2.5, False),  # it gains as much by itself
        ((1.0, 2.0), 3.5, True),
        ((2.0, 1.0), 2.0 + 4.4e-16, False),
        ((2.0, 1.0), 2.1, True),
    ],
)
def test_a_tuner_moves_to_other_numbers_for_more_than_it_gains_itself_and_than_rounding(bests, score, moves) -> None:
    tuning = learnt(*bests)
    more = (*LITERALS, Literal("a.py::y/0", 0.0, "float", "linear", 1.0, -9.0, 9.0))
    tuning.on_opened(9, 1, more, population(score))
    assert (tuning.base, tuning.ticket) == ((1, 9) if moves else (0, 3))
    assert tuning.seen == {1}
