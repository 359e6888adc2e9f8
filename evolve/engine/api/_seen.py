"""A run as its journal has it now; what was read last where nothing was written since."""

from __future__ import annotations

from pathlib import Path

from evolve.engine._reading import view_all
from evolve.runs._folder import RunDir, hold_of
from evolve.views._run_view import RunView


class Seen:
    """The views of one run: one for each of its problems."""

    def __init__(self, run: RunDir) -> None:
        self._run = run
        self._seen: tuple[object, tuple[RunView, ...]] | None = None

    def __call__(self) -> tuple[RunView, ...]:
        now = (hold_of(self._run), tuple(_sizes(self._run.path / "journal")))
        if self._seen is None or self._seen[0] != now or self._seen[1][0].driven:
            self._seen = (now, view_all(str(self._run.path)))
        return self._seen[1]


def _sizes(folder: Path) -> list[tuple[str, int]]:
    return sorted((one.name, one.stat().st_size) for one in folder.iterdir()) if folder.is_dir() else []
