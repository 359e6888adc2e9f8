"""``evolve new`` writes a problem that works, and never over something."""

from __future__ import annotations

from pathlib import Path

import pytest
from problem_executor import local

from evolve._errors import ProblemError
from evolve.problem._load import load_problem
from evolve.problem.scaffold._scaffold import scaffold
from evolve.validation._problem import validate_problem


def test_a_new_problem_is_valid(tmp_path: Path) -> None:
    problem = load_problem(scaffold(tmp_path / "my-problem"))
    assert problem.contract.name == "my_problem"
    report = validate_problem(problem, local)
    assert report.ok, report.checks
    assert report.seed_score is not None
    assert 0.01 < report.seed_score < 1
    assert {check.name for check in report.checks if not check.ok} == {"redteam"}


def test_a_new_problem_about_speed_is_valid_and_its_answers_are_checked(tmp_path: Path) -> None:
    problem = load_problem(scaffold(tmp_path / "fast", speed=True))
    report = validate_problem(problem, local)
    assert report.ok, report.checks
    assert report.seed_score is not None
    assert report.seed_score > 1  # microseconds, of a loop over pairs
    assert report.noise_sd is not None
    assert report.noise_sd > 0
    hints = {check.name for check in report.checks if not check.ok}
    assert hints - {"noise"} == {"redteam", "descriptors"}  # on a busy machine times scatter enough for a hint

    wrong = tmp_path / "wrong.py"
    wrong.write_text("def inversions(values):\n    return len(values) * (len(values) - 1) // 4\n")
    (tmp_path / "fast" / "initial" / "main.py").write_text(wrong.read_text())
    assert not validate_problem(load_problem(tmp_path / "fast"), local).ok


def test_a_new_problem_is_short(tmp_path: Path) -> None:
    folder = scaffold(tmp_path / "p")
    texts = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert set(texts) == {"problem.yaml", "evaluate.py", "statement.md", "README.md", "initial/main.py"}
    assert sum(len(text.splitlines()) for text in texts.values()) < 80


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    assert load_problem(scaffold(tmp_path / "p")).contract.name == "p"


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ProblemError, match="expected a new or empty folder"):
        scaffold(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ProblemError, match="expected a new or empty folder"):
        scaffold(tmp_path / "file")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "notes.txt"]


@pytest.mark.parametrize("name", ["1st", "---", "_x"])
def test_odd_names(tmp_path: Path, name: str) -> None:
    if name == "_x":
        assert load_problem(scaffold(tmp_path / name)).contract.name == "x"
    else:
        with pytest.raises(ProblemError, match="begins with a letter"):
            scaffold(tmp_path / name)


@pytest.mark.parametrize("there", [False, True])
def test_a_problem_that_cannot_be_written_whole_is_not_left_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    folder, write, written = tmp_path / "deep" / "p", Path.write_text, []

    def full(path: Path, text: str, encoding: str) -> int:
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(path)
        return write(path, text, encoding=encoding)

    if there:
        folder.mkdir(parents=True)
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ProblemError, match="No space left"):
        scaffold(folder)
    assert len(written) == 2
    assert (folder.exists(), (tmp_path / "deep").exists()) == (there, there)
    assert not there or list(folder.iterdir()) == []


def test_an_unwritable_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProblemError, match="expected to write a new problem at"):
        scaffold(tmp_path / "file" / "p")
