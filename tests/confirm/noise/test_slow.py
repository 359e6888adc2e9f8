"""Memory of a program's own is seen with its size; what moves all programs alike, or scatters unequally, is not taken for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.confirm import memory


def table(rng, *, programs=10, moments=6, slow=0.0, kept=0.0, drift=0.0, sd=1.0, unequal=0.0, runs=2):
    """Runs of programs at moments; ``kept`` of a slow part is left at the next moment."""
    cells = {}
    for number in range(programs):
        value, own, scatter = rng.standard_normal(), rng.standard_normal(), sd * np.exp(unequal * rng.uniform(-1, 1))
        for moment in range(moments):
            shared = drift * np.sin(moment)
            noise = scatter * rng.standard_normal(runs)
            cells[number, (float(moment), "")] = [float(one) for one in value + slow * own + shared + noise]
            own = kept * own + np.sqrt(1 - kept**2) * rng.standard_normal()
    return cells


def test_memory_is_seen_with_its_size():
    rng = np.random.default_rng(0)
    found = [memory(table(rng, slow=1.0)) for _ in range(100)]
    assert sum(one.p_value < 0.1 for one in found) >= 95
    assert sum(one.sd > 1.0 for one in found) >= 90
    assert np.mean([one.sd for one in found]) < 1.5
    assert (found[0].programs, found[0].moments, found[0].df) == (10, 6, 45)


def test_what_moves_slowly_is_seen_too():
    rng = np.random.default_rng(6)
    found = [memory(table(rng, slow=1.0, kept=0.9)).p_value < 0.1 for _ in range(100)]
    assert np.mean(found) > 0.55  # F alone: 0.45


@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_how_much_is_kept_from_one_moment_to_the_next(kept):
    rng = np.random.default_rng(1)
    found = [memory(table(rng, programs=14, moments=9, slow=2.0, kept=kept)).kept for _ in range(40)]
    assert np.mean(found) == pytest.approx(kept, abs=0.1)


LIKE_THEM = [pytest.param(one, marks=pytest.mark.slow) for one in ({"drift": 5.0}, {"unequal": 0.5}, {"sd": 1e-9})]


@pytest.mark.parametrize("world", [{}, {"sd": 1e100}, *LIKE_THEM])
def test_without_memory_the_probability_is_a_probability(world):
    rng = np.random.default_rng(2)
    p_values = np.array([memory(table(rng, **world)).p_value for _ in range(160)])
    assert 0.05 <= np.mean(p_values < 0.1) <= 0.16  # 0.1 +- 2.5 standard errors
    assert 0.3 <= np.mean(p_values < 0.5) <= 0.6


def test_a_table_with_gaps_and_unequal_cells_is_read_whole():
    rng = np.random.default_rng(3)
    found = []
    for _ in range(100):
        cells = table(rng, programs=8)
        for number in range(4):
            del cells[number, (float(number), "")]
            cells[number, (2.5, "vault")] = [float(one) for one in rng.standard_normal(12)]
            cells[100 + number, (2.5, "vault")] = [1.0, 2.0]  # seen once: says nothing
        found.append(memory(cells))
    assert {(one.programs, one.moments) for one in found} == {(8, 7)}
    assert np.mean([one.p_value < 0.1 for one in found]) > 0.3  # the last moment is of other values: an interaction


def test_few_programs_or_moments_and_runs_without_noise_say_nothing():
    rng = np.random.default_rng(4)
    assert memory(table(rng, programs=3, slow=9.0)) is None
    assert memory(table(rng, moments=2, slow=9.0)) is None
    assert memory(table(rng, sd=0.0)) is None
    assert memory(table(rng, runs=1, slow=9.0)) is None
    assert memory({}) is None


@given(st.lists(st.floats(-1e150, 1e150), min_size=24, max_size=24))
@settings(max_examples=40, deadline=None)
def test_any_finite_scores_show_memory_or_none(scores):
    cells = {(i // 6, (i // 2 % 3, 0)): scores[i : i + 2] for i in range(0, 24, 2)}
    found = memory(cells)
    assert found is None or (found.sd >= 0.0 and 0.0 <= found.kept <= 1.0 and 0.0 <= found.p_value <= 1.0)
