"""Run the battery: as a module from the tests, or as a program (``python -m hostile._run``) by another user."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
import tempfile
from pathlib import Path

from archive import StartMode
from evolve.evaluate import JsonValue, Reply, SandboxFactory, VisibleFiles, open_sandbox_factory
from evolve.problem.contract._contract import Stage
from hostile import _exhaust, _forge, _reach
from hostile._attack import Attack, survivors

ATTACKS = (*_reach.ATTACKS, *_exhaust.ATTACKS, *_forge.ATTACKS)


def carry_out(factory: SandboxFactory, attack: Attack, secret: Path, start: StartMode = StartMode.COLD) -> tuple[Reply, str]:
    """The reply to one attack, and what went wrong (nothing: the sandbox held)."""
    marker = f"marker-{secrets.token_hex(8)}"
    os.environ["ATTACK_API_KEY"] = marker
    stage = Stage(name="s", time_s=attack.time_s, memory_mib=attack.memory_mib, start=start)
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind("\0" + marker)
        abstract.listen()
        arguments = {"secret": str(secret), "port": tcp.getsockname()[1], "marker": marker}
        with factory.sandbox({"attack.py": attack.source}, stage, start=start) as sandbox:
            reply = sandbox.call("attack.py:attack", arguments, {"achieved": JsonValue()})
    left = survivors(marker)
    problem = attack.failed(reply) or (f"{attack.name} left processes {left}" if left else "")
    if reply.usage.wall_s > attack.time_s + 1.0:
        problem = problem or f"{attack.name} ran {reply.usage.wall_s:.2f} s, allowed {attack.time_s} s"
    return reply, problem


def main() -> int:
    """Every attack once but those of the modules named, as whoever runs this; as JSON, what went wrong."""
    skipped = {attack for module in (_reach, _exhaust, _forge) if module.__name__ in sys.argv for attack in module.ATTACKS}
    wrong = []
    with tempfile.TemporaryDirectory() as folder, open_sandbox_factory("strict", VisibleFiles()) as factory:
        secret = Path(folder, "secret")
        secret.write_text("the answer")
        for attack in ATTACKS:
            if attack in skipped:
                continue
            wrong += [problem] if (problem := carry_out(factory, attack, secret)[1]) else []
        group = factory.spawner.cgroup
        kind = group.kind if group else "none"
    sys.stdout.write(json.dumps({"uid": os.getuid(), "group": kind, "attacks": len(ATTACKS), "wrong": wrong}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
