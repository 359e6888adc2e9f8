"""An OpenEvolve problem is searched in the sandbox, goes on without the folder that it came from, and says whose score it is."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from openevolve_forms import LOAD, PROGRAM, STAGED, WHOLE, write_form

import evolve
from archive import Measured, Status, read_journal
from evolve.cli import main
from evolve.cli._claims import card_text
from evolve.problem.contract._contract import PRINTED

RESULT = """
from openevolve.evaluation_result import EvaluationResult


async def evaluate(program_path, bonus):
    far = distance(program_path)
    metrics = {"combined_score": bonus / (1.0 + far), "distance": far, "odd name": 1.0}
    return EvaluationResult(metrics=metrics, artifacts={"where": f"far away by {far}", "raw": b"bytes"})
"""


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]):
    """Carries a verb out; what it printed, as JSON with --json."""

    def call(*words: str, code: int = 0) -> str:
        assert main(list(words)) == code, capsys.readouterr()
        return capsys.readouterr().out

    return call


def measured(form: Path, sandbox: str = "strict") -> evolve.Measurement:
    """One measurement of the initial program."""
    problem = evolve.load_problem(form)
    return evolve.measure(problem, dict(problem.initial_files), sandbox=sandbox)[0]


def test_a_run_improves_the_score_and_outlives_its_folder(tmp_path: Path, monkeypatch, said) -> None:
    monkeypatch.chdir(tmp_path)
    write_form(tmp_path / "p")
    settings = ("executor.slots=1", "budget.evaluations=14", "seed=1", "out=r", "--json")
    found = json.loads(said("run", "problem=p", *settings))
    assert found["seed_score"] == 1 / 4.5
    assert found["best_score"] > found["seed_score"]
    assert (found["tier"], found["caveat"]) == ("strict", PRINTED)
    results = [one.record.result for one in read_journal(tmp_path / "r") if isinstance(one.record, Measured)]
    assert {tuple(one.metrics) for one in results if one.status is Status.OK} == {("distance",)}
    shutil.rmtree(tmp_path / "p")
    shutil.rmtree(tmp_path / "cache")
    again = json.loads(said("resume", "r", "budget.evaluations=18", "--json"))
    assert again["measurements"] > found["measurements"]
    assert again["best_score"] >= found["best_score"]
    said("best", "r", "--source", "-o", "better.py")
    assert "# EVOLVE-BLOCK-START\n" in (tmp_path / "better.py").read_text()
    assert (tmp_path / "better.py").read_text().endswith(PROGRAM.partition("# EVOLVE-BLOCK-END")[2])
    for verb in ("claims", "status", "best"):
        assert re.search(rf"^score +{PRINTED}$", said(verb, "r"), re.MULTILINE), verb
    assert json.loads(said("claims", "r", "--json"))["exact"]["caveat"] == PRINTED
    assert PRINTED in said("validate", "r/problem", "better.py", "executor.slots=1")


@pytest.mark.slow
def test_claims_of_a_noisy_one_are_marked(tmp_path: Path) -> None:
    noisy = "import random\n" + WHOLE.replace("(1.0 + far)", "(1.0 + far) + 0.0001 * random.random()")
    problem = evolve.load_problem(write_form(tmp_path / "p", evaluator=noisy))
    assert problem.contract.noisy
    files = {"initial_program.py": PROGRAM.replace("4.0", "1.5")}
    found = evolve.validate(problem, files, sandbox="none", budget=evolve.Budget(evaluations=120)).comparison
    assert (found.confirmed, found.cards.caveat, found.summary.caveat) == (True, PRINTED, PRINTED)
    assert re.search(rf"^score +{PRINTED}$", card_text(found.card, found.cards), re.MULTILINE)


@pytest.mark.parametrize("sandbox", ["strict", "none"])
def test_results_and_artifacts_arguments_and_coroutines(tmp_path: Path, sandbox: str) -> None:
    config = "evaluator: {evaluator_args: {bonus: 2.0}}\n"
    found = measured(write_form(tmp_path / "p", evaluator=LOAD + RESULT, config=config), sandbox)
    assert (found.status, found.score, found.metrics) == (Status.OK, 2 / 4.5, {"distance": 3.5})
    assert found.feedback == "artifact where: far away by 3.5\nartifact raw: bytes\nnot kept as metrics: odd name"


@pytest.mark.slow
def test_the_stages_of_a_cascade_are_run_one_after_the_other(tmp_path: Path) -> None:
    problem = evolve.load_problem(write_form(tmp_path / "p", evaluator=STAGED))
    run = evolve.create_run(problem, out=tmp_path / "r", budget=evolve.Budget(evaluations=6), slots=1)
    run.optimize()
    results = [one.record.result for one in read_journal(tmp_path / "r") if isinstance(one.record, Measured)]
    assert {(one.stage, one.score) for one in results if one.candidate == run.initial.id} == {("stage1", 1.0), ("stage2", 1 / 4.5)}


@pytest.mark.parametrize(
    ("threshold", "x", "status"),
    [
        (0.5, "9.0", Status.CHECKS_FAILED),
        (0.5, "3.9", Status.OK),
        pytest.param(0.5, "1.0", Status.OK, marks=pytest.mark.slow),
        pytest.param(0.01, "9.0", Status.OK, marks=pytest.mark.slow),
    ],
)
def test_a_threshold_stops_whoever_is_below_it_and_below_the_initial_program(
    tmp_path: Path, threshold: float, x: str, status: Status
) -> None:
    evaluator = STAGED.replace('{"runs": 1.0}', '{"combined_score": 1.0 / (1.0 + distance(program_path))}')
    problem = evolve.load_problem(
        write_form(tmp_path / "p", evaluator=evaluator, config=f"evaluator: {{cascade_thresholds: [{threshold}]}}\n")
    )
    found = evolve.measure(problem, {"initial_program.py": PROGRAM.replace("4.0", x)}, stage="stage1", sandbox="none")[0]
    assert found.status is status
    if status is Status.CHECKS_FAILED:
        assert found.reason == "stage1 gives 0.105263: the threshold is 0.5, and the initial program has 0.222222"
    initial = evolve.measure(problem, dict(problem.initial_files), stage="stage1", sandbox="none")[0]
    assert (initial.status, initial.score) == (Status.OK, 1 / 4.5)


def test_the_red_team_says_what_it_cannot_show(tmp_path: Path, said) -> None:
    form = write_form(tmp_path / "p")
    told = said("redteam", str(form), "sandbox=none", "executor.slots=1", "--only", "exits_at_once")
    assert f"note: the score is {PRINTED}: who forges it in a way that is not tried here is not caught\n" in told


def test_numbers_count_as_they_do_there(tmp_path: Path) -> None:
    evaluator = """
import numpy as np
def evaluate(path):
    return {"combined_score": np.float32(0.5), "a": np.float64(2.0), "b": np.float32(3.0), "timeout": True, "n": 4}
"""
    found = measured(write_form(tmp_path / "p", evaluator=evaluator), "none")
    assert (found.score, found.metrics) == (0.5, {"a": 2.0, "n": 4.0})
    assert found.feedback == "b is of type float32\ntimeout is of type bool"


def test_a_program_in_another_language_is_text_for_its_evaluator(tmp_path: Path) -> None:
    evaluator = (
        "def evaluate(path):\n    return {'combined_score': float(len(open(path).read())), 'rs': float(path.endswith('.rs'))}\n"
    )
    form = write_form(tmp_path / "p", evaluator=evaluator)
    (form / "initial_program.py").rename(form / "initial_program.rs")
    found = measured(form)
    assert (found.score, found.metrics) == (float(len(PROGRAM)), {"rs": 1.0})


@pytest.mark.parametrize(
    ("evaluator", "status", "reason"),
    [
        ("def evaluate(path):\n    raise KeyError('x')\n", Status.CRASH, "evaluate raised KeyError: 'x'"),
        pytest.param(
            "def evaluate(path):\n    return [1]\n",
            Status.CHECKS_FAILED,
            "the evaluator returned list, expected a mapping",
            marks=pytest.mark.slow,
        ),
        ("import os\ndef evaluate(path):\n    os._exit(0)\n", Status.INVALID, "result.json"),
        (
            "raise ImportError('no')\ndef evaluate(path): pass\n",
            Status.EVALUATOR_ERROR,
            "evaluator.py cannot be loaded in the sandbox: ImportError",
        ),
        pytest.param(
            "def evaluate(path):\n    return {'combined_score': 0.0, 'error': 'no disc'}\n",
            Status.CHECKS_FAILED,
            "no disc",
            marks=pytest.mark.slow,
        ),
        pytest.param("def evaluate(path):\n    import time\n    time.sleep(60)\n", Status.TIMEOUT, "", marks=pytest.mark.slow),
    ],
)
def test_a_failure_is_a_status(tmp_path: Path, evaluator: str, status: Status, reason: str) -> None:
    found = measured(write_form(tmp_path / "p", evaluator=evaluator, config="evaluator: {timeout: 3}\n"))
    assert (found.status, found.score) == (status, None)
    assert reason in found.reason


def test_what_it_needs_of_a_folder_and_an_interpreter_it_finds(tmp_path: Path) -> None:
    evaluator = """
import json, os, subprocess, sys, tempfile
import helper
def evaluate(program_path):
    here = os.path.dirname(os.path.abspath(__file__))
    target = json.load(open(os.path.join(here, "target.json")))
    open(os.path.join(here, "cache.txt"), "w").write("x")
    code = "import runpy, numpy; print(runpy.run_path(%r)['point']()[0])" % program_path
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert said.returncode == 0, said.stderr
    return {"combined_score": helper.twice(float(said.stdout)) - target}
"""
    form = write_form(
        tmp_path / "p", evaluator=evaluator, target__json="3", helper__py="import numpy\ndef twice(x): return 2 * x\n"
    )
    assert measured(form).score == 5.0


def test_the_evaluator_reaches_nothing_outside_of_the_sandbox(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    steal = f"""
import os, sys
def evaluate(program_path):
    try:
        open({str(mark)!r}, "w").close()
    except OSError:
        pass
    return {{"combined_score": 1.0, "sees": float(os.path.exists({str(tmp_path)!r})), "engine": float("evolve" in sys.modules)}}
"""
    mark_at_load = f"try:\n    open({str(mark)!r}, 'w').close()\nexcept OSError:\n    pass\n"
    found = measured(write_form(tmp_path / "p", evaluator=mark_at_load + steal))
    assert (found.score, found.metrics) == (1.0, {"sees": 0.0, "engine": 0.0})
    assert not mark.exists()
