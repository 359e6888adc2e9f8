"""Calls made up one by one from the answers before: a program works on what it was sent, and no longer than it is asked to."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import numpy as np
import pytest

from archive import StartMode, Status
from evolve.evaluate import Array, JsonValue, Reply, SandboxFactory, VisibleFiles, open_sandbox_factory
from evolve.problem.contract._contract import Stage

STAGE = Stage(name="s", time_s=10.0, memory_mib=512)
ONE = {"value": JsonValue()}
FORGED = """
import os, contextlib
def f(x):
    frame = b"EVT1" + (4).to_bytes(8, "little") + b"EVR1"
    for fd in range(3, 64):
        with contextlib.suppress(OSError):
            os.write(fd, frame * 3)
    return 1
"""
ANSWER = """
import os, time
text = b'{"values":[[["json",1]]]}'
frame = b"EVR1" + len(text).to_bytes(4, "little") + text + b"7"
reply = b"EVT1" + len(frame).to_bytes(8, "little") + frame
"""
UNREAD = (
    ANSWER
    + """
def f(x):
    os.write(3, reply)  # to this call
    time.sleep(0.3)
    os.read(4, 8)  # the head of the next, and its answer
    os.write(3, reply)
    time.sleep(2)
    os._exit(0)
"""
)
AHEAD = (
    ANSWER
    + """
def f(x):
    for _ in range(4):
        os.write(3, reply)
        time.sleep(0.2)  # while the next call is made up
    time.sleep(2)
    os._exit(0)
"""
)
ECHO = "seen = []\ndef f(x):\n    seen.append(x)\n    return seen\n"


@pytest.fixture(scope="module", params=["strict", "none"])
def factory(request: pytest.FixtureRequest) -> Iterator[SandboxFactory]:
    with open_sandbox_factory(request.param, VisibleFiles(imports=("numpy",))) as factory:
        yield factory


def conversed(factory: SandboxFactory, source: str, ask, returns=ONE, *, start=StartMode.COLD, stage=STAGE, **more) -> Reply:
    with factory.sandbox({"m.py": source}, stage, start=start) as sandbox:
        return sandbox.converse("m.py:f", ask, returns, **more)


def count_to(n: int):
    """Asks with what the last answer has at its end, and one more."""

    def ask(answer: Mapping[str, object] | None, seconds: float) -> Mapping[str, object] | None:
        x = 0 if answer is None else answer["value"][-1] + 1
        return {"x": x} if x < n else None

    return ask


@pytest.mark.parametrize("start", [StartMode.COLD, StartMode.WARM, StartMode.SPARE])
def test_each_call_follows_from_the_answer_before(factory: SandboxFactory, start: StartMode) -> None:
    for _ in range(2):
        reply = conversed(factory, ECHO, count_to(5), start=start)
        assert reply.ok, reply.reason
        assert reply.values == ({"value": [0, 1, 2, 3, 4]},)
        assert reply.timing is not None
        assert len(reply.timing.seconds) == 5
        assert 0 < reply.timing.overhead_s < 1


def test_the_cpu_of_all_that_a_program_does_is_told_by_each_answer(factory: SandboxFactory) -> None:
    """Also of what it does in a thread after an answer, while nothing is asked of it."""
    source = """
import threading, time
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
def f(x):
    if x == 1:
        burn(0.2)
    if x == 2:
        threading.Thread(target=burn, args=(0.2,)).start()
    return [x]
"""
    counted = count_to(5)

    def ask(answer, seconds):
        if answer is not None and answer["value"] == [2]:
            time.sleep(1.5)
        return counted(answer, seconds)

    reply = conversed(factory, source, ask)
    assert reply.ok, reply.reason
    idle, burnt, answered, beside, last = reply.timing.cpu_s
    assert burnt - idle >= 0.2
    assert beside - answered >= 0.02  # of 0.2, in 1.5 s, however busy the machine is
    assert 0 <= last - beside < 0.3
    assert last <= reply.usage.cpu_s + 0.02


def test_the_seconds_are_those_of_the_call_before(factory: SandboxFactory) -> None:
    told: list[float] = []

    def ask(answer, seconds):
        told.append(seconds)
        time.sleep(0.05)  # is nobody's time
        return {"x": 0.02 * len(told)} if len(told) < 4 else None

    reply = conversed(factory, "import time\ndef f(x):\n    time.sleep(x)\n    return 1\n", ask)
    assert reply.ok, reply.reason
    assert told[1:] == list(reply.timing.seconds)
    assert all(0.02 * n <= told[n] < 0.02 * n + 0.5 for n in (1, 2, 3))


def test_large_arrays_travel_both_ways(factory: SandboxFactory) -> None:
    def ask(answer, seconds):
        if answer is None:
            return {"x": np.arange(300_000.0)}
        return {"x": answer["y"]} if answer["y"][1] < 8 else None

    reply = conversed(factory, "def f(x):\n    return x * 2\n", ask, {"y": Array("float64", (None,))})
    assert reply.ok, reply.reason
    np.testing.assert_array_equal(reply.values[0]["y"], np.arange(300_000.0) * 8)


@pytest.mark.parametrize(("source", "status", "words"), [
    ("def f(x):\n    raise KeyError('x')\n", Status.CRASH, "KeyError"),
    ("import os\ndef f(x):\n    os._exit(0)\n", Status.INVALID, "it ended after 0 calls"),
    ("def f(x):\n    return {1: 2}.keys()\n", Status.INVALID, ""),
    (FORGED, Status.INVALID, "an answer to a call that was not made yet"),
    ("import time\ndef f(x):\n    time.sleep(60)\n", Status.TIMEOUT, "still running"),
])  # fmt: skip
def test_what_goes_wrong_is_the_programs(factory: SandboxFactory, source: str, status: Status, words: str) -> None:
    stage = Stage(name="s", time_s=1.5 if "sleep(60)" in source else 10.0, memory_mib=512)
    reply = conversed(factory, source, lambda answer, seconds: {"x": 1} if answer is None else None, stage=stage)
    assert (reply.status, words in reply.reason) == (status, True), reply.reason


def test_what_the_evaluator_raises_is_its_own_and_leaves_nobody_behind(factory: SandboxFactory) -> None:
    def ask(answer, seconds):
        raise LookupError("no data")

    with pytest.raises(LookupError, match="no data"):
        conversed(factory, ECHO, ask)
    with pytest.raises(ValueError, match="more calls than were announced"):
        conversed(factory, ECHO, count_to(5), most_calls=3)
    assert conversed(factory, ECHO, count_to(2)).ok


@pytest.mark.parametrize(("source", "words"), [
    (UNREAD, "a call that it had not read yet"),
    (AHEAD, "a call that was not made yet"),
])  # fmt: skip
def test_nobody_answers_before_a_call_is_there(factory: SandboxFactory, source: str, words: str) -> None:
    """Else its seconds would be next to nothing."""
    sizes = iter([10, 4_000_000, 10, 10, 10, 10])

    def ask(answer, seconds):
        time.sleep(0.3 if source is AHEAD else 0.0)
        return {"x": np.zeros(next(sizes))}

    reply = conversed(factory, source, ask)
    assert (reply.status, words in reply.reason) == (Status.INVALID, True), reply.reason


def test_no_call_at_all_is_an_end(factory: SandboxFactory) -> None:
    reply = conversed(factory, ECHO, lambda answer, seconds: None)
    assert (reply.status, reply.values) == (Status.OK, ({},))
