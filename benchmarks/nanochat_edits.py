"""How much single edits of nanochat_cpu's initial program change its score, beside the noise between seeds.

    python benchmarks/nanochat_edits.py [--seeds 3] [--json] [--tier strict] [NAME=VALUE[,NAME=VALUE...] ...]

Every argument is one variant: constants of ``initial/train.py`` with new values.  The initial program and the variants run in turn
on the same seeds, one at a time, through the problem's own evaluator and sandbox.  Printed for each: mean val_bpb, the difference
from the initial program with its standard error over the seeds, the sd of val_bpb between seeds, CPU seconds of training and
forward, and the share of a measurement's CPU that is scoring (forward and grader), without and with the second look.  These are CPU
results of a small model; they are never to be put beside GPU results.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from archive import StartMode, Status
from evolve import Trial
from evolve.evaluate import SandboxFactory, VisibleFiles, open_sandbox_factory
from evolve.problem._load import candidate_assets_folder, load_problem
from evolve.problem.contract._contract import Problem

VARIANTS = (
    "MATRIX_LR=0.04",
    "MATRIX_LR=0.01",
    "WARMDOWN=0.4",
    "BATCH_ROWS=16",
    "BATCH_ROWS=6",
    "DEPTH=3",
    "WIDTH=80",
    "HEADS=1",
    "WARMDOWN=0.5,BATCH_ROWS=6,HEADS=1,ROPE_BASE=1000.0",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variants", nargs="*", default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tier", default="strict")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    problem = load_problem("nanochat_cpu")
    evaluator = load(problem.folder / "evaluate.py")
    view = VisibleFiles(imports=problem.contract.candidate_imports, assets=candidate_assets_folder(problem))
    factory = open_sandbox_factory(options.tier, view, slot=0)
    names = ["", *options.variants]
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for seed in range(options.seeds):
        for name in names:
            runs[name].append(measure(problem, evaluator, factory, edited(problem.initial_files["train.py"], name), seed))
            print(f"seed {seed} {name or 'initial program'}: {runs[name][-1]['val_bpb']:.4f}", file=sys.stderr)
    factory.close()
    rows = [summary(name or "initial program", runs[name], runs[""]) for name in names]
    if options.json:
        print(json.dumps({"schema": 1, "seeds": options.seeds, "rows": rows}, indent=1))
        return
    print(f"{'variant':68} {'val_bpb':>8} {'change':>8} {'se':>7} {'sd':>7} {'cpu_s':>6} {'scoring':>8} {'looks':>6}")
    for row in rows:
        print(
            f"{row['variant']:68} {row['val_bpb']:8.4f} {row['change']:+8.4f} {row['se']:7.4f} {row['sd']:7.4f} {row['cpu_s']:6.2f}"
            f" {row['scoring']:8.1%} {row['scoring_both_looks']:6.1%}"
        )


def edited(text: str, variant: str) -> str:
    for part in filter(None, variant.split(",")):
        name, _, value = part.partition("=")
        text, count = re.subn(rf"(?m)^{re.escape(name)} = .*$", f"{name} = {value}", text)
        if count != 1:
            raise SystemExit(f"expected one constant {name} in initial/train.py, found {count}; name one that is there.")
    return text


def measure(problem: Problem, evaluator: ModuleType, factory: SandboxFactory, text: str, seed: int) -> dict[str, float]:
    """One measurement; ``second_s`` is what the second look alone cost."""
    files = {"train.py": text}
    stage = problem.contract.stages[-1]
    with tempfile.TemporaryDirectory() as work, factory.sandbox(files, stage, start=StartMode.COLD, cpu_limit_s=None) as sandbox:
        began = time.process_time()
        trial = Trial(
            files=files,
            stage=stage.name,
            seed=seed,
            params=problem.params,
            problem=problem.folder,
            assets=problem.assets,
            work=Path(work),
            sandbox=sandbox,
        )
        outcome = evaluator.evaluate(trial)
        grader_s = time.process_time() - began
    if outcome.status is not Status.OK or outcome.score is None:
        raise SystemExit(f"expected a score, found {outcome.status}: {outcome.reason}; choose other values.")
    return {
        "val_bpb": outcome.score,
        "train_s": outcome.metrics["train_cpu_s"],
        "forward_s": outcome.metrics["forward_cpu_s"],
        "second_s": sandbox.scorer_usage.cpu_s,
        "grader_s": grader_s,
    }


def summary(name: str, runs: Sequence[dict[str, float]], reference: Sequence[dict[str, float]]) -> dict[str, float | str]:
    scores = [run["val_bpb"] for run in runs]
    changes = [run["val_bpb"] - base["val_bpb"] for run, base in zip(runs, reference, strict=True)]

    def spread(values: Sequence[float]) -> float:
        return statistics.stdev(values) if len(values) > 1 else math.nan

    mean = {key: statistics.mean(run[key] for run in runs) for key in runs[0]}
    scoring = mean["forward_s"] + mean["grader_s"]
    return {
        "variant": name,
        "val_bpb": mean["val_bpb"],
        "change": statistics.mean(changes),
        "se": spread(changes) / math.sqrt(len(changes)),
        "sd": spread(scores),
        "cpu_s": mean["train_s"] + mean["forward_s"],
        "scoring": scoring / (mean["train_s"] + scoring),
        "scoring_both_looks": (scoring + mean["second_s"]) / (mean["train_s"] + scoring + mean["second_s"]),
    }


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("nanochat_evaluate", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
