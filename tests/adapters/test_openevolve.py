"""OpenEvolve's form: what is recognised, what it becomes, and what is told of the rest."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path

import pytest
from openevolve_forms import PROGRAM, STAGED, WHOLE, write_form

from archive import Status
from evolve._errors import MissingPackage, ProblemError
from evolve.adapters._choose import adapter_notes, load_problem
from evolve.adapters._openevolve import OpenEvolve
from evolve.problem.contract._contract import PRINTED

DETECT = OpenEvolve().detect
EVALUATE = Path(importlib.util.find_spec("evolve.adapters").origin).parent / "texts" / "openevolve_evaluate.py"


@pytest.fixture(scope="module")
def scoring():
    """The evaluate.py that every converted folder has."""
    spec = importlib.util.spec_from_file_location("scoring", EVALUATE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_three_files_are_recognised_and_less_is_not(tmp_path: Path) -> None:
    folder = write_form(tmp_path / "p")
    assert DETECT(folder) == 0.9
    (folder / "config.yaml").unlink()
    assert DETECT(folder) == 0.8
    (folder / "initial_program.py").rename(folder / "initial_program.rs")
    assert DETECT(folder) == 0.8
    (folder / "initial_program.txt").write_text("two of them")
    assert DETECT(folder) == 0.0
    assert DETECT(write_form(tmp_path / "q", evaluator="def score(path): return 1\n")) == 0.0
    for other in (tmp_path, tmp_path / "nowhere", folder / "evaluator.py"):
        assert DETECT(other) == 0.0


def test_reading_a_problem_runs_nothing_of_it(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    trap = f"open({str(mark)!r}, 'w').close()\n"
    folder = write_form(tmp_path / "p", evaluator=trap + WHOLE, program=trap + PROGRAM, helper__py=trap, prepare__py=trap)
    assert DETECT(folder) > 0
    problem = load_problem(folder)
    adapter_notes(folder)
    assert problem.contract.scored_inside == "inside"
    assert not mark.exists()


def test_what_it_becomes(tmp_path: Path) -> None:
    problem = load_problem(write_form(tmp_path / "p", requirements__txt="numpy\n"))
    contract = problem.contract
    assert (contract.name, contract.metric, contract.goal, contract.any_metrics) == ("p", "combined_score", "maximize", True)
    assert [(stage.name, stage.time_s) for stage in contract.stages] == [("full", 20.0)]
    assert contract.caveat == PRINTED == "printed by code that shares a process with the candidate"
    assert problem.initial_files == {"initial_program.py": PROGRAM}
    assert problem.statement.startswith("Bring the point closer.\n")
    assert (problem.folder / "inside" / "theirs" / "requirements.txt").read_text() == "numpy\n"
    assert adapter_notes(tmp_path / "p") == (
        "p is read as an OpenEvolve problem; the score is printed by code that shares a process with the candidate.",
        "Its scores are taken to be deterministic; if they are not, write the other (noise: ...) into evolve.yaml beside it.",
        "max_iterations is 50 there: type budget.candidates=50 for as many children.",
        "random_seed is 42 there: type seed=42.",
        "evaluator.parallel_evaluations is 3 there: type executor.slots=3.",
        "Not used of config.yaml: llm.primary_model, llm.temperature, database.population_size.",
    )


def test_keys_do_not_come_where_the_candidate_reads(tmp_path: Path) -> None:
    secret = "sk-1234567890"
    folder = write_form(tmp_path / "p", config=f"llm: {{api_key: {secret}}}\n")
    (folder / ".env").write_text(secret)
    (folder / "openevolve_output").mkdir()
    (folder / "openevolve_output" / "log.txt").write_text(secret)
    made = load_problem(folder).folder
    assert [one for one in made.rglob("*") if one.is_file() and secret in one.read_text()] == []
    notes = adapter_notes(folder)
    assert "Left out of the sandbox, where the candidate could read it: .env, openevolve_output." in notes
    assert notes[-1] == "Not used of config.yaml: llm.api_key."
    reads = write_form(tmp_path / "q", evaluator="SETTINGS = 'config.yaml'\n" + WHOLE)
    assert (load_problem(reads).folder / "inside" / "theirs" / "config.yaml").is_file()


@pytest.mark.parametrize(
    ("config", "stages"),
    [
        ("", [("stage1", 600.0, 0.5, 1), ("stage2", 600.0, None, 2)]),
        ("evaluator: {cascade_thresholds: [0.25], timeout: 10}", [("stage1", 20.0, 0.25, 1), ("stage2", 20.0, None, 2)]),
        ("evaluator: {cascade_thresholds: []}", [("stage1", 300.0, None, 1)]),
        ("evaluator: {cascade_evaluation: false}", [("full", 300.0, None, 1)]),
    ],
)
def test_a_cascade_becomes_stages(tmp_path: Path, config: str, stages: list[object]) -> None:
    problem = load_problem(write_form(tmp_path / "p", evaluator=STAGED, config=config))
    options = json.loads((problem.folder / "inside" / "options.json").read_text())
    called, bars = options["stages"], options["thresholds"]
    found = [(one.name, one.time_s, bars.get(one.name), len(called[one.name])) for one in problem.contract.stages]
    assert found == stages


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"config": "evaluator: {timeout: soon}"},
            "config.yaml: evaluator.timeout: expected seconds above 0",
        ),
        ({"config": "evaluator: {timeout: -1}"}, "evaluator.timeout: expected seconds above 0"),
        ({"config": "evaluator: {cascade_evaluation: 3}"}, "evaluator.cascade_evaluation: expected true or false, found 3"),
        ({"config": "evaluator: {cascade_thresholds: [high]}"}, "evaluator.cascade_thresholds: expected a list of numbers"),
        ({"config": "prompt: {system_message: [a]}"}, "prompt.system_message: expected text"),
        ({"config": "a: [\n"}, "config.yaml: line 2: expected YAML"),
        ({"evaluator": WHOLE + "(\n"}, "evaluator.py: expected Python, found a mistake"),
        ({"evaluator": "def evaluate(\n" + "(" * 500}, "evaluator.py: expected Python that nests as people write it"),
        ({"evolve__yaml": "scored_inside: x\n"}, "evolve.yaml: scored_inside is not to be chosen for an OpenEvolve problem"),
        ({"evolve__yaml": "stages: [{name: one}]\n"}, "evolve.yaml: stages: expected those of the evaluator, full, found others"),
        ({"program": "x = 1\n(\n"}, "initial_program.py: expected Python, found a mistake"),
        ({"evolve__yaml": "nois: noisy\n"}, "did you mean noise?"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, files: dict[str, str], said: str) -> None:
    with pytest.raises(ProblemError) as caught:
        load_problem(write_form(tmp_path / "p", **files))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_package_that_is_needed_and_not_here_is_named_before_anything_runs(tmp_path: Path) -> None:
    folder = write_form(
        tmp_path / "p", evaluator="import no_such_thing, numpy, os, helper\n" + WHOLE, helper__py="import numpy.linalg\n"
    )
    with pytest.raises(MissingPackage, match="p needs no_such_thing, which is not installed; run: pip install no_such_thing"):
        load_problem(folder)
    write_form(
        folder,
        evaluator="import numpy, sklearn_x\ntry:\n    import no_such_thing\nexcept ImportError:\n    pass\n".replace(
            ", sklearn_x", ""
        )
        + WHOLE,
    )
    assert load_problem(folder).contract.candidate_imports == ("numpy",)
    said = "no_such_thing is imported somewhere and not installed: pip install no_such_thing."
    assert said in adapter_notes(folder)
    absent = json.loads((load_problem(folder).folder / "inside" / "options.json").read_text())["absent"]
    assert absent == {"no_such_thing": "no_such_thing"}
    write_form(folder, helper__py="import no_such_thing\n", config_2__yaml="{}")  # a zero is none of a helper's fault
    assert json.loads((load_problem(folder).folder / "inside" / "options.json").read_text())["absent"] == {}
    assert {said, "config_2.yaml is not read: what counts is config.yaml."} <= {*adapter_notes(folder)}


@pytest.mark.parametrize(
    ("drawn", "noisy"),
    [
        ("import random\nA = random.random()\n", True),
        ("import random\nrandom.seed(3)\nA = random.random()\n", False),
        ("import numpy as np\nA = np.random.default_rng().random()\n", True),
        ("import numpy as np\nA = np.random.default_rng(3).random()\n", False),
        ("import math\n", False),
    ],
)
def test_noise_is_read_from_the_files_and_may_be_said(tmp_path: Path, drawn: str, noisy: bool) -> None:
    folder = write_form(tmp_path / "p", program=drawn + PROGRAM)
    assert load_problem(folder).contract.noisy is noisy
    (folder / "evolve.yaml").write_text(f"noise: {'deterministic' if noisy else 'noisy'}\nmax_bytes: 2000\n")
    assert load_problem(folder).contract.noisy is not noisy
    assert load_problem(folder).contract.max_bytes == 2000


# ------------------------------------------------------------------------------------------------ the score


def outcome(scoring, *calls: dict[str, object], features: tuple[str, ...] = (), **more: object):
    whole = [{"metrics": {}, "texts": {}, "ignored": {}, **call} for call in calls]
    answer = scoring.read(
        json.dumps(
            {"calls": [{**call, "metrics": {name: repr(value) for name, value in call["metrics"].items()}} for call in whole]}
        ).encode()
    )
    return scoring.outcome_of(
        answer, {"features": list(features), "absent": more.get("absent", {})}, last=True, log=more.get("log", "")
    )


@pytest.mark.parametrize(
    ("metrics", "features", "score"),
    [
        ({"combined_score": 0.25, "a": 9.0}, (), 0.25),
        ({"a": 1.0, "b": 3.0}, (), 2.0),
        ({"a": 1.0, "b": 3.0, "size": 100.0}, ("size",), 2.0),
        ({"size": 100.0}, ("size",), 100.0),
        ({"a": 1.0, "b": math.nan}, (), 1.0),
        ({"combined_score": 0.0, "a": 9.0}, (), 0.0),
    ],
)
def test_the_score_is_what_openevolve_computes(scoring, metrics: dict[str, float], features: tuple[str, ...], score: float) -> None:
    found = outcome(scoring, {"metrics": metrics}, features=features)
    assert (found.status, found.score) == (Status.OK, score)
    assert found.metrics == {name: value for name, value in metrics.items() if name != "combined_score" and not math.isnan(value)}


def test_later_stages_lie_over_earlier_ones(scoring) -> None:
    found = outcome(scoring, {"metrics": {"combined_score": 0.1, "a": 1.0}}, {"metrics": {"combined_score": 0.7, "error": 1.0}})
    assert (found.score, found.metrics) == (0.7, {"a": 1.0})


@pytest.mark.parametrize(
    ("call", "status", "reason"),
    [
        ({"metrics": {}}, Status.CHECKS_FAILED, "the evaluator returned no metric"),
        ({"metrics": {"error": 0.0, "timeout": 1.0}}, Status.CHECKS_FAILED, "the evaluator returned no metric"),
        ({"wrong": "list"}, Status.CHECKS_FAILED, "the evaluator returned list, expected a mapping"),
        ({"metrics": {"combined_score": math.inf}}, Status.INVALID, "the score is inf"),
        (
            {"metrics": {"a": 1.0}, "ignored": {"combined_score": "list"}},
            Status.INVALID,
            "combined_score is of type list",
        ),
        (
            {"metrics": {"combined_score": 0.0}, "texts": {"error": "No module named 'jax.numpy'"}},
            Status.CHECKS_FAILED,
            "No module named 'jax.numpy'; type: pip install jax",
        ),
    ],
)
def test_what_is_no_score_is_a_failure_and_never_a_number(scoring, call: dict[str, object], status: Status, reason: str) -> None:
    found = outcome(scoring, call)
    assert (found.status, found.score) == (status, None)
    assert found.reason.startswith(reason)


@pytest.mark.parametrize(
    ("score", "more", "reason"),
    [
        (0.0, {"log": "Error: No module named 'jax'\n"}, "No module named 'jax'; type: pip install jax"),
        (
            0.0,
            {"absent": {"cv2": "opencv-python"}},
            "the score is 0, and cv2 is not installed, which it imports; type: pip install opencv-python",
        ),
        (0.5, {"log": "No module named 'jax'", "absent": {"jax": "jax"}}, ""),
        (-1.0, {"absent": {"jax": "jax"}}, ""),
        (0.0, {}, ""),
    ],
)
def test_a_zero_of_a_missing_package_is_no_score_and_a_true_one_is(
    scoring, score: float, more: dict[str, object], reason: str
) -> None:
    found = outcome(scoring, {"metrics": {"combined_score": score}}, **more)
    assert (found.score, found.reason) == (None if reason else score, reason)


def test_what_is_not_kept_is_named(scoring) -> None:
    found = outcome(scoring, {"metrics": {"combined_score": 1.0, "odd name": 1.0, "a": math.inf}, "ignored": {"list": "list"}})
    assert (found.metrics, found.feedback) == ({}, "list is of type list\nnot kept as metrics: a, odd name")


def test_a_score_above_zero_stands_beside_words_of_an_error(scoring) -> None:
    found = outcome(scoring, {"metrics": {"combined_score": 0.4}, "texts": {"error": "one of ten failed", "artifact log": "seen"}})
    assert (found.score, found.feedback) == (0.4, "error: one of ten failed\nartifact log: seen")


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"[]", b"{}", b'{"calls": 3}', b'{"calls": [{}]}', b"[" * 100_000, b'{"calls": [{"metrics": {"a": [1]}}]}',
     b'{"calls": [], "raised": 3}', b'{"calls": [{"metrics": {"a": "1"}, "texts": {"a": 1}, "ignored": {}}]}'],
)  # fmt: skip
def test_whatever_comes_back_is_read_or_refused(scoring, data: bytes) -> None:
    assert scoring.read(data) is None
