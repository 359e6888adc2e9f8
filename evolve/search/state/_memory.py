"""What a run remembers for those who make children: what came of each change, how children fail, a scratchpad of measured facts.

All of it is derived from records and bounded: the newest ``KEPT`` candidates with their feedback, a few children a parent, the
largest effects.  Scores are turned so that higher is better; texts that candidates or models wrote are capped here and marked as
untrusted wherever they are shown.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from archive import Candidate, Curve, Measurement, Status

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
DRIFTS = 64
KINDS = 64  # of failures, by their first words
BESTS = 1024
_FIRST_WORDS = 8
OTHER_REASONS = "other reasons"
_REPAIRABLE = frozenset({Status.INVALID, Status.CHECKS_FAILED, Status.CRASH, Status.TIMEOUT, Status.OVER_BUDGET})


@dataclass(frozen=True, slots=True)
class Feedback:
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
    plan: str = ""


@dataclass(frozen=True, slots=True, order=True)
class ChangeEffect:
    """What a change did: the child's score minus its first parent's, and the uncertainty of that."""

    effect: float
    sd: float
    number: int


@dataclass(slots=True)
class ArmStats:
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
        self.feedback: dict[int, Feedback] = {}  # oldest first
        self.summaries: dict[int, str] = {}  # oldest first
        self.ideas: dict[int, Idea] = {}  # oldest first; of those who said any
        self.children: dict[int, list[int]] = {}
        self.reasons: dict[str, str] = {}  # class of failure -> reason of the latest
        self.repairable: deque[int] = deque(maxlen=BROKEN)  # failed children of models and people that nobody repaired, newest last
        self.arm_stats: dict[str, ArmStats] = {}  # by arm
        self.best_changes: list[ChangeEffect] = []  # ascending
        self.worst_changes: list[ChangeEffect] = []  # ascending
        self.notes = ""
        self.failures: dict[str, tuple[int, str]] = {}  # as of the notes: class -> how many, the reason of the latest
        self.noted_at = 0
        self.remarks: list[Remark] = []  # the latest, the newest last
        self.graves: dict[str, tuple[int, int]] = {}  # status and first words of the reason -> how many, the latest of them
        self.bests: list[int] = []  # children that were better than the best before them, beyond noise; the newest last
        self.drifts: dict[int, str] = {}  # oldest first; of children whose change is not what was said of it
        self.n_drifts = 0

    def on_candidate(self, number: int, candidate: Candidate, parents: tuple[int, ...]) -> None:
        """A child was made."""
        _keep(self.summaries, number, _line(candidate.summary))
        if candidate.hypothesis or candidate.expected or candidate.plan:
            said = (_line(text, _IDEA) for text in (candidate.hypothesis, candidate.expected, candidate.plan))
            _keep(self.ideas, number, Idea(*said))
        if candidate.drift:
            self.n_drifts += 1
            _keep(self.drifts, number, _line(candidate.drift, _IDEA), DRIFTS)
        for parent in parents[:1]:
            siblings = self.children.setdefault(parent, [])
            siblings.append(number)
            del siblings[:-CHILDREN]
            if parent in self.repairable:
                self.repairable.remove(parent)

    def on_remark(self, author: str, text: str) -> None:
        """Somebody noted something."""
        self.remarks = [*self.remarks, Remark(author, text)][-REMARKS:]

    def on_failed(self, number: int, status: str, reason: str) -> None:
        """A candidate failed that had not failed before.  Failures are alike where reasons begin alike, numbers left out."""
        words = ["…" if any(map(str.isdigit, word)) else word for word in reason[: 2 * _WORDS].split()]
        kind = _line(" ".join([f"{status}:" if words else status, *words[:_FIRST_WORDS]]))
        kind = kind if kind in self.graves or len(self.graves) < KINDS else OTHER_REASONS
        self.graves[kind] = self.graves.get(kind, (0, 0))[0] + 1, number

    def on_measured(self, number: int, result: Measurement) -> None:
        """A measurement ended."""
        if result.status is Status.EVALUATOR_ERROR:
            return
        told = Feedback(
            result.status,
            _line(result.reason, 1000),
            result.feedback[:_FEEDBACK],
            result.curve,
            dict(result.metrics),
            result.wall_s,
            result.cpu_s,
            result.memory_mib,
        )
        _keep(self.feedback, number, told)
        if result.status is not Status.OK:
            self.reasons[result.status] = _line(result.reason)


def _keep(kept: dict[int, Value], number: int, value: Value, most: int = KEPT) -> None:
    """The newest values."""
    kept.pop(number, None)
    kept[number] = value
    if len(kept) > most:
        del kept[next(iter(kept))]


def _line(text: str, most: int = _WORDS) -> str:
    cut = " ".join(text[: 2 * most].split())
    return cut if len(cut) <= most else cut[: most - 3] + "..."
