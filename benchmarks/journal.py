"""How fast the journal acknowledges, beside the disk's own fdatasync rate in shuffled turns of one run.

    python benchmarks/journal.py [--folder DIR] [--rounds 9] [--slice 0.4] [--json]

Ways, a turn each a round, in another order every round:

    raw         4 kB append + fdatasync on a file of its own: what the disk allows
    one         prepared lines, one in flight: append, wait until durable
    prepared    prepared lines of 800 bytes, 64 in flight: framing, queue, write, sync, acknowledgement
    records     measurement records encoded in the loop, 64 in flight
    texts       children of 10 kB: compressed on their parent, encoded, appended, 64 in flight

Ratios are to the raw turn of the same round; medians, with the least and the greatest.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from archive import (
    Attempt,
    Candidate,
    Journal,
    Measured,
    Measurement,
    Note,
    ProposalStatus,
    Proposed,
    Purpose,
    Record,
    Status,
    TextStore,
    candidate_id,
)

IN_FLIGHT = 64
ATTEMPT = Attempt("00112233445566778899", 12_345)


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn: acknowledgements a second, the latencies' median in ms, CPU microseconds an acknowledgement."""

    rate: float
    p50_ms: float
    worst_ms: float
    cpu_us: float


class PreparedJournal(Journal):
    """A journal whose lines cost nothing to make."""

    _rest = b'"at":1.0,"kind":"note","v":1,"text":"%b"}' % (b"x" * 740)

    def _body(self, seq: int, at: float, record: Record, fields: dict[str, Any]) -> bytes:
        return b'{"seq":%d,%b' % (seq, self._rest)


def timed(slice_s: float, step: Callable[[SimpleQueue[float]], None], in_flight: int) -> Turn:
    """Run ``step``, which appends one record and has the time put into the queue when it is durable, for ``slice_s``."""
    acks: SimpleQueue[float] = SimpleQueue()
    latencies: list[float] = []
    cpu, start = time.process_time(), time.perf_counter()
    sent = 0
    while (now := time.perf_counter()) - start < slice_s or sent < in_flight:
        step(acks)
        sent += 1
        if sent - len(latencies) >= in_flight:
            latencies.append(acks.get())
    while len(latencies) < sent:
        latencies.append(acks.get())
    now = time.perf_counter()
    return Turn(
        sent / (now - start),
        1e3 * statistics.median(latencies),
        1e3 * max(latencies),
        1e6 * (time.process_time() - cpu) / sent,
    )


def append(journal: Journal, record: Record, acks: SimpleQueue[float]) -> None:
    begun = time.perf_counter()
    journal.append(record, at=1.0, on_durable=lambda: acks.put(time.perf_counter() - begun))


def raw(folder: Path, slice_s: float) -> Turn:
    fd = os.open(folder / "raw", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    block = b"x" * 4096
    latencies: list[float] = []
    cpu, start = time.process_time(), time.perf_counter()
    while (begun := time.perf_counter()) - start < slice_s:
        os.write(fd, block)
        os.fdatasync(fd)
        latencies.append(time.perf_counter() - begun)
    end = time.perf_counter()
    os.close(fd)
    n = len(latencies)
    return Turn(n / (end - start), 1e3 * statistics.median(latencies), 1e3 * max(latencies), 1e6 * (time.process_time() - cpu) / n)


class Children:
    """A population of 10 kB programs; each child changes 12 lines of a recent parent."""

    def __init__(self, journal: Journal) -> None:
        self.journal, self.store = journal, TextStore(journal.run, lambda: journal.durable_seq)
        self.rng = random.Random(1)
        lines = [f"    value_{self.rng.randrange(99)} = compute(argument_{self.rng.random():.6f})" for _ in range(215)]
        self.recent = [("", lines)]
        self.n = 0

    def step(self, acks: SimpleQueue[float]) -> None:
        parent, lines = self.recent[self.rng.randrange(len(self.recent))]
        lines = list(lines)
        for _ in range(12):
            lines[self.rng.randrange(len(lines))] = f"    value_{self.n % 99} = compute(argument_{self.rng.random():.6f})"
        files = {"program.py": "\n".join(lines)}
        name = candidate_id(files)
        text = self.store.encode(name, files, parent)
        child = Candidate(
            name, name, text, (parent,) if parent else (), descriptors={"loops": 3.0, "calls": 41.0}, summary="12 lines"
        )
        append(self.journal, Proposed(ATTEMPT, "bench@0123456789ab", ProposalStatus.CHILD, child, cpu_s=0.001), acks)
        if self.journal.written is not None:
            self.store.locate(name, self.journal.written, text)
        self.recent = [*self.recent[-31:], (name, lines)]
        self.n += 1


def measure(folder: Path, rounds: int, slice_s: float) -> tuple[dict[str, list[Turn]], float]:
    prepared = PreparedJournal.create(folder / "prepared")
    records = Journal.create(folder / "records")
    children = Children(Journal.create(folder / "texts"))
    note = Note("")
    result = Measurement("c" * 20, "full", 1 << 62, Status.OK, 2.5, metrics={"a": 1.0}, machine="box", wall_s=1.5, cpu_s=1.25)
    record = Measured(ATTEMPT, "bench@0123456789ab", 0, Purpose.SEARCH, result)
    ways: dict[str, Callable[[], Turn]] = {
        "raw": lambda: raw(folder, slice_s),
        "one": lambda: timed(slice_s, lambda acks: append(prepared, note, acks), 1),
        "prepared": lambda: timed(slice_s, lambda acks: append(prepared, note, acks), IN_FLIGHT),
        "records": lambda: timed(slice_s, lambda acks: append(records, record, acks), IN_FLIGHT),
        "texts": lambda: timed(slice_s, children.step, IN_FLIGHT),
    }
    turns: dict[str, list[Turn]] = {way: [] for way in ways}
    order = list(ways)
    for _ in range(rounds + 1):
        random.shuffle(order)
        for way in order:
            turns[way].append(ways[way]())
    for journal in (prepared, records, children.journal):
        journal.close()
    size = sum(path.stat().st_size for path in (folder / "texts" / "journal").iterdir())
    return {way: found[1:] for way, found in turns.items()}, size / children.n  # the first round warms up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to measure (default: the temporary folder)")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--slice", type=float, default=0.4)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-journal-", dir=options.folder))
    try:
        turns, size = measure(folder, options.rounds, options.slice)
    finally:
        shutil.rmtree(folder)
    if options.json:
        found = {way: [asdict(turn) for turn in rows] for way, rows in turns.items()}
        json.dump({"schema": 1, "turns": found, "bytes_per_10kB_child": size, "cpus": os.cpu_count()}, sys.stdout)
        print()
        return
    print(f"{'way':10} {'acks/s':>22} {'x raw':>20} {'p50 ms':>8} {'x raw p50':>9} {'worst ms':>8} {'CPU us':>7}")
    for way, rows in turns.items():
        rates = sorted(turn.rate for turn in rows)
        ratios = sorted(turn.rate / base.rate for turn, base in zip(rows, turns["raw"], strict=True))
        latency = statistics.median(turn.p50_ms / base.p50_ms for turn, base in zip(rows, turns["raw"], strict=True))
        print(
            f"{way:10} {statistics.median(rates):8.0f} ({rates[0]:.0f}..{rates[-1]:.0f})".ljust(34)
            + f"{statistics.median(ratios):7.2f} ({ratios[0]:.2f}..{ratios[-1]:.2f})".ljust(21)
            + f"{statistics.median(turn.p50_ms for turn in rows):7.3f} {latency:9.2f} {max(turn.worst_ms for turn in rows):8.1f}"
            f" {statistics.median(turn.cpu_us for turn in rows):7.1f}"
        )
    print(f"a 10 kB child takes {size:.0f} bytes of journal")


if __name__ == "__main__":
    main()
