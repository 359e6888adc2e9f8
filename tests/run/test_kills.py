"""kill -9 of a real run at random moments; the thousand of it is ``benchmarks/kills.py``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

KILLS = 30


@pytest.mark.kill
def test_nothing_is_lost_or_counted_twice_by_kills(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    kills = __import__("kills")
    monkeypatch.delitem(sys.modules, "kills")
    outcome = kills.battery(tmp_path, KILLS)
    assert outcome.faults == 0, outcome
    assert outcome.openings > KILLS / 3, outcome
    assert outcome.executions >= outcome.measured > 0, outcome
