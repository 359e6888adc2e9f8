"""The real executor, for tests of validation."""

from __future__ import annotations

from collections.abc import Mapping

from evolve.execute import Executor, Sink
from evolve.execute._local import LocalExecutor
from evolve.problem.contract._contract import Problem


def local(problems: Mapping[str, Problem], sink: Sink) -> Executor:
    return LocalExecutor(problems, slots=1, tier="strict", sink=sink)
