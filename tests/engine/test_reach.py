"""A program that no operator can change is said before the run starts, and why a run found nothing new at its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from archive import Attempt, ProposalStatus, Proposed
from evolve import load_problem
from evolve._errors import UsageError
from evolve.config._schema import ProblemConfig, RunConfig, SearchConfig
from evolve.engine._reach import out_of_reach
from evolve.engine._session import start
from evolve.engine.registry._registry import build_operators
from evolve.search._results import _count_fruitless

CONTRACT = "name: tiny\nmetric: score\ngoal: maximize\n"
EVALUATE = "from evolve import Outcome\n\n\ndef evaluate(trial):\n    return Outcome(score=1.0)\n"
REACHED = {
    "main.py": "def f(x):\n    return x * 2.5\n",
    "marked.py": "\ufeffdef f(x):\n    return x * 2.5\n",
    "main.c": "float f(float x) { return x * 2.5f; }\n",
    "config.yaml": "rate: 0.5\n",
}
NOT_REACHED = {
    "main.sql": "SELECT 2.5 FROM t;\n",
    "prompt.txt": "Answer in 3 words.\n",
    "main.rs": "fn f() {}\n",
    "empty.py": "import os\n",
    "broken.py": "def f(:\n",
    "fenced.c": "float a = 2.5f;\n// EVOLVE-BLOCK-START\n// EVOLVE-BLOCK-END\n",
}


def folder(tmp_path: Path, name: str, text: str) -> Path:
    problem = tmp_path / "p"
    (problem / "initial").mkdir(parents=True)
    (problem / "problem.yaml").write_text(f"{CONTRACT}editable: [{name}]\n")
    (problem / "evaluate.py").write_text(EVALUATE)
    (problem / "initial" / name).write_text(text)
    return problem


@pytest.mark.parametrize("name", REACHED)
def test_what_operators_can_change_is_reached(tmp_path: Path, name: str) -> None:
    problem = load_problem(folder(tmp_path, name, REACHED[name]))
    assert out_of_reach(problem, build_operators(SearchConfig().operators).values()) == ""


@pytest.mark.parametrize("name", NOT_REACHED)
def test_a_run_that_could_change_nothing_does_not_start_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    problem, out = folder(tmp_path, name, NOT_REACHED[name]), tmp_path / "run"
    with pytest.raises(
        UsageError, match=r"expected an operator that can change the initial program of tiny, found none \(tune: .*add a model"
    ):
        start(RunConfig(problem=ProblemConfig(name=str(problem)), out=str(out)))
    assert not out.exists()


def test_what_became_of_fruitless_tickets_is_counted_by_reason_and_bounded() -> None:
    reasons: dict[str, int] = {}
    attempt = Attempt("e", 1)
    for i in range(20):
        _count_fruitless(reasons, Proposed(attempt, "p", ProposalStatus.DUPLICATE))
        _count_fruitless(reasons, Proposed(attempt, "p", ProposalStatus.INVALID, reason=f"reason {i}."))
    assert reasons["a program that is known"] == 20
    assert reasons["reason 0"] == 1
    assert reasons["other reasons"] == 13
    assert sum(reasons.values()) == 40
    _count_fruitless(reasons, Proposed(attempt, "p", ProposalStatus.TUNER))
    assert not reasons
