"""Fixtures of the command line's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_process import SETTINGS, Cli, Say, write_problem

from evolve.cli import main


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
        code, out, err = once("run", "--json", f"problem={problem}", "budget.evaluations=25", "out=run", *SETTINGS)
    finally:
        once.close()
    assert code == 0, err
    return folder / "run", out, err


@pytest.fixture(scope="session")
def undriven(tmp_path_factory: pytest.TempPathFactory, problem: Path) -> Path:
    """A run that nobody drives, of the initial program alone; to be copied."""
    run = tmp_path_factory.mktemp("undriven") / "run"
    assert main(["run", "--json", f"problem={problem}", "search=fixed_candidates", f"out={run}", *SETTINGS]) == 0
    return run


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    def call(*words: object, code: int = 0) -> str:
        assert main([str(word) for word in words]) == code, capsys.readouterr().err
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return out if code != 2 else err

    return call


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a child's main.py."""

    def write(text: str) -> Path:
        path = tmp_path / "main.py"
        path.write_text(text)
        return path

    return write
