"""How long a run on a Ray of its own takes to its first measurement, beside Ray's own start.

    python benchmarks/ray_start.py [--rounds 5] [--json]

In turn, each in a process of its own: a script that starts a Ray with our settings and has one actor answer, ``evolve run
executor=ray`` until its first measurement is in the journal, and ``evolve run`` on the local executor until the same.  Said are
seconds from the start of the process; medians, lowest and highest.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _common import hardware

from archive import JournalMissing, find_records

LIMIT_S = 120.0
RAY = """
from evolve.execute.cluster._connection import Connection

class Answers:
    def answer(self):
        return 1

with Connection(cpus=1) as connection:
    ray = connection.ray
    actor = ray.remote(num_cpus=1)(Answers).remote()
    ray.get(actor.answer.remote())
    print("answered", flush=True)
"""


def of_ray() -> float:
    """Until an actor of a new Ray has answered."""
    began = time.monotonic()
    with subprocess.Popen([sys.executable, "-c", RAY], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        if "answered" not in (process.stdout.readline() or ""):
            raise SystemExit("Ray did not start")
        return time.monotonic() - began


def of_run(executor: str) -> float:
    """Until the first measurement is in the journal."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        words = ["problem=circle_packing", f"executor={executor}", "executor.slots=1", "budget.evaluations=2", f"out={run}"]
        began = time.monotonic()
        with subprocess.Popen(
            [sys.executable, "-m", "evolve", "run", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            while not _measured(run):
                if time.monotonic() - began > LIMIT_S or process.poll() not in (None, 0):
                    raise SystemExit(f"no measurement came ({executor})")
                time.sleep(0.01)
            return time.monotonic() - began


def _measured(run: Path) -> bool:
    try:
        return next(iter(find_records(run, ("measured",))), None) is not None
    except (JournalMissing, FileNotFoundError):
        return False


ARMS = {"ray alone": of_ray, "evolve on ray": lambda: of_run("ray"), "evolve local": lambda: of_run("local")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    seconds: dict[str, list[float]] = {arm: [] for arm in ARMS}
    for _ in range(asked.rounds):
        for arm, measure in ARMS.items():
            seconds[arm].append(measure())
    rows = [
        {"arm": arm, "median_s": statistics.median(found), "low_s": min(found), "high_s": max(found)}
        for arm, found in seconds.items()
    ]
    if asked.json:
        print(json.dumps({"rows": rows, **hardware()}))
        return
    for row in rows:
        print(f"{row['arm']:>14}  median {row['median_s']:.2f} s, {row['low_s']:.2f} to {row['high_s']:.2f}")


if __name__ == "__main__":
    main()
