"""A run made, driven and read in Python, with walls and without."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from api_problem import SEED, Make

import evolve
from evolve._errors import RunLocked, UsageError
from evolve.cli import main


@pytest.mark.slow
def test_three_lines_improve_a_packing_in_the_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = evolve.create_run("circle_packing", budget=evolve.Budget(evaluations=20), seed=1)
    summary = run.optimize()
    assert (summary.status, summary.tier) == ("done", "strict")
    assert run.path.parent == Path("runs")
    assert run.best.score > run.initial.score
    assert (run.best.id, run.best.score) == (summary.best_id, summary.best_score)
    assert "def " in run.best.files["main.py"]
    assert run.claims().confirmed  # recomputed by the problem's verify.py


def test_a_run_that_was_made_has_its_initial_program_and_nothing_else(make: Make) -> None:
    run = make()
    assert run.status == "created"
    assert (run.initial.files, run.initial.status, run.initial.score) == ({"main.py": SEED}, "not measured", None)
    assert run.summary().measurements == 0
    typed = [sys.executable, "-m", "evolve", "status", str(run.path)]
    assert "created (nobody has driven it yet)" in subprocess.run(typed, capture_output=True, text=True, check=True).stdout
    run.optimize()
    assert run.status == "done"


def test_what_create_and_optimize_do_is_what_evolve_run_does(make: Make, parabola: Path, tmp_path: Path) -> None:
    """A run that was made first goes the way of one that is made and driven at once."""
    run = make(seed=5, policy="one_plus_one")  # one thing at a time, so that nothing hangs on what comes first
    run.optimize()
    settings = ("seed=5", "search.policy=one_plus_one", "budget.evaluations=20", "executor.slots=1", "sandbox=none")
    assert main(["run", f"problem={parabola}", f"out={tmp_path / 'other'}", *settings]) == 0
    other = evolve.open_run(tmp_path / "other")
    sql = "SELECT id, operator, score FROM candidates ORDER BY ticket, id"
    assert run.query(sql) == other.query(sql)
    assert len(run.query(sql).rows) > 10


def test_progress_is_told_on_each_new_best_and_is_what_the_run_says(make: Make) -> None:
    seen: list = []
    run = make()
    run.optimize(on_progress=seen.append, every_s=1000)
    bests = [one.best.score for one in seen if one.best is not None]
    assert bests == sorted(bests)
    assert bests[-1] == run.best.score == run.progress.best.score
    assert len(bests) > 1


def test_what_a_listener_raises_ends_the_call_and_the_run_goes_on(make: Make) -> None:
    run = make()

    def fail(progress: object) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        run.optimize(on_progress=fail)
    assert run.status == "interrupted"
    assert run.optimize().status == "done"


@pytest.mark.parametrize("nothing", [None, evolve.Budget()])
def test_resume_wants_a_limit_that_changes(make: Make, nothing: evolve.Budget | None) -> None:
    run = make()
    with pytest.raises(UsageError, match=r"expected a limit that changes, as evolve.Budget\(wall_s=600\), found none"):
        run.resume(nothing)  # type: ignore[arg-type]


def test_resume_changes_the_limits_it_names_and_goes_on(make: Make) -> None:
    run = make()
    run.optimize()
    assert run.resume(evolve.Budget(evaluations=30)).measurements > 20
    assert run.progress.budget.evaluations == 30


def test_a_run_is_stopped_and_given_more_from_another_thread(make: Make) -> None:
    run, told = make(budget=evolve.Budget(wall_s=60)), threading.Event()
    found: list = []
    driver = threading.Thread(target=lambda: found.append(run.optimize(on_progress=lambda _: told.set())))
    driver.start()
    assert told.wait(30)
    assert run.status == "running"
    with pytest.raises(RunLocked, match="is being driven by process"):
        evolve.open_run(run.path).optimize()
    assert run.resume(evolve.Budget(wall_s=50)).status == "running"
    assert run.progress.budget.wall_s == 50
    assert run.stop(30) == "stopped"
    driver.join(30)
    assert found[0].status == run.status == "stopped"
    assert run.stop() == "not running"


def test_a_problem_that_was_loaded_is_the_one_that_is_searched(tmp_path: Path) -> None:
    problem = evolve.load_problem("circle_packing", n=4)
    run = evolve.create_run(problem, out=tmp_path / "run", budget=evolve.Budget(evaluations=3))
    assert run.problem.id == problem.id
    assert run.problem.params["n"] == 4


def test_a_target_ends_the_search(make: Make) -> None:
    run = make(target=-0.12, budget=evolve.Budget(evaluations=500))
    summary = run.optimize()
    assert summary.reason == "stop.target"
    assert run.best.score >= -0.12
