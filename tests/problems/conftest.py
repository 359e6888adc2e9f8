"""What ``evolve redteam`` finds of a problem, from the command line as a person has it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evolve.cli import main

Tried = Callable[..., dict[str, Any]]


@pytest.fixture
def tried(capsys: pytest.CaptureFixture[str]) -> Tried:
    """Tries the programs called ``only`` against the problem in a folder, in the sandbox; what it says as JSON."""

    def call(folder: Path, *only: str, **params: float) -> dict[str, Any]:
        settings = [f"problem.params.{name}={value}" for name, value in params.items()]
        chosen = ["--only", ",".join(only)] if only else []
        code = main(["redteam", str(folder), "executor.slots=2", *settings, *chosen, "--json"])
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert (code == 0) is found["ok"]
        return found

    return call
