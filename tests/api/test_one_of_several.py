"""What is asked of a run of several problems is answered for one of them by its name, and in sum."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from api_problem import GOALS, SEED, folder_of_problems

import evolve
from archive import Journal, Measured, NodesUnfit, find_records
from evolve.cli import main
from evolve.models import Scripted

AXIS = "descriptors: [{name: numbers, source: ast, low: 0, high: 10, bins: 5}]\n"


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run of two problems that nobody drives, and makes no children of its own."""
    place = tmp_path_factory.mktemp("several")
    folder = folder_of_problems(place / "problems", AXIS)
    run = str(place / "runs" / "first")
    words = ("search=fixed_candidates", "budget.evaluations=100", "sandbox=none", "executor.slots=1")
    assert main(["run", f"problem={folder}", f"out={run}", *words, "--json"]) == 0
    return run


def typed(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(list(words)) == code
    found = capsys.readouterr()
    return found.out if code == 0 else found.err


def told(run: str, x: float, problem: str = "ridge") -> tuple[int, str]:
    one = evolve.open_run(run).of(problem)
    ticket = one.ask()
    child = one.tell(ticket, {"main.py": SEED.replace("0.25", str(x))})
    assert child.candidate is not None
    return ticket.number, child.candidate


def test_a_ticket_or_an_id_says_which_problem_is_meant(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    number, child = told(given, 2.5)
    assert "1 child waits" in json.loads(typed(capsys, "status", given, "--json"))["reason"]
    for what in (str(number), child, child[:12]):
        assert json.loads(typed(capsys, "result", given, what, "--json"))["candidate"] == child
    measured = json.loads(typed(capsys, "result", given, str(number), "--wait", "60", "--json"))
    assert measured["result"]["score"] == pytest.approx(-((2.5 - 3) ** 2) - 2.75**2)
    assert json.loads(typed(capsys, "result", given, "best", "--problem", "ridge", "--json"))["candidate"] == child
    assert f"ticket {number} is of ridge; leave out --problem hill" in typed(
        capsys, "result", given, str(number), "--problem", "hill", code=2
    )


@pytest.mark.parametrize(
    "words",
    [
        ["result", "best"], ["show", "best"], ["lineage"], ["best", "--source"], ["rebin", "numbers=0:20"], ["ask"],
        ["retract", "best", "--why", "w"],
    ],
)  # fmt: skip
def test_where_it_is_not_said_which_problem_every_verb_says_the_same(
    given: str, capsys: pytest.CaptureFixture[str], words: Sequence[str]
) -> None:
    verb, *rest = words
    said = typed(capsys, verb, given, *rest, code=2)
    assert "has 2 problems (hill, ridge); say which: --problem hill" in said
    assert "has no problem 'hil'; did you mean --problem hill" in typed(capsys, verb, given, *rest, "--problem", "hil", code=2)


def test_a_candidate_that_no_problem_has(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "none of the 2 problems" in typed(capsys, "show", given, "zz", code=2)


def test_ranges_and_retractions_are_of_one_problem(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    typed(capsys, "rebin", given, "numbers=0:40:4", "--problem", "ridge")
    run = evolve.open_run(given)
    axes = {name: run.of(name).progress.spread.axes[0] for name in GOALS}
    assert (axes["hill"].high, axes["ridge"].high) == (10.0, 40.0)
    _, child = told(given, 2.75)
    run.wait(child)
    typed(capsys, "retract", given, "best", "--why", "a test", "--problem", "ridge")
    assert run.of("ridge").best.id != child
    assert run.of("hill").best.id == run.of("hill").initial.id


def test_what_is_in_sum(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(typed(capsys, "status", given, "--json"))
    assert list(found)[:3] == ["schema", "run", "status"]
    assert found["measurements"] == sum(one["measurements"] for one in found["problems"])
    assert found["spent"]["evaluations"] >= found["measurements"]
    assert found["budget"]["evaluations"] == 100
    listed = json.loads(typed(capsys, "list", str(Path(given).parent), "--json"))["runs"]
    assert [(one["problem"], one["error"]) for one in listed] == [("hill", ""), ("ridge", "")]
    assert "2 problems" in typed(capsys, "list", str(Path(given).parent))
    assert "left" in typed(capsys, "status", given)


def test_one_program_may_be_a_candidate_of_several_problems(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = evolve.open_run(given)
    (_, mine), (_, theirs) = told(given, 0.75), told(given, 0.75, "hill")
    assert mine == theirs
    for name, height in (("hill", -0.125), ("ridge", -(2.25**2) - 2.75**2)):
        one = run.of(name)
        ticket = one.ask()
        child = one.tell(ticket, {"main.py": SEED.replace("0.25", "0.7525")}, summary=f"for {name}")
        assert one.wait(child).score == pytest.approx(height, abs=0.02)
        assert child.candidate is not None
        assert one.candidate(child.candidate).summary == f"for {name}"
        shown = json.loads(typed(capsys, "show", given, child.candidate, "--problem", name, "--json"))
        assert len({round(each["score"], 6) for each in shown["measurements"]}) == 1
        with pytest.raises(evolve.EvolveError, match="no ticket"):
            one.tell(10_000, {"main.py": SEED})
    run.of("ridge").retract(child.candidate, why="a test")
    assert run.of("ridge").candidate(child.candidate).status == "rejected"
    assert run.of("hill").candidate(child.candidate).status == "ok"
    assert "say which" in typed(capsys, "show", given, child.candidate, code=2)


def test_nodes_that_take_no_part_are_shown_with_how_the_run_stands(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with Journal.open(Path(given)) as journal:
        journal.append(NodesUnfit("e", {"n1": "box: another version"}), at=time.time())
    assert "unfit     box: another version" in typed(capsys, "status", given)
    assert "box: another version" in typed(capsys, "status", given, "--problem", "hill")
    assert json.loads(typed(capsys, "status", given, "--json"))["unfit"] == ["box: another version"]


def test_progress_is_told_of_every_problem(tmp_path: Path) -> None:
    folder = folder_of_problems(tmp_path / "problems")
    run = evolve.create_run(str(folder), out=tmp_path / "run", budget=evolve.Budget(evaluations=40), slots=1, sandbox="none")
    seen: list[Any] = []
    run.optimize(seen.append, every_s=1000.0)
    for name in GOALS:
        best = run.of(name).progress.best
        assert best is not None
        assert max(one.best.score for one in seen if one.problem == name and one.best is not None) <= best.score
        assert len({one.best.score for one in seen if one.problem == name and one.best is not None}) > 1
    only: list[Any] = []
    run.of("ridge").resume(evolve.Budget(evaluations=60), only.append)
    assert {one.problem for one in only} == {"ridge"}


@pytest.mark.parametrize("limits", [{"evaluations": 120}, {"evaluations": 200, "calls": 24}], ids=["measurements", "calls"])
def test_models_are_asked_for_every_problem_and_booked_where_they_were(tmp_path: Path, limits: Mapping[str, int]) -> None:
    def answer(request: Any) -> str:
        asked.append(request.canonical())
        return f"main.py\n```python\n{SEED.replace('0.25', f'{0.1 + 0.01 * len(asked):.2f}')}```\n"

    asked: list[str] = []
    folder = folder_of_problems(tmp_path / "problems")
    run = evolve.create_run(
        str(folder), out=tmp_path / "run", budget=evolve.Budget(**limits), slots=1, sandbox="none", models=Scripted(answer)
    )
    found = run.optimize()
    used = [one.models for one in found.problems]
    assert all(one.calls for one in used)
    assert sum(one.calls for one in used) == found.models.calls == len(asked) <= limits.get("calls", 1000)
    assert sum(one.tokens for one in used) == found.models.tokens
    assert "calls" in limits or any("Of ridge (maximize height)" in text for text in asked)
    rows = run.query("SELECT count(*) FROM llm_calls GROUP BY problem ORDER BY problem").rows
    assert [count for (count,) in rows] == [one.calls for one in used]


def test_a_run_that_was_killed_is_interrupted_whatever_has_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_of_problems(tmp_path / "problems")
    (folder / "hill" / "initial" / "main.py").write_text(SEED.replace("return [X, Y]", "return X / 0"))  # is given up at once
    run = tmp_path / "run"
    words = ["run", f"problem={folder}", f"out={run}", "budget.wall_s=600", "sandbox=none", "executor.slots=1"]
    driver = subprocess.Popen([sys.executable, "-m", "evolve", *words], stderr=subprocess.DEVNULL, env={**os.environ})
    until = time.monotonic() + 60
    while time.monotonic() < until and not (run / "journal").exists():
        time.sleep(0.1)
    while time.monotonic() < until and sum(isinstance(one.record, Measured) for one in find_records(run, ("measured",))) < 5:
        time.sleep(0.2)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    assert json.loads(typed(capsys, "status", str(run), "--json"))["status"] == "interrupted"
    assert "given up" in typed(capsys, "status", str(run), "--problem", "hill")
