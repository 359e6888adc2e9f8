"""The tiny problem of these tests, which runs in milliseconds, and where a run of version 0.1.0 lies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import evolve

CONTRACT = """
name: parabola
metric: height
goal: maximize
noise: deterministic
"""
SEED = "X = 0.25\nY = 0.75\n\n\ndef point():\n    return [X, Y]\n"
EVALUATE = """
from evolve import JsonValue, Outcome

def evaluate(trial):
    reply = trial.sandbox.call("main.py:point", {}, {"point": JsonValue()})
    if not reply.ok:
        return reply.outcome()
    x, y = reply.value["point"]
    return Outcome(score=-((x - 0.5) ** 2) - (y - 0.5) ** 2)
"""
OLD = Path(__file__).parents[1] / "runs" / "fixtures" / "run-0.1.0.tar.xz"
Make = Callable[..., evolve.Run]
