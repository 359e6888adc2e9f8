"""The problem nanochat with a budget of seconds: what its initial program scores, how that scatters, and a short search.

    benchmarks/gpu_nanochat.sh RESULTS.md [WHEELS]

On a machine with one NVIDIA card within eight minutes: three runs of the initial program of twenty seconds each, a search of two
and a half minutes with operators that need no model, and its best program beside the initial one on seeds that are new to both.
Without a card it does the same on the CPU at toy size, and says what was not seen.  Ends with 1 where something failed.
"""

from __future__ import annotations

import platform
import re
import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import evolve
from archive import Measurement, Status
from evolve.evaluate.isolation._gpu import GpuDriver

RUNS, AGAIN, STARTS = 3, 2, 2
FOUND = "Runs of the last two rows have seeds that the search has not seen. So few show no gain: a claim takes a vault."
NOTHING = "The search found no program that seemed better than the initial one."
SETTINGS = {  # of problem.yaml, by what a machine has
    True: {"train_s": "20.0", "setup_s": "120.0"},
    False: {"train_s": "2.0", "setup_s": "60.0", "vocabulary": "512", "context": "64", "scored_rows": "64"},
}
SEARCH_S = {True: 150.0, False: 120.0}
ON_CPU = ("memory_mib: 24576, cpus: 4, gpus: 1, exclusive: true", "memory_mib: 2048, cpus: 1")


@dataclass(frozen=True)
class Row:
    """Runs of one program."""

    what: str
    results: Sequence[Measurement]

    def cells(self) -> tuple[str, ...]:
        ok = [one for one in self.results if one.status is Status.OK and one.score is not None]
        if len(ok) < len(self.results):
            bad = next(one for one in self.results if one.status is not Status.OK)
            return self.what, f"{len(ok)} of {len(self.results)}", f"{bad.status}: {bad.reason[:120]}", "", "", ""
        scores = [float(one.score or 0.0) for one in ok]
        sd = f"{statistics.stdev(scores):.4f}" if len(scores) > 1 else ""
        pace, wall = (
            statistics.median(values) for values in ([one.metrics["tokens_per_s"] for one in ok], [one.wall_s for one in ok])
        )
        return self.what, str(len(ok)), f"{statistics.mean(scores):.4f}", sd, f"{pace:,.0f}", f"{wall:.1f}"


def made(work: Path, *, card: bool) -> Path:
    """A copy of the problem with a budget of seconds; without a card one that asks for none, and small sizes."""
    folder = Path(shutil.copytree(Path(__file__).parents[1] / "problems" / "nanochat", work / "nanochat"))
    contract = (folder / "problem.yaml").read_text(encoding="utf-8")
    for name, value in SETTINGS[card].items():
        contract, n = re.subn(rf"{name}: \{{default: [\d.]+", f"{name}: {{default: {value}", contract)
        assert n == 1, name
    if not card:
        assert ON_CPU[0] in contract
        contract = contract.replace(*ON_CPU)
    (folder / "problem.yaml").write_text(contract, encoding="utf-8")
    return folder


def rows(folder: Path, work: Path, seconds: float) -> Iterator[Row]:
    for start in ("strong", "vanilla"):
        problem = evolve.load_problem(folder, start=start)
        n = RUNS if start == "strong" else 1
        yield Row(f"initial program ({start})", evolve.measure(problem, problem.initial_files, n=n))
    problem = evolve.load_problem(folder)
    run = evolve.create_run(str(folder), out=str(work / "run"), seed=1, budget=evolve.Budget(wall_s=seconds))
    told = run.optimize()
    print(f"search: {told.measurements} measurements of {told.candidates} programs in {told.wall_s:.0f} s", file=sys.stderr)
    best = run.best
    if best is None or best.id == run.initial.id:
        return
    yield Row(f"best of {told.candidates} programs ({best.operator})", evolve.measure(problem, best.files, n=AGAIN))
    yield Row("initial program, again", evolve.measure(problem, problem.initial_files, n=AGAIN))


def main(results: Path, work: Path) -> int:
    began = time.perf_counter()
    cards = GpuDriver().survey().gpus
    folder = made(work, card=bool(cards))
    found = list(rows(folder, work, SEARCH_S[bool(cards)]))
    failed = any(one.status is not Status.OK for row in found for one in row.results)
    where = (
        ", ".join(f"{card.name} (driver {card.driver})" for card in cards)
        or f"no card: the CPU, at toy size ({platform.processor()})"
    )
    size = ", ".join(f"{name} {value}" for name, value in SETTINGS[bool(cards)].items())
    head = ("program", "runs", "val_bpb", "sd", "tokens/s", "seconds a run")
    lines = [
        f"# nanochat, {date.today()}",
        "",
        f"`benchmarks/gpu_nanochat.sh` on {where}; {size}; {time.perf_counter() - began:.0f} s in all.",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
        *("| " + " | ".join(row.cells()) + " |" for row in found),
        "",
        FOUND if len(found) > STARTS else NOTHING,
        *([] if cards else ["Not seen, for want of a card: CUDA, bfloat16, the sizes of a card, its pace."]),
    ]
    results.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), Path(sys.argv[2])))
