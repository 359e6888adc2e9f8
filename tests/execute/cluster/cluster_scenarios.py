"""Scenarios on a cluster of several nodes, each in a process of its own: ``python cluster_scenarios.py NAME FOLDER``."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from parabolas import parabola

from archive import Attempt, BlockStatus, RunClosed, find_records
from evolve._errors import EnvironmentFault
from evolve.execute import EntryReport
from evolve.execute.cluster import ClusterExecutor
from evolve.execute.cluster._settings import environment
from evolve.problem.contract._placement import ANYWHERE, Placement
from evolve.testing import Probe, action
from evolve.testing._executor_bench import ExecutorBench, open_executor_bench

LIMIT_S = 120.0
EVOLVE = [sys.executable, "-m", "evolve"]


@contextmanager
def a_cluster(*nodes: int | dict[str, Any]) -> Iterator[tuple[Any, list[Any]]]:
    """A head that runs nothing, and a node for each of ``nodes``: how many CPUs it has, or all that it has."""
    with environment({}, cleared=True):
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        try:
            yield cluster, [cluster.add_node(**(node if isinstance(node, dict) else {"num_cpus": node})) for node in nodes]
        finally:
            cluster.shutdown()


@contextmanager
def a_bench(cluster: Any, folder: Path, placement: Placement = ANYWHERE) -> Iterator[tuple[ExecutorBench, Probe]]:
    folder.mkdir(exist_ok=True)
    probe = Probe(folder, time_s=60.0)

    def make(problems: Any, *, slots: int, sink: Any) -> ClusterExecutor:
        placed = {name: replace(one, contract=replace(one.contract, placement=placement)) for name, one in problems.items()}
        return ClusterExecutor(placed, tier="none", sink=sink, address=cluster.address, grace_s=1.0)

    with open_executor_bench(make, probe) as bench:
        yield bench, probe


def until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < end, f"not within {LIMIT_S:g} s: {what}"
        time.sleep(0.05)


def finish(bench: ExecutorBench, attempts: list[Attempt], blocks: dict[Attempt, Any]) -> int:
    """Wait for all, handing out again what was lost, as the search does; returns how many were."""
    lost = 0
    while attempts:
        attempt = attempts.pop()
        bench.wait(attempt)
        if bench.closed(attempt).status is BlockStatus.LOST:
            lost += 1
            again = Attempt(attempt.epoch, attempt.ticket, attempt.n + 1)
            blocks[again] = type(blocks[attempt])(
                again, *[getattr(blocks[attempt], name) for name in ("problem", "entries", "files")]
            )
            bench.send(blocks[again])
            attempts.append(again)
    return lost


def sleeping(bench: ExecutorBench, n: int) -> tuple[list[Attempt], dict[Attempt, Any]]:
    blocks = {}
    for i in range(n):
        block = bench.block(action("score", f"s{i}", value=float(i), sleep_s=1.0))
        blocks[bench.send(block)] = block
    return list(blocks), blocks


def scores(bench: ExecutorBench) -> list[float]:
    return sorted(report.result.score or 0.0 for report in bench.reports if isinstance(report, EntryReport))


def a_node_that_dies_and_one_that_joins(folder: Path) -> None:
    with a_cluster(2, 2) as (cluster, nodes), a_bench(cluster, folder) as (bench, probe):
        until(lambda: bench.executor.slots == 4, "four slots")
        attempts, blocks = sleeping(bench, 16)
        until(lambda: len(probe.marks(what="began")) >= 4, "all slots busy")
        cluster.remove_node(nodes[1], allow_graceful=False)
        until(lambda: bench.executor.slots == 2, "the news that a node died")
        cluster.add_node(num_cpus=3)
        until(lambda: bench.executor.slots == 5, "the slots of the new node")
        lost = finish(bench, attempts, blocks)
        assert 1 <= lost <= 2, lost
        assert scores(bench) == [float(i) for i in range(16)]


def a_cluster_that_shrinks_to_nothing_and_grows_again(folder: Path) -> None:
    with a_cluster(1, 1) as (cluster, nodes), a_bench(cluster, folder) as (bench, _probe):
        until(lambda: bench.executor.slots == 2, "two slots")
        for node in nodes:
            cluster.remove_node(node, allow_graceful=False)
        until(lambda: bench.executor.slots == 0, "no slot")
        assert bench.executor.room == 0
        attempts, blocks = sleeping(bench, 3)
        time.sleep(2.0)
        assert bench.executor.pending == 3
        cluster.add_node(num_cpus=1)
        finish(bench, attempts, blocks)
        assert scores(bench) == [0.0, 1.0, 2.0]


def a_node_that_is_drained(folder: Path) -> None:
    with a_cluster(1, 1) as (cluster, nodes), a_bench(cluster, folder) as (bench, _probe):
        until(lambda: bench.executor.slots == 2, "two slots")
        attempts, blocks = sleeping(bench, 8)
        drain = [
            str(Path(sys.executable).with_name("ray")),
            "drain-node",
            "--address",
            cluster.address,
            "--node-id",
            nodes[0].node_id,
        ]
        why = ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "spot", "--deadline-remaining-seconds", "3"]
        subprocess.run([*drain, *why], check=True, capture_output=True)
        until(lambda: bench.executor.slots == 1, "the slot of the drained node is gone")
        assert finish(bench, attempts, blocks) <= 1
        assert scores(bench) == [float(i) for i in range(8)]


def labels_of_nodes_and_resources_of_their_own(folder: Path) -> None:
    old, new = {"num_cpus": 3, "labels": {"card": "H100"}, "resources": {"licence": 2}}, {"num_cpus": 2, "labels": {"card": "H200"}}
    with a_cluster(old, new, 2) as (cluster, nodes):
        ids = [node.node_id for node in nodes]

        def used(room: int, **asked: Any) -> list[str]:
            with a_bench(cluster, folder / str(len(list(folder.iterdir()))), Placement(**asked)) as (bench, _probe):
                until(lambda: bench.executor.slots == room, "all slots that there is room for")
                return sorted(actor.node for actor in bench.executor.actors)

        assert used(5, labels={"card": "in(H100, H200)"}) == sorted([ids[0]] * 3 + [ids[1]] * 2)
        assert used(2, labels={"card": "B200"}, fallback=({"card": "H200"},)) == [ids[1]] * 2
        assert used(2, resources={"licence": 1.0}) == [ids[0]] * 2
        with pytest.raises(EnvironmentFault, match="card=B200 for a slot, found"):
            used(0, labels={"card": "B200"})


def a_head_that_is_gone_is_said_before_ray_ends_the_driver(folder: Path) -> None:
    run = folder / "run"
    with a_cluster(1) as (cluster, _nodes):
        words = [f"problem={parabola(folder, sleep_s=0.3)}", "executor=ray", f"executor.address={cluster.address}", "sandbox=none"]
        driver = subprocess.Popen(
            [*EVOLVE, "run", *words, f"out={run}"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        until(lambda: (run / "journal").exists() and any(find_records(run, ("measured",))), "the first measurement")
        cluster.head_node.kill_gcs_server(check_alive=False)
        _, said = driver.communicate(timeout=LIMIT_S)
    assert driver.returncode == 3, said
    assert "has not answered for 25 s: its head is gone or cannot be reached; nothing is lost" in said
    assert said.rstrip().endswith(f"nothing is lost, and the run goes on with: evolve resume {run}"), said
    assert any(one.record.status == "failed" for one in find_records(run, ("closed",)) if isinstance(one.record, RunClosed))


def a_run_whose_nodes_all_leave_ends_at_its_limit_and_goes_on_elsewhere(folder: Path) -> None:
    problem, run = parabola(folder, sleep_s=0.3), folder / "run"
    with a_cluster(1) as (cluster, nodes):
        words = [f"problem={problem}", "executor=ray", f"executor.address={cluster.address}", "sandbox=none", "budget.wall_s=20"]
        driver = subprocess.Popen(
            [*EVOLVE, "run", *words, f"out={run}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        until(lambda: (run / "journal").exists() and any(find_records(run, ("measured",))), "the first measurement")
        cluster.remove_node(nodes[0], allow_graceful=False)
        said, _ = driver.communicate(timeout=LIMIT_S)
    assert driver.returncode in (0, 1), said
    assert "nobody is left to measure" in said
    assert "done: budget.wall_s is spent" in said
    n = len(list(find_records(run, ("measured",))))
    more = [str(run), "executor=local", "executor.slots=1", "budget.wall_s=null", f"budget.evaluations={n + 5}"]
    done = subprocess.run([*EVOLVE, "resume", *more], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    assert "done: budget.evaluations is spent" in done.stdout
    assert len(list(find_records(run, ("measured",)))) > n + 2  # what was given up is spent


SCENARIOS = {
    scenario.__name__: scenario
    for scenario in (
        a_node_that_dies_and_one_that_joins,
        a_cluster_that_shrinks_to_nothing_and_grows_again,
        a_node_that_is_drained,
        labels_of_nodes_and_resources_of_their_own,
        a_head_that_is_gone_is_said_before_ray_ends_the_driver,
        a_run_whose_nodes_all_leave_ends_at_its_limit_and_goes_on_elsewhere,
    )
}

if __name__ == "__main__":
    SCENARIOS[sys.argv[1]](Path(sys.argv[2]))
