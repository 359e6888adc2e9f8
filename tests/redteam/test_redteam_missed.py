"""What gets through is said loudly: evaluators that trust too much, and candidates without walls."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from evolve._errors import ProblemError, SandboxMissing, UsageError
from evolve.cli import main
from evolve.execute import Executor, Sink
from evolve.execute._local import LocalExecutor
from evolve.problem._load import load_problem
from evolve.problem.contract._contract import Problem
from evolve.redteam._bench import RedteamReport, redteam_problem
from evolve.redteam._traps import Canaries, HostState, _sleeps, planted_environment

CONTRACT = "name: leaky\nmetric: points\ngoal: maximize\nstages: [{name: full, time_s: 10, memory_mib: 256}]\n"
RUNS = """\
import re

from evolve import Outcome, Status


def evaluate(trial):
    reply = trial.sandbox.run(["python", "/candidate/main.py"], outputs=OUTPUTS)
    if not reply.ok:
        return reply.outcome()
    return Outcome(score=SCORE, feedback=reply.log)
"""
PRINTS = "print('points: 3.0')\n"
WRITES = 'import json, os\nopen(os.environ["EVOLVE_OUTPUT"] + "/result.json", "w").write(json.dumps({"points": 3.0}))\n'
PRINTED = 'float(re.findall(r"points: (\\S+)", reply.log)[-1])'
WRITTEN = '__import__("json").loads(reply.files["result.json"])["points"]'


def strict(problems: Mapping[str, Problem], sink: Sink) -> Executor:
    return LocalExecutor(problems, slots=1, tier="strict", sink=sink)


def write(folder: Path, evaluate: str, seed: str, contract: str = CONTRACT, **more: str) -> Path:
    texts = {"problem.yaml": contract, "evaluate.py": evaluate, "initial/main.py": seed}
    texts |= {f"redteam/{name}/main.py": text for name, text in more.items() if name != "verdicts"}
    texts |= {"redteam/verdicts.json": more["verdicts"]} if "verdicts" in more else {}
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def tried(folder: Path, *only: str) -> dict[str, str]:
    report = redteam_problem(load_problem(folder), strict, only=only)
    return verdicts(report)


def verdicts(report: RedteamReport) -> dict[str, str]:
    assert report.ok == all(one.good for one in report.findings)
    return {one.name: one.verdict for one in report.findings}


def trusting(folder: Path, score: str, seed: str, outputs: str = "{}") -> Path:
    return write(folder, RUNS.replace("SCORE", score).replace("OUTPUTS", outputs), seed)


def test_an_evaluator_that_trusts_a_printed_score_is_told(tmp_path: Path) -> None:
    found = tried(trusting(tmp_path, PRINTED, PRINTS), "prints_score", "prints_progress", "reads_environment")
    assert found == {"prints_score": "MISSED", "prints_progress": "accepted", "reads_environment": "caught"}


def test_an_evaluator_that_trusts_a_written_score_is_told(tmp_path: Path) -> None:
    folder = trusting(tmp_path, WRITTEN, WRITES, '{"result.json": 100}')
    (folder / "evaluate.py").write_text((folder / "evaluate.py").read_text().replace('["points"]', '.get("points", 0.0)'))
    found = tried(folder, "forges_results", "writes_scratch", "exits_at_once")
    assert found == {"forges_results": "MISSED", "writes_scratch": "accepted", "exits_at_once": "caught"}


def test_an_evaluator_that_takes_an_exit_status_for_success_is_told(tmp_path: Path) -> None:
    found = tried(trusting(tmp_path, "3.0", PRINTS), "exits_at_once", "exits_softly", "exits_cleanly", "forges_reply")
    assert found == {"exits_at_once": "MISSED", "exits_softly": "MISSED", "exits_cleanly": "accepted", "forges_reply": "MISSED"}


def test_an_evaluator_that_checks_the_first_answer_only_is_told(tmp_path: Path) -> None:
    evaluate = """\
import time

from evolve import JsonValue, Outcome


def evaluate(trial):
    reply = trial.sandbox.call_many("main.py:f", [{"n": n} for n in range(3)], [{"x": JsonValue()}] * 3)
    if not reply.ok:
        return reply.outcome()
    assert reply.values[0]["x"] == 0
    return Outcome(score=-float(sum(value["x"] > 0 for value in reply.values)))
"""
    seed = "def f(n):\n    return n\n"  # pays for every further answer
    assert tried(write(tmp_path, evaluate, seed), "repeats_answers", "caches_answers") == {
        "repeats_answers": "MISSED",
        "caches_answers": "accepted",
    }


TWO_FILES = {
    "initial/main.py": "import os\nimport subprocess\nimport sys\n\nfrom lib import k\n\n"
    "if len(sys.argv) < 2:\n    subprocess.run([sys.executable, __file__, 'again'], check=True)\n    print('points:', k(2.0))\n",
    "initial/lib.py": "def k(x):\n    return x + 1.0\n",
}


@pytest.mark.slow
def test_a_program_of_two_files_and_two_processes_does_not_take_its_own_traces_for_those_of_another(tmp_path: Path) -> None:
    folder = trusting(tmp_path, PRINTED, "")
    for path, text in TWO_FILES.items():
        (folder / path).write_text(text)
    assert load_problem(folder).contract.editable == ("lib.py", "main.py")
    assert tried(folder, "leaves_files", "writes_scratch") == {"leaves_files": "caught", "writes_scratch": "accepted"}


def test_an_evaluator_that_breaks_is_told(tmp_path: Path) -> None:
    fragile = "3.0 / (len(reply.log) < 500)"
    found = tried(trusting(tmp_path, fragile, PRINTS), "prints_score", "prints_progress")
    assert found == {"prints_score": "MISSED", "prints_progress": "accepted"}


NOISY = """\
from evolve import JsonValue, Outcome


def evaluate(trial):
    reply = trial.sandbox.call("main.py:f", {"told": int(trial.rng("data").integers(1000))}, {"x": JsonValue()})
    return Outcome(score=float(reply.value["x"])) if reply.ok else reply.outcome()
"""
VERDICTS = """\
{"schema": 1, "verdicts": [
 {"candidate": "listens", "cheat": false, "expect": ["ok"]},
 {"candidate": "deaf", "cheat": true, "expect": ["rejected"], "reason": "seed_insensitive", "twin": "listens"},
 {"candidate": "lucky", "cheat": true, "expect": ["rejected"], "twin": "listens"}
]}
"""


def test_who_ignores_the_seed_is_rejected_and_who_only_seems_to_is_not(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        NOISY,
        "def f(told):\n    return told\n",
        CONTRACT + "noise: noisy\n",
        listens="def f(told):\n    return told / 2\n",
        deaf="def f(told):\n    return 999\n",
        lucky="def f(told):\n    return told + 1\n",
        verdicts=VERDICTS,
    )
    assert tried(folder, "own") == {"listens": "accepted", "deaf": "caught", "lucky": "MISSED"}


# ------------------------------------------------------------------------------------------------------------- no walls


def test_without_walls_the_verb_says_what_was_reached_and_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path, NOISY, "def f(told):\n    return 1\n")
    names = "reads_files,reads_processes,signals_others,leaves_files,calls_out,knows_itself"
    assert main(["redteam", str(folder), "sandbox=none", "executor.slots=1", "--only", names, "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (next(iter(answer)), answer["ok"], answer["tier"]) == ("schema", False, "none")
    found = {one["name"]: one for one in answer["programs"]}
    assert {name for name, one in found.items() if one["verdict"] == "MISSED"} == set(names.split(",")) - {"knows_itself"}
    assert "secret" in found["reads_processes"]["by"]
    assert "signalled" in found["signals_others"]["by"]
    assert "socket" in found["calls_out"]["by"]
    left = [name for place in ("/tmp", "/dev/shm") for name in os.listdir(place) if name.startswith("redteam-")]
    assert left == []


def test_a_signal_that_is_still_on_its_way_is_seen() -> None:
    """A busy machine delivers late: what the decoy was sent waits with it.  Here it holds its signals back for good."""
    blocked = "import os, signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]); os.execvp('sleep', ['sleep', '100'])"
    with subprocess.Popen([sys.executable, "-c", blocked]) as decoy:
        try:
            deadline = time.monotonic() + 30
            while Path(f"/proc/{decoy.pid}/comm").read_text() != "sleep\n" and time.monotonic() < deadline:
                time.sleep(0.01)
            assert _sleeps(decoy)
            decoy.send_signal(signal.SIGUSR1)
            assert not _sleeps(decoy)
        finally:
            decoy.kill()
    assert not _sleeps(decoy)


def test_with_walls_the_verb_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path, NOISY, "def f(told):\n    return 1\n")
    words = ["redteam", str(folder), "executor.slots=1", "--only", "general/reads_files,reads_own_files"]  # by either name
    assert main(words) == 0
    assert "1 of 1 cheats caught, 1 of 1 honest programs accepted (tier strict)" in capsys.readouterr().out


def test_mistakes_of_the_caller(tmp_path: Path) -> None:
    folder = write(tmp_path, NOISY, "def f(told):\n    return 1\n")
    assert main(["redteam", str(folder), "--only", "nothing"]) == 2
    assert main(["redteam", str(folder), "budget.wall_s=3"]) == 2
    with pytest.raises(UsageError, match="found 'nothing'"):
        redteam_problem(load_problem(folder), strict, only=("nothing",))


def test_a_machine_without_a_sandbox_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find() -> Path:
        raise SandboxMissing("no bubblewrap here")

    monkeypatch.setattr("evolve.evaluate.isolation._bwrap.find", find)
    assert main(["redteam", str(write(tmp_path, NOISY, "x = 1\n"))]) == 3


def test_a_seed_program_that_fails_is_the_first_thing_to_mend(tmp_path: Path) -> None:
    folder = write(tmp_path, NOISY, "def g():\n    return 1\n")
    with pytest.raises(
        ProblemError, match=r"expected an initial program that works, found invalid: .* has no function f; run `evolve"
    ):
        redteam_problem(load_problem(folder), strict, only=("knows_itself",))


# ---------------------------------------------------------------------------------------------------------------- the traps


@pytest.fixture
def traps(tmp_path: Path) -> Iterator[Canaries]:
    problem = load_problem(write(tmp_path, NOISY, "x = 1\n"))
    with planted_environment() as planted, Canaries(HostState.of(problem), problem, planted) as traps:
        yield traps


def test_untouched_traps_say_nothing(traps: Canaries) -> None:
    assert traps.tripped(()) == ()


def test_each_trap_springs(traps: Canaries) -> None:
    with socket.create_connection(("127.0.0.1", int(str(traps.plan["port"])))):
        assert traps.tripped(()) == ("connected to a socket outside",)
    with socket.socket(socket.AF_UNIX) as there:
        there.connect(f"\0{traps.word}")
        assert traps.tripped(()) == ("connected to a socket outside",)
    Path(str(traps.plan["marker"]), "x").write_text("here")
    assert traps.tripped(()) == ("wrote to a folder outside: here",)
    os.kill(int(str(traps.plan["pid"])), signal.SIGKILL)
    os.waitid(os.P_PID, int(str(traps.plan["pid"])), os.WEXITED | os.WNOWAIT)
    assert traps.tripped(())[1:] == ("signalled a process outside",)


def test_what_lies_outside_is_known_by_its_content(tmp_path: Path) -> None:
    problem = load_problem(write(tmp_path, NOISY, "x = 1\n"))
    outside = HostState.of(problem)
    assert str(tmp_path / "evaluate.py") in [path for _, path, _ in outside.files]
    assert "the engine" in [what for what, _, _ in outside.files]
    assert all(len(digest) == 32 for *_, digest in outside.files)
    assert NOISY not in repr(outside)
