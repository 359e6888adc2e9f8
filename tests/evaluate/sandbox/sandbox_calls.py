"""What tests of sandboxes share: a stage, a few sources, one call and one command."""

from __future__ import annotations

from archive import StartMode
from evolve.evaluate import JsonValue, Reply, SandboxFactory
from evolve.problem.contract._contract import Stage

STAGE = Stage(name="s", time_s=10.0, memory_mib=512)
ECHO = "def echo(**values):\n    return values\n"
ONE = {"value": JsonValue()}


def called(factory: SandboxFactory, source: str, stage: Stage = STAGE, **arguments: object) -> Reply:
    with factory.sandbox({"m.py": source}, stage, start=StartMode.COLD) as sandbox:
        return sandbox.call("m.py:f", arguments, ONE)


def ran(factory: SandboxFactory, source: str, stage: Stage = STAGE, **more: object) -> Reply:
    with factory.sandbox({"m.py": source}, stage, start=StartMode.COLD) as sandbox:
        return sandbox.run(["python", "/candidate/m.py"], **more)  # type: ignore[arg-type]
