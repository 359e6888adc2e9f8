"""What the grader's protocol costs an honest candidate of about a second: the same function in a bare process and in the sandbox.

    python benchmarks/overhead.py [--rounds 7] [--json]

Bare: ``python -c`` that imports the program and calls it.  Sandboxed: one cold measurement by the local executor, from submitting
the block to its result: screen, namespaces, limits measured from outside, strict readers.  Rounds alternate; wall and CPU time are
medians.  The target, at most 10 % more, is for problems above one second whose scorer runs no candidate code; what is added does
not grow with the candidate.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _common import Spread, hardware

from archive import Attempt, BlockEntry, Status
from evolve.execute import Block, EntryReport, LocalExecutor
from evolve.problem._load import load_problem

CONTRACT = "name: second\nmetric: value\ngoal: maximize\ncandidate_imports: [numpy]\nstages:\n  - {name: full, time_s: 60}\n"
PROGRAM = """
import numpy as np


def work():
    matrix = np.linspace(-1.0, 1.0, 240 * 240).reshape(240, 240)
    product = matrix
    for _ in range(SIZE):
        product = np.einsum("ij,jk->ik", matrix, product)
        product /= np.abs(product).max()
    return product
"""
EVALUATE = """
from evolve import Array, Outcome


def evaluate(trial):
    reply = trial.sandbox.call("main.py:work", {}, {"product": Array("float64", (240, 240))})
    return Outcome(score=float(reply.value["product"].sum())) if reply.ok else reply.outcome()
"""


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def bare(program: Path) -> tuple[float, float]:
    """Wall and CPU seconds of the program in a process of its own."""
    start, before = time.perf_counter(), cpu_s()
    script = f"import sys; sys.path.insert(0, {str(program.parent)!r}); import main; main.work()"
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", script], check=True, env=env)
    return time.perf_counter() - start, cpu_s() - before


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--size", type=int, default=260)
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "initial").mkdir()
        program = place / "initial" / "main.py"
        program.write_text(PROGRAM.replace("SIZE", str(words.size)))
        (place / "problem.yaml").write_text(CONTRACT)
        (place / "evaluate.py").write_text(EVALUATE)
        problem = load_problem(place)
        reports: queue.SimpleQueue = queue.SimpleQueue()
        executor = LocalExecutor({problem.id: problem}, slots=1, tier="strict", sink=reports.put)
        rows: list[tuple[float, float, float, float]] = []
        try:
            for number in range(words.rounds + 1):
                wall, cpu = bare(program)
                start = time.perf_counter()
                block = Block(
                    Attempt("overhead", number), problem.id, (BlockEntry("c", "full", number),), {"c": dict(problem.initial_files)}
                )
                executor.submit(block)
                result = None
                while isinstance(report := reports.get(), EntryReport):
                    result = report.result
                assert result is not None
                assert result.status is Status.OK, result.reason
                rows.append((wall, cpu, time.perf_counter() - start, result.cpu_s + result.scorer_cpu_s))
        finally:
            executor.close(drain=False)
    rows = rows[1:]  # the first also started the grader
    found = {
        name: Spread.of([row[i] for row in rows])
        for i, name in enumerate(("bare_wall_s", "bare_cpu_s", "sandbox_wall_s", "sandbox_cpu_s"))
    }
    ratios = {
        "wall": Spread.of([row[2] / row[0] for row in rows]),
        "cpu": Spread.of([row[3] / row[1] for row in rows]),
    }
    if words.json:
        plain = {name: [one.median, one.low, one.high] for name, one in {**found, **ratios}.items()}
        print(json.dumps({"hardware": hardware(), **plain}))
        return 0
    for name, one in found.items():
        print(f"{name:<16}{one.median:8.3f}  ({one.low:.3f} to {one.high:.3f})")
    for name, one in ratios.items():
        print(f"{name + ' ratio':<16}{one.median:8.3f}  ({one.low:.3f} to {one.high:.3f})  target <= 1.10")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
