"""One Ray for all tests that need one: it takes seconds to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from evolve.execute.cluster._connection import Connection


@pytest.fixture(scope="session")
def ray_here() -> Iterator[Connection]:
    with Connection(cpus=4) as connection:
        yield connection
