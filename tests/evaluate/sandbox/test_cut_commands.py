"""Commands whose time is over, in both tiers: what they had written comes back, by the same checks, and nothing else changes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from archive import StartMode, Status
from evolve.evaluate import JsonValue, Reply, SandboxFactory, VisibleFiles, open_sandbox_factory
from evolve.evaluate.sandbox._command import END_S
from evolve.problem.contract._contract import Stage

SHORT = Stage(name="s", time_s=1.0, memory_mib=256)
BUSY = Stage(name="s", time_s=20.0, cpu_s=0.4, memory_mib=256)
SET_UP = "import os, sys, time\nO = os.environ['EVOLVE_OUTPUT']\n"
WRITES = SET_UP + "with open(O + '/log.txt', 'w') as log:\n    log.write('step 1\\n')\n"
SLEEPS = "print('going on', flush=True)\ntime.sleep(60)\n"


@pytest.fixture(scope="module", params=["strict", "none"])
def factory(request: pytest.FixtureRequest) -> Iterator[SandboxFactory]:
    with open_sandbox_factory(request.param, VisibleFiles()) as factory:
        yield factory


@pytest.fixture(scope="module")
def strict() -> Iterator[SandboxFactory]:
    with open_sandbox_factory("strict", VisibleFiles()) as factory:
        yield factory


def cut(factory: SandboxFactory, source: str, stage: Stage = SHORT, **more: object) -> Reply:
    with factory.sandbox({"m.py": source}, stage, start=StartMode.COLD, **more) as sandbox:  # type: ignore[arg-type]
        return sandbox.run(["python", "/candidate/m.py"], outputs={"log.txt": 100, "weights": 10})


def test_what_a_command_had_written_comes_back_when_its_time_is_over(factory: SandboxFactory) -> None:
    began = time.monotonic()
    reply = cut(factory, WRITES + SLEEPS)
    assert (reply.status, reply.reason) == (Status.TIMEOUT, "still running after 1 s")
    assert reply.files == {"log.txt": b"step 1\n"}
    assert (reply.exit_code, reply.log) == (-9, "going on\n")
    assert reply.output_hash
    assert not reply.ok
    assert time.monotonic() - began < 1.0 + END_S + 2.0
    assert reply.usage.wall_s < 1.0 + END_S


@pytest.mark.parametrize(("limit", "status"), [(None, Status.TIMEOUT), (0.2, Status.OVER_BUDGET)])
def test_and_when_its_cpu_is_used_up(factory: SandboxFactory, limit: float | None, status: Status) -> None:
    reply = cut(factory, WRITES + "while True:\n    pass\n", BUSY, cpu_limit_s=limit)
    assert (reply.status, reply.exit_code, reply.files) == (status, -9, {"log.txt": b"step 1\n"})


def test_a_command_that_ends_in_the_moment_of_its_limit_is_no_good_end(factory: SandboxFactory) -> None:
    """Much CPU between two looks: it has ended with 0 when the limit is seen to be broken."""
    threads = "import hashlib, threading\nblock = bytes(1 << 27)\n"
    threads += "each = [threading.Thread(target=hashlib.sha256, args=(block,)) for _ in range(4)]\n"
    threads += "[one.start() for one in each], [one.join() for one in each]\n"
    reply = cut(factory, WRITES + threads, Stage(name="s", time_s=20.0, cpus=2.0, memory_mib=512), cpu_limit_s=0.15)
    assert (reply.status, reply.exit_code, reply.ok) == (Status.OVER_BUDGET, -9, False)


def test_a_spare_start_too(strict: SandboxFactory) -> None:
    with strict.sandbox({"m.py": "x = 1\n"}, SHORT, start=StartMode.SPARE):
        pass  # makes a spare for the next one
    with strict.sandbox({"m.py": WRITES + SLEEPS}, SHORT, start=StartMode.SPARE) as sandbox:
        reply = sandbox.run(["python", "/candidate/m.py"], outputs={"log.txt": 100})
        assert sandbox.start is StartMode.SPARE
    assert (reply.status, reply.exit_code, reply.files) == (Status.TIMEOUT, -9, {"log.txt": b"step 1\n"})


def test_the_checks_are_those_of_any_end(factory: SandboxFactory) -> None:
    assert cut(factory, SET_UP + "os.symlink('/etc/passwd', O + '/log.txt')\n" + SLEEPS).files == {}
    assert cut(factory, SET_UP + "os.mkfifo(O + '/log.txt')\n" + SLEEPS).files == {}
    more = SET_UP + "open(O + '/log.txt', 'w').write('x' * 101)\nopen(O + '/weights', 'w').write('x' * 10)\n" + SLEEPS
    assert cut(factory, more).files == {"weights": b"x" * 10}


def test_what_it_started_ends_before_its_files_are_read(strict: SandboxFactory) -> None:
    """A daemon that turns the file over and over neither outlives the command nor makes what comes back longer."""
    turns = """
for _ in range(20):
    if os.fork() == 0:
        os.setsid()
        while True:
            with open(O + '/log.txt', 'w') as log:
                log.write('y' * 90)
            os.kill(1, 17)
"""
    began = time.monotonic()
    reply = cut(strict, WRITES + turns + SLEEPS)
    assert reply.status is Status.TIMEOUT
    assert set(reply.files) <= {"log.txt"}
    assert reply.files.get("log.txt", b"") in (b"", b"step 1\n", b"y" * 90)
    assert time.monotonic() - began < 1.0 + END_S + 3.0


def test_whoever_ends_the_one_who_would_tell_gains_nothing() -> None:
    with open_sandbox_factory("none", VisibleFiles()) as bare:
        began = time.monotonic()
        reply = cut(bare, WRITES + "os.kill(os.getppid(), 19)\n" + SLEEPS)  # stops the stub, which tier none lets it do
    assert (reply.status, reply.exit_code, reply.files) == (Status.TIMEOUT, -9, {})
    assert time.monotonic() - began < 1.0 + END_S + 3.0


def test_a_call_that_is_cut_gives_no_values_and_no_more_time(factory: SandboxFactory) -> None:
    with factory.sandbox({"m.py": "import time\ndef f():\n    time.sleep(60)\n"}, SHORT, start=StartMode.COLD) as sandbox:
        reply = sandbox.call("m.py:f", {}, {"value": JsonValue()})
    assert (reply.status, reply.values, reply.files) == (Status.TIMEOUT, (), {})
    assert reply.usage.wall_s < 1.5


def test_a_command_without_outputs_is_killed_at_once(factory: SandboxFactory) -> None:
    with factory.sandbox({"m.py": SET_UP + SLEEPS}, SHORT, start=StartMode.COLD) as sandbox:
        reply = sandbox.run(["python", "/candidate/m.py"])
    assert (reply.status, reply.exit_code) == (Status.TIMEOUT, -9)


def test_a_quick_command_ends_as_before(factory: SandboxFactory) -> None:
    for _ in range(20):
        reply = cut(factory, WRITES + "open(O + '/weights', 'w').write('w')\n", Stage(name="s", time_s=10.0, memory_mib=256))
        assert (reply.status, reply.exit_code, reply.files) == (Status.OK, 0, {"log.txt": b"step 1\n", "weights": b"w"})
        assert reply.usage.wall_s < 3.0
