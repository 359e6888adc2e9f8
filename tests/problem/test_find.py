"""Which folder a problem's name means, and that every verb asks the same function."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from evolve._errors import ProblemError
from evolve.cli import main
from evolve.problem._find import builtin_problems, find_problem
from evolve.problem._packaged import resource_folder

NAME = "circle_packing"


@pytest.fixture
def shadowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a copy of a built-in problem under its name."""
    shutil.copytree(resource_folder("problems") / NAME, tmp_path / NAME)
    monkeypatch.chdir(tmp_path)
    return tmp_path / NAME


@pytest.mark.parametrize("name", builtin_problems())
def test_a_built_in_problem_is_found_by_its_name_and_by_its_longer_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert find_problem(name) == find_problem(f"builtin:{name}") == resource_folder("problems") / name
    (tmp_path / name).write_text("a file is no folder")
    assert find_problem(name) == resource_folder("problems") / name


def test_a_folder_of_a_built_ins_name_is_never_passed_over(shadowed: Path) -> None:
    with pytest.raises(ProblemError, match=rf"also a folder here; type \./{NAME} for the folder, or builtin:{NAME}"):
        find_problem(NAME)
    for path in (f"./{NAME}", f"{NAME}/", str(shadowed), shadowed, Path(NAME)):
        assert find_problem(path) == shadowed
    assert find_problem(f"builtin:{NAME}") == resource_folder("problems") / NAME


def test_an_empty_folder_and_a_link_to_one_are_folders_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / NAME).symlink_to("elsewhere")
    with pytest.raises(ProblemError, match="also a folder here"):
        find_problem(NAME)


def test_the_built_in_folder_itself_is_no_second_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(resource_folder("problems"))
    assert find_problem(NAME) == resource_folder("problems") / NAME


@pytest.mark.parametrize("name", ["", "circle_packin", "../x"])
def test_the_longer_name_is_never_a_path(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "circle_packin").mkdir()
    with pytest.raises(ProblemError, match="expected the name of a built-in problem"):
        find_problem(f"builtin:{name}")


@pytest.mark.parametrize(
    "words",
    [
        ["run", f"problem={NAME}", "out=r"],
        ["run", "out=r"],
        ["run", f"problem={NAME}", "problem.params.n=10", "out=r"],
        ["config", f"problem={NAME}"],
        ["config"],
        ["validate", NAME],
        ["validate", NAME, "main.py"],
        ["redteam", NAME],
        ["doctor", NAME],
    ],
)
def test_every_verb_that_takes_a_problem_refuses_a_name_of_two_meanings(
    words: list[str], shadowed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert f"type ./{NAME} for the folder" in capsys.readouterr().err
    assert sorted(path.name for path in shadowed.parent.iterdir()) == [NAME]


def test_the_list_of_problems_says_which_name_is_also_a_folder_here(shadowed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    told = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")}
    assert f"./{NAME}" in told[NAME]
    assert "./" not in told["planted"]
