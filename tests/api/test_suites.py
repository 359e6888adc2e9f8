"""Several problems in one run, through the front door: Python and the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from api_problem import GOALS, SEED, folder_of_problems

import evolve
from evolve.cli import main


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    return folder_of_problems(tmp_path / "problems")


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(list(words)) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(list(words)) != 0
    return capsys.readouterr().err


def test_one_run_of_a_folder_of_problems(problems: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(tmp_path / "run")
    words = ("run", f"problem={problems}", f"out={run}", "budget.evaluations=30", "sandbox=none", "executor.slots=1")
    out = json.loads(said(capsys, *words, "--json"))
    assert out["measurements"] == sum(one["measurements"] for one in out["problems"]) == 30
    assert [one["problem"] for one in out["problems"]] == ["hill", "ridge"]
    table = said(capsys, "status", run)
    assert all(name in table for name in GOALS)
    assert [one["problem"] for one in json.loads(said(capsys, "best", run, "--json"))["problems"]] == ["hill", "ridge"]
    assert "hill: maximize height" in said(capsys, "status", run, "--problem", "hill")
    assert "X = " in said(capsys, "best", run, "--problem", "ridge", "--source")
    assert len(json.loads(said(capsys, "claims", run, "--json"))["problems"]) == 2
    assert "say which: --problem hill" in refused(capsys, "best", run, "--source")
    assert "did you mean --problem ridge" in refused(capsys, "status", run, "--problem", "rigde")
    counted = json.loads(said(capsys, "query", run, "SELECT problem, count(*) FROM candidates GROUP BY 1 ORDER BY 1", "--json"))
    assert [name.partition("@")[0] for name, _ in counted["rows"]] == ["hill", "ridge"]
    out = f"type: evolve best {run} --source -o out.py --problem ridge"
    assert out in refused(capsys, "best", run, "--problem", "ridge", "-o", "out.py")
    out = f"type: evolve best {run} --diff --problem ridge > x"
    assert out in refused(capsys, "best", run, "--problem", "ridge", "--diff", "-o", "x")
    assert "above the 30 that are spent" in refused(capsys, "resume", run, "budget.evaluations=20")
    more = json.loads(said(capsys, "resume", run, "budget.evaluations=50", "--json"))
    assert more["measurements"] == 50


def test_what_to_type_next_is_about_the_problem_that_gained_most(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problems = folder_of_problems(tmp_path / "problems", best_already=(0.25, 0.75), ridge=(3.0, -2.0))
    run = str(tmp_path / "run")
    words = (f"problem={problems}", f"out={run}", "budget.evaluations=30", "sandbox=none", "executor.slots=1")
    assert f"evolve best {run} --problem ridge | evolve resume" in said(capsys, "run", *words)
    assert f"next: evolve status {run} --problem ridge" in said(capsys, "status", run)


@pytest.mark.parametrize("start", ["import not_there_at_all\n", "def (\n"], ids=["a missing module", "a syntax error"])
def test_an_evaluator_that_cannot_be_imported_is_refused_before_anything_is_made(
    start: str, problems: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluator = problems / "ridge" / "evaluate.py"
    evaluator.write_text(start + evaluator.read_text())
    for one in (problems, problems / "ridge"):
        words = ("run", f"problem={one}", f"out={tmp_path / 'run'}", "budget.evaluations=10", "sandbox=none", "executor.slots=1")
        assert main(list(words)) == 2
        said = capsys.readouterr().err
        assert "expected an evaluate.py of ridge that can be imported, found" in said
        assert said.rstrip().endswith(f"type: evolve validate {problems / 'ridge'}")
        assert not (tmp_path / "run").exists()


@pytest.fixture
def one_noisy(problems: Path, tmp_path: Path) -> tuple[str, tuple[str, ...]]:
    """A run's folder, and the words that make it, of problems of which ridge is noisy."""
    contract, evaluator, run = problems / "ridge" / "problem.yaml", problems / "ridge" / "evaluate.py", str(tmp_path / "run")
    contract.write_text(contract.read_text().replace("deterministic", "noisy"))
    evaluator.write_text(evaluator.read_text().replace("** 2)\n", '** 2 + 0.1 * trial.rng("noise").normal())\n'))
    return run, (f"problem={problems}", f"out={run}", "sandbox=none", "executor.slots=1")


def test_what_is_kept_back_is_said_at_the_start_and_what_of_it_was_not_spent_at_the_end(
    problems: Path, one_noisy: tuple[str, tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    run, words = one_noisy
    for more in ("drafts", ".git"):
        (problems / more).mkdir()
    assert main(["run", *words, "budget.evaluations=20"]) == 0
    ended, first = capsys.readouterr()
    assert "note: no problem, as no problem.yaml is in it: drafts\n" in first
    assert "problem  hill: maximize height, deterministic\n" in first
    assert "problem  ridge: maximize height, noisy; 30 % of its part of the budget is set aside to confirm improvements" in first
    assert "; its part is 10 measurements now, which sets 3 aside\n" in first
    left = 20 - json.loads(said(capsys, "status", run, "--json"))["spent"]["evaluations"]
    kept = f"with {left:.0f} of 20 left that were kept for final runs of best and initial program and not spent"
    how = f"done: budget.evaluations, {kept}" if left else "done: budget.evaluations is spent"
    assert f"ended  {how}" in ended
    assert f"status   {how}" in said(capsys, "status", run)


def test_a_gain_says_where_it_is_of_final_runs_and_each_best_how_well_founded_it_is(
    one_noisy: tuple[str, tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    run, words = one_noisy
    ended = said(capsys, "run", *words, "budget.evaluations=60")
    hill, ridge = json.loads(said(capsys, "status", run, "--json"))["problems"]
    assert ridge["word"]
    assert ridge["gain_from"] == "final runs"
    table = said(capsys, "best", run)
    for text in (ended, table):
        assert f"gain of the final runs; {ridge['word']}" in text
        assert text.count("gain of the final runs") == 1
    for one in (hill, ridge):
        row = (one["problem"], one["best_id"], one["best_operator"], one["word"] or "-")
        assert row in [tuple(re.split(r"  +", line.strip())) for line in table.splitlines()]


def test_from_python_each_problem_is_read_by_its_name(problems: Path, tmp_path: Path) -> None:
    run = evolve.create_run(
        [problems / "hill", evolve.load_problem(problems / "ridge")],
        out=tmp_path / "run",
        budget=evolve.Budget(evaluations=40),
        slots=1,
        sandbox="none",
    )
    summary = run.optimize()
    assert [problem.contract.name for problem in run.problems] == ["hill", "ridge"]
    for told in summary.problems:
        assert run.of(told.problem).best.score == told.best_score
        assert run.of(told.problem).claims().exact is not None
    best = run.of("ridge").best
    assert run.candidate(best.id).score == best.score
    for vague in (lambda: run.best, run.ask, lambda: run.rebin({"x": (0, 1)}), run.claims):
        with pytest.raises(evolve.EvolveError, match=r'say which: run\.of\("hill"\)'):
            vague()
    with pytest.raises(evolve.EvolveError, match=r'did you mean run\.of\("ridge"\)'):
        run.of("rigde")


def test_a_child_that_is_told_is_of_the_problem_that_was_asked_for(problems: Path, tmp_path: Path) -> None:
    budget = evolve.Budget(evaluations=30)
    run = evolve.create_run(
        [problems / name for name in GOALS], out=tmp_path / "run", budget=budget, slots=1, sandbox="none", policy="fixed_candidates"
    )
    ridge = run.of("ridge")
    ticket = ridge.ask()
    assert ticket.contract.name == "ridge"
    told = ridge.tell(ticket, {"main.py": SEED.replace("0.25", "3.0")})
    assert told.status == "accepted"
    run.optimize()
    assert run.candidate(told.candidate or "").score == pytest.approx(-(2.75**2))
    assert run.of("hill").best.id == run.of("hill").initial.id


def test_problems_without_a_limit_go_on_until_they_are_stopped(problems: Path, tmp_path: Path) -> None:
    run = evolve.create_run([problems / name for name in GOALS], out=tmp_path / "run", patience=3, slots=1, sandbox="none")
    assert run.of("hill").progress.budget.evaluations is None
    assert run.optimize().reason == "stop.patience"


@pytest.mark.parametrize(
    ("own", "why"),
    [
        (("", "budget: {evaluations: 9}\n"), "found none, as hill has none of its own, while others have; type"),
        (("budget: {wall_s: 9}\n", "budget: {evaluations: 9}\n"), "found none, as their own limits are of different kinds; type"),
    ],
)
def test_limits_that_not_all_problems_have_are_not_added_up(problems: Path, tmp_path: Path, own: tuple[str, str], why: str) -> None:
    for name, budget in zip(GOALS, own, strict=True):
        contract = problems / name / "problem.yaml"
        contract.write_text(contract.read_text() + budget)
    with pytest.raises(evolve.EvolveError, match=why):
        evolve.create_run([problems / name for name in GOALS], out=tmp_path / "run", slots=1, sandbox="none")


def test_a_list_of_one_is_a_run_of_one(problems: Path, tmp_path: Path) -> None:
    for number, given in enumerate(([problems / "hill"], f"[{problems / 'hill'}]")):
        run = evolve.create_run(given, out=tmp_path / str(number), sandbox="none")
        assert (run.path / "problem").is_dir()
        assert (run.problem.contract.name, run.of("hill").initial.id) == ("hill", run.initial.id)


def test_what_a_configuration_of_several_comes_to_is_shown(problems: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"problem: {problems}" in said(capsys, "config", f"problem={problems}")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["problem=[]"], "expected names or folders of problems"),
        (["problem=[{0}/hill,{0}/hill]"], "twice; leave one out"),
        (["problem={0}", "problem.params.n=4"], "is about one problem, and problem="),
        (["problem=[{0}/hill,{0}/nowhere]"], "found nothing; make one"),
        (["problem=[{0}/hill,{0}/broken]"], "{0}/broken, one of the problems asked for: problem.yaml: goal"),
        (["problem=[{0}/hill,{0}/copy]"], "expected a name of its own for each problem of a run, found hill in"),
        (["problem={0}/empty"], "empty"),
        (["problem={0}/hill,{0}/ridge"], 'for several quote and bracket them, as "problem=[{0}/hill,{0}/ridge]"'),
        (["problem=[{0}/hill,", "{0}/ridge]"], "for several quote and bracket them, as"),
        (["problem={0}", "suite.allocation=fair"], "suite.allocation must be one of bandit, equal"),
    ],
)
def test_bad_input_is_one_sentence_before_anything_is_made(
    problems: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], why: str
) -> None:
    folder_of_problems(tmp_path / "more", hill=(1.0, 1.0))
    (tmp_path / "more" / "hill").rename(problems / "copy")
    (problems / "empty").mkdir()
    (problems / "broken").mkdir()
    (problems / "broken" / "problem.yaml").write_text("name: broken\nmetric: height\ngoal: up\n")
    if "broken" not in words[0]:
        (problems / "broken").rename(tmp_path / "broken")
    if "copy" not in words[0]:
        (problems / "copy").rename(tmp_path / "copy")
    run = tmp_path / "run"
    text = refused(capsys, "run", *(word.format(problems) for word in words), f"out={run}", "sandbox=none", "budget.evaluations=9")
    assert why.format(problems) in text
    assert len(text.strip().splitlines()) == 1
    assert not run.exists()


def test_one_problem_at_a_time_is_validated(problems: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for several in (f"[{problems / 'hill'},{problems / 'ridge'}]", str(problems)):
        text = refused(capsys, "validate", several)
        assert f"expected one problem at a time, found 2; type for example evolve validate {problems / 'hill'}" in text
