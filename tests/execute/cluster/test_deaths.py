"""What dies on a cluster costs what ran there, and nothing else."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from archive import BlockStatus, Status
from evolve.evaluate.isolation._process_tree import descendants
from evolve.execute.cluster import ClusterExecutor
from evolve.execute.cluster._connection import Connection
from evolve.testing import Probe, action, is_running, open_executor_bench

LIMIT_S = 60.0


@pytest.fixture
def make(ray_here: Connection) -> Callable[..., ClusterExecutor]:
    return lambda problems, *, slots, sink: ClusterExecutor(problems, slots=slots, tier="none", sink=sink, grace_s=1.0)


def until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < end, f"{what} did not come about in {LIMIT_S:g} s"
        time.sleep(0.05)


def test_an_actor_that_is_killed_costs_the_entry_that_ran_there(make: Callable[..., ClusterExecutor], tmp_path: Path) -> None:
    probe = Probe(tmp_path, time_s=60.0)
    with open_executor_bench(make, probe, slots=2) as bench:
        attempt = bench.submit(action("score"), action("hang"), action("score", value=2.0))
        began = probe.wait_for("hang")
        (actor,) = {fact.pid for fact in bench.executor.actors if began.pid in descendants(fact.pid)}
        os.kill(actor, signal.SIGKILL)
        bench.wait(attempt)
        closed = bench.closed(attempt)
        assert (closed.status, closed.lost) == (BlockStatus.LOST, 1)
        assert [report.index for report in bench.entries(attempt)] == [0]
        until(lambda: not is_running(began.pid), "the grader's end")
        _, (report,) = bench.run(action("score"))
        assert report.result.status is Status.OK
        until(lambda: bench.executor.slots == 2, "the actor's return")


def test_who_is_named_is_who_ran_and_not_who_was_skipped(make: Callable[..., ClusterExecutor], tmp_path: Path) -> None:
    probe = Probe(tmp_path, time_s=60.0)
    with open_executor_bench(make, probe, slots=1) as bench:
        attempt = bench.submit(action("fail"), action("fail"), action("hang"))
        probe.wait_for("hang")
        os.kill(bench.executor.actors[0].pid, signal.SIGKILL)
        bench.wait(attempt)
        assert (bench.closed(attempt).status, bench.closed(attempt).lost) == (BlockStatus.LOST, 2)


def test_an_idle_actor_that_is_killed_costs_nothing(make: Callable[..., ClusterExecutor], tmp_path: Path) -> None:
    with open_executor_bench(make, Probe(tmp_path), slots=1) as bench:
        bench.run(action("score"))
        pid = bench.executor.actors[0].pid
        os.kill(pid, signal.SIGKILL)
        until(lambda: pid not in [actor.pid for actor in bench.executor.actors], "the news of its death")
        closed, (report,) = bench.run(action("score"))
        assert (closed.status, report.result.status) == (BlockStatus.OK, Status.OK)
