"""The tuner in hand hands out draws of one generation that look in different directions."""

from __future__ import annotations

import numpy as np

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
