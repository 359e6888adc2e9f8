"""CPU without a control group: nothing a candidate starts is lost from its account, however short it lives."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from archive import StartMode
from evolve.evaluate import JsonValue, SandboxFactory, VisibleFiles, open_sandbox_factory
from evolve.evaluate.child import _spawn
from evolve.evaluate.isolation import _cpu_counter
from evolve.evaluate.isolation._cpu_counter import CpuCounter
from evolve.problem.contract._contract import Stage

BUSY = "import time\nend = time.process_time() + {s}\nwhile time.process_time() < end: pass\n"
HIDES = """
import os, signal, time
def f(n, s):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in range(n):
        if os.fork() == 0:
            end = time.process_time() + s
            while time.process_time() < end:
                pass
            os._exit(0)
        try:
            os.wait()  # comes back when there is none, and says nothing of it
        except OSError:
            pass
"""


@pytest.fixture(scope="module")
def counts() -> None:
    try:
        CpuCounter(os.getpid()).close()
    except OSError as error:
        pytest.skip(f"no counter here: {error}")


@pytest.fixture(scope="module", params=["strict", "none"])
def ungrouped(request: pytest.FixtureRequest, counts: None) -> Iterator[SandboxFactory]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_spawn, "find_layout", lambda: None)
        with open_sandbox_factory(request.param, VisibleFiles()) as factory:
            yield factory


@pytest.mark.parametrize("start", [StartMode.COLD, StartMode.WARM])
def test_children_that_live_for_a_moment_and_that_nobody_waits_for_are_counted(ungrouped: SandboxFactory, start: StartMode) -> None:
    """Looks every 50 ms see a child of 20 ms now and then, and of what it spends about half."""
    spent = []
    for n in (0, 30):
        with ungrouped.sandbox({"m.py": HIDES}, Stage(name="s", time_s=20.0), start=start) as sandbox:
            reply = sandbox.call("m.py:f", {"n": n, "s": 0.02}, {"value": JsonValue()})
        assert reply.ok, reply.reason
        spent.append(reply.usage.cpu_s)
    assert 0.6 < spent[1] - spent[0] < 1.2


def test_a_counter_counts_children_born_later_and_keeps_what_the_dead_spent(counts: None) -> None:
    program = f"import subprocess, sys\nsys.stdin.readline()\nsubprocess.run([sys.executable, '-c', {BUSY.format(s=0.3)!r}])\n"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, text=True) as process:
        counter = CpuCounter(process.pid)
        assert counter.cpu_s() < 0.2
        process.communicate("\n")
    assert 0.3 < counter.cpu_s() < 0.8
    counter.close()


def test_where_the_kernel_refuses_there_are_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(pid: int) -> CpuCounter:
        raise OSError(errno.EACCES, "refused")

    monkeypatch.setattr(_spawn, "find_layout", lambda: None)
    monkeypatch.setattr(_spawn, "CpuCounter", refused)
    with open_sandbox_factory("none", VisibleFiles()) as factory:
        with factory.sandbox({"m.py": HIDES}, Stage(name="s", time_s=20.0), start=StartMode.COLD) as sandbox:
            reply = sandbox.call("m.py:f", {"n": 1, "s": 0.5}, {"value": JsonValue()})
        assert reply.ok
        assert reply.usage.cpu_s > 0.35  # all but what is spent between the last look and the end


def test_a_machine_whose_call_is_not_known_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cpu_counter, "_SYSCALL", None)
    with pytest.raises(OSError, match="not known"):
        CpuCounter(os.getpid())
