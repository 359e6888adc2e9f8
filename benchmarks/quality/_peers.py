"""A peer's database driven as its own controller drives it, in process, on the tasks, the mutator and the clock of all the others.

A worker makes its call of the model and then its measurement, as theirs do; there are as many workers as slots.  An answer is a
whole program.  A child that is its parent costs a call and no measurement; one that does not parse is measured and worth nothing,
as it is there.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

from quality._mutator import HABITS, Files, mutate
from quality._task import Judged
from quality._world import SLOTS, Played, Setting, Tries


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a worker gets: a parent of a lane, as the peer knows it, and texts of the programs that are shown."""

    parent: Any
    text: str
    shown: tuple[str, ...]


class Peer(Protocol):
    """A peer's database.  Its programs are texts.

    ``lanes`` are drawn from in turn, each at most ``ahead`` iterations before their results are in.
    """

    lanes: int
    ahead: int

    def draw(self, lane: int) -> Drawn:
        """A parent, and others to be shown."""
        ...

    def add(self, text: str, judged: Judged | None, seen: float, made: Drawn | None, lane: int) -> None:
        """Take in what was measured; the program to begin with was not made of anything."""
        ...

    def best(self) -> tuple[str, float]:
        """What it reports, and the score that it gives it."""
        ...


@dataclass(frozen=True, slots=True)
class _Step:
    """A worker waits for the model; or, with a child, for its measurement."""

    lane: int
    drawn: Drawn
    child: Files | None = None


class Workers:
    """A peer on one setting."""

    def __init__(self, setting: Setting, peer: Peer) -> None:
        self.setting, self.peer, self.tries = setting, peer, Tries(setting)
        self.files: dict[str, Files] = {}
        self.now, self._drawn, self._order, self._running = 0.0, 0, 0, 0
        self._pending = [0] * peer.lanes
        self._waiting: deque[_Step] = deque()
        self._events: list[tuple[float, int, _Step]] = []

    def play(self) -> Played:
        """Search to the end."""
        self._measured(self.setting.task.files, None, 0)
        for lane in range(self.peer.lanes):
            for _ in range(self.peer.ahead):
                self._draw(lane)
        while self._events:
            self.now, _, step = heapq.heappop(self._events)
            if not self._goes_on(step):
                self._pending[step.lane] -= 1
                self._running -= 1
                self._work()
                room = [lane for lane, pending in enumerate(self._pending) if pending < self.peer.ahead]
                if room:
                    self._draw(room[0])
        text, claimed = self.peer.best()
        judged = self.tries.of(self.files[text])
        return replace(self.tries.played, final=judged.score if judged else 0.0, claimed=claimed, clock_s=self.now)

    def _draw(self, lane: int) -> None:
        """An iteration more, where the budget has room for its measurement."""
        measured = len(self.tries.played.by_evaluation)
        if measured + sum(self._pending) < self.setting.evaluations and self._drawn < 4 * self.setting.evaluations:
            self._drawn += 1
            self._pending[lane] += 1
            self._waiting.append(_Step(lane, self.peer.draw(lane)))
            self._work()

    def _work(self) -> None:
        """Workers that are free take what waits."""
        while self._waiting and self._running < SLOTS:
            self._running += 1
            self._later(self.setting.call_s, 0.3, self._waiting.popleft())

    def _later(self, seconds: float, spread: float, step: _Step) -> None:
        self._order += 1
        lasts = seconds * self.tries.draw("lasts", self._order).lognormvariate(0, spread)
        heapq.heappush(self._events, (self.now + lasts, self._order, step))

    def _goes_on(self, step: _Step) -> bool:
        """An answer or a measurement came in; whether the worker has something to measure now."""
        if step.child is not None:
            self._measured(step.child, step.drawn, step.lane)
            return False
        parent, rng = self.files[step.drawn.text], self.tries.draw("mutator", len(self.tries.played.by_call))
        child = mutate(parent, [self.files[text] for text in step.drawn.shown], rng, HABITS[self.setting.habits])
        self.tries.on_call()
        if child != parent:
            self._later(1.0, 0.2, replace(step, child=child))
        return child != parent

    def _measured(self, files: Files, made: Drawn | None, lane: int) -> None:
        played, text, judged = self.tries.played, _text(files), self.tries.of(files)
        self.tries.on_evaluation(judged)
        played.failed += judged is None
        played.again += text in self.files
        self.files[text] = files
        seen = self.tries.seen(judged, "peer", len(played.by_evaluation)) if judged is not None else 0.0
        self.peer.add(text, judged, seen, made, lane)


def _text(files: Mapping[str, str]) -> str:
    """Programs of theirs are one text."""
    return "".join(text if len(files) == 1 else f"# {path}\n{text}" for path, text in sorted(files.items()))


def missing(package: str, wanted: str) -> str | None:
    """What to type where a package is not installed, or another version of it; None where it is."""
    try:
        found = version(package)
    except PackageNotFoundError:
        found = "none of it"
    return None if found == wanted else f"{package} {wanted} is needed, and {found} is installed: pip install {package}=={wanted}"
