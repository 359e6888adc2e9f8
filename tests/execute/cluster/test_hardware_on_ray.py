"""On a cluster with two kinds of machines a run whose scores hang on speed is measured on one of them (half a minute each)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["wall", "none"])
def test_one_kind_serves_where_scores_hang_on_speed(rule: str, tmp_path: Path) -> None:
    script = Path(__file__).with_name("hardware_scenario.py")
    done = subprocess.run([sys.executable, str(script), rule, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
