"""The archive keeps the laws that every archive keeps."""

import pytest
from evolve_voronoi.voronoi import Voronoi

from archive import Axis
from evolve.testing import ArchiveContract

AXES = (Axis("x", 0.0, 1.0, 10), Axis("y", 0.0, 1.0, 10))


class TestVoronoi(ArchiveContract):
    @pytest.fixture
    def make(self):
        return lambda *, capacity: Voronoi(axes=AXES, capacity=capacity, elites_per_cell=capacity)
