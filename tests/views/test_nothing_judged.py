"""A run whose evaluator fails from the start has no best program, and says so instead of failing itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import evolve
from evolve._errors import RunError
from evolve.cli import main


@pytest.mark.parametrize("policy", ["auto", "map_elites"])
@pytest.mark.parametrize("noise", ["noisy", "deterministic"])
def test_an_initial_program_that_cannot_be_judged_leaves_a_run_without_a_best(
    noise: str, policy: str, tmp_path: Path, capsys
) -> None:
    problem = tmp_path / "length"
    (problem / "initial").mkdir(parents=True)
    (problem / "problem.yaml").write_text(f"name: length\nmetric: letters\ngoal: minimize\nnoise: {noise}\n")
    (problem / "initial" / "main.py").write_text("X = 4.0\n")
    (problem / "evaluate.py").write_text("def evaluate(trial):\n    raise ValueError(1)\n")
    run = evolve.create_run(
        problem, out=tmp_path / "run", slots=1, sandbox="none", policy=policy, budget=evolve.Budget(evaluations=20)
    )
    run.optimize()
    with pytest.raises(RunError, match="no program with a score: the evaluator failed on the initial program, 3 times"):
        _ = run.best
    assert main(["status", str(run.path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["status"], said["best_id"], said["best_score"]) == ("failed", None, None)
    assert main(["resume", str(run.path)]) == 1
    assert "the evaluator failed on the initial program" in capsys.readouterr().out
