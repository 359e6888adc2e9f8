"""What the local executor costs a block, beside the least that two processes can do.

    python benchmarks/executor.py [--blocks 2000] [--rounds 5] [--json]

A null evaluator (tier none, no sandbox call) is measured in blocks of one entry and of sixteen, with one slot and with two.  The
peer in the same rounds is a bare echo: the bytes of a one-entry request and of its reply over a socketpair to a Python process, no
executor in between.  Rounds are interleaved; figures are medians with the range.  CPU is of all processes, measured by the kernel:
driver, and graders when they have ended.

The second table is the time from ``cancel`` to the block's report with nobody left: a grader whose candidate loops in the sandbox,
and one whose evaluator has a daemon in a session of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import queue
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from archive import Attempt, BlockEntry, Measurement, Status
from evolve._errors import SandboxMissing
from evolve.evaluate import VisibleFiles, open_sandbox_factory
from evolve.evaluate.grader._wire import Measure, MeasureDone, encode
from evolve.execute import Block, BlockReport, LocalExecutor
from evolve.problem._files import scan
from evolve.problem.contract._contract import Contract, Problem, Stage
from evolve.testing import Probe, action, open_executor_bench

FILES = {"main.py": "x = 1\n" * 170}  # 1 kB
EVALUATE = "from evolve import Outcome\nOUTCOME = Outcome(score=1.0)\ndef evaluate(trial):\n    return OUTCOME\n"
ECHO = """
import socket, struct, sys
s = socket.socket(fileno=int(sys.argv[1]))
reply = b"x" * int(sys.argv[2])
while True:
    head = s.recv(4, socket.MSG_WAITALL)
    if not head:
        break
    s.recv(struct.unpack(">I", head)[0], socket.MSG_WAITALL)
    s.sendall(reply)
"""


@dataclass(frozen=True, slots=True)
class Round:
    """Per unit (an entry, or an echo): milliseconds of CPU of the driver, of the others; units a second."""

    driver_ms: float
    grader_ms: float
    per_s: float


@dataclass(frozen=True, slots=True)
class Row:
    """Medians over rounds, and the range of the rate."""

    case: str
    driver_ms: float
    grader_ms: float
    per_s: float
    per_s_min: float
    per_s_max: float


@dataclass(frozen=True, slots=True)
class Kill:
    """Milliseconds from cancel to the report."""

    tier: str
    what: str
    median_ms: float
    min_ms: float
    max_ms: float


def _cpu(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def _problem(folder: Path) -> Problem:
    (folder / "evaluate.py").write_text(EVALUATE)
    contract = Contract(name="null", metric="m", goal="maximize", editable=("main.py",), stages=(Stage(name="full"),))
    return Problem(
        folder=folder,
        assets=None,
        contract=contract,
        params={},
        initial_files=FILES,
        statement="",
        id="null@1",
        evaluator="null",
        pieces=scan(folder),
    )


def executor_round(problem: Problem, slots: int, entries: int, n: int) -> Round:
    """``n`` entries in blocks of ``entries``; the graders' start is in neither time nor CPU (a run without blocks is taken off)."""
    idle = _executor_cpu(problem, slots, entries, slots)
    full = _executor_cpu(problem, slots, entries, n // entries)
    done = n - slots * entries
    return Round((full[0] - idle[0]) / done * 1e3, (full[1] - idle[1]) / done * 1e3, n / full[2])


def _executor_cpu(problem: Problem, slots: int, entries: int, blocks: int) -> tuple[float, float, float]:
    """CPU of the driver and of the graders, and wall time from the first submit after warming up to the last report."""
    reports: queue.Queue[object] = queue.Queue()
    own, others = _cpu(resource.RUSAGE_SELF), _cpu(resource.RUSAGE_CHILDREN)
    executor = LocalExecutor({problem.id: problem}, slots=slots, tier="none", sink=reports.put)
    tickets = iter(range(1, 1 << 30))

    def run(count: int) -> float:
        began = time.perf_counter()
        for _ in range(count):
            work = tuple(BlockEntry("c", "full", seed) for seed in range(entries))
            executor.submit(Block(Attempt("e", next(tickets)), problem.id, work, {"c": FILES}))
        left = count
        while left:
            left -= isinstance(reports.get(), BlockReport)
        return time.perf_counter() - began

    run(4 * slots)
    took = run(blocks)
    executor.close(drain=True)
    return _cpu(resource.RUSAGE_SELF) - own, _cpu(resource.RUSAGE_CHILDREN) - others, took


def echo_round(n: int) -> Round:
    """The same bytes, one request in flight, no executor."""
    entry = BlockEntry("c", "full", 1)
    request = encode(Measure(entry=entry, files=FILES))
    reply = len(encode(MeasureDone(result=Measurement("c", "full", 1, Status.OK, 1.0, tier="none", machine="m"))))
    ours, theirs = socket.socketpair()
    others = _cpu(resource.RUSAGE_CHILDREN)
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", ECHO, str(theirs.fileno()), str(reply)], pass_fds=(theirs.fileno(),)
    )
    theirs.close()
    with ours:
        own, began = _cpu(resource.RUSAGE_SELF), time.perf_counter()
        for _ in range(n):
            ours.sendall(request)
            ours.recv(reply, socket.MSG_WAITALL)
        took, own = time.perf_counter() - began, _cpu(resource.RUSAGE_SELF) - own
    child.wait()
    return Round(own / n * 1e3, (_cpu(resource.RUSAGE_CHILDREN) - others) / n * 1e3, n / took)


def kill_ms(tier: str, what: str) -> float:
    """From cancelling a block that runs the probe's ``what`` to its report, when everything of it is dead."""
    with tempfile.TemporaryDirectory() as folder:
        probe = Probe(Path(folder), time_s=600)
        with open_executor_bench(partial(LocalExecutor, tier=tier), probe) as bench:
            attempt = bench.submit(action(what))
            grader = probe.wait_for(what).pid
            if what == "family":
                probe.wait_for_child(grader)
            time.sleep(0.3)  # the sandbox starts after the mark
            began = time.perf_counter()
            bench.executor.cancel(attempt)
            bench.wait(attempt)
            return (time.perf_counter() - began) * 1e3


def tiers() -> list[str]:
    try:
        open_sandbox_factory("strict", VisibleFiles()).close()
    except SandboxMissing:
        return ["none"]
    return ["none", "strict"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=2000, help="entries a case and round (default 2000)")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the tables")
    options = parser.parse_args()
    machine = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "load_1min": os.getloadavg()[0],
    }
    rows, kills = measure_rates(options.blocks, options.rounds), measure_kills(options.rounds)
    if options.json:
        tables = {"rows": [asdict(row) for row in rows], "kills": [asdict(kill) for kill in kills]}
        print(json.dumps({"schema": 1, "benchmark": "executor", "entries": options.blocks, "machine": machine, **tables}))
    else:
        print(", ".join(f"{name} {value}" for name, value in machine.items()))
        _print_tables(rows, kills)


def measure_rates(n: int, n_rounds: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        problem = _problem(Path(folder))
        cases: dict[str, Callable[[], Round]] = {
            "echo, one in flight": lambda: echo_round(n),
            "1 slot, blocks of 1": lambda: executor_round(problem, 1, 1, n),
            "2 slots, blocks of 1": lambda: executor_round(problem, 2, 1, n),
            "2 slots, blocks of 16": lambda: executor_round(problem, 2, 16, n),
        }
        rounds: dict[str, list[Round]] = {case: [] for case in cases}
        for _ in range(n_rounds):
            for case, run in cases.items():
                rounds[case].append(run())
    return [_row(case, found) for case, found in rounds.items()]


def measure_kills(n_rounds: int) -> list[Kill]:
    times: dict[tuple[str, str], list[float]] = {(tier, what): [] for tier in tiers() for what in ("loop", "family")}
    for _ in range(n_rounds):
        for tier, what in times:
            times[tier, what].append(kill_ms(tier, what))
    return [Kill(tier, what, statistics.median(found), min(found), max(found)) for (tier, what), found in times.items()]


def _print_tables(rows: list[Row], kills: list[Kill]) -> None:
    print(f"{'case':<24}{'driver ms':>11}{'grader ms':>11}{'per s':>9}{'min':>8}{'max':>8}{'of echo':>9}")
    for row in rows:
        share = row.per_s / rows[0].per_s
        rates = f"{row.per_s:>9.0f}{row.per_s_min:>8.0f}{row.per_s_max:>8.0f}{share:>9.3f}"
        print(f"{row.case:<24}{row.driver_ms:>11.3f}{row.grader_ms:>11.3f}{rates}")
    print(f"\n{'kill':<24}{'median ms':>11}{'min':>11}{'max':>9}")
    for kill in kills:
        print(f"{kill.tier + ', ' + kill.what:<24}{kill.median_ms:>11.1f}{kill.min_ms:>11.1f}{kill.max_ms:>9.1f}")


def _row(case: str, found: list[Round]) -> Row:
    rates = [one.per_s for one in found]
    return Row(
        case,
        statistics.median(one.driver_ms for one in found),
        statistics.median(one.grader_ms for one in found),
        statistics.median(rates),
        min(rates),
        max(rates),
    )


if __name__ == "__main__":
    main()
