"""The grid: where descriptors fall, and what a change of axes keeps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive import Axis, GridArchive, TopKArchive
from evolve.testing import ArchiveContract, Watched

FINITE = st.floats(allow_nan=False, allow_infinity=False)
SQUARE = (Axis("x", 0.0, 1.0, 4), Axis("y", -1.0, 1.0, 3))


class TestGrid(ArchiveContract):
    @pytest.fixture
    def make(self):
        return lambda *, capacity: GridArchive(axes=SQUARE, capacity=capacity)


class TestFlat(ArchiveContract):
    @pytest.fixture
    def make(self):
        return lambda *, capacity: TopKArchive(capacity=capacity)


@st.composite
def axes(draw):
    found = []
    for i in range(draw(st.integers(1, 3))):
        low = draw(st.floats(-1e300, 1e300))
        high = max(low + draw(st.floats(0.0, 1e300)), math.nextafter(low, math.inf))
        bins = draw(st.integers(1, 1000))
        found.append(Axis(f"a{i}", low, high, bins))
    return tuple(found)


@st.composite
def places(draw, grid_axes):
    """A point near, on and far beyond the edges of bins."""
    point = {}
    for axis in grid_axes:
        step = draw(st.integers(-1, axis.bins + 1))
        edge = axis.low + step * (axis.high - axis.low) / axis.bins
        near = (edge, math.nextafter(edge, math.inf), math.nextafter(edge, -math.inf))
        point[axis.name] = draw(st.one_of(FINITE, st.sampled_from([value for value in near if math.isfinite(value)] or [axis.low])))
    return point


@given(st.data())
def test_one_point_and_many_points_fall_into_the_same_cells(data):
    grid = GridArchive(axes=data.draw(axes()))
    points = data.draw(st.lists(places(grid.axes), min_size=1, max_size=8))
    cells = [grid.cell_of(point) for point in points]
    rows = np.array([[point[axis.name] for axis in grid.axes] for point in points])
    with np.errstate(over="ignore"):
        assert grid.index_of(rows).tolist() == cells
    assert all(0 <= cell < grid.n_cells for cell in cells)


@given(st.data(), axes())
def test_moving_along_an_axis_never_goes_back(data, grid_axes):
    grid = GridArchive(axes=grid_axes[:1])
    a, b = sorted((data.draw(FINITE), data.draw(FINITE)))
    name = grid_axes[0].name
    assert grid.cell_of({name: a}) <= grid.cell_of({name: b})


def test_edges_belong_to_the_bin_above_and_the_ends_are_clipped():
    grid = GridArchive(axes=[Axis("x", 0.0, 1.0, 4)])
    at = {-1e308: 0, -1.0: 0, 0.0: 0, 0.25: 1, 0.5: 2, math.nextafter(0.5, 0): 1, 1.0: 3, 7.0: 3, 1e308: 3}
    assert {x: grid.cell_of({"x": x}) for x in at} == at


def test_axes_count_in_the_order_given():
    grid = GridArchive(axes=SQUARE)
    assert grid.n_cells == 12
    assert grid.cell_of({"y": -1.0, "x": 0.9}) == 9
    assert grid.cell_of({"y": 0.9, "x": 0.0}) == 2


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_has_no_cell(value):
    grid = GridArchive(axes=SQUARE)
    with pytest.raises(ValueError, match="expected a finite number"):
        grid.cell_of({"x": 0.5, "y": value})
    with pytest.raises(ValueError, match="NaN or infinite"):
        grid.index_of(np.array([[0.5, value]]))


def test_a_missing_value_is_an_error():
    with pytest.raises(KeyError):
        GridArchive(axes=SQUARE).cell_of({"x": 0.5})


@pytest.mark.parametrize("shape", [(2,), (2, 3), (2, 2, 1)])
def test_points_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="expected \\(n, 2\\)"):
        GridArchive(axes=SQUARE).index_of(np.zeros(shape))


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        [Axis("x", 1.0, 1.0, 3)],
        [Axis("x", 1.0, 0.0, 3)],
        [Axis("x", 0.0, 1.0, 0)],
        [Axis("x", math.nan, 1.0, 3)],
        [Axis("x", 0.0, math.inf, 3)],
        [Axis("x", -1e308, 1e308, 3)],
        [Axis(f"a{i}", 0.0, 1.0, 10_000) for i in range(5)],
    ],
)
def test_axes_that_make_no_grid_are_refused(wrong):
    with pytest.raises(ValueError, match=r"axes|axis"):
        GridArchive(axes=wrong)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(-3, 3)), max_size=30))
def test_other_axes_judge_all_candidates_again_in_order_of_arrival(found):
    where = {key: {"x": x, "y": x - 0.5} for key, (x, _) in enumerate(found)}
    old = GridArchive(axes=SQUARE, capacity=2)
    for key, (_, mean) in enumerate(found):
        old.add_or_update(key, old.cell_of(where[key]), float(mean), 0.0)
    other = (Axis("y", -0.5, 0.5, 2),)
    new = old.rebin(other, where.__getitem__)
    fresh = Watched(GridArchive(axes=other, capacity=2))
    for key, (_, mean) in enumerate(found):
        fresh.put(key, fresh.archive.cell_of(where[key]), float(mean), 0.0)
    fresh.check()
    assert new.cells.dump() == fresh.archive.cells.dump()
    assert (new.space, old.space) == (2, 1)
    assert new.axes == other


def test_a_flat_archive_has_one_cell():
    flat = TopKArchive(capacity=3)
    assert flat.cell_of({}) == flat.cell_of({"anything": math.nan}) == 0
    for key in range(10):
        flat.add_or_update(key, 0, float(key), 0.0)
    assert flat.cells.occupants(0) == (9, 8, 7)
