"""What a measurement leaves behind ends with it; what an evaluator means to keep stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archive import Status
from evolve.execute import LocalExecutor
from evolve.testing import Probe, action, is_running, open_executor_bench

HEADER = """
import json, multiprocessing, os, subprocess, sys, tempfile, time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from evolve import Outcome, Status

SLEEP = [sys.executable, "-S", "-c", "import time; time.sleep(3600)"]

def own_pid(_):
    time.sleep(0.01)
    return os.getpid()

def told(trial, **what):
    with open(Path(trial.params["trace"]) / "told", "a") as file:
        file.write(json.dumps(what) + "\\n")
    return Outcome(score=1.0, metrics={"extra": 1.0}, descriptors={"place": 0.1})
"""


def _measure(tmp_path: Path, evaluator: str, n: int = 2) -> tuple[list[Any], list[Any], list[Any]]:
    """The results of ``n`` measurements, what each told, and which of the told pids run while the grader still does."""
    probe = Probe(tmp_path, evaluate=HEADER + evaluator, time_s=30.0)

    def make(problems: Any, *, slots: int, sink: Any) -> LocalExecutor:
        return LocalExecutor(problems, slots=slots, tier="none", sink=sink)

    with open_executor_bench(make, probe) as bench:
        for i in range(n):
            bench.run(action("score", f"a{i}"))
        results = [report.result for report in bench.reports if hasattr(report, "result")]
        path = probe.trace / "told"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        running = [pid for line in lines for pid in line.get("pids", []) if is_running(pid)]
    return results, lines, running


def test_what_was_started_at_import_stays_and_what_a_measurement_started_goes(tmp_path: Path) -> None:
    evaluator = (
        "SERVER = [subprocess.Popen(SLEEP)]\nPLACE = tempfile.mkdtemp()\n"
        "def evaluate(trial):\n"
        "    assert Path(PLACE).is_dir() and SERVER[0].poll() is None\n"
        "    left = subprocess.Popen(SLEEP, start_new_session=True)\n"
        "    return told(trial, pids=[SERVER[0].pid, left.pid], left=left.pid, file=tempfile.mkstemp()[1])\n"
    )
    results, lines, running = _measure(tmp_path, evaluator)
    assert [result.status for result in results] == [Status.OK] * 2, results[-1].reason
    server = lines[0]["pids"][0]
    assert set(running) == {server}
    assert not any(Path(line["file"]).exists() for line in lines)


@pytest.mark.parametrize(
    "make",
    [
        "ProcessPoolExecutor(1)",
        pytest.param("ProcessPoolExecutor(1, mp_context=multiprocessing.get_context('spawn'))", marks=pytest.mark.slow),
        "multiprocessing.get_context('forkserver').Pool(1)",
    ],
)
@pytest.mark.slow
def test_a_pool_that_a_global_variable_holds_serves_every_measurement(tmp_path: Path, make: str) -> None:
    evaluator = (
        f"POOL = None\ndef evaluate(trial):\n    global POOL\n    POOL = POOL or {make}\n"
        "    return told(trial, pids=list(POOL.map(own_pid, [0])))\n"
    )
    results, lines, running = _measure(tmp_path, evaluator, n=3)
    assert [result.status for result in results] == [Status.OK] * 3, results[-1].reason
    assert lines[0] == lines[1] == lines[2]
    assert lines[0]["pids"][0] in running


def test_a_pool_that_is_forgotten_ends_with_its_measurement(tmp_path: Path) -> None:
    evaluator = (
        "KEPT = []\ndef evaluate(trial):\n    pool = ProcessPoolExecutor(1)\n    KEPT.append(pool)\n"
        "    return told(trial, pids=list(pool.map(own_pid, [0])))\n"
    )
    results, lines, running = _measure(tmp_path, evaluator)
    assert [result.status for result in results] == [Status.OK] * 2, results[-1].reason
    assert len(lines) == 2
    assert running == []


def test_an_evaluator_that_uses_a_pool_of_an_earlier_measurement_is_told_why_it_is_broken(tmp_path: Path) -> None:
    evaluator = (
        "KEPT = []\ndef evaluate(trial):\n    KEPT or KEPT.append(ProcessPoolExecutor(1))\n"
        "    return told(trial, pids=list(KEPT[0].map(own_pid, [0])))\n"
    )
    results, _, _ = _measure(tmp_path, evaluator)
    assert [result.status for result in results] == [Status.OK, Status.EVALUATOR_ERROR]
    assert "unless a global variable holds it" in results[1].reason


def test_a_pool_that_hangs_shows_the_end_of_the_log(tmp_path: Path) -> None:
    evaluator = "def evaluate(trial):\n    print('waiting for the judge', file=sys.stderr, flush=True)\n    time.sleep(3600)\n"
    probe = Probe(tmp_path, evaluate=HEADER + evaluator)

    def make(problems: Any, *, slots: int, sink: Any) -> LocalExecutor:
        return LocalExecutor(problems, slots=slots, tier="none", sink=sink, grace_s=0.2)

    with open_executor_bench(make, probe) as bench:
        _, (report,) = bench.run(action("score"))
    assert report.result.status is Status.EVALUATOR_ERROR
    assert "its log ends: waiting for the judge" in report.result.reason
