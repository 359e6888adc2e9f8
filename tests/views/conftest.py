"""Runs to be looked at; nobody drives them."""

from __future__ import annotations

from pathlib import Path

import pytest

import evolve

CONTRACT = "name: length\nmetric: letters\ngoal: minimize\nnoise: {}\n"
EVALUATE = """
from evolve import Outcome

def evaluate(trial):
    return Outcome(score=len(trial.files["main.py"]) + NOISE * trial.rng().standard_normal())
"""


def made(folder: Path, *, noisy: bool, **words: object) -> evolve.Run:
    problem = folder / "length"
    (problem / "initial").mkdir(parents=True)
    (problem / "problem.yaml").write_text(CONTRACT.format("noisy" if noisy else "deterministic"))
    (problem / "initial" / "main.py").write_text("X = 4.0\n")
    (problem / "evaluate.py").write_text(EVALUATE.replace("NOISE", "0.1" if noisy else "0.0"))
    run = evolve.create_run(problem, out=folder / "run", slots=1, sandbox="none", **words)
    run.optimize()
    return run


@pytest.fixture
def run(tmp_path: Path) -> evolve.Run:
    """The initial program alone is measured."""
    return made(tmp_path, noisy=False, policy="fixed_candidates")


@pytest.fixture
def noisy(tmp_path: Path) -> evolve.Run:
    """A noisy run whose budget holds no vault."""
    return made(tmp_path, noisy=True, budget=evolve.Budget(evaluations=40))
