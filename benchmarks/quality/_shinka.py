"""ShinkaEvolve 0.0.7 as an arm: its own program database, in memory, draws parents and inspirations and takes children in.

Around it is done what its runner does with two evaluation jobs: proposals and measurements under way are two together.  The mutator
is shown the inspirations.  There is no embedding, so nothing is refused as a near copy; its bandit of models and its summaries have
nothing to do with one mutator.  A child that fails is not *correct* there, and is no parent while there are correct ones.
"""

from __future__ import annotations

import logging
import random
from importlib import import_module
from types import SimpleNamespace

import numpy as np

from quality._peers import Drawn, Workers
from quality._task import Judged
from quality._world import SLOTS, Played, Setting


def shinka(setting: Setting) -> Played:
    """One run, at its defaults."""
    return Workers(setting, Database(setting.seed)).play()


class Database:
    """Its ``ProgramDatabase``; it draws from the generators of ``random`` and ``numpy``, which are seeded."""

    lanes, ahead = 1, SLOTS

    def __init__(self, seed: int) -> None:
        logging.getLogger("shinka").setLevel(logging.CRITICAL)
        database = import_module("shinka.database")
        random.seed(seed)
        np.random.seed(seed % 2**32)
        self.program = database.Program
        self.base = database.ProgramDatabase(database.DatabaseConfig())
        self.base.set_display_console(SimpleNamespace(print=lambda *_, **__: None))  # it prints a table for each draw
        self._added = 0

    def draw(self, lane: int) -> Drawn:
        """A parent of an island that it draws, with inspirations from the archive and from the best."""
        parent, archived, best, _ = self.base.sample_with_fix_mode()
        return Drawn(parent, parent.code, tuple(program.code for program in (*archived, *best)))

    def add(self, text: str, judged: Judged | None, seen: float, made: Drawn | None, lane: int) -> None:
        """A child is a generation of its own, as there."""
        number, self._added = self._added, self._added + 1
        parent = made.parent if made is not None else None
        child = self.program(
            id=f"p{number}",
            code=text,
            parent_id=parent.id if parent is not None else None,
            generation=number,
            combined_score=seen,
            correct=judged is not None,
            complexity=float(len(text)),  # shown, and used for nothing by default; its own measure takes most of the time
        )
        self.base.add(child)

    def best(self) -> tuple[str, float]:
        """The best correct one."""
        found = self.base.get_best_program()
        return found.code, found.combined_score
