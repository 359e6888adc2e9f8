"""The tessellation: cells of about equal size, the same in every process, whose candidate stands nearest to its own centroid."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive import Axis, CVTArchive
from archive.elites._cvt import centroids
from evolve.testing import ArchiveContract, Watched

SQUARE = (Axis("x", 0.0, 1.0, 4), Axis("y", -1.0, 1.0, 3))
UNIT = st.floats(-0.5, 1.5)
PRINT = (
    "import hashlib; from archive.elites._cvt import centroids; print(hashlib.sha256(centroids(30, 3, 7).tobytes()).hexdigest())"
)


class TestCVT(ArchiveContract):
    @pytest.fixture
    def make(self):
        return lambda *, capacity: CVTArchive(axes=SQUARE, n_cells=20, seed=3, capacity=capacity)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(UNIT, UNIT), min_size=1, max_size=20))
def test_a_candidate_stands_in_the_cell_of_the_nearest_centroid(places):
    archive = CVTArchive(axes=SQUARE, n_cells=50, seed=1)
    for x, y in places:
        cell = archive.cell_of({"x": x, "y": 2 * y - 1})
        distances = np.linalg.norm(archive.centroids - np.clip([x, y], 0.0, 1.0), axis=1)
        assert distances[cell] == pytest.approx(distances.min(), abs=1e-9)


@pytest.mark.parametrize("n_axes", [1, 2, 5])
def test_no_cell_is_much_larger_than_another(n_axes):
    """As many points as cells, drawn at random, give sizes that differ far more: that is what k-means is for."""
    from scipy.spatial import cKDTree

    rng = np.random.default_rng(0)
    places = rng.random((40_000, n_axes))

    def spread(points):
        counts = np.bincount(cKDTree(points).query(places)[1], minlength=len(points))
        return float(counts.std() / counts.mean())

    found = centroids(64, n_axes, seed=5)
    assert ((found > 0) & (found < 1)).all()
    assert spread(found) < 0.5 * spread(rng.random((64, n_axes)))


def test_a_seed_gives_the_same_cells_in_every_process_and_another_seed_others():
    here = hashlib.sha256(centroids(30, 3, 7).tobytes()).hexdigest()
    there = subprocess.run([sys.executable, "-c", PRINT], capture_output=True, text=True, check=True).stdout.strip()
    assert here == there != hashlib.sha256(centroids(30, 3, 8).tobytes()).hexdigest()


def test_a_checkpoint_brings_the_centroids_back_without_finding_them_again(monkeypatch):
    archive = CVTArchive(axes=SQUARE, n_cells=20, seed=3)
    cell = archive.cell_of({"x": 0.2, "y": 0.9})
    state = archive.dump()
    monkeypatch.setattr("archive.elites._cvt.centroids", lambda *arguments: pytest.fail("found again"))
    again = CVTArchive(axes=SQUARE, n_cells=20, seed=3)
    again.load(state)
    assert again.cell_of({"x": 0.2, "y": 0.9}) == cell


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(-3, 3)), max_size=30))
@settings(max_examples=20, deadline=None)
def test_other_axes_judge_all_candidates_again_in_order_of_arrival(found):
    where = {key: {"x": x, "y": x - 0.5} for key, (x, _) in enumerate(found)}
    old = CVTArchive(axes=SQUARE, n_cells=8, seed=2, capacity=2)
    for key, (_, mean) in enumerate(found):
        old.add_or_update(key, old.cell_of(where[key]), float(mean), 0.0)
    for other in ((Axis("y", -0.5, 0.5, 2),), (Axis("x", 0.0, 0.5, 1), Axis("y", -0.5, 0.5, 1))):
        new = old.rebin(other, where.__getitem__)
        fresh = Watched(CVTArchive(axes=other, n_cells=8, seed=2, capacity=2))
        for key, (_, mean) in enumerate(found):
            fresh.put(key, fresh.archive.cell_of(where[key]), float(mean), 0.0)
        fresh.check()
        assert new.cells.dump() == fresh.archive.cells.dump()
        assert (new.space, new.axes, new.n_cells) == (2, other, 8)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_has_no_cell(value):
    with pytest.raises(ValueError, match="expected a finite number"):
        CVTArchive(axes=SQUARE, n_cells=4, seed=0).cell_of({"x": 0.5, "y": value})


@pytest.mark.parametrize("wrong", [{"axes": ()}, {"axes": (Axis("x", 1.0, 1.0, 3),)}, {"n_cells": 0}])
def test_what_makes_no_tessellation_is_refused(wrong):
    with pytest.raises(ValueError, match=r"axes is empty|expected high > low|at least one"):
        CVTArchive(**{"axes": SQUARE, "n_cells": 4, "seed": 0, **wrong})
