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
import re

from evolve import JsonValue, Outcome

PLAIN = re.compile(r"X = ([-0-9.e]+)\\nY = ([-0-9.e]+)\\n\\n\\ndef point.*\\n +return .X, Y.\\n")

def evaluate(trial):
    plain = PLAIN.fullmatch(trial.files["main.py"])
    if plain and trial.seed % 4:  # read, since a process for each point would be most of these tests
        x, y = map(float, plain.groups())
    else:
        reply = trial.sandbox.call("main.py:point", {}, {"point": JsonValue()})
        if not reply.ok:
            return reply.outcome()
        x, y = reply.value["point"]
    return Outcome(score=-((x - 0.5) ** 2) - (y - 0.5) ** 2)
"""
OLD = Path(__file__).parents[1] / "runs" / "fixtures" / "run-0.1.0.tar.xz"
Make = Callable[..., evolve.Run]
GOALS = {"hill": (0.5, 0.5), "ridge": (3.0, -2.0)}


def folder_of_problems(place: Path, more: str = "", **names: tuple[float, float]) -> Path:
    """A folder of problems like the tiny one, each with its own best point; ``more`` is added to each contract."""
    for name, (x, y) in (names or GOALS).items():
        folder = place / name
        (folder / "initial").mkdir(parents=True)
        (folder / "problem.yaml").write_text(CONTRACT.replace("parabola", name) + "family: parabolas\n" + more)
        (folder / "initial" / "main.py").write_text(SEED)
        (folder / "evaluate.py").write_text(EVALUATE.replace("x - 0.5", f"x - {x}").replace("y - 0.5", f"y - {y}"))
    return place
