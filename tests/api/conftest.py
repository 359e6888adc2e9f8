"""A tiny problem that runs in milliseconds, and a run of version 0.1.0."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from api_problem import CONTRACT, EVALUATE, OLD, SEED, Make

import evolve


@pytest.fixture
def parabola(tmp_path: Path) -> Path:
    folder = tmp_path / "parabola"
    (folder / "initial").mkdir(parents=True)
    (folder / "problem.yaml").write_text(CONTRACT)
    (folder / "initial" / "main.py").write_text(SEED)
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
