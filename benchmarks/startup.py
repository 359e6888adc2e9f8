"""What it costs to begin: CPU of ``import evolve``, ``evolve best``, and ``evolve run`` up to its first ticket.

    python benchmarks/startup.py [--rounds 9] [--json FILE]

CPU seconds (user and system, with children that were waited for), median over rounds that interleave all rows, each in a fresh
process.  Beside them stand a bare interpreter and ``import numpy``, which nothing here can undercut.  ``evolve best`` reads a
run of 60 measurements that is made first; ``evolve run`` measures the time until the record of its first measure ticket is written,
as the process itself counts it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

FIRST_TICKET = """
import sys, time
from archive import MeasureIssued
from evolve.cli import main
from evolve.cli.show import _live
class Enough(Exception): pass
class Until(_live.LiveView):
    def record(self, state, stamped):
        super().record(state, stamped)
        if isinstance(stamped.record, MeasureIssued):
            raise Enough(time.process_time())
_live.open_view = Until
try:
    main(["run", f"out={sys.argv[1]}", "budget.evaluations=100"])
except Enough as enough:
    print(enough.args[0])
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, in CPU milliseconds; ``limit_ms`` is the target where there is one."""

    what: str
    median_ms: float
    low_ms: float
    high_ms: float
    limit_ms: float | None


def child_cpu_s(*command: str) -> float:
    """CPU of a process, from outside."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def first_ticket_cpu_s(folder: Path, number: list[int]) -> float:
    """CPU of ``evolve run`` when its first ticket was written."""
    number[0] += 1
    command = [sys.executable, "-c", FIRST_TICKET, str(folder / f"run{number[0]}")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def measure(rounds: int) -> list[Row]:
    """All rows, interleaved."""
    python = sys.executable
    with tempfile.TemporaryDirectory() as name:
        folder, number = Path(name), [0]
        small = str(folder / "small")
        subprocess.run([python, "-m", "evolve", "run", f"out={small}", "budget.evaluations=60"], check=True, capture_output=True)
        rows: dict[str, tuple[float | None, Callable[[], float]]] = {
            "python -c pass": (None, lambda: child_cpu_s(python, "-c", "pass")),
            "import numpy": (None, lambda: child_cpu_s(python, "-c", "import numpy")),
            "import evolve": (100, lambda: child_cpu_s(python, "-c", "import evolve")),
            "from evolve import Trial, Outcome": (None, lambda: child_cpu_s(python, "-c", "from evolve import Trial, Outcome")),
            "evolve --help": (None, lambda: child_cpu_s(python, "-m", "evolve", "--help")),
            "evolve best RUN": (300, lambda: child_cpu_s(python, "-m", "evolve", "best", small)),
            "evolve run, to its first ticket": (700, lambda: first_ticket_cpu_s(folder, number)),
        }
        found: dict[str, list[float]] = {what: [] for what in rows}
        for _ in range(rounds):
            for what, (_, call) in rows.items():
                found[what].append(1e3 * call())
    return [
        Row(what, round(statistics.median(found[what]), 1), round(min(found[what]), 1), round(max(found[what]), 1), limit)
        for what, (limit, _) in rows.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path)
    words = parser.parse_args()
    rows = measure(words.rounds)
    print(f"{'CPU ms':<36}{'median':>9}{'low':>9}{'high':>9}{'target':>9}")
    for row in rows:
        target = f"{row.limit_ms:.0f}" if row.limit_ms is not None else "-"
        print(f"{row.what:<36}{row.median_ms:>9.1f}{row.low_ms:>9.1f}{row.high_ms:>9.1f}{target:>9}")
    if words.json:
        machine = {"python": platform.python_version(), "machine": platform.machine(), "cpus": os.cpu_count()}
        words.json.write_text(json.dumps({"machine": machine, "rows": [asdict(row) for row in rows]}, indent=2) + "\n")


if __name__ == "__main__":
    main()
