"""Faults of the machine are told from those of the evaluator, and neither becomes a verdict on a candidate."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from archive import BlockStatus, Status
from evolve.evaluate.isolation._process_tree import children
from evolve.execute import LocalExecutor
from evolve.testing import Probe, action, is_running, open_executor_bench

HEADER = "import errno, os, resource, sys\nfrom pathlib import Path\nfrom evolve import Outcome, Status\n"
OK = "Outcome(score=1.0, metrics={'extra': 1.0}, descriptors={'place': 0.1})"


def _make(problems: Any, *, slots: int, sink: Any) -> LocalExecutor:
    return LocalExecutor(problems, slots=slots, tier="none", sink=sink, grace_s=1.0, patience_s=1.5)


@pytest.mark.parametrize("name", ["ENOSPC", "ENOMEM", "EMFILE", "EDQUOT"])
def test_what_the_machine_refused_is_said_to_be_the_machines(tmp_path: Path, name: str) -> None:
    text = HEADER + f"def evaluate(trial):\n    raise OSError(errno.{name}, os.strerror(errno.{name}))\n"
    with open_executor_bench(_make, Probe(tmp_path, evaluate=text)) as bench:
        _, (report,) = bench.run(action("score"))
    assert report.result.status is Status.EVALUATOR_ERROR
    assert report.result.reason.startswith("the machine, not the evaluator: evaluate.py:5: OSError: ")


def test_an_evaluator_that_catches_everything_makes_no_verdict_of_a_refusal_of_the_machine(tmp_path: Path) -> None:
    text = HEADER + (
        "def evaluate(trial):\n"
        "    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir('/proc/self/fd')) + 1, 4096))\n"
        "    try:\n        reply = trial.sandbox.run(['python', '-c', 'pass'])\n"
        "    except Exception as error:\n        return Outcome.fail(Status.CRASH, str(error))\n"
        "    finally:\n        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 4096))\n"
        f"    return {OK}\n"
    )
    with open_executor_bench(_make, Probe(tmp_path, evaluate=text)) as bench:
        closed, (report,) = bench.run(action("score"))
    assert closed.status is BlockStatus.OK
    assert report.result.status is Status.EVALUATOR_ERROR
    assert "the machine, not the evaluator" in report.result.reason


def test_a_helper_that_is_killed_between_two_measurements_costs_nothing(tmp_path: Path) -> None:
    probe = Probe(tmp_path)
    with open_executor_bench(_make, probe) as bench:
        bench.run(action("score"))
        grader = probe.wait_for("score").pid
        helpers = children(grader)
        assert helpers
        for pid in helpers:
            os.kill(pid, signal.SIGKILL)
        while any(map(is_running, helpers)):
            time.sleep(0.01)
        closed, entries = bench.run(action("score", "b"), action("fail", "c"))
        assert closed.status is BlockStatus.OK
        assert [report.result.status for report in entries] == [Status.OK, Status.CHECKS_FAILED]
        assert probe.wait_for("b").pid == grader
        assert len(children(grader)) == len(helpers)


@pytest.mark.slow
def test_a_slot_that_cannot_load_what_was_loaded_before_loses_the_block_and_names_no_entry(tmp_path: Path) -> None:
    place = tmp_path / "down"
    text = HEADER + (
        f"if os.path.exists({str(place)!r}):\n    raise ConnectionError('the licence server is down')\n"
        f"def evaluate(trial):\n    if 'die' in trial.files['action.json']:\n        os._exit(1)\n    return {OK}\n"
    )
    with open_executor_bench(_make, Probe(tmp_path, evaluate=text)) as bench:
        assert bench.run(action("score"))[0].status is BlockStatus.OK
        place.touch()
        closed, _ = bench.run(action("die"))
        assert (closed.status, closed.lost) == (BlockStatus.LOST, 0)
        closed, entries = bench.run(action("score"))
        assert (closed.status, closed.lost, entries) == (BlockStatus.LOST, None, [])
        assert "the licence server is down" in closed.reason
        place.unlink()
        assert bench.run(action("score"))[0].status is BlockStatus.OK


def test_a_slot_that_cannot_load_leaves_its_work_to_one_that_can(tmp_path: Path) -> None:
    """The first grader of each slot loads; the second grader of slot 0 never does."""
    text = HEADER + (
        f"SLOT = os.path.basename(os.environ['TMPDIR'])[:6]\nTRACE = Path({str(tmp_path)!r})\n"
        "if SLOT == 'slot-0' and (TRACE / 'dead').exists():\n    raise OSError('no module here')\n"
        "def evaluate(trial):\n"
        "    import time\n    time.sleep(0.05)\n"
        "    if SLOT == 'slot-0':\n        (TRACE / 'dead').touch()\n        os._exit(1)\n"
        f"    return {OK}\n"
    )
    with open_executor_bench(_make, Probe(tmp_path, evaluate=text), slots=2) as bench:
        attempts = [bench.submit(action("score", f"n{i}")) for i in range(40)]
        bench.wait(*attempts)
        ends = [bench.closed(attempt).status for attempt in attempts]
    assert ends.count(BlockStatus.LOST) <= 3
    assert ends.count(BlockStatus.OK) >= 37
