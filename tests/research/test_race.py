"""``evolve speedrun package`` on runs: of a race with a claim, of one without, and of something else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from races import raced, write_race

from archive import ConfirmationOpened, find_records
from evolve.cli import main
from evolve.speedrun import verify


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("race")
    return raced(write_race(place / "race"), place / "run")


def test_the_runs_of_a_claim_become_a_record_that_holds(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["speedrun", "package", str(run), "--to", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (folder,) = tmp_path.iterdir()
    assert told["folder"] == str(folder)
    (opened, *_) = [one.record for one in find_records(run, ("vault_opened",)) if isinstance(one.record, ConfirmationOpened)]
    assert told["sample"]["n"] == len(list(folder.glob("*.txt"))) == opened.gate[0] + opened.estimate[0]
    assert len(list((folder / "baseline").glob("*.txt"))) == opened.gate[1] + opened.estimate[1]
    assert "-STEPS = 200" in (folder / "changes.diff").read_text()
    page = (folder / "README.md").read_text()
    assert "1 line added and 1 removed in 1 file" in page
    assert "the initial program" in page
    assert verify(folder).baseline == "baseline"


def test_what_has_no_claim_is_told_so(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["speedrun", "package", str(run), "initial", "--to", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "expected a confirmed claim of" in said
    assert "evolve claims" in said
    assert not list(tmp_path.iterdir())


def test_a_run_of_something_else_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = raced(write_race(tmp_path / "other", name="other", artifact="picture"), tmp_path / "run", 4)
    capsys.readouterr()
    assert main(["speedrun", "package", str(path), "--to", str(tmp_path / "to")]) == 2
    assert "expected a run of a race (problem=speedrun), found one of other" in capsys.readouterr().err
    assert not (tmp_path / "to").exists()
