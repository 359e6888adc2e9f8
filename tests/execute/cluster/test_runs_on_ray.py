"""Whole runs: the same search on Ray as here, a candidate that looks for Ray, a driver that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from parabolas import parabola

import evolve
from archive import Measured, Proposed, RunOpened, Status, find_records
from evolve.engine import _session
from evolve.engine.api._arguments import run_config
from evolve.evaluate.isolation._process_tree import descendants
from evolve.execute.cluster import ClusterExecutor
from evolve.execute.cluster._connection import Connection
from evolve.testing import is_running


@pytest.mark.parametrize(("policy", "noisy"), [("one_plus_one", False), ("one_plus_one", True), ("best_of_n", False)])
def test_the_search_is_the_same_as_on_this_machine(policy: str, noisy: bool, ray_here: Connection, tmp_path: Path) -> None:
    problem, lives = parabola(tmp_path, noisy=noisy), []
    for executor in ("local", "ray"):
        out = tmp_path / executor
        budget = evolve.Budget(evaluations=25)
        config, _ = run_config(
            problem,
            out=out,
            seed=4,
            budget=budget,
            operators=["ast_edit"],
            policy=policy,
            slots=1,
            executor=executor,
            sandbox="none",
        )
        _session.start(config, secret="5eed" * 8)
        records = [stamped.record for stamped in find_records(out, (Proposed.kind, Measured.kind))]
        lives.append(
            [
                (one.candidate.id if one.candidate else one.status)
                if isinstance(one, Proposed)
                else (one.result.candidate, one.result.seed, one.result.score)
                for one in records
            ]
        )
    if policy != "one_plus_one":  # whose children are made while others are measured: in which order is the clock's
        lives = [sorted(map(str, one)) for one in lives]
    assert lives[0] == lives[1]
    assert len(lives[0]) > 25


def test_a_run_says_how_many_slots_the_cluster_gave(ray_here: Connection, tmp_path: Path) -> None:
    run = evolve.create_run(
        parabola(tmp_path),
        out=tmp_path / "run",
        budget=evolve.Budget(evaluations=6),
        executor=evolve.RayExecutor(slots=2),
        sandbox="none",
    )
    run.optimize()
    (opened,) = [one.record for one in find_records(tmp_path / "run", (RunOpened.kind,))]
    assert isinstance(opened, RunOpened)
    assert (opened.slots, opened.executor, opened.nodes) == (2, "ray", 1)
    assert opened.address == ray_here.ray.get_runtime_context().gcs_address  # whoever has started it, it is joined here


def test_a_run_that_was_made_for_a_cluster_goes_on_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = evolve.create_run(
        parabola(tmp_path), out=tmp_path / "run", budget=evolve.Budget(evaluations=4), executor="ray", slots=1, sandbox="none"
    )
    monkeypatch.setattr(ClusterExecutor, "__init__", None)  # nobody makes one
    assert run.optimize(executor="local").status == "done"
    with pytest.raises(evolve.EvolveError, match="nowhere"):
        run.optimize(executor="nowhere")


LOOKS = """
import os, socket

def point():
    found = []
    for name in os.environ:
        if name.startswith("RAY_"):
            found.append(name)
    for pid in os.listdir("/proc"):
        try:
            if b"ray" in open(f"/proc/{pid}/cmdline", "rb").read().lower():
                found.append("process " + pid)
        except OSError:
            pass
    for path in ("/tmp/ray", os.path.expanduser("~/.ray"), TOKEN):
        if os.path.exists(path):
            found.append(path)
    for host in ("127.0.0.1", ADDRESS):
        try:
            socket.create_connection((host, PORT), timeout=2).close()
            found.append("a port of Ray's")
        except OSError:
            pass
    return [0.0, 0.0, *found]
"""


def test_a_candidate_finds_nothing_of_ray(ray_here: Connection, tmp_path: Path) -> None:
    ray = ray_here.ray
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    token = ray.get(ray.remote(lambda: os.environ["RAY_AUTH_TOKEN_PATH"]).remote())
    told = {"TOKEN": repr(token), "ADDRESS": repr(host), "PORT": port}
    looks = LOOKS
    for name, value in told.items():
        looks = looks.replace(name, value)
    run = evolve.create_run(
        parabola(tmp_path, initial=looks), out=tmp_path / "run", budget=evolve.Budget(evaluations=1), executor="ray", slots=1
    )
    run.optimize()
    (measured, *_) = [one.record for one in find_records(tmp_path / "run", (Measured.kind,))]
    assert isinstance(measured, Measured)
    assert measured.result.status is Status.OK, measured.result.reason
    assert measured.result.tier == "strict"
    assert measured.result.feedback == ""


@pytest.mark.slow
def test_a_driver_that_is_killed_leaves_nobody_behind_and_its_run_goes_on(tmp_path: Path) -> None:
    problem, out = parabola(tmp_path, sleep_s=0.5), tmp_path / "run"
    words = [f"problem={problem}", "executor=ray", "executor.slots=2", "budget.evaluations=30", f"out={out}"]
    driver = subprocess.Popen([sys.executable, "-m", "evolve", "run", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while not _measured(out) and time.monotonic() < end:
        time.sleep(0.2)
    assert _measured(out)
    below = [
        pid for pid in descendants(driver.pid) if pid != driver.pid and _is_ours(pid)
    ]  # agents of Ray itself live a minute longer
    assert len(below) >= 4  # two actors and a grader each
    held = _measured(out)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    end = time.monotonic() + 30
    while (living := [pid for pid in below if is_running(pid)]) and time.monotonic() < end:
        time.sleep(0.2)
    assert living == []
    done = subprocess.run([sys.executable, "-m", "evolve", "resume", str(out)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert _measured(out)[: len(held)] == held
    entries = [(one.attempt.ticket, one.index) for one in _measured(out)]
    assert len(entries) == len(set(entries))
    assert len(entries) >= 30


def _measured(out: Path) -> list[Measured]:
    if not (out / "journal").exists():
        return []
    return [one.record for one in find_records(out, (Measured.kind,)) if isinstance(one.record, Measured)]


def _is_ours(pid: int) -> bool:
    """Whether a process is an actor's, a grader's or a sandbox's."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"SlotHost" in line or b"evolve" in line
