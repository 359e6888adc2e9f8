"""What the grader believes and what it tells: outputs it has checked for every request, and nothing that gives a phase away."""

from __future__ import annotations

import json
import queue
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from archive import Attempt, BlockEntry, Measurement, StartMode, Status
from evolve.evaluate import Array, JsonValue, Reply, SandboxFactory, VisibleFiles, open_sandbox_factory
from evolve.execute import Block, EntryReport
from evolve.execute._local import LocalExecutor
from evolve.problem._load import load_problem
from evolve.problem.contract._contract import Problem, Stage

STARTS = (StartMode.COLD, StartMode.WARM)


@pytest.fixture(scope="module")
def factory() -> Iterator[SandboxFactory]:
    with open_sandbox_factory("strict", VisibleFiles(imports=("numpy",))) as factory:
        yield factory


def call_many(
    factory: SandboxFactory, source: str, start: StartMode, calls: list[dict[str, object]], returns: object, **more: object
) -> Reply:
    with factory.sandbox({"m.py": source}, Stage(name="s", time_s=20.0, start=start), start=start) as sandbox:
        return sandbox.call_many("m.py:f", calls, [{"x": returns}] * len(calls), **more)


@pytest.mark.parametrize("start", STARTS)
def test_what_a_candidate_does_to_its_arguments_reaches_nobody(factory: SandboxFactory, start: StartMode) -> None:
    """One array and one list for all calls: each call sees what the evaluator holds, and the evaluator keeps it."""
    source = """
def f(values, names):
    seen = [float(values.sum()), len(names)]
    values[:] = -1
    names.clear()
    return seen
"""
    values, names = np.arange(4.0), ["a", "b"]
    reply = call_many(factory, source, start, [{"values": values, "names": names}] * 3, JsonValue())
    assert [value["x"] for value in reply.values] == [[6.0, 2]] * 3
    assert values.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert names == ["a", "b"]


@pytest.mark.parametrize("start", STARTS)
def test_input_files_stay_as_the_evaluator_laid_them(factory: SandboxFactory, start: StartMode, tmp_path: Path) -> None:
    (tmp_path / "held.txt").write_text("mine")
    source = """
import os
def f():
    done = []
    for name in ("given.txt", "held.txt"):
        for act in (lambda p: open(p, "w"), lambda p: open(p, "r+"), lambda p: os.truncate(p, 0), lambda p: os.chmod(p, 0o777),
                    lambda p: os.rename(p, "/work/x"), os.unlink):
            try:
                act("/input/" + name)
                done.append(name)
            except OSError:
                pass
    return [done, open("/input/given.txt").read(), open("/input/held.txt").read()]
"""
    inputs = {"given.txt": b"yours", "held.txt": tmp_path / "held.txt"}
    reply = call_many(factory, source, start, [{}, {}], JsonValue(), inputs=inputs)
    assert [value["x"] for value in reply.values] == [[[], "yours", "mine"]] * 2
    assert (tmp_path / "held.txt").read_text() == "mine"


@pytest.mark.parametrize("start", STARTS)
def test_an_answer_is_taken_when_it_is_given(factory: SandboxFactory, start: StartMode) -> None:
    """One buffer for all answers, and earlier answers changed later: what counts are the bytes at the end of each call."""
    source = """
import numpy as np
BUFFER = np.zeros(3)
GIVEN = []
def f(n):
    for array in GIVEN:
        array[:] = 99
    BUFFER[:] = n
    GIVEN.append(BUFFER)
    return BUFFER
"""
    reply = call_many(factory, source, start, [{"n": n} for n in range(3)], Array("float64", (3,)))
    assert [value["x"].tolist() for value in reply.values] == [[0.0] * 3, [1.0] * 3, [2.0] * 3]
    assert all(value["x"].flags.owndata for value in reply.values)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("end", ["os._exit(0)", "raise SystemExit(0)", "raise SystemExit", "os.abort()"])
def test_an_early_end_is_no_success_however_many_answers_were_given(factory: SandboxFactory, start: StartMode, end: str) -> None:
    source = f"import os\ndef f(n):\n    if n == 2:\n        print('all tests passed', flush=True)\n        {end}\n    return n\n"
    reply = call_many(factory, source, start, [{"n": n} for n in range(4)], JsonValue())
    assert reply.status in (Status.INVALID, Status.CRASH)
    assert reply.values == ()


def test_a_command_that_ends_with_0_still_owes_every_file(factory: SandboxFactory) -> None:
    source = "import os\nopen('/output/a', 'w').write('1')\nprint('score: 1')\nos._exit(0)\n"
    with factory.sandbox({"m.py": source}, Stage(name="s"), start=StartMode.COLD) as sandbox:
        reply = sandbox.run(["python", "/candidate/m.py"], outputs={"a": 10, "b": 10})
    assert (reply.status, reply.reason, reply.files) == (Status.INVALID, "output b: missing", {"a": b"1"})


@pytest.mark.parametrize("end", ["", "import sys; sys.exit(0)", "import os; os._exit(0)"])
def test_a_command_holds_no_reply_however_it_was_started(end: str) -> None:
    """A spare runs the script in the stub's own interpreter; it must not find the reply there, and may end as scripts do."""
    source = f"import json, os\nwith open('/output/fds', 'w') as file:\n    json.dump(os.listdir('/proc/self/fd'), file)\n{end}\n"
    found = []
    with open_sandbox_factory("strict", VisibleFiles()) as factory:
        for _ in range(2):
            with factory.sandbox({"m.py": source}, Stage(name="s"), start=StartMode.SPARE) as sandbox:
                reply = sandbox.run(["python", "/candidate/m.py"], outputs={"fds": 1000})
                found.append((sandbox.start, reply.status, reply.reason, len(json.loads(reply.files.get("fds", b"[]")))))
    inner = 5  # input, two for the log, the file it writes, the folder it lists
    assert found == [(StartMode.COLD, Status.OK, "", inner), (StartMode.SPARE, Status.OK, "", inner)]


# --------------------------------------------------------------------------------------------------------- what it is told

CONTRACT = """\
name: told
metric: m
goal: maximize
stages:
  - {name: firststage, time_s: 20, start: warm}
  - {name: laststage, time_s: 20, start: warm}
"""
EVALUATE = """\
import hashlib
import json

from evolve import JsonValue, Outcome, Status


def evaluate(trial):
    called = trial.sandbox.call("main.py:look", {}, {"x": JsonValue()})
    ran = trial.sandbox.run(["python", "/candidate/main.py"], outputs={"seen.json": 65536})
    for reply in (called, ran):
        if not reply.ok:
            return reply.outcome()
    seen = json.dumps(called.value["x"])
    for secret in (str(trial.seed), hex(trial.seed)[2:], trial.stage, str(trial.work), str(trial.problem), "search", "recheck"):
        if secret in seen + ran.files["seen.json"].decode():
            return Outcome.fail(Status.CHECKS_FAILED, f"the candidate was told {secret}")
    return Outcome(score=float(len(seen)), output_hash=hashlib.blake2b(seen.encode()).hexdigest())
"""
LOOKS = """\
import json, os, re, resource, socket, sys


def look():
    seen = {"argv": sys.argv, "orig": sys.orig_argv, "env": dict(os.environ), "cwd": os.getcwd(), "host": socket.gethostname()}
    for place in ("/candidate", "/input", "/work", "/output", "/tmp", "/dev/shm", "/stub", "/"):
        seen[place] = sorted(os.listdir(place))
    for name in ("cmdline", "environ"):
        seen[name] = open(f"/proc/self/{name}", errors="replace").read()
    seen["limits"] = [resource.getrlimit(which) for which in range(16)]
    seen["nice"], seen["ids"] = os.nice(0), [os.getuid(), os.getpid(), os.getppid()]
    frame, held = sys._getframe(1), []
    while frame is not None:
        held += [f"{name}={value!r}" for name, value in sorted(frame.f_locals.items()) if isinstance(value, (int, str, list, dict))]
        frame = frame.f_back
    seen["frames"] = re.sub("0x[0-9a-f]+", "0x", repr(held)[:30000])
    return seen


if __name__ == "__main__":
    with open("/output/seen.json", "w") as file:
        json.dump(look(), file)
"""


def test_a_candidate_is_told_neither_stage_nor_seed_nor_purpose(tmp_path: Path) -> None:
    """A program that looks everywhere sees the same, to the letter, at another stage and with another seed."""
    for name, text in {"problem.yaml": CONTRACT, "evaluate.py": EVALUATE, "initial/main.py": LOOKS}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    problem = load_problem(tmp_path)
    which = (("firststage", 1_234_567_890_123), ("laststage", 9_876_543_210_987))
    results = measured(problem, [BlockEntry("c", stage, seed, start) for start in STARTS for stage, seed in which])
    assert [result.status for result in results] == [Status.OK] * 4, [result.reason for result in results]
    assert [result.start for result in results] == [StartMode.COLD] * 4  # the command makes it so; the call itself was warm
    cold, other_cold, warm, other_warm = (result.output_hash for result in results)
    assert (cold, warm) == (other_cold, other_warm)


def measured(problem: Problem, entries: list[BlockEntry]) -> list[Measurement]:
    reports: queue.SimpleQueue = queue.SimpleQueue()
    executor = LocalExecutor({problem.id: problem}, slots=1, tier="strict", sink=reports.put)
    results = []
    try:
        executor.submit(Block(Attempt("test", 0), problem.id, tuple(entries), {"c": problem.initial_files}))
        while isinstance(report := reports.get(timeout=60), EntryReport):
            results.append(report.result)
    finally:
        executor.close(drain=False)
    return results
