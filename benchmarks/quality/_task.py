"""What a task is: a program to begin with and what it is worth, higher is better.

``kind`` says what is hard about one: *smooth* landscapes, *rugged* ones, *deceptive* ones (the way up leads away from the best),
*neutral* ones (most changes change nothing), *structural* ones (the program's form must change), *files* (several must fit).
``described`` says whether it has descriptors, and ``helpful`` whether they are what an expert would choose.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from quality._programs import Broken, Program

Files = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Judged:
    """A score and, where a task has them, two descriptors in [0, 1]."""

    score: float
    descriptors: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Task:
    """A program to begin with, and its judge, which raises ``Broken`` for what is no answer; ``noise`` is the standard deviation of
    what a measurement adds to the true score."""

    name: str
    kind: str
    files: Files
    judge: Callable[[Program], Judged]
    described: bool = False
    helpful: bool = False
    noise: float = 0.0

    def true(self, files: Files) -> Judged | None:
        """What a program is worth without noise; None where it fails."""
        try:
            return self.judge(Program(files))
        except Broken:
            return None


def listed(name: str, values: Sequence[object], about: str) -> Files:
    """A program that is a list, a line an item."""
    rows = "".join(f"    {value},\n" for value in values)
    return {"main.py": f'"""{about}"""\n\n{name} = [\n{rows}]\n'}


def function(head: str, *body: str) -> Files:
    """A program that is one function."""
    return {"main.py": f"def {head}:\n" + "".join(f"    {line}\n" for line in body)}


def drawn(seed: int, n: int, below: int) -> list[int]:
    """Whole numbers to begin with."""
    rng = random.Random(seed)
    return [rng.randrange(below) for _ in range(n)]


def clip(value: float) -> float:
    """The nearest number from 0 to 1."""
    return min(max(value, 0.0), 1.0)
