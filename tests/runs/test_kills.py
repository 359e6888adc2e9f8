"""kill -9 of a real run at random moments; the thousand of it is ``benchmarks/kills.py``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


@pytest.mark.kill
@pytest.mark.parametrize("kills", [5, pytest.param(10, marks=[pytest.mark.slow, pytest.mark.long])])
def test_nothing_is_lost_or_counted_twice_by_kills(kills, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    benchmark = __import__("kills")
    monkeypatch.delitem(sys.modules, "kills")
    outcome = benchmark.battery(tmp_path, kills)
    assert outcome.faults == 0, outcome
    assert outcome.openings > kills / 3, outcome
    assert outcome.executions >= outcome.measured > 0, outcome
