"""OpenEvolve 0.4.1 as an arm: its own program database, in process, on the tasks, the mutator and the clock of all the others.

Its database draws parents and inspirations, takes children in and migrates them; what is around it here does as its controller does
with two workers (``evaluator.parallel_evaluations`` of 2): each worker makes its call and then its measurement, and four iterations
are drawn ahead, one an island where it has five.  The mutator is shown what its prompt would show: the three best of the parent's
island, the two after them, and the inspirations.  Answers are whole programs.  A child that is its parent costs a call and no
measurement; one that does not parse is measured and is worth nothing, as it is there.  Its ids are random: the same seed does not
give the same run.
"""

from __future__ import annotations

import heapq
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from quality._mutator import HABITS, Files, mutate
from quality._task import Judged
from quality._world import SLOTS, Played, Setting, Tries

_VERSION = "0.4.1"
CHANGES = ("tuned", "described")
_TUNED: Mapping[str, object] = {"num_islands": 1, "archive_size": 10}


def missing() -> str | None:
    """What to type where OpenEvolve is not installed, or another version of it; None where it is."""
    try:
        found = version("openevolve")
    except PackageNotFoundError:
        found = "none of it"
    if found == _VERSION:
        return None
    return f"the arm openevolve needs openevolve {_VERSION}, and {found} is installed: pip install openevolve=={_VERSION}"


def openevolve(setting: Setting, *, tuned: bool = False, described: bool = False) -> Played:
    """One run, at its defaults.

    Args:
        setting: What is played.
        tuned: One island and an archive of ten.
        described: The task's descriptors, where it has them, in the place of length and diversity.
    """
    changes = dict(_TUNED if tuned else {})
    if described and setting.task.described:
        changes["feature_dimensions"] = ["d1", "d2"]
    return _Run(setting, changes).play()


@dataclass(frozen=True, slots=True)
class _Iteration:
    """What was drawn for a worker: a parent of an island, and what is shown beside it."""

    island: int
    parent: Any
    others: tuple[Files, ...]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A worker waits for the model."""

    of: _Iteration


@dataclass(frozen=True, slots=True)
class _Measuring:
    """A worker measures a child."""

    of: _Iteration
    child: Files


class _Run:
    def __init__(self, setting: Setting, changes: Mapping[str, object]) -> None:
        logging.getLogger("openevolve").setLevel(logging.CRITICAL)
        config, database = import_module("openevolve.config"), import_module("openevolve.database")
        self.setting, self.tries = setting, Tries(setting)
        self.program = database.Program
        self.database = database.ProgramDatabase(config.DatabaseConfig(random_seed=setting.seed, **changes))
        self.prompt = config.PromptConfig()
        self.files: dict[str, Files] = {}
        self.described = "feature_dimensions" in changes
        self.now, self._drawn, self._added, self._order = 0.0, 0, 0, 0
        self._events: list[tuple[float, int, _Asked | _Measuring]] = []
        self._waiting: deque[_Iteration] = deque()
        self._running = 0
        self._known: set[str] = set()

    def play(self) -> Played:
        """Search to the end."""
        islands = len(self.database.islands)
        ahead = max(1, 2 * SLOTS // islands)
        pending = [0] * islands
        self._measured(self.setting.task.files, None, None)
        for island in range(islands):
            for _ in range(ahead):
                pending[island] += self._draw(island)
        while self._events:
            self.now, _, step = heapq.heappop(self._events)
            ended = self._step(step)
            if ended is not None:
                pending[ended] -= 1
                room = next((island for island in range(islands) if pending[island] < ahead), None)
                if room is not None:
                    pending[room] += self._draw(room)
        best = self.database.get_best_program()
        judged = self.tries.of(self.files[best.code])
        final = judged.score if judged is not None else 0.0
        return replace(self.tries.played, final=final, claimed=best.metrics["combined_score"], clock_s=self.now)

    def _draw(self, island: int) -> bool:
        """An iteration more, where the budget has room for its measurement."""
        played, under_way = self.tries.played, self._running + len(self._waiting)
        if len(played.by_evaluation) + under_way >= self.setting.evaluations or self._drawn >= 4 * self.setting.evaluations:
            return False
        parent, inspirations = self.database.sample_from_island(island, self.prompt.num_diverse_programs)
        self._waiting.append(_Iteration(island, parent, self._shown(parent, inspirations)))
        self._drawn += 1
        self._work()
        return True

    def _shown(self, parent: Any, inspirations: list[Any]) -> tuple[Files, ...]:
        programs = self.database.programs
        ranked = [programs[one] for one in self.database.islands[parent.metadata["island"]] if one in programs]
        ranked.sort(key=lambda program: program.metrics["combined_score"], reverse=True)
        shown = ranked[: self.prompt.num_top_programs + self.prompt.num_diverse_programs]
        ids = {program.id for program in shown}
        return tuple(self.files[one.code] for one in (*shown, *(more for more in inspirations if more.id not in ids)))

    def _work(self) -> None:
        """Workers that are free take what waits."""
        while self._waiting and self._running < SLOTS:
            self._running += 1
            self._later(self.setting.call_s, 0.3, _Asked(self._waiting.popleft()))

    def _later(self, seconds: float, spread: float, step: _Asked | _Measuring) -> None:
        self._order += 1
        lasts = seconds * self.tries.draw("lasts", self._order).lognormvariate(0, spread)
        heapq.heappush(self._events, (self.now + lasts, self._order, step))

    def _step(self, step: _Asked | _Measuring) -> int | None:
        """An answer or a measurement came in; the island of an iteration that is over."""
        parent = self.files[step.of.parent.code]
        if isinstance(step, _Asked):
            rng = self.tries.draw("mutator", len(self.tries.played.by_call))
            child = mutate(parent, step.of.others, rng, HABITS[self.setting.habits])
            self.tries.on_call()
            if child != parent:
                self._later(1.0, 0.2, _Measuring(step.of, child))
                return None
        else:
            self._measured(step.child, step.of.parent, step.of.island)
        self._running -= 1
        self._work()
        return step.of.island

    def _measured(self, files: Files, parent: Any, island: int | None) -> None:
        played, text = self.tries.played, _text(files)
        judged = self.tries.of(files)
        self.tries.on_evaluation(judged)
        played.failed += judged is None
        played.again += text in self._known
        self._known.add(text)
        self.files[text] = files
        child = self.program(
            id=f"p{self._added}",
            code=text,
            parent_id=parent.id if parent is not None else None,
            generation=parent.generation + 1 if parent is not None else 0,
            metrics=self._metrics(judged),
        )
        self._added += 1
        if self.database.add(child, iteration=self._added - 1, target_island=island) is not None and island is not None:
            self.database.increment_island_generation(island_idx=island)
            if self.database.should_migrate():
                self.database.migrate_programs()

    def _metrics(self, judged: Judged | None) -> dict[str, object]:
        """What an evaluator of its examples answers."""
        where = dict(zip(("d1", "d2"), judged.descriptors if judged else (0.0, 0.0), strict=True)) if self.described else {}
        if judged is None:
            return {"combined_score": 0.0, "error": "it failed", **where}
        return {"combined_score": self.tries.seen(judged, "openevolve", self._added), **where}


def _text(files: Files) -> str:
    """Its programs are one text."""
    return "".join(text if len(files) == 1 else f"# {path}\n{text}" for path, text in sorted(files.items()))
