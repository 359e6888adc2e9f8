"""*Seed* is randomness; what a search starts from is the initial program, on every screen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli_process import Say

from evolve.cli import main


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A noisy run that ended with final runs."""
    folder = tmp_path_factory.mktemp("noisy")
    assert main(["run", "problem=planted", "budget.evaluations=40", "executor.slots=1", f"out={folder / 'run'}"]) == 0
    return folder / "run"


def _about_the_initial_program(text: str) -> list[str]:
    """Uses of the word that are no measurement's (``seed 123``) and no fresh ones."""
    rest = re.sub(r"\bseed \d+|\b(fresh|equal|independent) seeds\b|seeds that did not exist before", "", text)
    return [line for line in rest.splitlines() if re.search(r"\bseed", line)]


def test_the_end_of_a_run_measures_the_initial_program(tmp_path: Path, say: Say) -> None:
    out = say("run", "problem=planted", "budget.evaluations=40", "executor.slots=1", f"out={tmp_path / 'run'}")
    assert re.search(
        r"^final +(best|finalist) and initial program measured in turn, on fresh seeds\n  (best|finalist) .*\n  initial +\S+, sd",
        out,
        re.M,
    )
    assert _about_the_initial_program(out) == []


def test_no_screen_calls_the_initial_program_a_seed(noisy: Path, say: Say) -> None:
    shown = [say("status", noisy), say("show", noisy, "initial"), say("lineage", noisy, "best"), say("claims", noisy)]
    assert [line for text in shown for line in _about_the_initial_program(text)] == []
    assert re.search(r"^is +the initial program$", shown[1], re.M)
    assert re.search(r"^\w{10} +\S+ +initial +the initial program$", shown[2], re.M)


def test_a_run_whose_best_is_the_initial_program_says_so(tmp_path: Path, say: Say) -> None:
    say("run", "problem=circle_packing", "budget.evaluations=1", f"out={tmp_path / 'run'}")
    assert re.search(r"^best .* \w+, the initial program$", say("status", tmp_path / "run"), re.M)
