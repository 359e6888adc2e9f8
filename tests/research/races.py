"""A problem that tells courses of races without racing, and runs of it with a confirmed claim."""

from __future__ import annotations

from pathlib import Path

from evolve.cli import main

CONTRACT = """\
name: {name}
metric: seconds
goal: minimize
noise: noisy
compute_rule: wall
params:
  vocabulary: 300
stages:
  - {{name: full, time_s: 20, memory_mib: 256, batch_size: 16}}
editable: [train.py]
artifacts: {{{artifact}: .json}}
"""
EVALUATE = """\
import json
import math

from evolve import Outcome, Status

FORM = "{form}"


def evaluate(trial):
    names = {{}}
    exec(trial.files["train.py"], names)
    rng = trial.rng("race")
    total, low = 10 * (names["STEPS"] // 10), 3.86 + 20.0 / names["STEPS"] + 0.01 * rng.normal()
    points, clock = [], 1.5
    for step in range(0, total + 1, 10):
        clock += 0.05 * 10 * (step > 0) * rng.normal(1.0, 0.05)
        points.append([step, low + 3.0 * (1 - step / total) ** 2, clock])
    reached = next((step for step, loss, _ in points if loss <= 4.05), None)
    told = {{
        "schema": 1, "form": FORM, "clock": "cpu", "target": 4.05, "total": total, "points": points, "peak_mib": 300,
        "started": 1.79e9 + rng.integers(10**6), "versions": {{"Python": "3.11.7", "PyTorch": "2.13.0"}},
    }}
    kept = {{"{artifact}": json.dumps(told).encode()}}
    if points[-1][1] > 4.1:
        return Outcome(status=Status.CHECKS_FAILED, reason="the target was not reached", artifacts=kept)
    score = points[-1][2] if FORM == "time" else float(reached or total)
    return Outcome(score=score * math.exp(15 * max(0.0, points[-1][1] - 4.03)), artifacts=kept)
"""
INITIAL = "STEPS = 200  # tune: 140..220\n"
SETTINGS = ("sandbox=none", "executor.slots=1", "seed=3")


def write_race(folder: Path, form: str = "time", *, name: str = "race", artifact: str = "race") -> Path:
    """The problem's folder."""
    (folder / "initial").mkdir(parents=True)
    (folder / "problem.yaml").write_text(CONTRACT.format(name=name, artifact=artifact))
    (folder / "evaluate.py").write_text(EVALUATE.format(form=form, artifact=artifact))
    (folder / "initial" / "train.py").write_text(INITIAL)
    return folder


def raced(problem: Path, out: Path, evaluations: int = 120) -> Path:
    """A run of it, searched to its end."""
    assert main(["run", "--json", f"problem={problem}", f"budget.evaluations={evaluations}", f"out={out}", *SETTINGS]) == 0
    return out
