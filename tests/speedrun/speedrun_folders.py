"""Record folders that are made up: a good one, and what a test changes in it."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from _speedrun_logs import Made, log_text, trial_text, write_logs

from evolve.speedrun import Check, verify

GOOD = (3.2771, 3.2779, 3.2784, 3.2768, 3.2790, 3.2775, 3.2781, 3.2788)
BASE = (3.2774, 3.2786, 3.2769, 3.2793, 3.2780, 3.2777, 3.2785, 3.2772)


@dataclass
class Folder:
    """A record folder: ``this_pr`` against ``baseline``, in turn on one node, with a text that lists its losses."""

    path: Path
    rng: random.Random = field(default_factory=lambda: random.Random(5))

    def write(self, made: Made | None = None, base: Made | None = None, losses=GOOD, seconds: float = 79.0) -> Folder:
        self.logs = write_logs(self.path / "this_pr", losses, seconds, self.rng, made)
        self.baseline = write_logs(self.path / "baseline", BASE, 80.0, self.rng, base or made, offset=1)
        return self.say(f"losses = [{', '.join(f'{loss:.4f}' for loss in losses)}]\n")

    def say(self, text: str) -> Folder:
        (self.path / "README.md").write_text(text, encoding="utf-8")
        return self

    def change(self, number: int, change: Callable[[str], str]) -> Folder:
        path = self.logs[number]
        path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
        return self

    def check(self, name: str, **arguments: object) -> Check:
        return next(one for one in verify(self.path, **arguments).checks if one.name == name)


__all__ = ["BASE", "GOOD", "Folder", "Made", "log_text", "trial_text"]
