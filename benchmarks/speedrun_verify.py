"""What ``evolve speedrun verify`` costs on a folder of 20 logs of the size of published ones.

    python benchmarks/speedrun_verify.py [--rounds 7] [--json FILE]

Twenty logs of 1,390 steps, each with a source of 3,500 lines (about 230 kB), are made up.  CPU seconds (user and system), median
over rounds: of ``verify`` in a process that has it imported, and of the whole command in a fresh process.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from _common import Spread, hardware
from _speedrun_logs import SOURCE, Made, write_logs

from evolve.speedrun import verify

LOGS = 20
TARGET_S = 1.0


def folder_of(place: Path) -> Path:
    """The folder that is checked."""
    rng = random.Random(0)
    filler = "\n".join(
        f"    hidden_{i} = norm(hidden_{i - 1} + attention(hidden_{i - 1}, window={i})) # a line" for i in range(3500)
    )
    write_logs(
        place, [rng.gauss(3.2785, 0.0014) for _ in range(LOGS)], 79.7, rng, Made(total=1390, every=250, source=SOURCE + filler)
    )
    return place


def in_process(folder: Path) -> float:
    before = time.process_time()
    verify(folder)
    return time.process_time() - before


def command(folder: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "evolve", "speedrun", "verify", str(folder)], capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = folder_of(Path(place))
        rows = {
            "verify, imported": Spread.of([in_process(folder) for _ in range(words.rounds)]),
            "evolve speedrun verify": Spread.of([command(folder) for _ in range(words.rounds)]),
        }
    print(f"{f'CPU s, {LOGS} logs':<26}{'median':>9}{'low':>9}{'high':>9}{'target':>9}")
    for what, row in rows.items():
        print(f"{what:<26}{row.median:>9.2f}{row.low:>9.2f}{row.high:>9.2f}{TARGET_S:>9.1f}")
    if words.json:
        kept = {"machine": hardware(), "rows": {what: asdict(row) for what, row in rows.items()}}
        words.json.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
