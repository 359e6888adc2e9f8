"""Validation says in words what is wrong; every part is the real one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from problem_executor import local
from problem_folders import MINIMAL, write_problem

from archive import StartMode, Status
from evolve._errors import ProblemError
from evolve.problem._load import load_problem
from evolve.validation._problem import ValidationReport, candidate_files, validate_problem
from evolve.validation._static import check_files

IMPORTS = "from evolve import JsonValue, Outcome, Status\n"
CALLS = IMPORTS + (
    "def evaluate(trial):\n"
    "    reply = trial.sandbox.call('main.py:f', {}, {'x': JsonValue()})\n"
    "    if not reply.ok:\n"
    "        return reply.outcome()\n"
    "    return Outcome(score=float(reply.value['x']) + NOISE, feedback='seen')\n"
)
SEED = "def f():\n    return 2.5\n"


def report_of(folder: Path, contract: str = MINIMAL, evaluate: str = CALLS, noise: str = "0", seed: str = SEED) -> ValidationReport:
    write_problem(folder, contract, evaluate_py=evaluate.replace("NOISE", noise), initial__main_py=seed)
    return validate_problem(load_problem(folder), local)


def failed(report: ValidationReport) -> dict[str, str]:
    assert not report.ok
    return {check.name: f"{check.found} -> {check.remedy}" for check in report.checks if not check.ok and not check.hint}


def hints(report: ValidationReport) -> dict[str, str]:
    return {check.name: f"{check.found} -> {check.remedy}" for check in report.checks if not check.ok and check.hint}


def test_a_good_problem_has_hints_only(tmp_path: Path) -> None:
    report = report_of(tmp_path / "p")
    assert report.ok
    assert report.seed_score == 2.5
    assert report.noise_sd is None
    assert set(hints(report)) == {"descriptors", "statement", "redteam"}
    assert any("higher is better (goal: maximize)" in check.found for check in report.checks)


@pytest.mark.parametrize(
    ("contract", "noise", "said"),
    [
        (MINIMAL, "trial.seed / 2**63", "noise: deterministic, but two measurement seeds gave .* -> write noise: noisy"),
        (MINIMAL, "__import__('random').random()", "noise: deterministic, but one measurement seed gave .* -> write noise: noisy"),
        (
            MINIMAL + "noise: noisy\n",
            "-1e200 * trial.rng().random()",
            "the initial program scored -.*e.1..; scores of a noisy problem beyond 1e.150, which count as .* -> write another unit",
        ),
        (MINIMAL + "noise: noisy\n", "0", "noise: noisy, but 5 measurement seeds gave the same score 2.5 -> draw data"),
    ],
)
def test_noise_other_than_declared_is_told(tmp_path: Path, contract: str, noise: str, said: str) -> None:
    assert re.match(said, failed(report_of(tmp_path / "p", contract, noise=noise))["noise"])


def test_noise_is_measured(tmp_path: Path) -> None:
    report = report_of(tmp_path / "p", MINIMAL + "noise: noisy\n", noise="trial.rng().standard_normal()")
    assert report.ok
    assert report.noise_sd is not None
    assert 0.2 < report.noise_sd < 3
    assert len({result.seed for result in report.measurements}) == 5


@pytest.mark.parametrize(
    ("evaluate", "seed", "said"),
    [
        (CALLS, "def g():\n    return 1\n", "-> mend the initial program"),
        (CALLS, "def f():\n    return 1 / 0\n", "ZeroDivisionError"),
        pytest.param(CALLS, "def f(:\n", "-> mend the initial program", marks=pytest.mark.slow),
        (
            CALLS.replace("float(reply.value['x'])", "1 / 0"),
            SEED,
            "ended as evaluator_error.*ZeroDivisionError.* -> mend evaluate.py",
        ),
        pytest.param(
            CALLS.replace("Outcome(score=", "dict(score="),
            SEED,
            "evaluator_error.* -> mend evaluate.py",
            marks=pytest.mark.slow,
        ),
        (CALLS.replace("NOISE", "float('nan')"), SEED, "evaluator_error.* -> mend evaluate.py"),
    ],
)
def test_a_seed_that_fails_is_told_with_whose_fault_it_is(tmp_path: Path, evaluate: str, seed: str, said: str) -> None:
    faults = failed(report_of(tmp_path / "p", evaluate=evaluate, seed=seed))
    assert re.search(said, faults["evaluator" if "evaluator_error" in said else "initial program"], re.DOTALL)


@pytest.mark.parametrize(
    "evaluate",
    ["import nothing_of_the_kind\n", *(pytest.param(one, marks=pytest.mark.slow) for one in ("x = 1\n", "def evaluate(:\n"))],
)
def test_an_evaluator_that_cannot_be_loaded_is_told(tmp_path: Path, evaluate: str) -> None:
    said = failed(report_of(tmp_path / "p", evaluate=evaluate))
    assert said["evaluator"].endswith("mend evaluate.py")


@pytest.mark.parametrize(
    ("line", "said", "fails"),
    [
        ("import main", "imports main, a file of the initial program", True),
        ("from main import f", "imports main, a file of the initial program", True),
        ("exec(trial.files['main.py'])", "calls exec", False),
        ("__import__('pickle').loads(b'')", "", False),
        ("import pickle; pickle.loads(pickle.dumps(1))", "calls pickle.loads, which can run code", False),
        ("import io, numpy; numpy.load(io.BytesIO(), allow_pickle=True)", "calls numpy.load, which can run code", False),
    ],
)
def test_trusted_code_that_may_run_the_candidate_is_told(tmp_path: Path, line: str, said: str, fails: bool) -> None:
    evaluate = CALLS.replace("def evaluate(trial):\n", f"def evaluate(trial):\n    if trial.stage == 'never':\n        {line}\n")
    write_problem(tmp_path / "p", MINIMAL, evaluate_py=evaluate.replace("NOISE", "0"), initial__main_py=SEED)
    checks = [check for check in check_files(load_problem(tmp_path / "p")) if check.name == "trust" and not check.ok]
    assert said in "; ".join(check.found for check in checks)
    assert any(not check.hint for check in checks) is fails


def test_a_problem_whose_trusted_code_imports_the_program_is_not_fine(tmp_path: Path) -> None:
    assert "imports main, a file" in failed(report_of(tmp_path / "p", evaluate=f"import main\n{CALLS}"))["trust"]


def test_a_helper_of_the_same_name_as_a_seed_file_is_the_evaluators_own(tmp_path: Path) -> None:
    write_problem(
        tmp_path / "p", MINIMAL, helper_py="X = 1.0\n", evaluate_py="from helper import X\n" + CALLS.replace("NOISE", "X")
    )
    write_problem(
        tmp_path / "p",
        MINIMAL,
        initial__helper_py="",
        initial__main_py=SEED,
        evaluate_py=(tmp_path / "p" / "evaluate.py").read_text(),
    )
    assert validate_problem(load_problem(tmp_path / "p"), local).ok


def test_the_contract_around_an_outcome(tmp_path: Path) -> None:
    contract = MINIMAL + (
        "stages:\n  - {name: tiny, pass_score: 3}\n  - {name: full, time_s: 60, start: warm}\n"
        "descriptors:\n  - {name: d, low: 0, high: 1}\n  - {name: lops, source: ast, low: 0, high: 1}\n"
        "artifacts: {thing: .bin}\nbudget: {wall_s: 0.001}\n"
    )
    evaluate = CALLS.replace("feedback='seen'", "descriptors={'d': 7.0}")
    report = report_of(tmp_path / "p", contract, evaluate)
    assert failed(report)["descriptors"] == "lops is none that the syntax tree gives -> did you mean loops?"
    assert "scores 2.5 at stage tiny and must reach 3" in failed(report)["cascade"]
    mended = contract.replace("pass_score: 3", "pass_score: 2").replace("lops", "loops")
    report = report_of(tmp_path / "q", mended, evaluate)
    assert set(failed(report)) == {"artifacts"}
    assert "d is 7, outside 0 to 1" in hints(report)["descriptors"]
    assert "about 0 measurements" in hints(report)["budget"]
    assert {"feedback", "statement", "redteam"} <= set(hints(report))


def test_warm_and_cold_runs_are_compared(tmp_path: Path) -> None:
    report = report_of(tmp_path / "p", MINIMAL + "stages: [{name: full, start: warm}]\n")
    assert report.ok
    assert {result.start for result in report.measurements} == {StartMode.COLD, StartMode.WARM}


# ------------------------------------------------------------------------------------------------ candidates


@pytest.mark.parametrize(
    ("goal", "value", "said"),
    [
        ("maximize", "3.0", "better by 0.5 than the initial program's 2.5"),
        ("minimize", "3.0", "worse by 0.5 than the initial program's 2.5"),
        ("maximize", "2.5", "no different than the initial program's 2.5"),
    ],
)
def test_a_candidate_is_compared_with_the_seed(tmp_path: Path, goal: str, value: str, said: str) -> None:
    folder = write_problem(
        tmp_path / "p", MINIMAL.replace("maximize", goal), evaluate_py=CALLS.replace("NOISE", "0"), initial__main_py=SEED
    )
    report = validate_problem(load_problem(folder), local, {"main.py": f"def f():\n    return {value}\n"})
    assert report.ok
    assert said in report.checks[0].found


def test_a_failing_candidate_is_told_why(tmp_path: Path) -> None:
    folder = write_problem(tmp_path / "p", MINIMAL, evaluate_py=CALLS.replace("NOISE", "0"), initial__main_py=SEED)
    report = validate_problem(load_problem(folder), local, {"main.py": "def f():\n    return 1 / 0\n"})
    assert "crash: " in failed(report)["candidate"]
    assert "ZeroDivisionError" in failed(report)["candidate"]
    assert [result.status for result in report.measurements] == [Status.OK, Status.CRASH]


def test_noisy_candidates_are_measured_beside_the_seed_and_unconfirmed(tmp_path: Path) -> None:
    contract = MINIMAL + "noise: noisy\n"
    folder = write_problem(
        tmp_path / "p", contract, evaluate_py=CALLS.replace("NOISE", "trial.rng().standard_normal()"), initial__main_py=SEED
    )
    report = validate_problem(load_problem(folder), local, {"main.py": "def f():\n    return 9\n"})
    assert "better by" in report.checks[0].found
    assert "a first look, 3 noisy runs each" in report.checks[0].found
    assert [result.candidate for result in report.measurements] == ["seed", "candidate"] * 3
    assert len({result.seed for result in report.measurements}) == 3


WILD = IMPORTS + (
    "made = 0\n"
    "def evaluate(trial):\n"
    "    global made\n"
    "    made += 1\n"
    "    x = float(trial.files['main.py'].split()[-1])\n"
    "    return Outcome(score=x + 0.1 * trial.rng().standard_normal() + 1e6 * (made == FAR), feedback='seen')\n"
)


def test_a_wild_measurement_is_in_no_number_that_is_shown_of_a_problem_and_how_many_there_are_is_told(tmp_path: Path) -> None:
    folder = write_problem(tmp_path / "p", MINIMAL + "noise: noisy\n", evaluate_py=WILD.replace("FAR", "3"), initial__main_py=SEED)
    report = validate_problem(load_problem(folder), local)
    assert report.ok
    assert report.seed_score == pytest.approx(2.5, abs=1)
    assert report.noise_sd is not None
    assert report.noise_sd < 1
    told = hints(report)["noise"]
    assert "over 4 measurement seeds; 1 of 5 measurements is far off and not in this number -> claims count every" in told
    assert not any("e+0" in check.found or "000" in check.found for check in report.checks)


@pytest.mark.parametrize(("far", "who"), [(1, "initial program"), (4, "candidate")])
def test_a_first_look_leaves_out_what_is_far_off_and_says_so(tmp_path: Path, far: int, who: str) -> None:
    folder = write_problem(
        tmp_path / "p", MINIMAL + "noise: noisy\n", evaluate_py=WILD.replace("FAR", str(far)), initial__main_py=SEED
    )
    found = validate_problem(load_problem(folder), local, {"main.py": "def f():\n    return 9.5\n"}).checks[0].found
    gained = re.search(r"better by (\S+) than", found)
    assert gained is not None
    assert float(gained[1]) == pytest.approx(7, abs=1)
    assert found.endswith(f"3 noisy runs each; of the {who} 1 of 3 measurements is far off and not in this number")


def test_an_error_of_the_evaluator_is_not_laid_at_the_candidates_door(tmp_path: Path) -> None:
    text = "import os\n" + WILD.replace("1e6 * (made == FAR)", "int(os.environ['NOT', 'THERE'][0]) * (x > 9)")
    folder = write_problem(tmp_path / "p", MINIMAL + "noise: noisy\n", evaluate_py=text, initial__main_py=SEED)
    report = validate_problem(load_problem(folder), local, {"main.py": "def f():\n    return 9.5\n"})
    assert failed(report)["candidate"].endswith("-> mend evaluate.py")


def test_a_candidate_is_sent_through_the_cascade(tmp_path: Path) -> None:
    contract = MINIMAL + "stages:\n  - {name: tiny, pass_score: 2}\n  - {name: full}\n"
    folder = write_problem(tmp_path / "p", contract, evaluate_py=CALLS.replace("NOISE", "0"), initial__main_py=SEED)
    problem = load_problem(folder)
    assert validate_problem(problem, local, {"main.py": "def f():\n    return 9\n"}).ok
    report = validate_problem(problem, local, {"main.py": "def f():\n    return 1.5\n"})
    assert "worse by 1 than" in report.checks[0].found
    assert failed(report)["cascade"].startswith("the candidate scores 1.5 at stage tiny and must reach 2")


def test_a_candidate_that_spends_too_much_cpu_is_told(tmp_path: Path) -> None:
    contract = MINIMAL + "compute_rule: cpu_budget\n"
    folder = write_problem(tmp_path / "p", contract, evaluate_py=CALLS.replace("NOISE", "0"), initial__main_py=SEED)
    costly = "def f():\n    for i in range(20_000_000):\n        pass\n    return 3\n"
    report = validate_problem(load_problem(folder), local, {"main.py": costly})
    assert "1.1 times what the initial program spends" in failed(report)["cpu budget"]


def test_candidate_files_are_matched_by_name(tmp_path: Path) -> None:
    folder = write_problem(tmp_path / "p", initial__lib__util_py="u = 1\n")
    problem = load_problem(folder)
    (tmp_path / "new" / "lib").mkdir(parents=True)
    (tmp_path / "new" / "lib" / "util.py").write_text("u = 2\n")
    (tmp_path / "other.py").write_text("x = 9\n")
    expected = {"main.py": "x = 1\n", "lib/util.py": "u = 2\n"}
    assert candidate_files(problem, [tmp_path / "new"]) == expected
    assert candidate_files(problem, [tmp_path / "new" / "lib" / "util.py"]) == expected
    with pytest.raises(ProblemError, match=r"expected a file named after one of lib/util\.py, main\.py"):
        candidate_files(problem, [tmp_path / "other.py"])
    alone = load_problem(write_problem(tmp_path / "q"))
    assert candidate_files(alone, [tmp_path / "other.py"]) == {"main.py": "x = 9\n"}
    (tmp_path / "main.py").write_bytes(b"\xff")
    with pytest.raises(ProblemError, match="expected a readable UTF-8 file"):
        candidate_files(alone, [tmp_path / "main.py"])


def test_a_self_test_that_fails_is_told(tmp_path: Path) -> None:
    text = CALLS + "def selftest():\n    return 'the parser reads 1 as 2'\n"
    report = report_of(tmp_path / "p", evaluate=text)
    said = "ended as evaluator_error: selftest() of evaluate.py failed: the parser reads 1 as 2 -> mend evaluate.py"
    assert failed(report)["evaluator"].endswith(said)
