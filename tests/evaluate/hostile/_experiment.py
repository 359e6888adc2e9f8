"""Two sandboxes at once, one sends bits and one reads them: which channels say more than chance."""

from __future__ import annotations

import json
import os
import random
import re
import sys
import threading
import time
from pathlib import Path

from archive import StartMode
from evolve.evaluate import JsonValue, SandboxFactory, VisibleFiles, open_sandbox_factory
from evolve.evaluate.sandbox.starts._cold import Bubblewrap
from evolve.problem.contract._contract import Stage

PARTS = ("_turns", "_marks", "_counters", "_channel")
PROGRAM = {f"{name}.py": Path(__file__).with_name(f"{name}.py").read_text() for name in PARTS}
STAGE = Stage(name="s", time_s=120.0, memory_mib=512)
STEP_S = 0.03
LEAD_S = 2.0  # until both are there
ALLOW = b"\x06\x00\x00\x00\x00\x00\xff\x7f"  # a filter that lets every call through


def names() -> list[str]:
    """Every channel there is."""
    return re.findall(r"^class (\w+)\(", PROGRAM["_marks.py"] + PROGRAM["_counters.py"], re.MULTILINE)


def leaks(sender: SandboxFactory, receiver: SandboxFactory, start: StartMode, but: set[str]) -> set[str]:
    """The channels, ``but`` for some, through which bits come over: at least 14 of 16, and then 36 of 48 others.  By chance one
    channel in a hundred does the first, one in a hundred thousand both."""
    suspects = [name for name, right in sent(sender, receiver, start, names(), 16).items() if right >= 14 and name not in but]
    if not suspects:
        return set()
    return {name for name, right in sent(sender, receiver, start, suspects, 48).items() if right >= 36}


def sent(
    sender: SandboxFactory, receiver: SandboxFactory, start: StartMode, among: list[str], count: int, step_s: float = STEP_S
) -> dict[str, int]:
    """How many of ``count`` bits each channel brought over, as whoever listens would guess best."""
    bits = {name: random.sample([0, 1] * (count // 2), count) for name in among}
    began = time.time() + LEAD_S
    ask = {"names": among, "began": began, "step": step_s}
    heard: dict[str, dict[str, list[float]] | bool] = {}

    def run(factory: SandboxFactory, function: str, more: dict[str, object]) -> None:
        with factory.sandbox(PROGRAM, STAGE, start=start) as sandbox:
            reply = sandbox.call(f"_turns.py:{function}", {**ask, **more}, {"value": JsonValue()})  # type: ignore[arg-type]
        assert sandbox.start is start, factory.last_refusal
        heard[function] = reply.value["value"] if reply.ok else {"failed": [reply.reason, reply.log]}  # type: ignore[assignment]

    thread = threading.Thread(target=run, args=(sender, "send", {"bits": bits}))
    thread.start()
    run(receiver, "receive", {"count": count})
    thread.join()
    assert heard["send"] is True, heard["send"]
    readings = heard["receive"]
    assert isinstance(readings, dict), readings
    assert set(readings) == set(among), readings
    return {name: _right(bits[name], readings[name]) for name in among}


def _right(bits: list[int], readings: list[float]) -> int:
    """Bits guessed right if the higher half of the readings are ones, or the lower half."""
    order = sorted(range(len(bits)), key=lambda n: readings[n])
    right = sum(bits[n] for n in order[len(bits) // 2 :]) + sum(1 - bits[n] for n in order[: len(bits) // 2])
    return max(right, len(bits) - right)


def open_up(factory: SandboxFactory) -> None:
    """Take down what keeps two sandboxes apart, but for the namespaces."""
    from evolve.evaluate.isolation import _bwrap

    way = factory.isolation
    assert isinstance(way, Bubblewrap)
    way._filter.write_bytes(ALLOW)
    way._covers = ()
    way._view, way.own_files = _bwrap.shown(way.mounts, way.empty, overlay=False, own=str(way.own)), False
    way.user = 0


def prepare(factory: SandboxFactory) -> None:
    """Have a spare wait."""
    with factory.sandbox({"m.py": "def f():\n    return 1\n"}, STAGE, start=StartMode.SPARE) as sandbox:
        assert sandbox.call("m.py:f", {}, {"value": JsonValue()}).ok


def main() -> None:
    """As whatever user this is: what comes over, as JSON."""
    with open_sandbox_factory("strict", VisibleFiles()) as one, open_sandbox_factory("strict", VisibleFiles(), slot=1) as two:
        print(json.dumps({"uid": os.geteuid(), "found": sorted(leaks(one, two, StartMode.COLD, set(sys.argv[1:])))}))


if __name__ == "__main__":
    main()
