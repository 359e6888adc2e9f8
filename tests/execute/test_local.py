"""The local executor: the contract, and what only it promises."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from evolve.execute import LocalExecutor
from evolve.testing import ExecutorContract


def _maker(tier: str) -> Callable[..., LocalExecutor]:
    return lambda problems, *, slots, sink: LocalExecutor(problems, slots=slots, tier=tier, sink=sink, grace_s=0.5)


class TestContract(ExecutorContract):
    @pytest.fixture
    def make(self) -> Callable[..., LocalExecutor]:
        return _maker("none")
