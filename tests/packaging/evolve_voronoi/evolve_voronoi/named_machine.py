"""An executor: the engine's own, under the name that this machine has for its owner."""

import os

from evolve import LocalExecutor


def named_machine(problems, *, slots, tier, sink):
    name = os.environ.get("MACHINE", "unnamed")
    return LocalExecutor(problems, slots=slots, tier=tier, sink=sink, machine=name)
