"""Fixtures of the command line's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_process import SETTINGS, Cli, write_problem


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    found = Cli(tmp_path)
    yield found
    found.close()


@pytest.fixture(scope="session")
def problem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_problem(tmp_path_factory.mktemp("problems") / "tiny")


@pytest.fixture(scope="session")
def ended(tmp_path_factory: pytest.TempPathFactory, problem: Path) -> tuple[Path, str, str]:
    """A run that was driven to its end by a process with --json: its folder, stdout, stderr."""
    folder = tmp_path_factory.mktemp("ended")
    once = Cli(folder)
    try:
        code, out, err = once("run", "--json", f"problem={problem}", "budget.evaluations=10", "out=run", *SETTINGS)
    finally:
        once.close()
    assert code == 0, err
    return folder / "run", out, err
