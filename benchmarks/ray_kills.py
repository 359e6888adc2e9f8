"""Random kills on a Ray cluster of several nodes, under a real run: is anything lost, doubled or left behind?

    python benchmarks/ray_kills.py [--kills 200] [--nodes 3] [--seed 0] [--json]

A head and ``--nodes`` nodes of two slots each on this machine (``ray.cluster_utils``), ``evolve run executor=ray`` as a process,
and at random moments SIGKILL to an actor, to a node (another joins) or to the driver (``evolve resume`` at once).  After each kill
of a driver the journal is read as it lies there: every measurement in it must be in it at the end, unchanged.  Said are

- ``lost``: measurements that a journal held after a kill and does not hold at the end;
- ``doubled``: measurements of one entry of one ticket that count twice;
- ``left``: processes of killed actors, nodes and drivers (graders, sandboxes) that live 30 s later;
- how many measurements the run came to, and how many blocks were lost.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from _common import hardware

from archive import BlockClosed, BlockStatus, JournalMissing, Measured, find_records
from evolve.evaluate.isolation._process_tree import descendants
from evolve.execute.cluster._settings import environment
from evolve.testing import is_running

PROBLEM = """\
name: slow_parabola
metric: value
goal: maximize
noise: deterministic
stages:
  - {name: full, time_s: 30, memory_mib: 512}
"""
INITIAL = "X = 3.25\n\n\ndef answer():\n    return X\n"
EVALUATE = """\
import time

from evolve import JsonValue, Outcome, Trial


def evaluate(trial: Trial) -> Outcome:
    reply = trial.sandbox.call("main.py:answer", {}, {"x": JsonValue()})
    time.sleep(0.3)
    return reply.outcome() if not reply.ok else Outcome(score=-abs(float(reply.value["x"]) - 1.0))
"""
EVOLVE = [sys.executable, "-m", "evolve"]
GONE_S = 30.0
_KINDS = ("actor", "actor", "actor", "node", "driver")


@dataclass
class Tally:
    """What was seen."""

    kills: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    doubled: int = 0
    left: int = 0
    measurements: int = 0
    lost_blocks: int = 0
    wall_s: float = 0.0


class Siege:
    """A cluster, a run on it, and who is killed next."""

    def __init__(self, folder: Path, nodes: int, seed: int) -> None:
        from ray.cluster_utils import Cluster

        self.rng, self.run, self.folder, self.tally = random.Random(seed), folder / "run", folder, Tally()
        self.problem = folder / "problem"
        for path, text in {"problem.yaml": PROBLEM, "evaluate.py": EVALUATE, "initial/main.py": INITIAL}.items():
            (self.problem / path).parent.mkdir(parents=True, exist_ok=True)
            (self.problem / path).write_text(text)
        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        self.nodes = [self.cluster.add_node(num_cpus=2) for _ in range(nodes)]
        self.doomed: list[tuple[float, set[int]]] = []  # when they must be gone by, who
        self.held: list[dict[int, str]] = []  # what each journal held after its driver was killed
        self.driver = self._drive("run", f"problem={self.problem}", "executor=ray", f"executor.address={self.cluster.address}")

    def _drive(self, verb: str, *words: str) -> subprocess.Popen[bytes]:
        out = [f"out={self.run}", "budget.evaluations=1000000"] if verb == "run" else [str(self.run)]
        with (self.folder / "driver.txt").open("ab") as log:
            return subprocess.Popen([*EVOLVE, verb, *out, *words], stdout=log, stderr=log, start_new_session=True)

    def kill(self) -> None:
        """One kill of a random kind."""
        kind = self.rng.choice(_KINDS)
        actors = [pid for pid in descendants(os.getpid()) if _command(pid).startswith("ray::SlotHost")]
        if kind == "actor" and actors:
            victim = self.rng.choice(actors)
            doomed = set(descendants(victim))
            os.kill(victim, signal.SIGKILL)
        elif kind == "node":
            node = self.rng.choice(self.nodes)
            raylet = node.all_processes["raylet"][0].process.pid
            doomed = set(descendants(raylet))
            self.cluster.remove_node(node, allow_graceful=False)
            self.nodes.remove(node)
            self.nodes.append(self.cluster.add_node(num_cpus=2))
        elif kind == "driver" and self._journal():
            doomed = {self.driver.pid, *(pid for actor in actors for pid in descendants(actor))}
            self.driver.kill()
            self.driver.wait()
            self.held.append(self._journal())
            self.driver = self._drive("resume")
        else:
            return
        self.tally.kills[kind] += 1
        self.doomed.append((time.monotonic() + GONE_S, doomed))

    def look(self) -> None:
        """Count who should be gone by now and is not."""
        due = [one for one in self.doomed if one[0] <= time.monotonic()]
        self.doomed = [one for one in self.doomed if one[0] > time.monotonic()]
        self.tally.left += sum(is_running(pid) for _, pids in due for pid in pids)

    def end(self) -> Tally:
        """Stop the run and count."""
        self.driver.send_signal(signal.SIGINT)
        try:
            self.driver.wait(60)
        except subprocess.TimeoutExpired:
            self.driver.kill()
        while self.doomed:
            time.sleep(1.0)
            self.look()
        self.cluster.shutdown()
        last = self._journal()
        self.tally.lost = sum(last.get(seq) != text for held in self.held for seq, text in held.items())
        entries: Counter[tuple[int, int]] = Counter()
        for stamped in find_records(self.run, (Measured.kind, BlockClosed.kind)):
            match stamped.record:
                case Measured(attempt, _, index):
                    entries[attempt.ticket, index] += 1
                case BlockClosed(status=BlockStatus.LOST):
                    self.tally.lost_blocks += 1
        self.tally.measurements = len(entries)
        self.tally.doubled = sum(n - 1 for n in entries.values())
        return self.tally

    def _journal(self) -> dict[int, str]:
        """Every measurement in the journal as it lies there, by its place."""
        try:
            return {one.seq: repr(one) for one in find_records(self.run, (Measured.kind,))}
        except JournalMissing:
            return {}


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, environment({}, cleared=False):
        siege = Siege(Path(folder), asked.nodes, asked.seed)
        while siege.tally.kills.total() < asked.kills:
            time.sleep(siege.rng.uniform(0.5, 6.0))
            siege.kill()
            siege.look()
            if siege.driver.poll() is not None:
                raise SystemExit(f"the driver ended by itself:\n{(Path(folder) / 'driver.txt').read_text()[-3000:]}")
        tally = siege.end()
    tally.wall_s = round(time.monotonic() - began, 1)
    told: dict[str, Any] = {**asdict(tally), "kills": dict(tally.kills), **hardware()}
    print(json.dumps(told) if asked.json else "\n".join(f"{name:14} {value}" for name, value in told.items()))


if __name__ == "__main__":
    main()
