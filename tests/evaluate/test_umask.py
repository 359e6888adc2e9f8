"""An evaluator's umask is its own affair: what the engine makes for a candidate can be read by it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archive import StartMode, Status
from evolve.evaluate import JsonValue, VisibleFiles, open_sandbox_factory
from evolve.execute import LocalExecutor
from evolve.problem.contract._contract import Stage
from evolve.testing import Probe, action, open_executor_bench

STAGE = Stage(name="s", time_s=10.0, memory_mib=512)
SOURCE = (
    "import os\nfrom pkg import one\ndef f():\n    before = os.umask(0)\n    return [open('/input/i').read(), before + one.ONE]\n"
)
FILES = {"pkg/__init__.py": "", "pkg/one.py": "ONE = 1\n"}
CLOSED = 0o777
EVALUATE = """
import os
from evolve import JsonValue, Outcome

os.umask(0o777)

def evaluate(trial):
    os.umask(0o777)
    os.listdir(trial.work)
    said = []
    for _ in range(2):
        reply = trial.sandbox.call("m.py:f", {}, {"value": JsonValue()})
        if not reply.ok:
            return reply.outcome()
        said.append(reply.value["value"])
        assert os.umask(0o777) == 0o777
    return Outcome(score=float(sum(said)), metrics={"extra": 1.0}, descriptors={"place": 0.1})
"""


@pytest.fixture
def closed() -> Iterator[None]:
    before = os.umask(CLOSED)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize(
    ("tier", "start"),
    [("none", StartMode.COLD), ("strict", StartMode.COLD), ("strict", StartMode.WARM), ("strict", StartMode.SPARE)],
)
def test_candidates_start_and_read_what_is_theirs(tier: str, start: StartMode) -> None:
    source = SOURCE if tier == "strict" else SOURCE.replace("open('/input/i').read()", "'text'")
    with open_sandbox_factory(tier, VisibleFiles()) as factory:
        for _ in range(2):  # a spare is there from the second on
            with factory.sandbox(FILES | {"m.py": source}, STAGE, start=start) as sandbox:
                reply = sandbox.call("m.py:f", {}, {"value": JsonValue()}, inputs={"i": b"text"})
            assert (reply.status, reply.reason) == (Status.OK, "")
            assert reply.value["value"] == ["text", 0o022 + 1]
            assert os.umask(CLOSED) == CLOSED
        folder = factory.folder
    assert not folder.exists()


@pytest.mark.parametrize("tier", ["strict", "none"])
def test_an_evaluator_that_closes_everything_measures_all_the_same(tmp_path: Path, tier: str) -> None:
    probe = Probe(tmp_path, evaluate=EVALUATE, time_s=20.0)
    probe.problem = replace(probe.problem, contract=replace(probe.problem.contract, may_add_files=True))

    def make(problems: Any, *, slots: int, sink: Any) -> LocalExecutor:
        return LocalExecutor(problems, slots=slots, tier=tier, sink=sink)

    with open_executor_bench(make, probe) as bench:
        for i in range(2):
            bench.run(action("score", f"a{i}") | {"m.py": "def f():\n    return 2\n"})
        results = [report.result for report in bench.reports if hasattr(report, "result")]
    assert [(result.status, result.reason, result.score) for result in results] == [(Status.OK, "", 4.0)] * 2
