"""What ending losing training runs early saves, and how often it is wrong, on training scripts whose truth is known.

    python benchmarks/pruning.py [--repeats 20] [--cpu-s 2400] [--json]

A scripted search (the real loop, operators and journal, no sandbox) on a script of eight constants.  A run costs 3 s of
start-up and scoring and 10 s of training; its loss falls by one law, but for ``COOLDOWN``, which moves the fall to the end;
loss and score scatter.  Every repeat is searched three times with the same seed and CPU: plainly, with ``search.pruning``, and
with the operator ``setting`` as well.  Printed: of the runs that were ended how many would have become the best (each is made to
its end beside the search, with its own seed), what share of the CPU of first measurements was saved, how many programs were
tried, and the true gain of what each search ended with, paired with the plain one's.
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import statistics
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from archive import BlockEntry, Curve, Measured, Measurement, Status
from evolve.config._schema import BudgetConfig, SearchConfig
from evolve.evaluate._progress import Progress
from evolve.problem.contract._contract import AUDITED
from evolve.testing._harness import Harness, Script, plain_contract

START_S, TRAIN_S = 3.0, 10.0
NOISE, NOISE_OF_A_POINT = 0.006, 0.02  # standard deviations, between seeds and of a point of the curve
POINTS = 20
CONSTANTS = {"LR": (0.02, 0.05), "MOMENTUM": (0.9, 0.8), "BATCH": (8.0, 5.0), "HEADS": (2.0, 1.2), "INIT": (1.0, 1.3)}
CONSTANTS |= {"DECAY": (0.1, 0.12), "CAP": (15.0, 20.0), "COOLDOWN": (0.2, 0.6)}
ARMS = {
    "plain": SearchConfig(pruning="false"),
    "pruning": SearchConfig(),
    "pruning and setting": SearchConfig(operators=(*SearchConfig().operators, "setting")),
}
PROGRAM = "".join(f"{name} = {start}\n" for name, (start, _) in CONSTANTS.items())


@dataclass(frozen=True, slots=True)
class Found:
    """Of one search: children measured, runs ended early and of those wrongly, the share of CPU saved, the true gain at its end."""

    programs: int
    pruned: int
    wrong: int
    audited: int
    audited_wrong: int
    saved: float
    gain: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--cpu-s", type=float, default=2400.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rounds = []
    for seed in range(options.repeats):
        rounds.append({name: searched(seed, options.cpu_s, arm) for name, arm in ARMS.items()})
        print(f"{seed}: {rounds[-1]}", file=sys.stderr)
    found = [summary(name, rounds) for name in ARMS]
    print(json.dumps({"schema": 1, "repeats": len(rounds), "arms": found}, indent=1) if options.json else told(found))


def truth(files: Mapping[str, str]) -> float | None:
    """The mean loss of a script; None where it does not run."""
    try:
        given = [node for node in ast.parse(files["main.py"]).body if isinstance(node, ast.Assign)]
        values = {ast.unparse(node.targets[0]): float(ast.literal_eval(node.value)) for node in given}
        if set(values) != set(CONSTANTS) or min(values.values()) <= 0.0:
            return None
        far = [math.log(values[name] / best) ** 2 for name, (_, best) in CONSTANTS.items()]
    except (AttributeError, SyntaxError, TypeError, ValueError, KeyError, OverflowError, RecursionError):
        return None
    return 2.19 + 0.04 * sum(min(one, 9.0) for one in far)


def measured(entry: BlockEntry, files: Mapping[str, str]) -> Measurement:
    """One training run, ended where its bars say so."""
    loss = truth(files)
    if loss is None:
        return Measurement(entry.candidate, entry.stage, entry.seed, Status.CRASH, cpu_s=START_S, start=entry.start)
    rng = np.random.default_rng([entry.seed, int(entry.candidate[:8], 16)])
    score = loss + NOISE * float(rng.standard_normal())
    cooldown = next(float(line.split("=")[1]) for line in files["main.py"].splitlines() if line.startswith("COOLDOWN"))
    progress = Progress(entry.bars, minimize=True, audited=entry.audited)
    x = 0.0
    for i in range(POINTS):
        x = (i + 1) / POINTS
        late = 0.15 * min(cooldown, 2.0) * (1.0 - x)
        progress.report(x, score + 1.5 * math.exp(-5.0 * x) + late + NOISE_OF_A_POINT * float(rng.standard_normal()))
        if progress.lost and not entry.audited:
            cpu_s = START_S / 2 + TRAIN_S * x
            return Measurement(
                entry.candidate, entry.stage, entry.seed, Status.PRUNED, reason=progress.lost, cpu_s=cpu_s, wall_s=cpu_s,
                curve=progress.curve, start=entry.start,
            )  # fmt: skip
    return Measurement(
        entry.candidate, entry.stage, entry.seed, Status.OK, score=score, cpu_s=START_S + TRAIN_S, wall_s=START_S + TRAIN_S,
        curve=progress.curve or Curve(), reason=f"{AUDITED}{progress.lost}" if progress.lost else "", start=entry.start,
    )  # fmt: skip


class Wrongly:
    """Counts runs that were ended and would have become the best, by making them to their end."""

    def __init__(self) -> None:
        self.harness: Harness | None = None
        self.n = 0

    def __call__(self, state: object, stamped: object) -> None:
        record = getattr(stamped, "record", None)
        if not isinstance(record, Measured) or record.result.status is not Status.PRUNED or self.harness is None:
            return
        result, population = record.result, self.harness.search.problems[record.problem].population
        entry = BlockEntry(result.candidate, result.stage, result.seed)
        whole = measured(entry, self.harness.texts.files(result.candidate))
        best = population.leader
        self.n += whole.score is not None and best is not None and -whole.score > (population.score(best) or -math.inf)


def searched(seed: int, cpu_s: float, search: SearchConfig) -> Found:
    """One search."""
    contract = plain_contract(goal="minimize", noisy=True, learning_curve="loss")
    wrongly = Wrongly()
    script = Script(
        seed_files={"main.py": PROGRAM},
        answer=measured,
        contract=contract,
        search=search,
        budget=BudgetConfig(cpu_s=cpu_s),
        seed=seed,
        secret=f"{seed:064x}",
        hooks=(wrongly,),
    )
    with tempfile.TemporaryDirectory() as folder, Harness(script, Path(folder) / "run") as harness:
        wrongly.harness = harness
        harness.drive()
        state = harness.search.problems[harness.problem.id]
        population, known = state.population, state.pruning
        leader = population.leader or 0
        gain = (truth({"main.py": PROGRAM}) or 0.0) - (truth(harness.texts.files(population.candidates[leader].id)) or 0.0)
        return Found(
            programs=population.n_credited,
            pruned=known.pruned,
            wrong=wrongly.n,
            audited=known.audited,
            audited_wrong=known.wrong,
            saved=known.saved_share,
            gain=gain,
        )


def summary(name: str, rounds: list[dict[str, Found]]) -> dict[str, object]:
    """Of one arm, over the repeats."""
    mine, plain = [each[name] for each in rounds], [each["plain"] for each in rounds]
    changes = [a.gain - b.gain for a, b in zip(mine, plain, strict=True)]
    return {
        "arm": name,
        "pruned": sum(one.pruned for one in mine),
        "wrongly": sum(one.wrong for one in mine),
        "audited": sum(one.audited for one in mine),
        "audited_wrongly": sum(one.audited_wrong for one in mine),
        "saved": statistics.median(one.saved for one in mine),
        "programs": statistics.median(one.programs for one in mine),
        "gain": statistics.median(one.gain for one in mine),
        "change": statistics.mean(changes),
        "change_se": statistics.stdev(changes) / math.sqrt(len(changes)) if len(changes) > 1 else math.nan,
    }


def told(found: list[dict[str, object]]) -> str:
    """As a table."""
    columns = ("pruned", "wrongly", "audited", "audited_wrongly", "saved", "programs", "gain", "change", "change_se")
    rows: list[tuple[str, ...]] = [("", *columns)]
    for one in found:
        numbers = [one[column] for column in columns]
        rows.append((str(one["arm"]), *(f"{n:.4f}" if isinstance(n, float) else str(n) for n in numbers)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


if __name__ == "__main__":
    main()
