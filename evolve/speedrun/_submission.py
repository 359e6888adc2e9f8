"""What goes into a record folder: runs, their sources, and what is said of them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from evolve.speedrun._scaled import Scaled


@dataclass(frozen=True, slots=True)
class Raced:
    """One run: its validations (step, loss, seconds) from step 0 to the last, and where and when it was made.

    ``name`` tells it from all others; it names the log.  ``why`` says of a run without validations how it ended.
    """

    name: str
    total: int
    points: tuple[tuple[int, float, float], ...]
    started: float  # Unix time
    versions: Mapping[str, str]
    hardware: str
    card: str
    peak_mib: int
    why: str = ""

    @property
    def log_name(self) -> str:
        return f"{uuid.uuid5(uuid.NAMESPACE_URL, self.name)}.txt"

    @property
    def whole(self) -> bool:
        """Whether it was trained to its end."""
        return bool(self.points) and self.points[-1][0] == self.total


@dataclass(frozen=True, slots=True)
class Submission:
    """What goes into a folder: a program, its runs, and those of what it is compared with, each with its source."""

    title: str
    scaled: Scaled
    clock: str  # what its seconds are
    source: Mapping[str, str]
    base_source: Mapping[str, str]
    runs: tuple[Raced, ...]
    base_runs: tuple[Raced, ...]
    announced: tuple[int, int]  # runs of both, fixed before the first of them
    what_changed: str
    diff: str
    claim: str
    where_from: str
