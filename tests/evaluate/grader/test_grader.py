"""The grader process: what an ``evaluate.py`` can count on, and what it is told when it is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import evolve
from archive import StartMode, Status
from evolve._errors import ProblemError
from evolve.evaluate.grader._grader import _allowed_start
from evolve.execute import LocalExecutor
from evolve.execute._process import CancelEvent, GraderProcess, GraderRefused
from evolve.execute._slot import SlotSettings, _prepare
from evolve.execute._tree import kill_tree
from evolve.problem._files import scan
from evolve.testing import Probe, action, is_running, open_executor_bench

HEADER = "import json\nfrom pathlib import Path\nfrom evolve import Outcome, Status\n"
OK = "Outcome(score=1.0, metrics={'extra': 1.0}, descriptors={'place': 0.1})"


def _make(problems: Any, *, slots: int, sink: Any) -> LocalExecutor:
    return LocalExecutor(problems, slots=slots, tier="none", sink=sink, machine="here")


def _measure(probe: Probe, *files: Any, **entry: Any) -> list[Any]:
    files = files or (action("score"),)
    with open_executor_bench(_make, probe) as bench:
        block = bench.block(*files)
        entries = tuple(replace(one, **entry) for one in block.entries)
        bench.send(replace(block, entries=entries))
        bench.wait(block.attempt)
        return [report.result for report in bench.entries(block.attempt)]


def test_a_trial_carries_what_was_asked(tmp_path: Path) -> None:
    body = HEADER + (
        "def evaluate(trial):\n"
        "    (trial.work / 'mine').write_text('x')\n"
        "    told = {'stage': trial.stage, 'seed': trial.seed, 'start': trial.start, 'work': str(trial.work),\n"
        "            'fresh': len(list(trial.work.iterdir())) == 1, 'problem': str(trial.problem), 'assets': trial.assets,\n"
        "            'files': dict(trial.files), 'bytes': trial.params['bytes'], 'draw': float(trial.rng('data').random())}\n"
        "    with open(Path(trial.params['trace']) / 'told', 'a') as file:\n        file.write(json.dumps(told) + '\\n')\n"
        f"    return {OK}\n"
    )
    probe = Probe(tmp_path, evaluate=body)
    files = action("score")
    results = _measure(probe, files, files, seed=2**62 + 1)
    told = [json.loads(text) for text in (probe.trace / "told").read_text().splitlines()]
    for one in told:
        assert (one["stage"], one["seed"], one["start"]) == ("full", 2**62 + 1, "cold")
        assert (one["fresh"], one["assets"], one["bytes"]) == (True, None, 1 << 20)
        assert Path(one["problem"]) != probe.problem.folder  # a copy
        assert one["files"] == dict(files)
        assert not Path(one["work"]).exists()
    assert told[0]["draw"] == told[1]["draw"]
    assert told[0]["work"] != told[1]["work"]
    assert [(result.machine, result.tier) for result in results] == [("here", "none")] * 2


def test_helpers_beside_the_evaluator_are_importable_and_nothing_is_written_there(tmp_path: Path) -> None:
    body = HEADER + f"import helper\ndef evaluate(trial):\n    assert helper.X == 5\n    return {OK}\n"
    probe = Probe(tmp_path, evaluate=body, beside={"helper.py": "X = 5\n"})
    (result,) = _measure(probe)
    assert result.status is Status.OK, result.reason
    assert sorted(path.name for path in probe.problem.folder.iterdir()) == ["evaluate.py", "helper.py"]


WRITES = HEADER + (
    "BESIDE = Path(__file__).parent\n"
    "def evaluate(trial):\n"
    "    cache, own = BESIDE / 'cache.json', trial.problem / 'helper.py'\n"
    "    told = {'folder': str(trial.problem), 'cached': cache.exists(), 'helper': own.read_text()}\n"
    "    cache.write_text('1')\n"
    "    own.write_text('X = 6\\n')\n"
    "    (BESIDE / '__pycache__').mkdir(exist_ok=True)\n"
    "    with open(Path(trial.params['trace']) / 'told', 'a') as file:\n        file.write(json.dumps(told) + '\\n')\n"
    f"    return {OK}\n"
)


def test_an_evaluator_may_write_beside_itself_and_only_its_own_slot_sees_it(tmp_path: Path) -> None:
    probe = Probe(tmp_path, evaluate=WRITES, beside={"helper.py": "X = 5\n"})
    before = scan(probe.problem.folder)
    with open_executor_bench(_make, probe, slots=2) as bench:
        blocks = [bench.block(action("score"), action("score")) for _ in range(8)]
        for block in blocks:
            bench.send(block)
        for block in blocks:
            bench.wait(block.attempt)
            assert [report.result.status for report in bench.entries(block.attempt)] == [Status.OK] * 2
    told = [json.loads(text) for text in (probe.trace / "told").read_text().splitlines()]
    for folder in {one["folder"] for one in told}:
        own = [(one["cached"], one["helper"]) for one in told if one["folder"] == folder]
        assert own == [(False, "X = 5\n"), *[(True, "X = 6\n")] * (len(own) - 1)]
        assert not Path(folder).exists()
    assert scan(probe.problem.folder) == before


def test_a_folder_that_is_edited_while_an_executor_lives_changes_nothing_for_its_graders(tmp_path: Path) -> None:
    probe = Probe(tmp_path, evaluate=HEADER + f"import helper\ndef evaluate(trial):\n    return {OK}\n", beside={"helper.py": ""})
    with open_executor_bench(_make, probe) as bench:
        (probe.problem.folder / "helper.py").write_text("raise ValueError('half a change')\n")
        block = bench.block(action("score"))
        bench.send(block)
        bench.wait(block.attempt)
        assert [report.result.status for report in bench.entries(block.attempt)] == [Status.OK]


def test_a_problem_whose_folder_was_changed_after_it_was_loaded_is_not_graded(tmp_path: Path) -> None:
    probe = Probe(tmp_path, beside={"helper.py": "X = 5\n"})
    (probe.problem.folder / "helper.py").write_text("X = 6\n")
    with pytest.raises(ProblemError, match=r"helper.py in .* was changed"):
        _make({probe.problem.id: probe.problem}, slots=1, sink=print)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def evaluate(trial:\n", 'File "evaluate.py", line 1'),
        ("x = 1\n", "evaluate.py has no function evaluate"),
        pytest.param("open(__file__ + '.csv')\n", "No such file or directory: 'evaluate.py.csv'", marks=pytest.mark.slow),
        pytest.param("import sys\nsys.exit(4)\n", "SystemExit", marks=pytest.mark.slow),
        ("import os\nos.abort()\n", "(aborted)"),
        ("import sys\nprint('last words', file=sys.stderr)\nimport os\nos._exit(3)\n", "last words"),
    ],
)
def test_an_evaluator_that_cannot_be_loaded_is_told_in_words(tmp_path: Path, text: str, words: str) -> None:
    (result,) = _measure(Probe(tmp_path, evaluate=text))
    assert result.status is Status.EVALUATOR_ERROR
    assert words in result.reason


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "assert parse('1') == 2, 'one is not two'",
            "selftest() of evaluate.py failed: evaluate.py:7: AssertionError: one is not two",
        ),
        ("return 'the parser reads 1 as ' + str(parse('1'))", "selftest() of evaluate.py failed: the parser reads 1 as 1"),
        pytest.param(
            "import sys; sys.exit(0)",
            "selftest() of evaluate.py failed: evaluate.py:7: SystemExit: 0",
            marks=pytest.mark.slow,
        ),
        ("return False", "selftest() of evaluate.py returned bool, expected None, or text that says what is wrong"),
    ],
)
def test_an_evaluator_whose_own_test_fails_measures_nothing(tmp_path: Path, body: str, said: str) -> None:
    text = HEADER + f"def parse(text):\n    return int(text)\ndef selftest():\n    {body}\n"
    text += f"def evaluate(trial):\n    (Path(trial.params['trace']) / 'ran').touch()\n    return {OK}\n"
    probe = Probe(tmp_path, evaluate=text)
    results = _measure(probe, action("score"), action("score", "b"))
    assert [result.status for result in results] == [Status.EVALUATOR_ERROR] * 2
    assert {result.reason for result in results} == {said}
    assert not (probe.trace / "ran").exists()


@pytest.mark.parametrize("body", ["pass", "return ''", "assert True"])
def test_an_evaluator_whose_own_test_passes_measures(tmp_path: Path, body: str) -> None:
    text = HEADER + f"def selftest():\n    {body}\ndef evaluate(trial):\n    return {OK}\n"
    assert [result.status for result in _measure(Probe(tmp_path, evaluate=text))] == [Status.OK]


def test_a_secondary_metric_that_is_no_finite_number_is_named(tmp_path: Path) -> None:
    found = []
    for i, metrics in enumerate(("{}", "{'extra': float('nan')}", "{'extra': float('inf')}", "{'extra': None}")):
        text = HEADER + f"def evaluate(trial):\n    return Outcome(score=1.0, metrics={metrics}, descriptors={{'place': 0.1}})\n"
        (result,) = _measure(Probe(tmp_path / str(i), evaluate=text))
        found.append((result.status, result.score, result.reason))
    assert found == [
        (Status.OK, 1.0, "incomplete: metrics.extra is missing, which problem.yaml declares"),
        (Status.OK, 1.0, "incomplete: metrics.extra is nan, expected a finite number"),
        (Status.OK, 1.0, "incomplete: metrics.extra is inf, expected a finite number"),
        (Status.OK, 1.0, "incomplete: metrics.extra is NoneType, expected a number"),
    ]


def test_a_measurement_says_what_graded_it_and_what_was_seen(tmp_path: Path) -> None:
    probe = Probe(tmp_path)
    probe.problem = replace(probe.problem, contract=replace(probe.problem.contract, editable=("main.py", "action.json")))
    seen = {**action("score"), "main.py": "import ctypes\n"}
    failed = {**action("fail"), "main.py": "import gc\n"}
    invalid = {**action("score", "b"), "main.py": "import gc(\n"}
    results = _measure(probe, seen, failed, invalid)
    assert [(result.status, result.signals) for result in results] == [
        (Status.OK, ("native_memory",)),
        (Status.CHECKS_FAILED, ("introspection",)),
        (Status.INVALID, ()),
    ]
    assert {result.evaluator for result in results} == {probe.problem.evaluator}


@pytest.mark.parametrize("raised", ["KeyboardInterrupt", "SystemExit(3)", "GeneratorExit", "asyncio.CancelledError()"])
def test_whatever_an_evaluator_raises_is_its_error_and_the_next_is_measured(tmp_path: Path, raised: str) -> None:
    body = HEADER + "import asyncio\ndef evaluate(trial):\n    if 'bad' in trial.files['action.json']:\n"
    body += f"        raise {raised}\n    return {OK}\n"
    first, second = _measure(Probe(tmp_path, evaluate=body), action("score", "bad"), action("score", "b"))
    assert first.status is Status.EVALUATOR_ERROR
    assert raised.removeprefix("asyncio.").partition("(")[0] in first.reason
    assert second.status is Status.OK


def test_an_exception_is_told_with_its_place_in_the_evaluator(tmp_path: Path) -> None:
    body = HEADER + "def inner(x):\n    return json.loads(x)\ndef evaluate(trial):\n    return inner('{')\n"
    (result,) = _measure(Probe(tmp_path, evaluate=body))
    assert result.status is Status.EVALUATOR_ERROR
    assert result.reason.startswith("evaluate.py:5: json.decoder.JSONDecodeError")
    assert "evaluate.py:7 in evaluate: return inner('{')" in result.feedback
    assert str(tmp_path) not in result.feedback


def test_what_breaks_the_contract_is_told_without_a_traceback(tmp_path: Path) -> None:
    body = HEADER + "def evaluate(trial):\n    return Outcome(score=float('nan'))\n"
    (result,) = _measure(Probe(tmp_path, evaluate=body))
    assert (result.status, result.reason) == (Status.EVALUATOR_ERROR, "score is nan, expected a finite number")


def test_the_screen_stands_before_the_evaluator(tmp_path: Path) -> None:
    probe = Probe(tmp_path)
    contract = replace(probe.problem.contract, editable=("main.py", "action.json"))
    probe.problem = replace(probe.problem, contract=contract)
    invalid, rejected = _measure(probe, {**action("score"), "main.py": "x = (\n"}, {**action("score", "b"), "other.py": ""})
    assert (invalid.status, rejected.status) == (Status.INVALID, Status.REJECTED)
    assert invalid.reason.startswith("main.py:1: ")
    assert "other.py" in rejected.reason
    assert probe.marks() == []


def test_costs_are_laid_to_the_candidate_and_to_the_scorer(tmp_path: Path) -> None:
    body = HEADER + (
        "import time\n"
        "def spin(seconds):\n    end = time.process_time() + seconds\n    while time.process_time() < end:\n        pass\n"
        "def evaluate(trial):\n"
        "    code = 'import time\\nwhile time.process_time() < 0.3: pass'\n"
        "    reply = trial.sandbox.run(['python', '-c', code])\n"
        "    assert reply.ok, reply\n"
        "    spin(0.1)\n"
        f"    return {OK}\n"
    )
    (result,) = _measure(Probe(tmp_path, evaluate=body, time_s=60))
    assert result.status is Status.OK, result.reason
    assert 0.3 <= result.cpu_s < 1.0
    assert 0.1 <= result.scorer_cpu_s < 0.3
    assert result.wall_s >= 0.4
    assert result.memory_mib > 0


def test_the_start_of_an_entry_bounds_the_stages() -> None:
    table = {(asked, declared): _allowed_start(asked, declared) for asked in StartMode for declared in StartMode}
    assert [table[StartMode.COLD, declared] for declared in StartMode] == [StartMode.COLD, StartMode.SPARE, StartMode.COLD]
    assert [table[StartMode.SPARE, declared] for declared in StartMode] == [StartMode.COLD, StartMode.SPARE, StartMode.SPARE]
    assert [table[StartMode.WARM, declared] for declared in StartMode] == [StartMode.COLD, StartMode.SPARE, StartMode.WARM]


def test_another_version_of_the_engine_is_refused_by_name(tmp_path: Path) -> None:
    probe = Probe(tmp_path)
    settings = SlotSettings(
        problems={probe.problem.id: probe.problem}, tier="none", machine="there", scratch=tmp_path, grace_s=1.0, threads=1
    )
    prepare = replace(_prepare(probe.problem, settings, 0), engine="0.0.0")
    wake = CancelEvent()
    with pytest.raises(GraderRefused, match=r"0\.0\.0.*there"):
        GraderProcess(prepare, folder=tmp_path, threads=1, wake=wake)
    wake.close()


ENDS = {
    "is closed": "",
    "refuses": "raise RuntimeError('no')\n",
    "leaves": "import os\nos._exit(3)\n",
    "breaks": "class Odd(BaseException):\n    pass\nraise Odd\n",
    "is killed": "import os\nos.kill(os.getpid(), 9)\n",
}


LIKE_OTHERS = ("refuses", "leaves", "is killed")


@pytest.mark.parametrize(
    "how", [pytest.param(how, marks=[pytest.mark.slow, pytest.mark.long] * (how in LIKE_OTHERS)) for how in ENDS]
)
def test_what_evaluate_py_starts_when_loaded_ends_with_the_grader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Also where a busy machine lets the executor kill late, when the grader might have ended by itself."""

    def late(pid: int) -> None:
        give_up = time.monotonic() + 2.0
        while is_running(pid) and time.monotonic() < give_up:
            time.sleep(0.01)
        kill_tree(pid)

    monkeypatch.setattr("evolve.execute._process.kill_tree", late)
    note = f"Path({str(tmp_path / 'pid')!r}).write_text(str(CHILD.pid))\n"
    starts = f"import subprocess\nCHILD = subprocess.Popen(['sleep', '600'])\n{note}"
    probe = Probe(tmp_path, evaluate=HEADER + starts + ENDS[how] + f"def evaluate(trial):\n    return {OK}\n")
    _measure(probe)
    left = int((tmp_path / "pid").read_text())
    if running := is_running(left):
        os.kill(left, signal.SIGKILL)
    assert not running


def test_a_tier_that_is_not_to_be_had_is_told(tmp_path: Path) -> None:
    probe = Probe(tmp_path)
    make = lambda problems, *, slots, sink: LocalExecutor(problems, slots=slots, tier="sieve", sink=sink)  # noqa: E731
    with open_executor_bench(make, probe) as bench:
        _, (report,) = bench.run(action("score"))
    assert report.result.status is Status.EVALUATOR_ERROR
    assert "sieve" in report.result.reason


def test_a_grader_whose_parent_is_another_ends_at_once(tmp_path: Path) -> None:
    root = str(Path(evolve.__file__).parent.parent)
    command = [sys.executable, "-P", "-m", "evolve.evaluate.grader._grader", "0", "0"]
    done = subprocess.run(command, env={"PYTHONPATH": root}, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, b"")
