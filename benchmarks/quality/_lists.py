"""Tasks whose program is a list and whose landscape is smooth, rugged or mostly flat."""

from __future__ import annotations

import math
import random

from quality._programs import Broken, Program, numbers, whole
from quality._task import Files, Judged, Task, clip, drawn, listed

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
    return Judged(sum(radii), (clip(spread), touching))


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


# ------------------------------------------------------------------------------------------------ neutral


def _royal(program: Program) -> Judged:
    """Eight blocks of four numbers modulo 3: only blocks that are right count, and most changes change nothing."""
    values = [value % 3 for value in whole(program.get("KEYS"), 32)]
    right = [(7 * i + 3) % 3 if i % 2 else (i // 3) % 3 for i in range(32)]
    return Judged(sum(values[i : i + 4] == right[i : i + 4] for i in range(0, 32, 4)) / 8)


LISTS = (
    Task("circles", "smooth", _circles_begin(), _circles),
    Task("ellipsoid", "smooth", listed("X", [2.5, 1.5, 0.6, 0.8, 1.9, 1.2, 2.6, 2.1, 1.0, 0.4], "Ten numbers."), _ellipsoid),
    Task("nk", "rugged", listed("GENES", drawn(7, 24, 4), "24 whole numbers, taken modulo 4."), _nk),
    Task("tour", "rugged", listed("ORDER", random.Random(3).sample(range(20), 20), "Twenty cities in order."), _tour),
    Task("royal", "neutral", listed("KEYS", drawn(5, 32, 3), "32 whole numbers, taken modulo 3."), _royal),
)
