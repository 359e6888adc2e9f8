"""A run is read whatever becomes of its copy of the problem, and goes on with the problem as recorded or says what differs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from archive import read_journal
from evolve import load_problem
from evolve._errors import ProblemError, UsageError
from evolve.cli import main
from evolve.config._schema import ProblemConfig
from evolve.engine._session import resume, start
from evolve.runs._folder import RunLock, create, open_folder
from evolve.runs._open import read_config_and_problem
from evolve.runs._recorded_problem import ready_problem, recorded_problem

READING = (
    ["status"],
    ["best"],
    ["best", "--source"],
    ["show", "best"],
    ["lineage"],
    ["claims"],
    ["query", "SELECT count(*) FROM candidates"],
)


def _delete(copy: Path) -> None:
    shutil.rmtree(copy)


def _to_a_file(copy: Path) -> None:
    shutil.rmtree(copy)
    copy.write_text("x")


def _to_another(copy: Path) -> None:
    (copy / "problem.yaml").write_text("name: other\nmetric: depth\ngoal: minimize\n")


def _break(copy: Path) -> None:
    (copy / "problem.yaml").write_text(": [\n")
    (copy / "evaluate.py").write_text("def evaluate(\n")


def _add(copy: Path) -> None:
    (copy / "baseline.json").write_text("1")
    (copy / "data").mkdir()
    (copy / "data" / "more.txt").write_text("1")
    os.mkfifo(copy / "pipe")
    (copy / "out").symlink_to("/etc/hostname")


def _mend(copy: Path) -> None:
    with (copy / "evaluate.py").open("a") as file:
        file.write("# mended\n")


@pytest.mark.parametrize("change", [_delete, _to_a_file, _to_another, _break, _add, _mend])
def test_every_reading_verb_works_whatever_becomes_of_the_copy(
    parabola, change: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    run = start(parabola(evaluations=10)).run
    told = []
    for _ in range(2):
        for verb, *rest in READING:
            assert main([verb, run, *rest]) == 0, verb
        told.append(capsys.readouterr().out)
        if len(told) == 1:
            change(Path(run) / "problem")
    assert told[0] == told[1]


@pytest.mark.parametrize("name", ["baseline.json", "__pycache__/evaluate.pyc", ".cache/x", "initial/notes.txt", "more/helper.py"])
def test_what_was_not_there_from_the_start_never_counts(parabola, name: str) -> None:
    run = Path(start(parabola(evaluations=10)).run)
    (run / "problem" / name).parent.mkdir(exist_ok=True)
    (run / "problem" / name).write_text("x")
    assert resume(run, {"evaluations": 16}).measurements > 10
    assert (run / "problem" / name).read_text() == "x"


def test_explanations_may_be_changed(parabola) -> None:
    config = parabola(evaluations=10)
    folder = Path(config.problem.name)
    (folder / "README.md").write_text("old")
    (folder / "program.md").write_text("old")
    run = Path(start(config).run)
    (run / "problem" / "README.md").write_text("new")
    (run / "problem" / "program.md").unlink()
    assert resume(run, {"evaluations": 16}).measurements > 10
    assert (run / "problem" / "README.md").read_text() == "new"


def test_a_permission_that_was_lost_on_the_way_is_given_back(parabola) -> None:
    config = parabola(evaluations=10)
    tool = Path(config.problem.name) / "tool.sh"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    run = Path(start(config).run)
    (run / "problem" / "tool.sh").chmod(0o644)
    assert resume(run, {"evaluations": 16}).measurements > 10
    assert os.access(run / "problem" / "tool.sh", os.X_OK)


def test_what_is_missing_is_put_back(parabola) -> None:
    run = Path(start(parabola(evaluations=10)).run)
    shutil.rmtree(run / "problem")
    assert resume(run, {"evaluations": 16}).measurements > 10
    problem = read_config_and_problem(open_folder(run))[1]
    assert load_problem(run / "problem", **problem.params).evaluator == problem.evaluator


def test_a_mended_evaluator_is_named_kept_and_never_mixed_with(parabola, capsys: pytest.CaptureFixture[str]) -> None:
    run = Path(start(parabola(evaluations=10)).run)
    before = len(list(read_journal(run)))
    _mend(run / "problem")
    mended = (run / "problem" / "evaluate.py").read_text()
    assert main(["resume", str(run), "budget.evaluations=16"]) == 2
    told = capsys.readouterr().err
    assert "evaluate.py in" in told
    assert f"evolve resume {run} --recorded" in told
    assert f"evolve run problem={run}/problem" in told
    assert len(list(read_journal(run))) == before

    elsewhere = {"problem": ProblemConfig(name=str(run / "problem")), "out": str(run.parent / "mended")}
    other = start(replace(parabola(evaluations=10), **elsewhere))
    assert main(["resume", str(run), "--recorded", "budget.evaluations=16"]) == 0
    assert (run / "problem.changed" / "evaluate.py").read_text() == mended
    evaluators = {record.record.result.evaluator for record in read_journal(run) if record.record.kind == "measured"}
    assert evaluators == {read_config_and_problem(open_folder(run))[1].evaluator}
    assert read_config_and_problem(open_folder(Path(other.run)))[1].evaluator not in evaluators


def test_comments_and_the_default_budget_of_the_contract_may_be_changed(parabola) -> None:
    run = Path(start(parabola(evaluations=10)).run)
    file = run / "problem" / "problem.yaml"
    before = file.read_text()
    assert "budget:" not in before
    file.write_text(f"# a remark\n{before}\nbudget: {{wall_s: 77}}\n")
    assert resume(run, {"evaluations": 16}).measurements > 10
    assert file.read_text().startswith("# a remark")
    file.write_text(before.replace("maximize", "minimize") if "maximize" in before else before.replace("minimize", "maximize"))
    with pytest.raises(ProblemError, match=r"problem\.yaml in"):
        resume(run, {"evaluations": 20})


def test_a_file_in_the_place_of_the_copy_is_kept_and_replaced(parabola) -> None:
    run = Path(start(parabola(evaluations=10)).run)
    _to_a_file(run / "problem")
    with pytest.raises(ProblemError, match=r"--recorded"):
        resume(run, {"evaluations": 16})
    assert resume(run, {"evaluations": 16}, as_recorded=True).measurements > 10
    assert (run / "problem.changed").read_text() == "x"
    assert (run / "problem" / "evaluate.py").is_file()


def test_a_pipe_in_the_place_of_a_folder_is_not_kept_and_replaced(parabola) -> None:
    run = Path(start(parabola(evaluations=10)).run)
    shutil.rmtree(run / "problem" / "initial")
    os.mkfifo(run / "problem" / "initial")
    (run / "problem.changed").symlink_to("nowhere")
    with pytest.raises(ProblemError, match=r"--recorded"):
        resume(run, {"evaluations": 16})
    assert resume(run, {"evaluations": 16}, as_recorded=True).measurements > 10
    assert (run / "problem" / "initial").is_dir()
    assert (run / "problem.changed-2" / "evaluate.py").is_file()
    assert not (run / "problem.changed-2" / "initial").exists()


def test_restoring_writes_through_no_link(parabola, tmp_path: Path) -> None:
    run = Path(start(parabola(evaluations=10)).run)
    mine = tmp_path / "mine"
    shutil.copytree(run / "problem", mine)
    _mend(mine)
    before = (mine / "evaluate.py").read_text()
    shutil.rmtree(run / "problem")
    (run / "problem").symlink_to(mine)
    with pytest.raises(ProblemError, match=r"evaluate\.py in"):
        resume(run, {"evaluations": 16})
    assert resume(run, {"evaluations": 16}, as_recorded=True).measurements > 10
    assert (mine / "evaluate.py").read_text() == before
    assert not (run / "problem").is_symlink()


@pytest.mark.parametrize("damage", ["gone", "cut", "foreign"])
def test_an_archive_that_is_damaged_matters_only_where_it_is_needed(parabola, damage: str) -> None:
    run = Path(start(parabola(evaluations=10)).run)
    archive = run / "problem.tar"
    if damage == "gone":
        archive.unlink()
    else:
        archive.write_bytes(archive.read_bytes()[:700] if damage == "cut" else b"x" * 2000)
    assert resume(run, {"evaluations": 16}).measurements > 10
    _mend(run / "problem")
    with pytest.raises(ProblemError) as caught:
        resume(run, {"evaluations": 20}, as_recorded=True)
    assert "problem.tar" in str(caught.value)


def test_a_problem_with_everything_in_it_is_ready_again_after_its_copy_was_deleted(parabola) -> None:
    config = parabola(evaluations=6)
    folder = Path(config.problem.name)
    (folder / "tool.sh").write_text("#!/bin/sh\n")
    (folder / "tool.sh").chmod(0o755)
    (folder / "link").symlink_to("tool.sh")
    (folder / "empty").mkdir()
    (folder / ".config").write_text("x")
    (folder / os.fsdecode(b"\xff")).write_text("x")
    run = open_folder(Path(start(config).run))
    created = next(iter(read_journal(run.path))).record
    shutil.rmtree(run.problem)
    ready = ready_problem(run, created.problems[0])
    original = load_problem(folder, **ready.params)
    assert (ready.pieces, ready.contract, ready.initial_files) == (original.pieces, original.contract, original.initial_files)
    assert load_problem(run.problem, **ready.params).pieces == original.pieces


def test_a_run_of_a_version_that_recorded_less_is_read_although_a_file_was_added(parabola) -> None:
    run = open_folder(Path(start(parabola(evaluations=10)).run))
    created = next(iter(read_journal(run.path))).record
    old = replace(created.problems[0], recorded="")
    assert ready_problem(run, old).evaluator == old.evaluator
    (run.problem / "baseline.json").write_text("1")
    assert recorded_problem(run, old).evaluator == old.evaluator
    with pytest.raises(ProblemError, match="remove what was added there"):
        ready_problem(run, old)


# ------------------------------------------------------------------------------------------------ starts that fail


@pytest.mark.parametrize("there", [False, True])
def test_a_start_that_fails_leaves_nothing(parabola, there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = parabola(evaluations=10)
    out = tmp_path / "deep" / "below" / "run"
    if there:
        out.mkdir(parents=True)
    config.out = str(out)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("evolve.engine._session.keep", full)
    with pytest.raises(OSError, match="No space"):
        start(config)
    assert out.exists() == there
    assert not there or list(out.iterdir()) == []
    assert (tmp_path / "deep").exists() == there


def test_a_run_may_lie_inside_its_problem(parabola, monkeypatch: pytest.MonkeyPatch) -> None:
    config = parabola(evaluations=10)
    monkeypatch.chdir(config.problem.name)
    config.problem.name = "."
    for name in ("first", "second"):
        config.out = name
        start(config)
    first, second = (read_config_and_problem(open_folder(Path(name)))[1] for name in ("first", "second"))
    assert (first.evaluator, first.pieces) == (second.evaluator, second.pieces)


def test_a_start_that_was_killed_before_its_first_record_is_started_anew_in_the_same_folder(parabola, tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from evolve.runs._folder import RunLock, create\n"
        "with create(sys.argv[1], 'parabola') as run, RunLock(run):\n"
        "    run.problem.mkdir()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    config = parabola(evaluations=10)
    assert config.out is not None
    done = subprocess.run([sys.executable, "-c", code, config.out], check=False)
    assert done.returncode == -signal.SIGKILL
    assert start(config).measurements == 10
    with pytest.raises(UsageError, match="exists and is not empty"):
        start(config)


def test_the_folder_of_a_start_that_still_goes_on_is_not_taken(tmp_path: Path) -> None:
    with create(str(tmp_path / "run"), "p") as run, RunLock(run):
        with pytest.raises(UsageError, match="exists and is not empty"), create(str(tmp_path / "run"), "p"):
            pass
        assert (run.path / "run.json").exists()


def test_files_of_others_are_never_removed_with_a_start(tmp_path: Path) -> None:
    with suppress(KeyboardInterrupt), create(str(tmp_path / "run"), "p") as run:
        (run.path / "mine.txt").write_text("x")
        raise KeyboardInterrupt
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["mine.txt"]
