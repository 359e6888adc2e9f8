"""How long it takes to read a run's journal again: verify, decode, and load into DuckDB.

    python benchmarks/reopen.py [--candidates 100000] [--repeats 3] [--json]

The journal has five records a candidate (propose, proposed, measure, measured, closed), with texts as small as those of a 1 kB
program that changes a little.  Beside it: reading the same bytes and doing nothing.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from archive import (
    Arm,
    Attempt,
    BlockClosed,
    BlockEntry,
    BlockStatus,
    Candidate,
    Journal,
    Measured,
    MeasureIssued,
    Measurement,
    PackedText,
    ProblemInfo,
    ProposalStatus,
    Proposed,
    ProposeIssued,
    Purpose,
    RunCreated,
    RunOpened,
    Status,
    TextStore,
    open_query,
    read_journal,
)
from archive.journal._segments import Cursor

PROBLEM = "circle_packing@1a2b3c4d5e6f"
INFO = ProblemInfo(PROBLEM, "circle_packing", "9f8e7d6c5b4a3f2e", "sum of radii", True, "", True, "none", ("full",))
EPOCH = "0011223344556677"
ASKED = "SELECT operator, count(*), max(gain) FROM candidates GROUP BY 1"


def write(folder: Path, n: int) -> None:
    rng = random.Random(1)
    blob = base64.b64encode(rng.randbytes(4_000)).decode()
    names: list[str] = []
    with Journal.create(folder) as journal:
        journal.append(RunCreated("bench", 1, "{}", (INFO,)), at=0.0)
        journal.append(RunOpened(EPOCH), at=0.0)
        for number in range(n):
            at = 1.7e9 + number * 0.01
            name = f"{rng.getrandbits(80):020x}"
            parents: tuple[str, ...] = (names[rng.randrange(max(number - 1000, 0), number)],) if names else ()
            made, measured = Attempt(EPOCH, 2 * number), Attempt(EPOCH, 2 * number + 1)
            start = rng.randrange(2_000)
            text = PackedText(
                blob[start : start + (140 if number % 16 else 700)], "" if number % 16 == 0 else parents[0], number % 16, 1_100
            )
            child = Candidate(
                name, name, text, parents, number % 99, descriptors={"loops": 3.0, "calls": 14.0}, summary="moved 3 literals"
            )
            seeds = [rng.getrandbits(63) for _ in range(1 if names else 5)]
            journal.append(ProposeIssued(made, PROBLEM, Arm(rng.choice(("tune", "edit"))), parents, baseline=1.5), at=at)
            journal.append(Proposed(made, PROBLEM, ProposalStatus.CHILD, child, cpu_s=0.0012), at=at)
            purpose = Purpose.SEARCH if names else Purpose.INITIAL
            journal.append(
                MeasureIssued(measured, PROBLEM, purpose, tuple(BlockEntry(name, "full", seed) for seed in seeds)), at=at
            )
            for index, seed in enumerate(seeds):
                ok = index < 4 or rng.random() < 0.9
                status, score = (Status.OK, rng.gauss(2.0, 0.3)) if ok else (Status.TIMEOUT, None)
                result = Measurement(
                    name, "full", seed, status, score, output_hash=f"{seed:016x}", machine="box", wall_s=1.5, cpu_s=1.25
                )
                journal.append(Measured(measured, PROBLEM, index, purpose, result), at=at)
            journal.append(BlockClosed(measured, PROBLEM, BlockStatus.OK), at=at)
            names.append(name)


def nothing(folder: Path) -> None:
    for path in sorted((folder / "journal").iterdir()):
        with path.open("rb", buffering=0) as file:
            while file.read(1 << 22):
                pass


def verify(folder: Path) -> None:
    for _ in Cursor(folder).batches():
        pass


def decode(folder: Path) -> None:
    for _ in read_journal(folder):
        pass


def texts(folder: Path) -> None:
    TextStore.of_run(folder)


def load(folder: Path) -> None:
    open_query([folder]).close()


def ask(folder: Path) -> None:
    with open_query([folder]) as query:
        query.sql(ASKED)


def reopen(folder: Path) -> None:
    Journal.open(folder).close()


WAYS: dict[str, tuple[Callable[[Path], None], str]] = {
    "bytes": (nothing, "read the bytes, do nothing"),
    "verify": (verify, "check every line's CRC and number"),
    "open": (reopen, "Journal.open: the last segment"),
    "decode": (decode, "read_journal: verify, JSON, records"),
    "texts": (texts, "decode, and note where each text lies"),
    "load": (load, "open_query: verify, split, DuckDB's JSON reader"),
    "ask": (ask, "open_query and one query over all candidates"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-reopen-"))
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    try:
        write(folder, options.candidates)
        size = sum(path.stat().st_size for path in (folder / "journal").iterdir())
        for _ in range(options.repeats):
            for way, (run, _) in WAYS.items():
                cpu, wall = time.process_time(), time.perf_counter()
                run(folder)
                found[way].append((time.perf_counter() - wall, time.process_time() - cpu))
    finally:
        shutil.rmtree(folder)
    if options.json:
        rows = {way: [{"wall_s": wall, "cpu_s": cpu} for wall, cpu in turns] for way, turns in found.items()}
        json.dump({"schema": 1, "candidates": options.candidates, "bytes": size, "cpus": os.cpu_count(), "ways": rows}, sys.stdout)
        print()
        return
    print(f"{options.candidates} candidates, {size / 1e6:.0f} MB of journal; median (least) of {options.repeats}")
    print(f"{'way':8} {'wall s':>16} {'CPU s':>16}")
    for way, turns in found.items():
        row = [f"{statistics.median(times):8.2f} ({min(times):5.2f})" for times in zip(*turns, strict=True)]
        print(f"{way:8} {' '.join(row)}  {WAYS[way][1]}")


if __name__ == "__main__":
    main()
