"""What ``tune:`` comments say holds for every operator that changes a program without a model."""

from __future__ import annotations

import re

import numpy as np
import pytest

from archive import ProposalStatus
from evolve.propose import AstEdit, Crossover, EditScope, ProposalTask

PYTHON = (
    "A = 1.5  # tune: 1..2\nB = 7  # tune: off\nC = 4  # tune: 3..5\nD = 2.5\n\n\ndef f(x):\n"
    "    y = A * x + 0.25  # tune: off\n    x.append(7 * B)  # tune: off\n"
    "    for i in range(3):  # tune: 2..4\n        y = y + C * D\n    x.sort()\n    return y\n"
)
C = (
    "static double a = 1.5; // tune: 1..2\nstatic int b = 7; // tune: off\nstatic int c = 4; /* tune: 3..5 */\n"
    "double f(double x) {\n    return a * x + 2.5 * b * c;\n}\n"
)
TOML = "a = 1.5  # tune: 1..2\nb = 7  # tune: off\nc = 4  # tune: 3..5\nd = 2.5\n"
PROGRAMS = [("a.py", PYTHON), ("a.c", C), ("a.toml", TOML)]
BOUNDED = re.compile(r"(-?\d[\w.]*)\D*tune: (\d)\.\.(\d)")
DRAWS = 400


def kept(parent: str, child: str) -> bool:
    off = [line for line in parent.splitlines() if "off" in line]
    numbers = [(float(value), float(low), float(high)) for value, low, high in BOUNDED.findall(child)]
    return all(child.count(line) >= 1 for line in off) and all(low <= value <= high for value, low, high in numbers)


def children(operator: AstEdit | Crossover, path: str, *programs: str) -> list[str]:
    task = ProposalTask(({path: programs[0]},), tuple({path: text} for text in programs[1:]), EditScope((path,), False, 10_000))
    made = [operator.propose(task, np.random.default_rng(seed)) for seed in range(DRAWS)]
    return [draft.files[path] for draft in made if draft.status is ProposalStatus.CHILD]


@pytest.mark.parametrize(("path", "text"), PROGRAMS)
def test_an_edit_keeps_within_the_bounds_and_leaves_off_alone(path: str, text: str) -> None:
    made = children(AstEdit(), path, text)
    assert len(made) > DRAWS * 0.9
    assert [child for child in made if not kept(text, child)] == []
    moved = {found for child in made for found in BOUNDED.findall(child)} - set(BOUNDED.findall(text))
    assert {low for _, low, _ in moved} >= {"1", "3"}  # they do move


@pytest.mark.parametrize(("path", "text"), PROGRAMS)
def test_crossover_keeps_within_the_bounds_of_the_parent(path: str, text: str) -> None:
    donor = re.sub(r"\s*(#|//|/\*) tune:[^\n]*", "", text).replace("1.5", "3.5").replace("7", "9").replace("2.5", "2.75")
    made = children(Crossover(), path, text, donor)
    assert made
    assert [child for child in made if not kept(text, child)] == []
