"""The cheap built-in problems through the real grader and sandbox: the seed runs, and its artifacts say what it scored."""

from __future__ import annotations

import base64
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import zstandard

from archive import Measurement
from evolve import Problem, load_problem, validate


def artifact(result: Measurement, name: str) -> bytes:
    return zstandard.ZstdDecompressor().decompress(base64.b85decode(result.artifacts[name]), max_output_size=1 << 20)


def report_of(name: str, **params: float | str) -> tuple[Problem, Any]:
    problem = load_problem(name, **params)
    found = validate(problem)
    assert found.ok, [check for check in found.checks if not check.ok]
    return problem, found.report


@pytest.mark.parametrize("n", [26, pytest.param(32, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_circle_packing(n: int, tmp_path: Path) -> None:
    problem, report = report_of("circle_packing", n=n)
    assert report.noise_sd is None
    (tmp_path / "packing.npy").write_bytes(artifact(report.measurements[0], "packing"))
    verify = [sys.executable, str(problem.folder / "verify.py"), str(tmp_path / "packing.npy"), str(n)]
    done = subprocess.run(verify, capture_output=True, text=True, check=True)
    assert float(done.stdout.split()[-1]) == pytest.approx(report.seed_score, abs=1e-12)


@pytest.mark.parametrize("params", [{}, {"dimension": 16, "tails": "t4", "sd": 0.1}])
def test_planted(params: dict[str, float | str]) -> None:
    problem, report = report_of("planted", **params)
    spec = importlib.util.spec_from_file_location("planted_truth", problem.folder / "planted_truth.py")
    assert spec is not None
    assert spec.loader is not None
    truth = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(truth)
    point = json.loads(artifact(report.measurements[0], "point"))
    assert truth.truth(problem.initial_files, problem.params) == truth.value(point, problem.params) == 0
    assert report.noise_sd is not None
    assert 0.1 * problem.params["sd"] < report.noise_sd < 10 * problem.params["sd"]


@pytest.mark.parametrize("params", [{}, {"n": 13}])
def test_merit_factor(params: dict[str, float | str], tmp_path: Path) -> None:
    problem, report = report_of("merit_factor", **params)
    assert report.noise_sd is None
    (tmp_path / "sequence.json").write_bytes(artifact(report.measurements[0], "sequence"))
    verify = [sys.executable, str(problem.folder / "verify.py"), str(tmp_path / "sequence.json"), str(problem.params["n"])]
    done = subprocess.run(verify, capture_output=True, text=True, check=True)
    assert float(done.stdout.split()[-1]) == pytest.approx(report.seed_score, abs=1e-12)


def test_weighted_tardiness() -> None:
    _, report = report_of("weighted_tardiness", jobs=20)
    assert report.noise_sd is not None
    assert 0 < report.noise_sd < 0.2
    found = {one.seed: artifact(one, "sequences") for one in report.measurements}
    assert all(sorted(order) == list(range(20)) for orders in found.values() for order in json.loads(orders))
    assert len(set(found.values())) == len(found) > 1  # each seed has jobs of its own
