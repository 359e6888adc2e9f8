"""What ending losing training runs early saves, and how often it is wrong, on training scripts whose truth is known.

    python benchmarks/pruning.py [--repeats 20] [--cpu-s 2400] [--json]

A scripted search (the real loop, operators and journal, no sandbox) on a script of eight constants.  A run costs 3 s of
start-up and scoring and 10 s of training; its loss falls by one law, but for ``COOLDOWN``, which moves the fall to the end;
loss and score scatter.  Every repeat is searched with ``search.pruning`` true and false, the same seed and CPU.  Printed: of the
runs that were ended how many would have become the best (each is made to its end beside the search, with its own seed), what
share of the CPU of first measurements was saved, how many programs were tried, and the true gain of what each search ended with,
paired.
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
    pairs = []
    for seed in range(options.repeats):
        pairs.append({word: searched(seed, options.cpu_s, word) for word in ("true", "false")})
        print(f"{seed}: {pairs[-1]['true']}", file=sys.stderr)
    print(json.dumps(summary(pairs), indent=1) if options.json else told(summary(pairs)))


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


def searched(seed: int, cpu_s: float, pruning: str) -> Found:
    """One search."""
    contract = plain_contract(goal="minimize", noisy=True, learning_curve="loss")
    wrongly = Wrongly()
    script = Script(
        seed_files={"main.py": PROGRAM},
        answer=measured,
        contract=contract,
        search=SearchConfig(pruning=pruning),
        budget=BudgetConfig(cpu_s=cpu_s),
        seed=seed,
        secret=f"{seed:064x}",
        hooks=(wrongly,),
    )
    with tempfile.TemporaryDirectory() as folder, Harness(script, Path(folder) / "run") as harness:
        wrongly.harness = harness
        harness.drive()
        state = harness.search.problems[harness.problem.id]
        population, pruning_state = state.population, state.pruning
        leader = population.leader or 0
        gain = (truth({"main.py": PROGRAM}) or 0.0) - (truth(harness.texts.files(population.candidates[leader].id)) or 0.0)
        return Found(
            programs=population.n_credited,
            pruned=pruning_state.pruned,
            wrong=wrongly.n,
            audited=pruning_state.audited,
            audited_wrong=pruning_state.wrong,
            saved=pruning_state.saved_share,
            gain=gain,
        )


def summary(pairs: list[dict[str, Found]]) -> dict[str, object]:
    """Over the repeats."""
    on, off = [pair["true"] for pair in pairs], [pair["false"] for pair in pairs]
    changes = [a.gain - b.gain for a, b in zip(on, off, strict=True)]
    return {
        "schema": 1,
        "repeats": len(pairs),
        "pruned": sum(one.pruned for one in on),
        "wrongly": sum(one.wrong for one in on),
        "audited": sum(one.audited for one in on),
        "audited_wrongly": sum(one.audited_wrong for one in on),
        "saved": statistics.median(one.saved for one in on),
        "programs": [statistics.median(one.programs for one in each) for each in (on, off)],
        "gain": [statistics.median(one.gain for one in each) for each in (on, off)],
        "gain_change": statistics.mean(changes),
        "gain_change_se": statistics.stdev(changes) / math.sqrt(len(changes)) if len(changes) > 1 else math.nan,
    }


def told(found: dict[str, object]) -> str:
    """In words."""
    return "\n".join(
        (
            f"{found['repeats']} pairs of searches",
            f"ended early: {found['pruned']}, of which {found['wrongly']} would have become the best",
            f"made to their end as a check: {found['audited']}, of which {found['audited_wrongly']} became the best",
            f"CPU of first measurements saved: {found['saved']:.0%} (median)",
            "programs tried (median), with and without: {:.0f}, {:.0f}".format(*found["programs"]),  # type: ignore[misc]
            "true gain (median), with and without: {:.4f}, {:.4f}".format(*found["gain"]),  # type: ignore[misc]
            f"paired change of the gain: {found['gain_change']:+.4f} (standard error {found['gain_change_se']:.4f})",
        )
    )


if __name__ == "__main__":
    main()
