"""A run is read whatever becomes of its copy of the problem, and goes on with the problem as recorded or says what differs."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from archive import Journal, RunCreated, read_journal
from evolve import Budget, Run, create_run, load_problem, open_run
from evolve._errors import ProblemError
from evolve.cli import main

READING = (
    ["status"],
    ["best"],
    ["best", "--source"],
    ["show", "best"],
    ["lineage"],
    ["claims"],
    ["query", "SELECT count(*) FROM candidates"],
)


@pytest.fixture
def run(parabola) -> Run:
    """One that has ended."""
    made = parabola(evaluations=10)
    made.optimize()
    return made


def goes_on(run: Run) -> bool:
    return run.resume(Budget(evaluations=16)).measurements > 10


def goes_on_as_recorded(run: Run) -> bool:
    assert main(["resume", str(run.path), "--recorded", "budget.evaluations=16"]) == 0
    return run.summary().measurements > 10


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


LIKE_OTHERS = (_to_a_file, _to_another, _mend)


@pytest.mark.parametrize("change", [_delete, _break, _add, *(pytest.param(one, marks=pytest.mark.slow) for one in LIKE_OTHERS)])
def test_every_reading_verb_works_whatever_becomes_of_the_copy(
    run: Run, change: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    told = []
    for _ in range(2):
        for verb, *rest in READING:
            assert main([verb, str(run.path), *rest]) == 0, verb
        told.append(capsys.readouterr().out)
        if len(told) == 1:
            change(run.path / "problem")
    assert told[0] == told[1]


MORE_NAMES = ("__pycache__/evaluate.pyc", ".cache/x", "more/helper.py")


@pytest.mark.parametrize(
    "name", ["baseline.json", "initial/notes.txt", *(pytest.param(one, marks=pytest.mark.slow) for one in MORE_NAMES)]
)
def test_what_was_not_there_from_the_start_never_counts(run: Run, name: str) -> None:
    (run.path / "problem" / name).parent.mkdir(exist_ok=True)
    (run.path / "problem" / name).write_text("x")
    assert goes_on(run)
    assert (run.path / "problem" / name).read_text() == "x"


def test_explanations_may_be_changed(parabola, problem) -> None:
    (problem() / "README.md").write_text("old")
    (problem() / "program.md").write_text("old")
    run = parabola(evaluations=10)
    run.optimize()
    (run.path / "problem" / "README.md").write_text("new")
    (run.path / "problem" / "program.md").unlink()
    assert goes_on(run)
    assert (run.path / "problem" / "README.md").read_text() == "new"


def test_a_permission_that_was_lost_on_the_way_is_given_back(parabola, problem) -> None:
    tool = problem() / "tool.sh"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    run = parabola(evaluations=10)
    run.optimize()
    (run.path / "problem" / "tool.sh").chmod(0o644)
    assert goes_on(run)
    assert os.access(run.path / "problem" / "tool.sh", os.X_OK)


def test_what_is_missing_is_put_back(run: Run) -> None:
    shutil.rmtree(run.path / "problem")
    assert goes_on(run)
    problem = run.problem
    assert load_problem(run.path / "problem", **problem.params).evaluator == problem.evaluator


def test_a_mended_evaluator_is_named_kept_and_never_mixed_with(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(list(read_journal(run.path)))
    _mend(run.path / "problem")
    mended = (run.path / "problem" / "evaluate.py").read_text()
    assert main(["resume", str(run.path), "budget.evaluations=16"]) == 2
    told = capsys.readouterr().err
    assert "evaluate.py in" in told
    assert f"evolve resume {run.path} --recorded" in told
    assert f"evolve run problem={run.path}/problem" in told
    assert len(list(read_journal(run.path))) == before

    other = create_run(run.path / "problem", out=tmp_path / "mended", budget=Budget(evaluations=10), sandbox="none")
    other.optimize()
    assert goes_on_as_recorded(run)
    assert (run.path / "problem.changed" / "evaluate.py").read_text() == mended
    evaluators = {record.record.result.evaluator for record in read_journal(run.path) if record.record.kind == "measured"}
    assert evaluators == {run.problem.evaluator}
    assert other.problem.evaluator not in evaluators


def test_comments_and_the_default_budget_of_the_contract_may_be_changed(run: Run) -> None:
    file = run.path / "problem" / "problem.yaml"
    before = file.read_text()
    assert "budget:" not in before
    file.write_text(f"# a remark\n{before}\nbudget: {{wall_s: 77}}\n")
    assert goes_on(run)
    assert file.read_text().startswith("# a remark")
    file.write_text(before.replace("maximize", "minimize") if "maximize" in before else before.replace("minimize", "maximize"))
    with pytest.raises(ProblemError, match=r"problem\.yaml in"):
        run.resume(Budget(evaluations=20))


def test_a_file_in_the_place_of_the_copy_is_kept_and_replaced(run: Run) -> None:
    _to_a_file(run.path / "problem")
    with pytest.raises(ProblemError, match=r"--recorded"):
        goes_on(run)
    assert goes_on_as_recorded(run)
    assert (run.path / "problem.changed").read_text() == "x"
    assert (run.path / "problem" / "evaluate.py").is_file()


def test_a_pipe_in_the_place_of_a_folder_is_not_kept_and_replaced(run: Run) -> None:
    shutil.rmtree(run.path / "problem" / "initial")
    os.mkfifo(run.path / "problem" / "initial")
    (run.path / "problem.changed").symlink_to("nowhere")
    with pytest.raises(ProblemError, match=r"--recorded"):
        goes_on(run)
    assert goes_on_as_recorded(run)
    assert (run.path / "problem" / "initial").is_dir()
    assert (run.path / "problem.changed-2" / "evaluate.py").is_file()
    assert not (run.path / "problem.changed-2" / "initial").exists()


def test_restoring_writes_through_no_link(run: Run, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(run.path / "problem", mine)
    _mend(mine)
    before = (mine / "evaluate.py").read_text()
    shutil.rmtree(run.path / "problem")
    (run.path / "problem").symlink_to(mine)
    with pytest.raises(ProblemError, match=r"evaluate\.py in"):
        goes_on(run)
    assert goes_on_as_recorded(run)
    assert (mine / "evaluate.py").read_text() == before
    assert not (run.path / "problem").is_symlink()


@pytest.mark.parametrize("damage", ["gone", "cut", "foreign"])
def test_an_archive_that_is_damaged_matters_only_where_it_is_needed(
    run: Run, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = run.path / "problem.tar"
    if damage == "gone":
        archive.unlink()
    else:
        archive.write_bytes(archive.read_bytes()[:700] if damage == "cut" else b"x" * 2000)
    assert goes_on(run)
    _mend(run.path / "problem")
    capsys.readouterr()
    assert main(["resume", str(run.path), "--recorded", "budget.evaluations=20"]) == 2
    assert "problem.tar" in capsys.readouterr().err


def test_a_problem_with_everything_in_it_is_ready_again_after_its_copy_was_deleted(parabola, problem) -> None:
    folder = problem()
    (folder / "tool.sh").write_text("#!/bin/sh\n")
    (folder / "tool.sh").chmod(0o755)
    (folder / "link").symlink_to("tool.sh")
    (folder / "empty").mkdir()
    (folder / ".config").write_text("x")
    (folder / os.fsdecode(b"\xff")).write_text("x")
    run = parabola(evaluations=6)
    shutil.rmtree(run.path / "problem")
    run.optimize()
    recorded = run.problem
    original, again = (load_problem(where, **recorded.params) for where in (folder, run.path / "problem"))
    for one in (recorded, again):
        assert (one.pieces, one.contract, one.initial_files) == (original.pieces, original.contract, original.initial_files)


def test_a_run_of_a_version_that_recorded_less_is_read_although_a_file_was_added(run: Run) -> None:
    evaluator, best, entries = run.problem.evaluator, run.best, list(read_journal(run.path))
    created = entries[0].record
    assert isinstance(created, RunCreated)
    for part in [*(run.path / "journal").iterdir(), *run.path.glob("checkpoint.*")]:
        part.unlink()
    with Journal.create(run.path) as journal:
        journal.append(replace(created, problems=(replace(created.problems[0], recorded=""),)), at=entries[0].at)
        for entry in entries[1:]:
            journal.append(entry.record, at=entry.at)
    old = open_run(run.path)
    assert old.optimize().status == "done"
    (run.path / "problem" / "baseline.json").write_text("1")
    assert (old.problem.evaluator, open_run(run.path).best) == (evaluator, best)
    with pytest.raises(ProblemError, match="remove what was added there"):
        goes_on(old)


# ------------------------------------------------------------------------------------------------ starts that fail


@pytest.mark.parametrize("there", [False, True])
def test_a_start_that_fails_leaves_nothing(parabola, there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "deep" / "below" / "run"
    if there:
        out.mkdir(parents=True)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tarfile, "open", full)  # as what a run keeps of its problem is written
    with pytest.raises(OSError, match="No space"):
        parabola({"out": out})
    assert out.exists() == there
    assert not there or list(out.iterdir()) == []
    assert (tmp_path / "deep").exists() == there


def test_a_run_may_lie_inside_its_problem(problem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(problem())
    for name in ("first", "second"):
        create_run(".", out=name, budget=Budget(evaluations=10), sandbox="none").optimize()
    first, second = (open_run(name).problem for name in ("first", "second"))
    assert (first.evaluator, first.pieces) == (second.evaluator, second.pieces)
