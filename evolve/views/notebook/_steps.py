"""What moved: the line of programs from the initial one to the best, and the lines that each changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import takewhile

from archive import TextStore
from evolve.search.state._state import ProblemState
from evolve.views.notebook._attempts import Attempt, attempt

MOST_STEPS = 20
MOST_LINES = 8  # of one change
LONGEST_LINE = 100  # characters that are shown of one
_BEFORE = 30  # of these before what differs
_LONGEST_FILE = 4000  # lines of both versions that are compared
_KEPT = 512


@dataclass(frozen=True, slots=True)
class Step:
    """One program of the line: what its change came to, the first lines of the change, and how many more there are (None: the
    files are too long to be compared)."""

    made: Attempt
    lines: tuple[str, ...]
    more: int | None


@dataclass(frozen=True, slots=True)
class Line:
    """``steps`` of ``length``, oldest first: where there are many, those that moved the score most and the last."""

    steps: tuple[Step, ...]
    length: int


class Steps:
    """Makes the line again and again; a change is compared once."""

    def __init__(self, texts: TextStore) -> None:
        self._texts = texts
        self._known: dict[tuple[str, str], tuple[tuple[str, ...], int | None]] = {}

    def to(self, state: ProblemState, best: int | None) -> Line:
        """The line that leads to a program."""
        numbers: list[int] = []
        while best is not None and (parents := state.population.candidates[best].parents):
            numbers.append(best)
            best = parents[0]
        made = [attempt(state, number) for number in reversed(numbers)]
        order = sorted(range(len(made)), key=lambda i: (i != len(made) - 1, -abs(made[i].effect or 0.0), i))
        shown = tuple(self._step(made[i]) for i in sorted(order[:MOST_STEPS]))
        return Line(shown, len(made))

    def _step(self, made: Attempt) -> Step:
        key = made.parent, made.id
        if key not in self._known:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[key] = changed(self._texts.files(made.parent), self._texts.files(made.id))
        return Step(made, *self._known[key])


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[tuple[str, ...], int | None]:
    """The first lines that differ, with the sign of a diff before each and the file's name where there are several; and how many
    more do."""
    lines: list[str] = []
    several = len(before.keys() | after.keys()) > 1
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path, "").splitlines(), after.get(path, "").splitlines()
        if old == new:
            continue
        if len(old) + len(new) > _LONGEST_FILE:
            return (), None
        lines += [f"@ {path}"] * several
        for tag, i, j, k, m in SequenceMatcher(None, old, new).get_opcodes():
            if tag != "equal":
                lines += _cut(old[i:j], new[k:m])
    return tuple(lines[:MOST_LINES]), max(len(lines) - MOST_LINES, 0)


def _cut(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    """Lines taken out and put in; of a long one the part around where it first differs from its counterpart."""
    differs = [_alike(one, other) for one, other in zip(old, new, strict=False)]
    for sign, lines in (("-", old), ("+", new)):
        for i, line in enumerate(lines):
            at = differs[i] if i < len(differs) else 0
            start = max(at - _BEFORE, 0) if len(line) > LONGEST_LINE else 0
            part = line[start : start + LONGEST_LINE]
            yield f"{sign}{'…' * (start > 0)}{part}{'…' * (start + LONGEST_LINE < len(line))}"


def _alike(one: str, other: str) -> int:
    """How many characters two lines begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
