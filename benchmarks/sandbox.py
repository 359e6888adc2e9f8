"""Candidates a second through the strict sandbox: cold, spare and warm, with as many slots as asked for.

    python benchmarks/sandbox.py [--slots 2] [--rounds 3] [--json]
    python benchmarks/sandbox.py --against CHECKOUT [--rounds 3]    # CPU, one slot, in turns with the code in another folder

A process a slot, as in a run.  The cases take turns within each round, so that a disturbed minute hits all of them; reported are
the median over rounds and the spread.  ``bare`` is the same interpreter started without any sandbox: what the walls are compared
with.  CPU is what the control group spent for one evaluation, the slot's spawner with it, without the grader's own; of a spare
(whose successor begins its imports meanwhile), and where there is no group, what the candidate is charged for.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import evolve
from archive import StartMode
from evolve.evaluate import Array, JsonValue, SandboxFactory, VisibleFiles, open_sandbox_factory
from evolve.problem.contract._contract import Stage

HERE = Path(__file__).resolve().parents[1]
NULL = "def f():\n    return 1\n"
NUMPY = "import numpy\n" + NULL
SCIPY = "import numpy\nfrom scipy.optimize import linprog\n" + NULL
PACKING = """
import numpy as np
from scipy.optimize import linprog

def f(centers):
    n = len(centers)
    i, j = np.triu_indices(n, 1)
    rows = np.zeros((len(i), n))
    rows[np.arange(len(i)), i] = rows[np.arange(len(i)), j] = 1.0
    gaps = np.linalg.norm(centers[i] - centers[j], axis=1)
    walls = np.minimum(centers, 1.0 - centers).min(axis=1)
    found = linprog(-np.ones(n), A_ub=rows, b_ub=gaps, bounds=[(0.0, wall) for wall in walls], method="highs")
    return np.column_stack([centers, found.x])
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of evaluation; ``target`` is candidates a second with two slots on two idle cores, 0 for none."""

    name: str
    source: str
    imports: tuple[str, ...]
    start: StartMode
    n: int
    target: float = 0.0


CASES = (
    Case("bare python", "", (), StartMode.COLD, 60),
    Case("bare python + numpy", "import numpy", ("numpy",), StartMode.COLD, 20),
    Case("cold", NULL, (), StartMode.COLD, 100, 100.0),
    Case("cold, numpy", NUMPY, ("numpy",), StartMode.COLD, 30, 25.0),
    Case("spare, numpy + scipy", SCIPY, ("numpy", "scipy"), StartMode.SPARE, 8),
    Case("warm, numpy", NUMPY, ("numpy",), StartMode.WARM, 300, 400.0),
    Case("warm, numpy + scipy", SCIPY, ("numpy", "scipy"), StartMode.WARM, 200, 220.0),
    Case("warm, packing", PACKING, ("numpy", "scipy"), StartMode.WARM, 100, 110.0),
)


@dataclass(frozen=True, slots=True)
class Result:
    """Medians over rounds; ``low`` and ``high`` are the spread of the rate."""

    name: str
    per_s: float
    low: float
    high: float
    call_ms: float
    cpu_ms: float
    target: float


def worker(case: Case) -> None:
    """One slot: gets ready, says so, waits for the word, evaluates ``case.n`` times, reports."""
    if case.name.startswith("bare"):
        argv = [sys.executable, "-c", case.source] if case.source else [sys.executable, "-I", "-S", "-c", "pass"]
        report(case, lambda: (subprocess.run(argv, check=True), 0.0)[1])
        return
    with open_sandbox_factory("strict", VisibleFiles(imports=case.imports), slot=os.getpid()) as factory:
        report(case, lambda: evaluate(factory, case))


def report(case: Case, once: Callable[[], float]) -> None:
    once()
    print("ready", flush=True)
    sys.stdin.readline()
    calls, cpu = [], []
    began = time.perf_counter()
    for _ in range(case.n):
        at = time.perf_counter()
        cpu.append(once())
        calls.append(time.perf_counter() - at)
    wall = time.perf_counter() - began
    found = {"wall": wall, "call": statistics.median(calls), "cpu": statistics.median(cpu), "code": evolve.__file__}
    print(json.dumps(found), flush=True)


def evaluate(factory: SandboxFactory, case: Case) -> float:
    """One evaluation, checked; its CPU seconds."""
    import numpy as np

    packing = case.source is PACKING
    side = np.linspace(0.1, 0.9, 6)
    centers = np.array([(x, y) for x in side for y in side])[:26]
    returns = {"value": Array("float64", (26, 3)) if packing else JsonValue()}
    group = factory.spawner.cgroup if case.start is not StartMode.SPARE else None
    before = group.cpu_s() if group else 0.0
    with factory.sandbox({"main.py": case.source}, Stage(name="bench"), start=case.start) as sandbox:
        reply = sandbox.call("main.py:f", {"centers": centers} if packing else {}, returns)
    if not reply.ok:
        raise SystemExit(f"{case.name}: {reply.reason} {reply.log}")
    if packing:
        table = reply.value["value"]
        assert isinstance(table, np.ndarray)
        overlap = np.linalg.norm(table[:, None, :2] - table[None, :, :2], axis=-1) - table[:, None, 2] - table[None, :, 2]
        assert overlap[np.triu_indices(26, 1)].min() > -1e-9
    return group.cpu_s() - before if group else reply.usage.cpu_s


def round_of(case: Case, slots: int, checkout: Path = HERE) -> tuple[float, float, float]:
    """(candidates a second over all slots, median seconds of one call, median CPU seconds), with the code in ``checkout``."""
    argv = [sys.executable, "-P", __file__, "--worker", case.name]
    env = {**os.environ, "PYTHONPATH": str(checkout)}
    workers = [subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) for _ in range(slots)]
    for process in workers:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise SystemExit(f"{case.name} did not get ready")
    for process in workers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [json.loads(process.communicate()[0]) for process in workers]
    if any(Path(one["code"]).parents[1] != checkout for one in told):
        raise SystemExit(f"the code that ran is {told[0]['code']}, not below {checkout}")
    rate = sum(case.n / one["wall"] for one in told)
    return rate, statistics.median(one["call"] for one in told), statistics.median(one["cpu"] for one in told)


def measure(slots: int, rounds: int) -> list[Result]:
    """All cases in turns."""
    found: dict[str, list[tuple[float, float, float]]] = {case.name: [] for case in CASES}
    for _ in range(rounds):
        for case in CASES:
            found[case.name].append(round_of(case, slots))
    results = []
    for case in CASES:
        rates, calls, cpus = (list(column) for column in zip(*found[case.name], strict=True))
        middle = statistics.median
        results.append(
            Result(case.name, middle(rates), min(rates), max(rates), 1e3 * middle(calls), 1e3 * middle(cpus), case.target)
        )
    return results


def compare(checkout: Path, rounds: int) -> None:
    """CPU of an evaluation with this code and with another's, in turns; the ratio of each turn, its median and quartiles."""
    cases = [case for case in CASES if not case.name.startswith("bare")]
    found: dict[str, list[tuple[float, float]]] = {case.name: [] for case in cases}
    for number in range(rounds):
        for case in cases:
            pair = [round_of(case, 1, folder)[2] for folder in ((checkout, HERE) if number % 2 else (HERE, checkout))]
            found[case.name].append((pair[0], pair[1]) if number % 2 else (pair[1], pair[0]))
    print(f"{rounds} rounds, {os.cpu_count()} cores, load now {os.getloadavg()[0]:.1f}")
    print(f"{'case':24} {'before, ms':>20} {'now, ms':>20} {'now / before':>20}")
    for case in cases:
        before, now = ([1e3 * pair[side] for pair in found[case.name]] for side in (0, 1))
        columns = [before, now, [after / first for first, after in zip(before, now, strict=True)]]
        print(f"{case.name:24} " + " ".join(f"{spread(column):>20}" for column in columns))


def spread(values: list[float]) -> str:
    """Median and quartiles."""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT")
    parser.add_argument("--worker", metavar="CASE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(next(case for case in CASES if case.name == options.worker))
        return
    if options.against:
        compare(options.against.resolve(), options.rounds)
        return
    load = os.getloadavg()[0]
    results = measure(options.slots, options.rounds)
    if options.json:
        print(
            json.dumps(
                {"slots": options.slots, "rounds": options.rounds, "load": load, "results": [asdict(one) for one in results]}
            )
        )
        return
    bare = {one.name: one.per_s for one in results}
    print(f"{options.slots} slots, {options.rounds} rounds, {os.cpu_count()} cores, load before {load:.1f}")
    print(f"{'case':24} {'per s':>8} {'spread':>16} {'call ms':>8} {'CPU ms':>8} {'target':>7} {'x bare':>7}")
    for one in results:
        against = bare["bare python + numpy" if "numpy" in one.name or "packing" in one.name else "bare python"]
        target = f"{one.target:.0f}" if one.target else ""
        spread = f"{one.low:.1f}..{one.high:.1f}"
        ratio = one.per_s / against
        print(f"{one.name:24} {one.per_s:8.1f} {spread:>16} {one.call_ms:8.1f} {one.cpu_ms:8.1f} {target:>7} {ratio:7.2f}")


if __name__ == "__main__":
    main()
