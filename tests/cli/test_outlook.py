"""What is said of a run's future: what is left, who measures what waits, which command gives more; and that a wait is bounded."""

from __future__ import annotations

import json
import re
import shutil
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from cli_process import SEED, SETTINGS, Cli, Say, held, is_driven, wait_for, write_problem
from test_agents import child

import evolve
from evolve.cli._claims import exact_text
from evolve.cli._inspect import _candidate_rows, _status_rows
from evolve.cli.mcp import _driving
from evolve.cli.mcp._driving import resume_run
from evolve.cli.show._ending import ending
from evolve.cli.show._json_runs import candidate_json, status_json
from evolve.cli.show._live import plain_line, rows
from evolve.cli.show._text import columns


@pytest.fixture
def run(undriven: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(undriven, tmp_path / "run"))


def test_a_child_that_nobody_measures_says_so_and_what_measures_it(say: Say, run: Path, file) -> None:
    mine = json.loads(say("ask", run, "--json"))["ticket"]
    out = say("tell", run, mine, file(child(2.0)))
    assert "nobody drives the run, so it is not measured yet" in out
    command = next(line for line in out.splitlines() if "--wait" in line).partition("type: evolve ")[2]
    stands = say("status", run)
    assert "1 child waits to be measured, and nobody drives the run" in stands
    assert "everything that was given is measured" not in stands
    found = json.loads(say("result", run, mine, "--json"))
    assert (found["status"], found["result"]["status"], found["fate"]["will"]) == ("told", "not measured", False)
    assert found["outlook"]["waiting"] == 1
    assert "1.5" in say(*command.split())
    assert "waits" not in say("status", run)


def test_the_result_of_a_ticket_is_told_without_its_files(say: Say, run: Path, file) -> None:
    first, second, third = (json.loads(say("ask", run, "--json", "--expires", e))["ticket"] for e in ("600", "0.1", "600"))
    assert json.loads(say("result", run, first, "--json"))["status"] == "open"
    time.sleep(0.15)
    assert json.loads(say("result", run, second, "--json"))["status"] == "expired"
    say("tell", run, second, file(child(3.0)), "--wait", "--summary", "late")
    say("tell", run, third, file(SEED.replace("X = 4.0", "X = 1 / 0")), "--wait", code=1)
    found = json.loads(say("result", run, second, "--json"))
    assert (found["status"], found["summary"], found["result"]["score"]) == ("told", "late", 2.5)
    assert found["cost"]["runs"] == 1
    assert found["cost"]["wall_s"] > 0
    assert "def point" not in json.dumps(found)
    assert json.loads(say("result", run, found["candidate"][:9], "--json"))["result"] == found["result"]
    assert "ZeroDivisionError" in say("result", run, third, code=1)
    assert "no ticket 77 was handed out" in say("result", run, 77, code=2)


def test_the_task_has_rules_costs_budget_and_what_others_noted(say: Say, run: Path, tmp_path: Path) -> None:
    say("note", run, "the y axis is done", "--author", "ann")
    say("ask", run, "--out", tmp_path / "work")
    text = next((tmp_path / "work").glob("TASK@*.md")).read_text()
    for words in (
        "deterministic",
        "ann: the y axis is done",
        "One measurement of the program takes",
        "Budget: no limit",
        "65,536 bytes",
    ):
        assert words in text
    assert f"evolve tell {run}" in text
    found = json.loads(say("ask", run, "--json"))
    assert found["remarks"] == [{"author": "ann", "text": "the y axis is done"}]
    assert found["parents"][0]["cost"]["runs"] == 1
    rules = " ".join(found["task"]["rules"])
    for words in (
        "same score",
        "main.py",
        "No files may be added",
        "65,536 bytes",
        "may import nothing",
        "60 s on the clock",
        "512 MiB",
    ):
        assert words in rules
    assert (found["task"]["time_s"], found["task"]["memory_mib"]) == (60.0, 512)


def test_the_paths_in_a_task_hold_wherever_one_stands(say: Say, run: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    say("ask", "run", "--out", "work")
    work = tmp_path / "work"
    command = next(line.strip() for line in next(work.glob("TASK@*.md")).read_text().splitlines() if "evolve tell" in line)
    (work / "main.py").write_text(child(2.0))
    monkeypatch.chdir(work)
    assert say(*command.split()[1 : command.split().index("--summary")]).startswith("accepted")


def test_what_is_no_part_of_a_child_is_named_and_refused_where_the_change_needs_it(
    say: Say,
    run: Path,
    tmp_path: Path,
) -> None:
    work = tmp_path / "work"
    mine = json.loads(say("ask", run, "--out", work, "--json"))["ticket"]
    (work / "main.py").write_text(f"import helper\n{child(2.0)}")
    (work / "helper.py").write_text("A = 1\n")
    (work / "notes of mine.txt").write_text("")
    (work / ".git").mkdir()
    (work / ".git" / "HEAD").write_text("")
    found = json.loads(say("tell", run, mine, "--dir", work, "--json", code=1))
    assert (found["status"], found["left_out"]) == ("invalid", ["helper.py", "notes of mine.txt"])
    assert "the change needs helper.py" in found["reason"]
    (work / "main.py").write_text(child(2.0))
    out = say("tell", run, mine, "--dir", work)
    assert out.startswith("accepted")
    assert "left out, no part of the child: helper.py, notes of mine.txt" in out


def test_a_wait_is_over_when_its_seconds_are_and_measuring_goes_on(
    say: Say,
    cli: Cli,
    run: Path,
    file,
) -> None:
    go = cli.folder / "go"
    waits = f"import os\nwhile not os.path.exists({str(go)!r}):\n    time.sleep(0.02)\n"
    mine = json.loads(say("ask", run, "--json"))["ticket"]
    found = json.loads(
        say("tell", run, mine, file(SEED.replace("\n\ndef", f"\n{waits}\n\ndef", 1).replace("4.0", "2.0")), "--wait", "1", "--json")
    )
    assert (found["status"], found["result"]["status"]) == ("accepted", "not measured")  # it could not have been waited for
    assert "the wait is over" in found["result"]["reason"]
    assert json.loads(say("result", run, mine, "--wait", "0.1", "--json"))["result"]["status"] == "not measured"
    go.write_text("")
    again = json.loads(say("result", run, mine, "--wait", "60", "--json"))
    assert (again["result"]["status"], again["result"]["score"]) == ("ok", 1.5)
    wait_for(lambda: not is_driven(run))


def test_what_waits_is_counted_where_room_is_short(say: Say, tmp_path: Path, problem: Path, file) -> None:
    run = tmp_path / "run"
    say("run", "--json", f"problem={problem}", "search=fixed_candidates", f"out={run}", "budget.evaluations=4", *SETTINGS)
    tickets = [json.loads(say("ask", run, "--json"))["ticket"] for _ in range(4)]
    room = json.loads(say("status", run, "--json"))["outlook"]["measurements_left"]
    told = [json.loads(say("tell", run, one, file(child(3.0 - i / 4)), "--json")) for i, one in enumerate(tickets)]
    assert ["room for about" in one["fate"]["words"] for one in told] == [i >= room for i in range(len(told))]
    refused = say("ask", run, code=2)
    assert f"budget.evaluations has room for about {room} more measurements, and with this child 5 wait" in refused
    say("resume", run, refused.rpartition(f"resume {run} ")[2].strip(), "--json")
    assert json.loads(say("show", run, told[-1]["candidate"], "--json"))["status"] == "ok"


def test_status_of_a_spent_run_says_what_is_in_the_way_and_who_made_the_children(
    say: Say, tmp_path: Path, problem: Path, file
) -> None:
    run = tmp_path / "run"
    say("run", "--json", f"problem={problem}", "search=fixed_candidates", f"out={run}", "budget.evaluations=2", *SETTINGS)
    say("tell", run, json.loads(say("ask", run, "--json"))["ticket"], file(child(2.0)), "--wait")
    text = say("status", run)
    assert (
        f"budget.evaluations leaves no room for another child (2 of 2 spent, 0 set aside); to go on, type: evolve resume {run}"
        in text
    )
    assert re.search(r"^external +1 +0 ", text, re.M)
    assert "ast_edit" not in text
    assert "budget.evaluations=4\n" in text
    assert "About 0" not in text


def test_what_is_set_aside_is_told_beside_what_is_left(say: Say, tmp_path: Path, file) -> None:
    problem, run = write_problem(tmp_path / "noisy", noisy=True), tmp_path / "run"
    say("run", "--json", f"problem={problem}", "search=fixed_candidates", f"out={run}", "budget.evaluations=40", *SETTINGS)
    (row,) = json.loads(say("status", run, "--json"))["outlook"]["limits"]
    assert (row["name"], row["spent"], row["set_aside"], row["left"]) == ("budget.evaluations", 1.0, 0.0, 39.0)  # no vault fits in
    say("resume", run, "budget.evaluations=100", "--json")
    (row,) = json.loads(say("status", run, "--json"))["outlook"]["limits"]
    assert (row["set_aside"], row["left"]) == (30.0, 69.0)


def test_the_time_between_two_openings_is_not_spent_while_a_driver_opens_the_run(say: Say, run: Path) -> None:
    before = json.loads(say("status", run, "--json"))
    time.sleep(0.2)
    with held(run, "opening"):
        seen = json.loads(say("status", run, "--json"))
        assert (seen["status"], seen["outlook"]["driven"]) == ("starting", True)
        assert (seen["wall_s"], seen["outlook"]["limits"]) == (before["wall_s"], before["outlook"]["limits"])
        assert "a driver opens it" in say("status", run)
    with held(run):  # somebody carries out a request, and nobody drives
        assert json.loads(say("status", run, "--json")) == before


@pytest.mark.parametrize(("patience_s", "status"), [pytest.param(30.0, "running", marks=pytest.mark.slow), (0.2, "starting")])
def test_a_run_that_is_driven_on_says_so_at_once_however_long_its_opening_takes(
    say: Say, problem: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience_s: float, status: str
) -> None:
    run = tmp_path / "run"
    say("run", "--json", f"problem={problem}", f"out={run}", "budget.evaluations=3", "problem.params.sleep=0.05", *SETTINGS)
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "sitecustomize.py").write_text("import time\ntime.sleep(1.5)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "slow"))
    monkeypatch.setattr(_driving, "_OPENING_S", patience_s)
    found = resume_run(str(run), {"evaluations": 100_000}, drive=True, wait_s=0.0)
    try:
        assert (found["status"], found["outlook"].driven, found["budget"].evaluations) == (status, True, 100_000)
    finally:
        wait_for(lambda: is_driven(run))
        say("stop", run)


def test_no_program_is_offered_where_the_budget_is_spent(say: Say, problem: Path, tmp_path: Path, file) -> None:
    words = ("run", f"problem={problem}", "search=fixed_candidates", *SETTINGS)
    assert "evolve ask" in say(*words, f"out={tmp_path / 'room'}", "budget.evaluations=8")
    run = tmp_path / "spent"
    say(*words, f"out={run}", "budget.evaluations=2")
    say("tell", run, json.loads(say("ask", run, "--json"))["ticket"], file(child(2.0)), "--wait")
    out = say("resume", run)
    assert "everything that was given is measured" in out
    assert "evolve ask" not in out
    assert f"evolve resume {run} budget.evaluations=4" in out


def test_a_better_score_that_no_fresh_process_has_given_is_told_wherever_the_best_is(say: Say, run: Path, file) -> None:
    told = json.loads(say("tell", run, json.loads(say("ask", run, "--json"))["ticket"], file(child(2.0)), "--wait", "--json"))
    seen_run = evolve.open_run(run)
    opened = seen_run._view()  # which it keeps while nothing is written
    assert opened.unchecked() is None
    population = opened.state.population
    population.candidates[population.by_id[told["candidate"]]].measured_cold, population.best_measured_cold = (
        False,
        0,
    )  # as if it had been started warm
    words = f"1 program with a better score, 1.5 ({told['candidate'][:10]}), waits to be measured from a fresh process"
    way_on = f"{words}; type: evolve resume {run}"
    seen, best = status_json(opened), candidate_json(opened, opened.leader())
    assert seen["best_score"] == best["score"] == 3.5
    assert seen["unchecked"] == best["unchecked"]
    assert [*asdict(seen["unchecked"]).values()] == [1, told["candidate"], 1.5, f"evolve resume {run}"]
    assert way_on in columns(_status_rows(opened))
    assert way_on in columns(_candidate_rows(opened, opened.leader()))
    assert way_on in (text := ending(seen_run.summary(), opened))
    assert "nothing better than the initial program is known for certain yet" in text
    claimed = exact_text(seen_run.claims().exact)
    assert way_on in claimed
    assert "nothing better than the initial program is known for certain yet" in claimed
    assert f"{words} | " in plain_line(opened.progress(), 1.0)
    assert ("", words) in rows(opened.progress(), 1.0, 1.0)
    assert candidate_json(opened, population.leader)["unchecked"] is None
