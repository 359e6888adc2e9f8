"""A run to be looked at: nobody drives it, and the initial program alone is measured."""

from __future__ import annotations

from pathlib import Path

import pytest

import evolve


@pytest.fixture
def run(tmp_path: Path) -> evolve.Run:
    problem = tmp_path / "length"
    (problem / "initial").mkdir(parents=True)
    (problem / "problem.yaml").write_text("name: length\nmetric: letters\ngoal: minimize\nnoise: deterministic\n")
    (problem / "initial" / "main.py").write_text("X = 4.0\n")
    (problem / "evaluate.py").write_text(
        "from evolve import Outcome\n\n\ndef evaluate(trial):\n    return Outcome(score=float(len(trial.files['main.py'])))\n"
    )
    made = evolve.create_run(problem, out=tmp_path / "run", policy="fixed_candidates", slots=1, sandbox="none")
    made.optimize()
    return made
