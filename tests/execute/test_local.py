"""The local executor: the contract, and what only it promises."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import evolve
from archive import BlockClosed, BlockEntry, BlockStatus, Resources, Status
from evolve._errors import SandboxMissing
from evolve.evaluate import VisibleFiles, open_sandbox_factory
from evolve.evaluate.grader._wire import Phase
from evolve.execute import LocalExecutor
from evolve.execute._process import _TimeAccount
from evolve.testing import TIME_S, ExecutorContract, Probe, action, is_running, open_executor_bench


def _maker(tier: str) -> Callable[..., LocalExecutor]:
    return lambda problems, *, slots, sink: LocalExecutor(problems, slots=slots, tier=tier, sink=sink, grace_s=1.0)


class TestContract(ExecutorContract):
    @pytest.fixture
    def make(self) -> Callable[..., LocalExecutor]:
        return _maker("none")


class TestStrict:
    """The same contract where the sandbox has walls: what depends on them."""

    @pytest.fixture
    def make(self) -> Callable[..., LocalExecutor]:
        try:
            open_sandbox_factory("strict", VisibleFiles()).close()
        except SandboxMissing as missing:
            pytest.skip(str(missing))
        return _maker("strict")

    test_measures = ExecutorContract.test_measures
    test_timeout = ExecutorContract.test_a_candidate_that_does_not_end_is_a_timeout
    test_death = ExecutorContract.test_a_grader_that_dies_loses_the_block_and_names_the_entry
    test_close = ExecutorContract.test_closing_at_once_cancels_everything_and_leaves_no_process

    def test_a_killed_grader_takes_its_sandboxes_along(self, make: Callable[..., LocalExecutor], tmp_path: Path) -> None:
        probe = Probe(tmp_path)
        with open_executor_bench(make, probe) as bench:
            attempt = bench.submit(action("loop"))
            began = probe.wait_for("loop")
            below = _wait(lambda: [pid for pid in _descendants(began.pid) if b"while True" in _command(pid)])
            bench.executor.cancel(attempt)
            bench.wait(attempt)
            assert not any(is_running(pid) for pid in (began.pid, *below))


# ---------------------------------------------------------------------------------------------------- overruns and deaths


@pytest.mark.slow
def test_an_overrun_inside_the_sandbox_is_the_candidates(tmp_path: Path) -> None:
    """The sandbox itself hangs here, as it never should: the grader's own account of who runs decides."""
    stuck = "def evaluate(trial):\n    import time\n    trial.sandbox._inside(lambda: time.sleep(3600))\n"
    with open_executor_bench(_maker("none"), Probe(tmp_path, evaluate=stuck)) as bench:
        closed, (report,) = bench.run(action("score"), action("score"))
        assert (report.result.status, closed.skipped) == (Status.TIMEOUT, (1,))
        assert report.result.wall_s >= TIME_S
        assert report.result.cpu_s > 0


def test_between_calls_the_blame_is_with_who_took_longer() -> None:
    clock = _TimeAccount(began=0.0)
    assert not clock.blames_candidate(1.0)
    clock.turn(Phase(inside=True), 1.0)
    assert clock.blames_candidate(1.1)
    clock.turn(Phase(inside=False, cpu_s=3.0), 5.0)
    assert clock.blames_candidate(7.9)
    assert not clock.blames_candidate(8.1)
    assert clock.candidate_cpu_s == 3.0


def test_a_grader_that_died_idle_is_replaced_without_a_loss(tmp_path: Path) -> None:
    probe = Probe(tmp_path)
    with open_executor_bench(_maker("none"), probe) as bench:
        bench.run(action("score", "first"))
        pid = probe.wait_for("first").pid
        os.kill(pid, signal.SIGKILL)
        _wait(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))
        closed, _ = bench.run(action("score", "second"))
        assert closed.status is BlockStatus.OK
        assert probe.wait_for("second").pid != pid


def test_a_killed_driver_leaves_nobody(tmp_path: Path) -> None:
    script = tmp_path / "driver.py"
    script.write_text(
        "import queue, sys\n"
        "from pathlib import Path\n"
        "from evolve.execute import LocalExecutor\n"
        "from evolve.testing import ExecutorBench, Probe, action\n"
        "probe = Probe(Path(sys.argv[1]))\n"
        "make = lambda problems, slots, sink: LocalExecutor(problems, slots=slots, tier='none', sink=sink, grace_s=60)\n"
        "bench = ExecutorBench(make, probe, slots=2)\n"
        "bench.submit(action('hang'))\n"
        "bench.submit(action('loop'))\n"
        "queue.Queue().get()\n"
    )
    root = Path(evolve.__file__).parent.parent
    driver = subprocess.Popen([sys.executable, str(script), str(tmp_path)], env={**os.environ, "PYTHONPATH": str(root)})
    trace = tmp_path / "probe-trace"
    try:
        pids = [_wait(lambda name=name: _begun(trace, name)) for name in ("hang", "loop")]
        below = _wait(lambda: _descendants(pids[1]))
    finally:
        driver.kill()
        driver.wait()
    assert _wait(lambda: not any(is_running(pid) for pid in (*pids, *below)))


# ---------------------------------------------------------------------------------------------------- needs


def test_a_block_that_needs_every_core_runs_alone(tmp_path: Path) -> None:
    probe = Probe(tmp_path)
    with open_executor_bench(_maker("none"), probe, slots=2) as bench:
        before = [bench.submit(action("score", f"before{i}", sleep_s=0.1)) for i in range(3)]
        wide = bench.submit(action("score", "wide", sleep_s=0.2), needs=Resources(cpus=10_000))
        after = [bench.submit(action("score", f"after{i}", sleep_s=0.1)) for i in range(3)]
        bench.wait(*before, wide, *after)
        began, ended = probe.wait_for("wide"), probe.wait_for("wide", "ended")
        assert [mark for mark in probe.marks() if mark.name != "wide" and began.at <= mark.at <= ended.at] == []


def test_gpus_are_not_lent(tmp_path: Path) -> None:
    with open_executor_bench(_maker("none"), Probe(tmp_path)) as bench:
        closed, entries = bench.run(action("score"), needs=Resources(gpus=1))
        assert (closed.status, closed.lost, entries) == (BlockStatus.LOST, None, [])
        assert "GPU" in closed.reason


def test_what_cannot_be_run_is_refused_when_it_is_submitted(tmp_path: Path) -> None:
    with open_executor_bench(_maker("none"), Probe(tmp_path)) as bench:
        block = bench.block(action("score"))
        unknown = [
            replace(block, problem="other@1"),
            replace(block, files={}),
            replace(block, entries=(BlockEntry("c0", "no such stage", 0),)),
        ]
        for wrong in unknown:
            with pytest.raises(KeyError):
                bench.executor.submit(wrong)
        assert bench.executor.pending == 0


def test_a_drain_can_be_cut_short(tmp_path: Path) -> None:
    probe = Probe(tmp_path, time_s=600)
    with open_executor_bench(_maker("none"), probe) as bench:
        attempt = bench.submit(action("score", sleep_s=3600))
        began = probe.wait_for("score")
        drain = threading.Thread(target=lambda: bench.executor.close(drain=True))
        drain.start()
        bench.executor.close(drain=False)
        drain.join()
        bench.take_rest()
        assert bench.closed(attempt).status is BlockStatus.CANCELLED
        assert not is_running(began.pid)


def test_close_gives_every_descriptor_and_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = sorted(os.listdir("/proc/self/fd"))
    with open_executor_bench(_maker("none"), Probe(tmp_path), slots=2) as bench:
        bench.run(action("score"), action("die"))
        bench.run(action("hang"))
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert list(tmp_path.glob("evolve-*")) == []


# ---------------------------------------------------------------------------------------------------- calibration


def _calibrating(tmp_path: Path, body: str) -> Probe:
    counter = tmp_path / "calls"
    text = (
        "from pathlib import Path\nfrom evolve import Outcome\n"
        "def evaluate(trial):\n    return Outcome(score=1.0, metrics={'extra': 1.0}, descriptors={'place': 0.1})\n"
        f"def calibrate():\n    counter = Path({str(counter)!r})\n"
        "    n = int(counter.read_text()) if counter.exists() else 0\n    counter.write_text(str(n + 1))\n"
        f"    {body}\n"
    )
    return Probe(tmp_path, evaluate=text, calibrated=True)


@pytest.mark.parametrize(
    ("after", "status", "noisy"),
    [
        (1.0, BlockStatus.OK, False),
        (1.019, BlockStatus.OK, False),
        (1.03, BlockStatus.OK, True),
        (0.97, BlockStatus.OK, True),
        (1.049, BlockStatus.OK, True),
        (1.06, BlockStatus.VOID, True),
        (0.94, BlockStatus.VOID, True),
    ],
)
def test_drift_beyond_five_percent_voids_a_block_and_beyond_two_marks_it(
    tmp_path: Path, after: float, status: BlockStatus, noisy: bool
) -> None:
    with open_executor_bench(_maker("none"), _calibrating(tmp_path, f"return [2.0, {2 * after}][n]")) as bench:
        closed, entries = bench.run(action("score"))
        assert [report.result.status for report in entries] == [Status.OK]
        assert closed.status is status
        assert closed.drift == pytest.approx(abs(after - 1.0))
        assert bool(closed.reason) == (status is BlockStatus.VOID)
        assert BlockClosed(closed.attempt, "p", closed.status, drift=closed.drift).noisy_machine is noisy


def test_an_absurd_drift_is_a_number_that_can_be_recorded(tmp_path: Path) -> None:
    with open_executor_bench(_maker("none"), _calibrating(tmp_path, "return [1e-300, 1e300][n]")) as bench:
        closed, _ = bench.run(action("score"))
        assert closed.status is BlockStatus.VOID
        assert closed.drift is not None
        assert math.isfinite(closed.drift)


def test_each_block_is_calibrated_by_itself(tmp_path: Path) -> None:
    """A void block submitted again with the same seeds is measured again, and counts once the machine stands still."""
    with open_executor_bench(_maker("none"), _calibrating(tmp_path, "return [1.0, 2.0, 2.0, 2.02][n]")) as bench:
        first, _ = bench.run(action("score"), seed=5)
        again, (report,) = bench.run(action("score"), seed=5)
        assert (first.status, again.status) == (BlockStatus.VOID, BlockStatus.OK)
        assert again.drift == pytest.approx(0.01)
        assert (report.result.seed, report.result.status) == (5, Status.OK)


def test_a_calibration_that_fails_is_the_evaluators_error(tmp_path: Path) -> None:
    with open_executor_bench(_maker("none"), _calibrating(tmp_path, "return 1 / n")) as bench:
        closed, entries = bench.run(action("score"), action("score"))
        assert closed.status is BlockStatus.OK
        assert [report.result.status for report in entries] == [Status.EVALUATOR_ERROR] * 2
        assert "ZeroDivisionError" in entries[0].result.reason


def test_a_calibration_that_fails_afterwards_voids_the_block(tmp_path: Path) -> None:
    with open_executor_bench(_maker("none"), _calibrating(tmp_path, "return 1 / (1 - n)")) as bench:
        closed, _ = bench.run(action("score"))
        assert closed.status is BlockStatus.VOID
        assert "ZeroDivisionError" in closed.reason


def test_the_default_reference_work_gives_a_drift(tmp_path: Path) -> None:
    with open_executor_bench(_maker("none"), Probe(tmp_path, calibrated=True)) as bench:
        closed, _ = bench.run(action("score"))
        assert closed.drift is not None
        assert (closed.status is BlockStatus.VOID) == (closed.drift > 0.05)


# ---------------------------------------------------------------------------------------------------- helpers


def _wait(what: Callable[[], Any], limit_s: float = 60.0) -> Any:
    """What ``what`` returns as soon as it is true."""
    deadline = time.monotonic() + limit_s
    while not (value := what()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return value


def _begun(trace: Path, name: str) -> int:
    """Pid of the grader in which the evaluation ``name`` began; 0 before."""
    marks = [json.loads(path.read_text()) for path in trace.glob("[0-9]*.json")]
    return next((mark["pid"] for mark in marks if mark["name"] == name), 0)


def _descendants(pid: int) -> list[int]:
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(path.parent.name)] = int(text.rpartition(")")[2].split()[1])
    found, todo = [], [pid]
    while todo:
        children = [child for child, parent in parents.items() if parent == todo[0]]
        todo = todo[1:] + children
        found += children
    return found


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
