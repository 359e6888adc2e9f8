"""A tiny problem that runs in milliseconds, as a user would write it, and runs of it."""

from __future__ import annotations

from pathlib import Path

import pytest

import evolve

CONTRACT = """
name: parabola
metric: height
goal: maximize
noise: {noise}
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
    noise = 0.01 * trial.rng().standard_normal() if trial.params["noisy"] else 0.0
    return Outcome(score=-((x - 0.5) ** 2) - (y - 0.5) ** 2 + noise)
"""


@pytest.fixture
def problem(tmp_path: Path):
    """Writes the tiny problem into a folder of its own."""

    def write(*, noisy: bool = False) -> Path:
        folder = tmp_path / f"parabola_{noisy}"
        if not folder.exists():
            (folder / "initial").mkdir(parents=True)
            text = CONTRACT.format(noise="noisy" if noisy else "deterministic") + f"params: {{noisy: {str(noisy).lower()}}}\n"
            (folder / "problem.yaml").write_text(text)
            (folder / "initial" / "main.py").write_text(SEED)
            (folder / "evaluate.py").write_text(EVALUATE)
        return folder

    return write


@pytest.fixture
def parabola(request, problem, tmp_path: Path):
    """Makes a run of the tiny problem; ``words`` are ``create_run``'s, and ``limits`` its budget's."""
    slots = getattr(request.module, "SLOTS", 1)  # each has a grader to start

    def make(words: dict | None = None, *, noisy: bool = False, **limits: float) -> evolve.Run:
        given = {
            "out": tmp_path / "run",
            "budget": evolve.Budget(**(limits or {"evaluations": 30})),
            "slots": slots,
            "sandbox": "none",
        }
        return evolve.create_run(problem(noisy=noisy), **{**given, **(words or {})})

    return make
