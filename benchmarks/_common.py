"""What benchmarks share: where they ran, the spread of a sample, programs of a given size."""

from __future__ import annotations

import os
import platform
import random
import statistics
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

_FUNCTION = """

def step_{i}(state, rate={rate:.4f}, momentum={momentum:.3f}):
    # advance the state once
    total = 0.0
    for index, value in enumerate(state[1:]):
        if value > {bar:.2f} * rate:
            total += max(value, {floor:.3f}) * momentum - index / 3.0
        else:
            total -= math.sin(value * {turn:.3f})
    return total / (len(state) + 1e-3)
"""


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, smallest and largest of repeated measurements."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


def program(size: int) -> str:
    """A program of about ``size`` bytes: functions with loops, branches, calls, comments and numbers."""
    rng = random.Random(size)
    text, i = "import math\n", 0
    while len(text) < size:
        text += _FUNCTION.format(
            i=i, rate=rng.random(), momentum=rng.random(), bar=rng.uniform(0, 9), floor=rng.random(), turn=rng.random()
        )
        i += 1
    return text


def hardware() -> dict[str, str | int | float]:
    """The machine and the versions that a number belongs to."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "commit": _commit(),
        "load": round(os.getloadavg()[0], 1),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())


def _commit() -> str:
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or "unknown"
