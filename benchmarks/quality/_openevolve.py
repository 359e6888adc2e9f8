"""OpenEvolve 0.4.1 as an arm: its own program database draws parents and inspirations, takes children in and migrates them.

Around it is done what its controller does with ``evaluator.parallel_evaluations=2``: four iterations are drawn ahead, one an island
where it has five.  The mutator is shown what its prompt would show: the three best of the parent's island, the two after them, and
the inspirations.  Its ids are random, so the same seed does not always give the same run.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from quality._peers import Drawn, Workers
from quality._task import Judged
from quality._world import SLOTS, Played, Setting

CHANGES = ("tuned", "described")
TUNED: Mapping[str, object] = {"num_islands": 1, "archive_size": 10}


def openevolve(setting: Setting, *, tuned: bool = False, described: bool = False) -> Played:
    """One run, at its defaults.

    Args:
        setting: What is played.
        tuned: One island and an archive of ten.
        described: The task's descriptors, where it has them, in the place of length and diversity.
    """
    changes = dict(TUNED if tuned else {})
    if described and setting.task.described:
        changes["feature_dimensions"] = ["d1", "d2"]
    return Workers(setting, Database(setting.seed, changes)).play()


class Database:
    """Its ``ProgramDatabase``, seeded, with settings that differ from its defaults."""

    def __init__(self, seed: int, changes: Mapping[str, object]) -> None:
        logging.getLogger("openevolve").setLevel(logging.CRITICAL)
        config, database = import_module("openevolve.config"), import_module("openevolve.database")
        self.program = database.Program
        self.base = database.ProgramDatabase(config.DatabaseConfig(random_seed=seed, **changes))
        self.prompt = config.PromptConfig()
        self.described = "feature_dimensions" in changes
        self.lanes = len(self.base.islands)
        self.ahead = max(1, 2 * SLOTS // self.lanes)
        self._added = 0

    def draw(self, lane: int) -> Drawn:
        """A parent of an island, and what its prompt would show."""
        parent, inspirations = self.base.sample_from_island(lane, self.prompt.num_diverse_programs)
        ranked = [self.base.programs[one] for one in self.base.islands[parent.metadata["island"]] if one in self.base.programs]
        ranked.sort(key=lambda program: program.metrics["combined_score"], reverse=True)
        shown = ranked[: self.prompt.num_top_programs + self.prompt.num_diverse_programs]
        ids = {program.id for program in shown}
        return Drawn(
            parent, parent.code, tuple(one.code for one in (*shown, *(more for more in inspirations if more.id not in ids)))
        )

    def add(self, text: str, judged: Judged | None, seen: float, made: Drawn | None, lane: int) -> None:
        """A child goes to the island that it was drawn for, and counts there as a generation."""
        metrics: dict[str, Any] = {"combined_score": seen, **({} if judged is not None else {"error": "it failed"})}
        if self.described:
            metrics |= zip(("d1", "d2"), judged.descriptors if judged is not None else (0.0, 0.0), strict=True)
        parent, number, self._added = made.parent if made is not None else None, self._added, self._added + 1
        child = self.program(
            id=f"p{number}",
            code=text,
            parent_id=parent.id if parent is not None else None,
            generation=parent.generation + 1 if parent is not None else 0,
            metrics=metrics,
        )
        if self.base.add(child, iteration=number, target_island=lane if made is not None else None) is None or made is None:
            return
        self.base.increment_island_generation(island_idx=lane)
        if self.base.should_migrate():
            self.base.migrate_programs()

    def best(self) -> tuple[str, float]:
        """The best that it ever saw."""
        found = self.base.get_best_program()
        return found.code, found.metrics["combined_score"]
