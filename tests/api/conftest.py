"""A tiny problem that runs in milliseconds, and a run of version 0.1.0."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

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
OLD = Path(__file__).parents[1] / "run" / "fixtures" / "run-0.1.0.tar.xz"
Make = Callable[..., evolve.Run]


@pytest.fixture
def parabola(tmp_path: Path) -> Path:
    folder = tmp_path / "parabola"
    (folder / "seed").mkdir(parents=True)
    (folder / "problem.yaml").write_text(CONTRACT)
    (folder / "seed" / "main.py").write_text(SEED)
    (folder / "evaluate.py").write_text(EVALUATE)
    return folder


@pytest.fixture
def make(parabola: Path, tmp_path: Path) -> Make:
    """Makes a run of the tiny problem without walls; keywords are ``create_run``'s."""

    def call(**words: object) -> evolve.Run:
        given = {"out": tmp_path / "run", "sandbox": "none", "slots": 1, "budget": evolve.Budget(evaluations=20), **words}
        return evolve.create_run(parabola, **given)  # type: ignore[arg-type]

    return call


@pytest.fixture
def old(tmp_path: Path) -> Path:
    with tarfile.open(OLD) as packed:
        packed.extractall(tmp_path / "old", filter="data")
    return tmp_path / "old" / "run"
