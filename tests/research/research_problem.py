"""A problem whose score is a known sum of parts, and runs of it with a champion to be taken apart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import evolve

CONTRACT = """\
name: parts
metric: total
goal: {goal}
noise: {noise}
params:
  sd: {{default: 0.5, low: 0.0}}
stages:
  - {{name: full, time_s: 20, memory_mib: 256, batch_size: 16}}
editable: [main.py]
may_add_files: true
"""
# Worth: A twice, B once and 0.5 for being there, C costs, D does nothing, E only beside A; without SCALE it fails.
INITIAL = """\
A = 0.0
B = 0.0
C = 0.0
D = 0.0
E = 0.0


def parts():
    return [A, B, C, D, E]
"""
CHAMPION = """\
A = 1.0
B = 1.0
C = 1.0
D = 1.0
E = 1.0


def parts():
    return [A, B, C, D, E]
"""
EVALUATE = """\
import numpy as np

from evolve import Outcome, Status

SIGN = {sign}


def evaluate(trial):
    names = {{}}
    try:
        for path in sorted(trial.files, reverse=True):
            exec(trial.files[path], names)
        a, b, c, d, e = names["parts"]()
    except Exception as error:
        return Outcome(status=Status.CRASH, reason=str(error))
    true = 2 * a + b + 0.5 * bool(b) - c + a * e
    key = abs(hash((a, b, c, d, e))) % 2**32
    noise = np.random.default_rng([trial.seed % 2**32]).normal() + 0.3 * np.random.default_rng([trial.seed % 2**32, key]).normal()
    return Outcome(score=SIGN * (true + {noise} * trial.params["sd"] * noise))
"""
TRUE = {"A": (3.0, 2.0), "B": (1.5, 1.5), "C": (-1.0, -1.0), "D": (0.0, 0.0), "E": (1.0, 0.0)}  # left out, put in alone


def write_problem(folder: Path, *, noisy: bool = True, maximize: bool = True, initial: Mapping[str, str] | None = None) -> Path:
    """The problem's folder."""
    (folder / "initial").mkdir(parents=True)
    noise, goal = "noisy" if noisy else "deterministic", "maximize" if maximize else "minimize"
    (folder / "problem.yaml").write_text(CONTRACT.format(noise=noise, goal=goal))
    (folder / "evaluate.py").write_text(EVALUATE.format(sign=1 if maximize else -1, noise=int(noisy)))
    for path, text in (initial or {"main.py": INITIAL}).items():
        (folder / "initial" / path).write_text(text)
    return folder


def run_with(
    problem: Path | evolve.Problem, out: Path, files: Mapping[str, str], *, evaluations: int = 500
) -> tuple[evolve.Run, str]:
    """A run that has this program as a candidate that was told, and its id; nobody drives it."""
    run = evolve.create_run(
        problem, out=out, sandbox="none", slots=1, policy="fixed_candidates", budget=evolve.Budget(evaluations=evaluations)
    )
    run.optimize()
    told = run.tell(run.ask(), dict(files))
    assert told.candidate is not None, told.reason
    return run, told.candidate
