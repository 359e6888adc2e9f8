"""What a run remembers for those who make children: what came of each change, how children fail, a scratchpad of measured facts.

All of it is derived from records and bounded: the newest ``KEPT`` candidates with their feedback, a few children a parent, the
largest effects.  Scores are turned so that higher is better; texts that candidates or models wrote are capped here and marked as
untrusted wherever they are shown.
"""

from __future__ import annotations

import math
from bisect import insort
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from archive import Candidate, Curve, Measurement, Status, bounded, difference
from evolve._counted import counted

if TYPE_CHECKING:
    from evolve.search._search import Search

Value = TypeVar("Value")

KEPT = 1024  # candidates whose feedback and summary are remembered
CHILDREN = 16  # a parent
EFFECTS = 12  # each of the best and the worst
NOTES_EVERY = 20  # settled children
MAX_NOTES = 50  # lines
REMARKS = 10  # of people and agents
_WORDS = 160  # characters of a summary or reason in a line
_IDEA = 300
_FEEDBACK = 4000
BROKEN = 64
_REPAIRABLE = frozenset({Status.INVALID, Status.CHECKS_FAILED, Status.CRASH, Status.TIMEOUT, Status.OVER_BUDGET})


@dataclass(frozen=True, slots=True)
class Told:
    """What the newest measurement of a candidate said besides its score."""

    status: Status
    reason: str = ""
    feedback: str = ""
    curve: Curve | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    wall_s: float = 0.0
    cpu_s: float = 0.0
    memory_mib: float = 0.0


@dataclass(frozen=True, slots=True)
class Idea:
    """What whoever made a child believed, and the effect that was expected, in own words."""

    hypothesis: str
    expected: str


@dataclass(frozen=True, slots=True, order=True)
class ChangeEffect:
    """What a change did: the child's score minus its first parent's, and the uncertainty of that."""

    effect: float
    sd: float
    number: int


@dataclass(slots=True)
class Count:
    """Children of one arm: made, measured ok, better than their parent; the largest effect."""

    children: int = 0
    ok: int = 0
    better: int = 0
    best: float = 0.0


@dataclass(frozen=True, slots=True)
class Remark:
    """What somebody noted with the run; untrusted."""

    author: str
    text: str


class Memory:
    """Facts for prompts and people."""

    def __init__(self) -> None:
        self.told: dict[int, Told] = {}  # oldest first
        self.summaries: dict[int, str] = {}  # oldest first
        self.ideas: dict[int, Idea] = {}  # oldest first; of those who said any
        self.children: dict[int, list[int]] = {}
        self.reasons: dict[str, str] = {}  # class of failure -> reason of the latest
        self.broken: deque[int] = deque(maxlen=BROKEN)  # failed children of models and people that nobody repaired, newest last
        self.counts: dict[str, Count] = {}  # by arm
        self.gains: list[ChangeEffect] = []  # ascending
        self.losses: list[ChangeEffect] = []  # ascending
        self.notes = ""
        self.failures: dict[str, tuple[int, str]] = {}  # as of the notes: class -> how many, the reason of the latest
        self.noted_at = 0
        self.remarks: list[Remark] = []  # the latest, the newest last

    def made(self, number: int, candidate: Candidate, parents: tuple[int, ...]) -> None:
        """A child was made."""
        _keep(self.summaries, number, _line(candidate.summary))
        if candidate.hypothesis or candidate.expected:
            _keep(self.ideas, number, Idea(_line(candidate.hypothesis, _IDEA), _line(candidate.expected, _IDEA)))
        for parent in parents[:1]:
            siblings = self.children.setdefault(parent, [])
            siblings.append(number)
            del siblings[:-CHILDREN]
            if parent in self.broken:
                self.broken.remove(parent)

    def remarked(self, author: str, text: str) -> None:
        """Somebody noted something."""
        self.remarks = [*self.remarks, Remark(author, text)][-REMARKS:]

    def measured(self, number: int, result: Measurement) -> None:
        """A measurement ended."""
        if result.status is Status.EVALUATOR_ERROR:
            return
        told = Told(
            result.status,
            _line(result.reason, 1000),
            result.feedback[:_FEEDBACK],
            result.curve,
            dict(result.metrics),
            result.wall_s,
            result.cpu_s,
            result.memory_mib,
        )
        _keep(self.told, number, told)
        if result.status is not Status.OK:
            self.reasons[result.status] = _line(result.reason)

    def settled(self, search: Search, number: int, score: float | None) -> None:
        """It is known what became of a child."""
        people = search.people
        row = people.rows[number]
        if not row.parents:
            return
        count = self.counts.setdefault(arm_name(search, number), Count())
        count.children += 1
        if score is None:
            made_by_hand = row.arm < 0 or bool(search.bandit.arms[row.arm].model)
            if made_by_hand and row.status in _REPAIRABLE and row.bred == 0:
                self.broken.append(number)
        else:
            count.ok += 1
            self._effect(search, number, count)
        if people.n_settled - self.noted_at >= NOTES_EVERY:
            self.notes, self.noted_at = notes(search), people.n_settled
            self.failures = {str(status): (n, self.reasons.get(status, "")) for status, n in sorted(people.failures.items())}

    def _effect(self, search: Search, number: int, count: Count) -> None:
        found = effect_of(search, number)
        if found is None:
            return
        if found.effect > 0:
            count.better += 1
            count.best = max(count.best, found.effect)
        if found.effect > 0 and (len(self.gains) < EFFECTS or found > self.gains[0]):
            insort(self.gains, found)
            del self.gains[: -EFFECTS or None]
        if found.effect < 0 and (len(self.losses) < EFFECTS or found < self.losses[-1]):
            insort(self.losses, found)
            del self.losses[EFFECTS:]


def effect_of(search: Search, number: int) -> ChangeEffect | None:
    """What a child's change did, as it is known now; None while child or parent have no score."""
    people = search.people
    parents = people.rows[number].parents
    if not parents or people.score(number) is None or people.score(parents[0]) is None:
        return None
    (mine, sd), (before, before_sd) = people.shown(number), people.shown(parents[0])
    return ChangeEffect(difference(mine, before), bounded(math.hypot(sd, before_sd)), number)


def arm_name(search: Search, number: int) -> str:
    """The arm that made a candidate, in words."""
    arm = search.people.rows[number].arm
    if arm < 0:
        return "external"
    found = search.bandit.arms[arm]
    return " ".join(part for part in (found.operator, found.model, found.format) if part)


def notes(search: Search) -> str:
    """The scratchpad: at most 50 lines of what was measured, in the problem's own sign."""
    people, memory = search.people, search.memory
    lines = [f"After {counted(people.n_settled, 'child', 'children')}."]
    seed, leader = people.score(0), people.leader
    if seed is not None and leader is not None:
        start, best = _told(search, 0), _told(search, leader)
        lines.append(
            f"The seed program scores {start}, the best so far {best} (by {arm_name(search, leader)}); "
            f"the best last changed {counted(people.n_settled - people.leader_at, 'child', 'children')} ago."
        )
    lines.append("Children by who made them:")
    ranked = sorted(memory.counts.items(), key=lambda item: (-item[1].children, item[0]))
    lines += [
        f"- {name}: {count.children}, ok {count.ok}, better than their parent {count.better}"
        + (f", at most by {count.best:.3g}" if count.better else "")
        for name, count in ranked[:12]
    ]
    for title, effects in (("What helped most:", memory.gains[::-1]), ("What hurt most:", memory.losses)):
        shown = [_effect_line(search, effect) for effect in effects if people.score(effect.number) is not None]
        lines += [title, *shown[:EFFECTS]] if shown else []
    return "\n".join(lines[:MAX_NOTES])


def _told(search: Search, number: int) -> str:
    """A score with its spread and how many measurements it rests on, in the problem's own sign."""
    mean, sd = search.people.shown(number)
    n = search.people.n_measured(number)
    if not search.contract.noisy:
        return f"{search.people.sign * mean:.6g}"
    return f"{search.people.sign * mean:.3g} ± {sd:.2g} ({n})" if sd > 0 else f"{search.people.sign * mean:.3g} ({n})"


def _effect_line(search: Search, effect: ChangeEffect) -> str:
    summary = search.memory.summaries.get(effect.number, "")
    size = f"{search.people.sign * effect.effect:+.3g}" + (f" ± {effect.sd:.2g}" if effect.sd else "")
    return f"- {size}  {search.people.rows[effect.number].id[:10]}  {summary}"


def _keep(kept: dict[int, Value], number: int, value: Value) -> None:
    """The newest ``KEPT`` values."""
    kept.pop(number, None)
    kept[number] = value
    if len(kept) > KEPT:
        del kept[next(iter(kept))]


def _line(text: str, most: int = _WORDS) -> str:
    cut = " ".join(text[: 2 * most].split())
    return cut if len(cut) <= most else cut[: most - 3] + "..."
