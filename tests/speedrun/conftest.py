"""Folders for the tests of the verifier."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from speedrun_folders import Folder, Made, log_text, trial_text


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "2026-07-01_Made")


@pytest.fixture
def trials(folder: Folder) -> Callable[..., Folder]:
    """A track 3 record: one file with a trial for each loss, and validations alone."""

    def write(losses, *, made: Made | None = None, name: str = "runs", text: str = "") -> Folder:
        made = made or Made(total=3000, every=100, decimals=5, unit="s")
        first = log_text(losses[0], 500.0, folder.rng, made)
        rest = [trial_text(loss, 500.0, folder.rng, made) for loss in losses[1:]]
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.logs = [folder.path / f"{name}.txt"]
        folder.logs[0].write_text(first + "".join(rest), encoding="utf-8")
        return folder.say(text) if text else folder

    return write
