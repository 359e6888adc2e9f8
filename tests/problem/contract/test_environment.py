"""Variables of the user's environment that a problem names reach its evaluator and nobody else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from archive import Status
from evolve._errors import EnvironmentFault, ProblemError
from evolve.execute import LocalExecutor
from evolve.problem._load import load_problem
from evolve.problem.contract._environment import OWN, check_environment, without_values
from evolve.testing import Probe, action, open_executor_bench

SECRET = "sk-verysecret-0123456789"


def _problem(folder: Path, environment: str) -> Path:
    (folder / "initial").mkdir(parents=True)
    (folder / "initial" / "main.py").write_text("def f():\n    return 3.5\n")
    (folder / "evaluate.py").write_text("def evaluate(trial):\n    return None\n")
    (folder / "problem.yaml").write_text(f"name: keyed\nmetric: score\ngoal: maximize\nenvironment: {environment}\n")
    return folder


def _make(problems: Any, *, slots: int, sink: Any) -> LocalExecutor:
    return LocalExecutor(problems, slots=slots, tier="strict", sink=sink)


def test_the_hash_counts_names_and_not_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = []
    for value in ("one-value", "another-value"):
        monkeypatch.setenv("JUDGE_API_KEY", value)
        problem = load_problem(_problem(tmp_path / value, "[JUDGE_API_KEY]"))
        ids.append((problem.id, problem.evaluator))
    other = load_problem(_problem(tmp_path / "other", "[OTHER_KEY]"))
    assert ids[0] == ids[1]
    assert other.id != ids[0][0]


def test_a_missing_variable_is_one_sentence_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SET_ONE", "1")
    problem = load_problem(_problem(tmp_path, "[SET_ONE, JUDGE_API_KEY]"))
    with pytest.raises(EnvironmentFault, match=r"needs the environment variable JUDGE_API_KEY, .*export JUDGE_API_KEY=") as caught:
        LocalExecutor({problem.id: problem}, slots=1, tier="none", sink=print)
    assert caught.value.exit_code == 3
    monkeypatch.setenv("JUDGE_API_KEY", "x")
    check_environment(problem.contract)


@pytest.mark.parametrize(
    ("environment", "said"),
    [("JUDGE", "expected a list of names"), ("['A B']", "expected a list of names"), (f"[{OWN[0]}]", "is set for each grader")],
)
def test_names_are_checked(tmp_path: Path, environment: str, said: str) -> None:
    with pytest.raises(ProblemError, match=said):
        load_problem(_problem(tmp_path, environment))


def test_no_key_reaches_a_candidate_or_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_API_KEY", SECRET)
    body = (
        "import os, sys\nfrom evolve import Outcome, Status\n"
        "LOOK = \"print(dict(__import__('os').environ), open('/proc/self/environ').read())\"\n"
        "def evaluate(trial):\n"
        "    key = os.environ['JUDGE_API_KEY']\n"
        "    print('the judge answered', key, file=sys.stderr, flush=True)\n"
        "    do = trial.files['action.json']\n"
        "    if 'raises' in do:\n        raise ConnectionError('401 for ' + key)\n"
        "    if 'dies' in do:\n        os._exit(3)\n"
        "    reply = trial.sandbox.run(['python', '-c', LOOK])\n"
        "    return Outcome.fail(Status.CHECKS_FAILED, 'it said ' + key, feedback=reply.log + key)\n"
    )
    with open_executor_bench(_make, Probe(tmp_path, evaluate=body, environment=("JUDGE_API_KEY",))) as bench:
        _, (fails,) = bench.run(action("score"))
        _, (raises,) = bench.run(action("score", "raises"))
        lost, _ = bench.run(action("score", "dies"))
    assert (fails.result.status, raises.result.status) == (Status.CHECKS_FAILED, Status.EVALUATOR_ERROR)
    assert "'EVOLVE_WORK'" in fails.result.feedback  # the candidate's own environment, all of it
    assert raises.result.reason.endswith("401 for $JUDGE_API_KEY")
    assert "its log ends: the judge answered $JUDGE_API_KEY" in lost.reason
    assert SECRET not in repr((fails, raises, lost))


def test_values_are_replaced_longest_first_and_short_ones_left() -> None:
    values = {"A": "secret", "B": "secret-longer", "C": "0", "D": ""}
    assert without_values("0 secret secret-longer", "ABCD", values) == "0 $A $B"


def test_a_value_is_replaced_however_it_is_written() -> None:
    key = '-----BEGIN KEY-----\n\tabc"d\u00e9\n-----END KEY-----'
    written = (
        key,
        repr(key),
        repr({"k": key}),
        json.dumps(key),
        json.dumps(key, ensure_ascii=False),
        " ".join(key.split()),
        key[:24],
    )
    for text in written:
        left = without_values(f"401 for {text}", ["KEY"], {"KEY": key})
        assert "$KEY" in left
        assert "BEGIN" not in left
    assert without_values("      0", ["KEY"], {"KEY": "      "}) == "$KEY0"


def test_a_run_names_the_variable_and_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from evolve.cli._main import main

    monkeypatch.delenv("JUDGE_API_KEY", raising=False)
    problem = _problem(tmp_path / "p", "[JUDGE_API_KEY]")
    assert main(["run", f"problem={problem}", f"out={tmp_path / 'run'}"]) == 3
    assert re.search("export JUDGE_API_KEY=", capsys.readouterr().err)
    assert not (tmp_path / "run").exists()
    assert main(["validate", str(problem)]) == 3
    assert "JUDGE_API_KEY" in capsys.readouterr().err
