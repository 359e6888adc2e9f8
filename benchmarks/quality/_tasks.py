"""The tasks: programs to begin with and what they are worth, higher is better.  Each costs about a millisecond, noise aside.

``kind`` says what is hard about one: *smooth* landscapes, *rugged* ones, *deceptive* ones (the way up leads away from the best),
*neutral* ones (most changes change nothing), *structural* ones (the program's form must change), *files* (two of them must fit).
``described`` says whether it has descriptors, and ``helpful`` whether they are what an expert would choose.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from quality._programs import Broken, Program, numbers, whole

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


def _clip(value: float) -> float:
    return min(max(value, 0.0), 1.0)


# ------------------------------------------------------------------------------------------------ smooth


def _circles(program: Program) -> Judged:
    """26 discs in the unit square, grown about their centres: the sum of their radii."""
    rows = program.get("CENTRES")
    if not isinstance(rows, list) or len(rows) != 26:
        raise Broken("26 centres were expected")
    centres = [numbers(row, 2) for row in rows]
    if any(not 0 <= value <= 1 for centre in centres for value in centre):
        raise Broken("a centre lies outside of the square")
    walls = [min(x, y, 1 - x, 1 - y) for x, y in centres]
    apart = [[math.dist(one, other) for other in centres] for one in centres]
    radii = [min(walls[i], min(apart[i][j] / 2 for j in range(26) if j != i)) for i in range(26)]
    for _ in range(2):
        for i in range(26):
            radii[i] = max(radii[i], min(walls[i], min(apart[i][j] - radii[j] for j in range(26) if j != i)))
    mean = sum(radii) / 26
    spread = math.sqrt(sum((radius - mean) ** 2 for radius in radii) / 26) / mean if mean > 0 else 0.0
    touching = sum(radius >= wall - 1e-9 for radius, wall in zip(radii, walls, strict=True)) / 26
    return Judged(sum(radii), (_clip(spread), touching))


def _circles_begin() -> Files:
    rng = random.Random(26)
    centres = [
        f"[{0.12 + 0.15 * (i % 6) + rng.uniform(-0.03, 0.03):.3f}, {0.12 + 0.19 * (i // 6) + rng.uniform(-0.03, 0.03):.3f}]"
        for i in range(26)
    ]
    return listed("CENTRES", centres, "Centres of 26 discs in the unit square.")


_AXES = [10 ** (2 * i / 9) for i in range(10)]
_TARGET = [1.3, 0.4, 2.2, 1.9, 0.7, 2.8, 1.1, 0.9, 2.5, 1.6]


def _ellipsoid(program: Program) -> Judged:
    """Ten numbers, some of which matter a hundred times as much as others."""
    x = numbers(program.get("X"), 10)
    away = math.sqrt(sum(w * (v - t) ** 2 for w, v, t in zip(_AXES, x, _TARGET, strict=True)))
    return Judged(3 / (3 + away))


# ------------------------------------------------------------------------------------------------ rugged


def _nk_table() -> list[list[float]]:
    rng = random.Random(244)
    return [[rng.random() for _ in range(4**5)] for _ in range(24)]


_NK = _nk_table()


def _nk(program: Program) -> Judged:
    """24 whole numbers, taken modulo 4, each of which hangs together with the four after it."""
    genes = [value % 4 for value in whole(program.get("GENES"), 24)]
    total = 0.0
    for i in range(24):
        code = 0
        for j in range(5):
            code = 4 * code + genes[(i + j) % 24]
        total += _NK[i][code]
    return Judged(total / 24)


def _cities() -> list[tuple[float, float]]:
    rng = random.Random(16)
    return [(rng.random(), rng.random()) for _ in range(20)]


_CITIES = _cities()


def _tour(program: Program) -> Judged:
    """An order of twenty cities: a short tour of them."""
    order = whole(program.get("ORDER"), 20)
    if sorted(order) != list(range(20)):
        raise Broken("every city once was expected")
    length = sum(math.dist(_CITIES[a], _CITIES[b]) for a, b in zip(order, [*order[1:], order[0]], strict=True))
    return Judged(4 / length)


# ------------------------------------------------------------------------------------------------ deceptive

_SHIFT = [0.83, 1.71, 2.94, 1.12, 2.37, 0.61, 3.05, 1.48]


def _rastrigin(program: Program) -> Judged:
    """Eight numbers, each of which has a hill at every step of one; the descriptors are the first two, which is no help."""
    z = [max(-1e3, min(1e3, v)) - s for v, s in zip(numbers(program.get("X"), 8), _SHIFT, strict=True)]
    depth = sum(v * v - 10 * math.cos(2 * math.pi * v) + 10 for v in z)
    return Judged(20 / (20 + depth), (_clip((z[0] + 2) / 4), _clip((z[1] + 2) / 4)))


def _trap(program: Program) -> Judged:
    """Ten blocks of four bits: each is worth more the fewer of them are right, and most when all four are."""
    bits = [(value + (i * i // 3)) % 2 for i, value in enumerate(whole(program.get("BITS"), 40))]
    ones = [sum(bits[i : i + 4]) for i in range(0, 40, 4)]
    score = sum(4 if block == 4 else (3 - block) * 0.9 for block in ones) / 40
    return Judged(score, (sum(ones[:5]) / 20, sum(ones[5:]) / 20))


_WALLS = frozenset({(x, 7) for x in range(3, 10)} | {(9, y) for y in range(3, 8)} | {(x, 3) for x in range(5, 10)})
_MOVES = ((1, 0), (0, 1), (-1, 0), (0, -1))


def _maze(program: Program) -> Judged:
    """Thirty moves through a room of twelve by twelve; the straight way leads into a dead end.  Descriptors: the end."""
    x, y = 6, 5
    for move in whole(program.get("MOVES"), 30):
        dx, dy = _MOVES[move % 4]
        if 0 <= x + dx < 12 and 0 <= y + dy < 12 and (x + dx, y + dy) not in _WALLS:
            x, y = x + dx, y + dy
    return Judged(1 - math.dist((x, y), (11, 5)) / 16, (x / 11, y / 11))


# ------------------------------------------------------------------------------------------------ neutral


def _royal(program: Program) -> Judged:
    """Eight blocks of four numbers modulo 3: only blocks that are right count, and most changes change nothing."""
    values = [value % 3 for value in whole(program.get("KEYS"), 32)]
    right = [(7 * i + 3) % 3 if i % 2 else (i // 3) % 3 for i in range(32)]
    return Judged(sum(values[i : i + 4] == right[i : i + 4] for i in range(0, 32, 4)) / 8)


# ------------------------------------------------------------------------------------------------ structural

_POINTS = [-2 + 0.2 * i for i in range(21)]


def _formula(wanted: Callable[[float], float], unit: float) -> Callable[[Program], Judged]:
    """How near ``f`` comes to a function at 21 points."""

    def judge(program: Program) -> Judged:
        errors = [program.call("f", x) - wanted(x) for x in _POINTS]
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


# ------------------------------------------------------------------------------------------------ several files


def _two_files(program: Program) -> Judged:
    """A rule in one file with weights in another: they must fit each other."""
    weights = program.get("WEIGHTS")
    numbers(weights, 4)
    errors = [program.call("rule", weights, x) - (1.7 * x * x - 0.6 * x + 0.9 * abs(x) - 1.1) for x in _POINTS]
    return Judged(1 / (1 + math.sqrt(sum(e * e for e in errors) / len(errors))))


def _begin(seed: int, n: int, low: int, high: int) -> list[int]:
    rng = random.Random(seed)
    return [rng.randrange(low, high) for _ in range(n)]


def _function(head: str, body: str) -> Files:
    return {"main.py": f"def {head}:\n    {body}\n"}


EXACT = (
    Task("circles", "smooth", _circles_begin(), _circles),
    Task("ellipsoid", "smooth", listed("X", [2.5, 1.5, 0.6, 0.8, 1.9, 1.2, 2.6, 2.1, 1.0, 0.4], "Ten numbers."), _ellipsoid),
    Task("nk", "rugged", listed("GENES", _begin(7, 24, 0, 4), "24 whole numbers, taken modulo 4."), _nk),
    Task("tour", "rugged", listed("ORDER", random.Random(3).sample(range(20), 20), "Twenty cities in order."), _tour),
    Task("rastrigin", "deceptive", listed("X", (2.3, 3.4, 1.2, 3.6, 0.9, 2.2, 1.4, 3.1), "Eight numbers."), _rastrigin),
    Task("trap", "deceptive", listed("BITS", _begin(4, 40, 0, 2), "Forty bits, taken modulo 2."), _trap, described=True),
    Task("maze", "deceptive", listed("MOVES", _begin(11, 30, 0, 4), "Thirty moves, taken modulo 4."), _maze, described=True),
    Task("royal", "neutral", listed("KEYS", _begin(5, 32, 0, 3), "32 whole numbers, taken modulo 3."), _royal),
    Task("cubic", "structural", _function("f(x)", "return 0.5 * x + 0.1"), _formula(_cubic, 1.0)),
    Task("clipped", "structural", _function("f(x)", "return 0.5 * x + 0.1"), _formula(_clipped, 0.5)),
    Task("dispatch", "structural", _function("priority(takes, weight, slack)", "return 0.0 - takes"), _dispatch),
    Task(
        "two_files",
        "files",
        {
            "rule.py": "def rule(w, x):\n    return w[0] * x + w[1]\n",
            "weights.py": listed("WEIGHTS", (0.5, 0.5, 0.5, 0.5), "Four weights.")["main.py"],
        },
        _two_files,
    ),
)
_BY_NAME = {task.name: task for task in EXACT}
DESCRIBED = tuple(replace(_BY_NAME[name], name=f"{name}_described", described=True) for name in ("circles", "rastrigin"))
NOISY = tuple(
    replace(_BY_NAME[name], name=f"{name}_noisy", noise=noise)
    for name, noise in (("ellipsoid", 0.01), ("nk", 0.02), ("clipped", 0.03), ("circles", 0.05))
)
TASKS: Mapping[str, Task] = {task.name: task for task in (*EXACT, *DESCRIBED, *NOISY)}
# Settings were chosen on these, with seeds below 100; what is reported is of the others, with seeds from 100 on.
CHOOSING = ("circles", "nk", "trap", "royal", "cubic", "circles_described", "nk_noisy", "clipped_noisy")
REPORTING = tuple(name for name in TASKS if name not in CHOOSING)
