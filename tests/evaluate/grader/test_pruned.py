"""A real training script, watched by the evaluator of the page about such scripts."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archive import Curve, Measurement, Status
from evolve.execute import LocalExecutor
from evolve.problem.contract._contract import AUDITED
from evolve.search.state import _pruning
from evolve.select import _pruner
from evolve.testing import Probe, action, open_executor_bench

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "training-scripts.md").read_text(encoding="utf-8")
SCORE = "\n\ndef score(trial, weights):\n    return Outcome(score=1.0, metrics={'extra': 1.0}, descriptors={'place': 0.1})\n"
SCRIPT = """
import time
from pathlib import Path

for step in range(20):
    print(f"step {step + 1}/20 loss {0.1 * (step + 1):.2f}")
    time.sleep(0.02)
Path("/output/weights.npz").write_bytes(b"w")
"""
BARS = Curve((0.2, 0.5), (0.0, 9.0))  # the first is kept, the second is not


def _make(problems: Any, *, slots: int, sink: Any) -> LocalExecutor:
    return LocalExecutor(problems, slots=slots, tier="strict", sink=sink, machine="here")


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> dict[str, Measurement]:
    (evaluator,) = (block for block in re.findall(r"```python\n(.*?)```", PAGE, re.S) if "def evaluate" in block)
    probe = Probe(
        tmp_path_factory.mktemp("pruned"), evaluate=evaluator.replace('"/candidate/train.py"', f'"-c", {SCRIPT!r}') + SCORE
    )
    with open_executor_bench(_make, probe) as bench:
        block = bench.block(*[action("score", i=i) for i in range(3)])
        words = ({"bars": BARS}, {"bars": BARS, "audited": True}, {})
        entries = tuple(replace(one, **word) for one, word in zip(block.entries, words, strict=True))
        bench.send(replace(block, entries=entries))
        bench.wait(block.attempt)
        results = [report.result for report in bench.entries(block.attempt)]
    return dict(zip(("barred", "audited", "free"), results, strict=True))


def test_who_loses_is_ended_where_it_loses(measured) -> None:
    result = measured["barred"]
    assert (result.status, result.score) == (Status.PRUNED, None)
    assert result.reason.startswith("at 0.50 of the run its learning curve stood at ")
    assert result.curve is not None
    assert result.curve.x == tuple((step + 1) / 20 for step in range(10))


def test_who_is_audited_is_made_to_its_end_and_that_is_told(measured) -> None:
    result = measured["audited"]
    assert (result.status, result.score) == (Status.OK, 1.0)
    assert AUDITED in result.reason
    assert len(result.curve.x) == 20


def test_without_bars_it_is_measured_as_ever(measured) -> None:
    result = measured["free"]
    assert (result.status, result.score, result.reason) == (Status.OK, 1.0, "")
    assert result.curve.y[-1] == 2.0


def test_the_page_says_what_the_code_does() -> None:
    shares = ", ".join(f"{share:.0%}" for share in _pruner.SHARES[:-1]).replace("%", "")
    assert f"At {shares} and {_pruner.SHARES[-1]:.0%} of the run".replace("%", " %") in PAGE
    assert f"at {1 - _pruner.WRONG:.0%} over all bars".replace("%", " %") in PAGE
    assert (_pruner.FEWEST, _pruning.Pruning().pruned) == (10, 0)
    assert "once ten\nprograms were measured" in PAGE
