"""What the engine itself costs for one candidate, from the first to the last.

    python benchmarks/engine.py [--candidates 50000] [--size 1000] [--flat] [--noisy] [--profile] [--json]

The real search, loop, recorder, journal (synced), texts, operators and deduplication, around an executor that answers at once: its
scores are hashes of the texts, so that nothing converges.  CPU time of the whole process, commit thread included, for each tenth
of the candidates; beside it what of that went into making children (operators, scope check, parsing, hash, descriptors,
compression), and the time of one ``ast.parse`` of the program, measured in the same process after each tenth.

Programs may not outgrow the initial one by more than a fifth, so that the last tenth does the same work as the first.  ``--flat``
uses an archive without axes (the best 64) instead of a grid of 50 x 50 cells.  ``--noisy`` adds noise to the scores and counts
measurements in place of candidates: of those some are of programs that are known, and there are claims.  ``--profile`` prints where
the time goes instead.
"""

from __future__ import annotations

import argparse
import ast
import cProfile
import json
import os
import pstats
import random
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path

from _common import hardware, program

from archive import LogEntry
from evolve.config._schema import BudgetConfig
from evolve.problem.contract._contract import DescriptorSpec
from evolve.search.state._state import ProblemState
from evolve.testing import Harness, Script, plain_contract, scored

TENTHS = 10
TARGET_MS = {1000: 1.5, 20_000: 12.0}
TARGET_RATIO = 1.2
NOISE = 0.1  # standard deviation of what ``--noisy`` adds to scores between 0 and 1


@dataclass(slots=True)
class Marks:
    """A hook: CPU seconds, and those spent making children, whenever another tenth of the candidates is there."""

    every: int
    text: str
    noisy: bool = False
    cpu_s: list[float] = field(default_factory=list)
    made_s: list[float] = field(default_factory=list)
    parse_s: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)  # bytes
    making_s: float = 0.0
    aside_s: float = 0.0  # spent measuring the yardstick

    def __call__(self, state: ProblemState, stamped: LogEntry) -> None:
        usage = state.run.usage
        if (usage.evaluations if self.noisy else usage.candidates) >= len(self.cpu_s) * self.every:
            self.cpu_s.append(time.process_time() - self.aside_s)
            self.made_s.append(self.making_s)
            self.memory.append(_resident())
            self.parse_s.append(self._yardstick())

    def _yardstick(self) -> float:
        times = []
        begun = time.process_time()
        for _ in range(9):
            start = time.thread_time()
            ast.parse(self.text)
            times.append(time.thread_time() - start)
        self.aside_s += time.process_time() - begun
        return statistics.median(times)


def _resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Tenth:
    """CPU milliseconds a candidate in one tenth; ``making`` is the part that went into making the child."""

    cpu_ms: float
    making_ms: float
    parse_ms: float


@dataclass(frozen=True, slots=True)
class Result:
    size: int
    candidates: int
    tenths: list[Tenth]
    journal_bytes: float  # a candidate
    records: float  # a candidate
    memory_bytes: float  # a candidate, from the first tenth to the last
    elites: int
    mean_bytes: float  # of the programs in the archive at the end

    @property
    def ratio(self) -> float:
        """Last tenth to first."""
        return self.tenths[-1].cpu_ms / self.tenths[0].cpu_ms


def answer(files: Mapping[str, str], seed: int) -> float:
    """A score between 0 and 1 that nobody can predict."""
    return int.from_bytes(blake2b("".join(files.values()).encode(), digest_size=7).digest(), "little") / 2**56


def noisy_answer(files: Mapping[str, str], seed: int) -> float:
    """The same as it is measured with a seed."""
    return answer(files, seed) + random.Random(seed).gauss(0.0, NOISE)


def script(size: int, candidates: int, *, flat: bool, marks: Marks) -> Script:
    text = program(size)
    axes = () if flat else (DescriptorSpec(name="branches", source="ast", low=0, high=50, bins=50), _calls(size))
    return Script(
        seed_files={"main.py": text},
        answer=scored(noisy_answer if marks.noisy else answer),
        contract=plain_contract(max_bytes=int(1.2 * len(text)), axes=axes, noisy=marks.noisy),
        budget=BudgetConfig(evaluations=candidates) if marks.noisy else BudgetConfig(candidates=candidates),
        cpu_clock=time.thread_time,
        hooks=(marks,),
    )


def _calls(size: int) -> DescriptorSpec:
    return DescriptorSpec(name="calls", source="ast", low=0, high=max(50, size // 50), bins=50)


def measure(size: int, candidates: int, *, flat: bool, noisy: bool, folder: Path, profile: bool = False) -> Result:
    marks = Marks(max(candidates // TENTHS, 1), program(size), noisy)
    with Harness(script(size, candidates, flat=flat, marks=marks), folder) as harness:
        make = harness.proposer.propose

        def timed(*args: object) -> object:
            start = time.thread_time()
            made = make(*args)  # type: ignore[arg-type]
            marks.making_s += time.thread_time() - start
            return made

        harness.proposer.propose = timed  # type: ignore[method-assign, assignment]
        profiler = cProfile.Profile(time.thread_time) if profile else None
        if profiler is not None:
            profiler.runcall(harness.drive)
            pstats.Stats(profiler).sort_stats("tottime").print_stats(30)
        else:
            harness.drive()
        search, written = harness.search, harness.journal.written
        sizes = [
            sum(map(len, harness.texts.files(search.state.population.candidates[i].id).values()))
            for i in search.state.population.elites[:200]
        ]
    bytes_ = sum(path.stat().st_size for path in (folder / "journal").iterdir())
    n = search.run.usage.candidates
    per = 1000.0 / marks.every
    tenths = [
        Tenth((b - a) * per, (d - c) * per, parse * 1000)
        for a, b, c, d, parse in zip(marks.cpu_s, marks.cpu_s[1:], marks.made_s, marks.made_s[1:], marks.parse_s[1:], strict=False)
    ]
    records = written.seq + 1 if written is not None else 0
    memory = (marks.memory[-1] - marks.memory[1]) / (n * (1 - 1 / TENTHS))
    return Result(size, n, tenths, bytes_ / n, records / n, memory, len(search.state.population.elites), statistics.fmean(sizes))


def show(result: Result) -> None:
    print(f"{result.size} bytes, {result.candidates} candidates: CPU ms a candidate")
    print("tenth        " + "".join(f"{i + 1:8}" for i in range(len(result.tenths))))
    for what in ("cpu_ms", "making_ms", "parse_ms"):
        print(f"{what:13}" + "".join(f"{getattr(tenth, what):8.3f}" for tenth in result.tenths))
    target = TARGET_MS.get(result.size)
    print(
        f"last / first tenth: {result.ratio:.2f} (target <= {TARGET_RATIO})"
        + (f"; target {target} ms" if target else "")
        + f"; first tenth = {result.tenths[0].cpu_ms / result.tenths[0].parse_ms:.1f} x one ast.parse"
    )
    print(
        f"journal: {result.records:.1f} records, {result.journal_bytes:.0f} bytes a candidate; "
        f"memory: {result.memory_bytes:.0f} bytes a candidate; {result.elites} elites, {result.mean_bytes:.0f} bytes each\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=50_000)
    parser.add_argument("--size", type=int, default=1000, metavar="BYTES")
    parser.add_argument("--flat", action="store_true")
    parser.add_argument("--noisy", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(args.size, args.candidates, flat=args.flat, noisy=args.noisy, folder=Path(folder), profile=args.profile)
    if args.json:
        print(json.dumps({"benchmark": "engine", "hardware": hardware(), **asdict(result), "ratio": result.ratio}))
    else:
        show(result)


if __name__ == "__main__":
    main()
