"""Which functions an evaluator calls is read off its files, and a model's child without one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from problem_folders import write_problem

from evolve._errors import MissingPackage
from evolve.problem._load import load_problem
from evolve.propose._entries import called, scope_of
from evolve.propose.edits._apply import apply_edits
from evolve.propose.edits._edits import EditFailure, RewriteFile

PROBLEMS = Path(__file__).parents[2] / "problems"
EVALUATOR = """
ENTRY = "lib.core:solve"


def evaluate(trial):
    trial.sandbox.call("main.py:run", {}, {})
    trial.sandbox.call(ENTRY, {}, {})
    return "see gone.py:run, http://host:80, main.py:not a name, main.py:"
"""


def test_an_entry_is_what_the_evaluator_names_of_the_seed_program(tmp_path: Path) -> None:
    seed = {"initial__main_py": "def run():\n    return 1\n", "initial__lib__core_py": "def solve():\n    return 1\n"}
    problem = load_problem(write_problem(tmp_path / "p", evaluate_py=EVALUATOR, **seed))
    assert called(problem) == ("lib/core.py:solve", "main.py:run")
    assert scope_of(problem).entries == called(problem)
    text = "def solved():\n    return 1\n\n\ndef solve_all():\n    return 2\n"
    made = apply_edits(problem.initial_files, [RewriteFile(1, "lib/core.py", text)], scope_of(problem))
    assert isinstance(made, EditFailure)
    assert "'solve'" in made.feedback


def test_what_another_initial_program_is_called_by_is_no_entry(tmp_path: Path) -> None:
    seed = {"initial__main_py": "def run():\n    return 1\n", "initial__lib__core_py": "def solver():\n    return 1\n"}
    assert called(load_problem(write_problem(tmp_path / "p", evaluate_py=EVALUATOR, **seed))) == ("main.py:run",)


@pytest.mark.parametrize("text", ["def (", "x = 1\n", "s = 'main.py:run' * 3\n\0"])
def test_an_evaluator_that_does_not_say_it_or_does_not_parse_has_no_entries(tmp_path: Path, text: str) -> None:
    problem = load_problem(write_problem(tmp_path / "p", evaluate_py=text))
    assert called(problem) == ()


@pytest.mark.parametrize("name", sorted(path.parent.name for path in PROBLEMS.glob("*/problem.yaml")))
def test_the_entries_of_the_problems_here_are_in_their_programs(name: str) -> None:
    try:
        problem = load_problem(PROBLEMS / name)
    except MissingPackage as error:
        pytest.skip(str(error))
    assert called(problem)
    for entry in called(problem):
        path, _, function = entry.partition(":")
        assert f"def {function}(" in problem.initial_files[path]
