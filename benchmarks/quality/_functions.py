"""Tasks whose program is a function of which the form must change: formulas, and rules that decide on instances."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from quality._programs import Program
from quality._task import Judged, Task, function

POINTS = [-2 + 0.2 * i for i in range(21)]


def formula(wanted: Callable[[float], float], unit: float) -> Callable[[Program], Judged]:
    """How near ``f`` comes to a function at 21 points."""

    def judge(program: Program) -> Judged:
        errors = [program.call("f", x) - wanted(x) for x in POINTS]
        return Judged(1 / (1 + math.sqrt(sum(e * e for e in errors) / len(errors)) / unit))

    return judge


def _cubic(x: float) -> float:
    return 0.8 * x**3 - 1.5 * x * x + 0.4 * x + 1.2


def _clipped(x: float) -> float:
    return min(max(2.0 * x, -1.0), 1.5) + 0.5 * abs(x - 0.5)


@dataclass(frozen=True, slots=True)
class _Job:
    takes: float
    weight: float
    due: float


def _instances(seed: int) -> list[list[_Job]]:
    rng = random.Random(seed)
    jobs = [[(rng.uniform(1, 10), rng.choice((1.0, 2.0, 5.0))) for _ in range(9)] for _ in range(5)]
    return [[_Job(takes, weight, rng.uniform(0.2, 0.8) * 50) for takes, weight in row] for row in jobs]


_JOBS = _instances(9)


def _weighted_tardiness(program: Program, instances: Sequence[Sequence[_Job]]) -> float:
    cost = 0.0
    for instance in instances:
        left, now = list(instance), 0.0
        while left:
            worth = [program.call("priority", job.takes, job.weight, job.due - now) for job in left]
            job = left.pop(max(range(len(left)), key=worth.__getitem__))
            now += job.takes
            cost += job.weight * max(now - job.due, 0.0)
    return cost


def _dispatch(program: Program) -> Judged:
    """Which job is next on one machine: little weighted lateness over five instances."""
    return Judged(400 / (400 + _weighted_tardiness(program, _JOBS)))


def _gate(x: float) -> float:
    return 1.3 + 0.5 * x if x < -0.6 else 0.8 * x * x - 0.4


def _product(program: Program) -> Judged:
    """How near a function of two numbers comes to another one, at 25 points."""
    grid = [-1.6 + 0.8 * i for i in range(5)]
    errors = [program.call("f", x, y) - (0.7 * x * y - max(x, y) + 0.5) for x in grid for y in grid]
    return Judged(1 / (1 + math.sqrt(sum(e * e for e in errors) / len(errors)) / 0.7))


@dataclass(frozen=True, slots=True)
class _Item:
    value: float
    weight: float
    bulk: float


def _sacks(seed: int) -> list[list[_Item]]:
    rng = random.Random(seed)
    return [[_Item(rng.uniform(1, 9), rng.uniform(1, 9), rng.uniform(1, 9)) for _ in range(14)] for _ in range(6)]


_SACKS = _sacks(14)


def _knapsack(program: Program) -> Judged:
    """Which thing is packed next where both weight and bulk are short: a large share of the value over six instances."""
    got = 0.0
    for n, items in enumerate(_SACKS):
        weight, bulk, left = 16.0 + 6 * n, 46.0 - 5 * n, list(items)
        while left := [item for item in left if item.weight <= weight and item.bulk <= bulk]:
            worth = [program.call("priority", item.value, item.weight, item.bulk, weight, bulk) for item in left]
            item = left.pop(max(range(len(left)), key=worth.__getitem__))
            weight, bulk, got = weight - item.weight, bulk - item.bulk, got + item.value
    return Judged(got / sum(item.value for items in _SACKS for item in items))


_LONG = (
    "a = 0.4 * x",
    "b = a * a - 0.2",
    "c = max(b, 0.1 * x)",
    "d = c + 0.3",
    "e = abs(d - a)",
    "g = min(e, 1.5)",
    "h = 0.6 * g + 0.1",
    "k = h * x",
    "m = abs(k - b) + 0.7",
    "n = min(m, d) * 0.5",
    "return a + 0.05 * n",
)


def _far(x: float) -> float:
    return 0.6 * x * x - 0.8 * max(x, -0.5) + 0.4


_LINE = function("f(x)", "return 0.5 * x + 0.1")
FUNCTIONS = (
    Task("cubic", "structural", _LINE, formula(_cubic, 1.0)),
    Task("clipped", "structural", _LINE, formula(_clipped, 0.5)),
    Task("dispatch", "structural", function("priority(takes, weight, slack)", "return 0.0 - takes"), _dispatch),
    Task("gate", "structural", function("f(x)", "if x < 0.0:", "    return 0.2 * x", "return 0.5"), formula(_gate, 0.5)),
    Task("product", "structural", function("f(x, y)", "return 0.5 * x + 0.5 * y"), _product),
    Task("knapsack", "structural", function("priority(value, weight, bulk, room, space)", "return 0.0 - weight"), _knapsack),
    Task("long", "neutral", function("f(x)", *_LONG), formula(_far, 1.0)),
)
