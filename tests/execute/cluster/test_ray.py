"""The Ray executor: the contract, unchanged, on a real Ray."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from evolve.execute.cluster import ClusterExecutor
from evolve.execute.cluster._connection import Connection
from evolve.testing import ExecutorContract


class TestContract(ExecutorContract):
    @pytest.fixture
    def make(self, ray_here: Connection) -> Callable[..., ClusterExecutor]:
        return lambda problems, *, slots, sink: ClusterExecutor(problems, slots=slots, tier="none", sink=sink, grace_s=1.0)
