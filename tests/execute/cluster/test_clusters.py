"""What a cluster of several nodes does while a run goes on (each scenario takes half a minute)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cluster_scenarios import SCENARIOS


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str, tmp_path: Path) -> None:
    script = Path(__file__).with_name("cluster_scenarios.py")
    done = subprocess.run([sys.executable, str(script), name, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
