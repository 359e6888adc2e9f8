from __future__ import annotations

from collections.abc import Iterator

import pytest

from evolve.evaluate import SandboxFactory, VisibleFiles, open_sandbox_factory


@pytest.fixture(scope="module", params=["strict", "none"])
def factory(request: pytest.FixtureRequest) -> Iterator[SandboxFactory]:
    with open_sandbox_factory(request.param, VisibleFiles(imports=("numpy",))) as factory:
        yield factory


@pytest.fixture(scope="module")
def bare_view() -> Iterator[SandboxFactory]:
    with open_sandbox_factory("strict", VisibleFiles()) as factory:
        yield factory
