"""The archive by distance: founders keep their distance, everyone else competes with who is nearest."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive import Axis, NoveltyArchive
from archive.elites._nearest import NearestPoints
from evolve.testing import ArchiveContract, Watched

SQUARE = (Axis("x", 0.0, 1.0, 4), Axis("y", 0.0, 2.0, 3))
_STEPS = 10**6  # a unit: places that differ do so by more than what vanishes when it is squared
PLACES = st.lists(
    st.tuples(st.integers(-_STEPS // 2, _STEPS * 3 // 2), st.integers(-_STEPS, _STEPS * 3)).map(
        lambda at: (at[0] / _STEPS, at[1] / _STEPS)
    ),
    min_size=1,
    max_size=60,
)


class TestNovelty(ArchiveContract):
    @pytest.fixture
    def make(self):
        return lambda *, capacity: NoveltyArchive(axes=SQUARE, distance=0.1, neighbors=1, capacity=capacity)


class TestNoveltyOfSeveral(ArchiveContract):
    @pytest.fixture
    def make(self):
        return lambda *, capacity: NoveltyArchive(axes=SQUARE, distance=0.2, neighbors=3, capacity=capacity)


@settings(max_examples=60, deadline=None)
@given(PLACES, st.sampled_from([0.05 + 1e-8, 0.3 + 1e-8]), st.integers(1, 4))  # no two places are exactly as far apart
def test_who_is_novel_founds_a_cell_and_all_others_stand_with_the_nearest(places, distance, neighbors):
    """Said as plainly as possible: every founder is looked at."""
    archive = NoveltyArchive(axes=SQUARE, distance=distance, neighbors=neighbors)
    founders: list[tuple[float, float]] = []
    for x, y in places:
        here = (x, y / 2)
        near = sorted((math.dist(here, one), i) for i, one in enumerate(founders))[:neighbors]
        novel = not near or (near[0][0] > 0 and sum(d for d, _ in near) / len(near) >= distance)
        expected = len(founders) if novel else near[0][1]
        if novel:
            founders.append(here)
        found = archive.cell_of({"x": x, "y": y})
        assert found == expected or math.dist(founders[found], here) == pytest.approx(math.dist(founders[expected], here))
        assert archive.n_cells == len(founders)
        assert archive.cell_of({"x": x, "y": y}) == found
    if neighbors == 1:
        assert all(math.dist(a, b) >= distance - 1e-12 for i, a in enumerate(founders) for b in founders[:i])


@pytest.mark.parametrize("n", [1, 63, 64, 65, 500])
def test_the_nearest_of_many_points_are_those_that_looking_at_all_finds(n):
    rng = np.random.default_rng(n)
    points = NearestPoints(3)
    every = rng.random((n, 3))
    for point in every.tolist():
        points.add(point)
    for place in rng.random((20, 3)):
        for k in (1, 5):
            distances = np.linalg.norm(every - place, axis=1)
            found = points.nearest(place.tolist(), k)
            assert [i for _, i in found] == np.argsort(distances)[:k].tolist()
            assert [d for d, _ in found] == pytest.approx(np.sort(distances)[:k])


def test_what_is_looked_at_grows_with_the_logarithm_of_the_points():
    points, rng = NearestPoints(2), random.Random(0)
    for _ in range(10_000):
        points.add((rng.random(), rng.random()))
    assert len(points._trees) <= math.log2(10_000 / 64) + 1
    assert len(points) - points._start < 64


def test_a_checkpoint_brings_the_founders_back_and_their_trees():
    rng = random.Random(0)
    archive = NoveltyArchive(axes=SQUARE, distance=0.02)
    for _ in range(700):
        archive.cell_of({"x": rng.random(), "y": rng.random()})
    again = NoveltyArchive(axes=SQUARE, distance=0.02)
    again.load(archive.dump())
    assert again.n_cells == archive.n_cells > 200
    assert [start for start, _ in again._founders._trees] == [start for start, _ in archive._founders._trees]
    for _ in range(300):
        place = {"x": rng.random(), "y": rng.random()}
        assert again.cell_of(place) == archive.cell_of(place)


@settings(max_examples=20, deadline=None)
@given(PLACES)
def test_other_axes_found_cells_anew_in_order_of_arrival(places):
    where = {key: {"x": x, "y": y} for key, (x, y) in enumerate(places)}
    old = NoveltyArchive(axes=SQUARE, distance=0.2, capacity=2)
    for key in where:
        old.add_or_update(key, old.cell_of(where[key]), float(key % 5), 0.0)
    other = (Axis("y", 0.0, 0.5, 1),)
    new = old.rebin(other, where.__getitem__)
    fresh = Watched(NoveltyArchive(axes=other, distance=0.2, capacity=2))
    for key in where:
        fresh.put(key, fresh.archive.cell_of(where[key]), float(key % 5), 0.0)
    fresh.check()
    assert new.cells.dump() == fresh.archive.cells.dump()
    assert (new.space, new.axes) == (2, other)


def test_a_value_far_beyond_its_axis_still_has_a_cell():
    archive = NoveltyArchive(axes=(Axis("x", 0.0, 1e-9, 1),), distance=0.1)
    assert archive.cell_of({"x": 1e300}) == archive.cell_of({"x": 1e308}) != archive.cell_of({"x": -1e308})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_has_no_cell(value):
    with pytest.raises(ValueError, match="expected a finite number"):
        NoveltyArchive(axes=SQUARE, distance=0.1).cell_of({"x": 0.5, "y": value})


@pytest.mark.parametrize(
    "wrong", [{"axes": ()}, {"axes": (Axis("x", 1.0, 1.0, 3),)}, {"distance": 0.0}, {"distance": math.nan}, {"neighbors": 0}]
)
def test_what_makes_no_archive_is_refused(wrong):
    with pytest.raises(ValueError, match=r"axes is empty|expected high > low|expected a number above 0|expected at least 1"):
        NoveltyArchive(**{"axes": SQUARE, "distance": 0.1, **wrong})
