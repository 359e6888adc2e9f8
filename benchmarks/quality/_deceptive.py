"""Tasks whose way up leads away from the best: good programs lie behind worse ones."""

from __future__ import annotations

import math
import random

from quality._programs import Broken, Program, numbers, whole
from quality._task import Judged, Task, clip, drawn, listed

_SHIFT = [0.83, 1.71, 2.94, 1.12, 2.37, 0.61, 3.05, 1.48]


def _rastrigin(program: Program) -> Judged:
    """Eight numbers, each of which has a hill at every step of one; the descriptors are the first two, which is no help."""
    z = [max(-1e3, min(1e3, v)) - s for v, s in zip(numbers(program.get("X"), 8), _SHIFT, strict=True)]
    depth = sum(v * v - 10 * math.cos(2 * math.pi * v) + 10 for v in z)
    return Judged(20 / (20 + depth), (clip((z[0] + 2) / 4), clip((z[1] + 2) / 4)))


def _trap(program: Program) -> Judged:
    """Twelve blocks of three bits: each is worth more the fewer of them are right, and most when all three are.  Descriptors: how
    many are right, left and right."""
    bits = [(value + (i * i // 3)) % 2 for i, value in enumerate(whole(program.get("BITS"), 36))]
    ones = [sum(bits[i : i + 3]) for i in range(0, 36, 3)]
    score = sum(3 if block == 3 else (2 - block) * 0.9 for block in ones) / 36
    return Judged(score, (sum(ones[:6]) / 18, sum(ones[6:]) / 18))


_WALLS = frozenset({(5, y) for y in range(2, 7)} | {(x, y) for x in (3, 4) for y in (2, 6)})
_MOVES = ((1, 0), (0, 1), (-1, 0), (0, -1))


def _maze(program: Program) -> Judged:
    """Eighteen moves through a room of nine by nine; the straight way leads into a dead end.  Descriptors: the end."""
    x, y = 2, 4
    for move in whole(program.get("MOVES"), 18):
        dx, dy = _MOVES[move % 4]
        if 0 <= x + dx < 9 and 0 <= y + dy < 9 and (x + dx, y + dy) not in _WALLS:
            x, y = x + dx, y + dy
    return Judged(1 - math.dist((x, y), (7, 4)) / 8, (x / 8, y / 8))


# how a mode of a part does at its best number; which number that is differs from part to part
_MODES = ((0.6, 0.5), (0.8, 1.0), (1.0, 2.0))


def _modes(program: Program) -> Judged:
    """Six parts of a mode and a number: a better mode is worse until its number is adapted.  Descriptors: how many have which."""
    rows = program.get("PARTS")
    if not isinstance(rows, list) or len(rows) != 6:
        raise Broken("six parts were expected")
    score, used = 0.0, [0, 0, 0]
    for i, row in enumerate(rows):
        mode = whole(numbers(row, 2)[:1], 1)[0] % 3
        best, at = _MODES[mode][0], _MODES[mode][1] * (0.7 + 0.12 * i)
        used[mode] += 1
        score += best * math.exp(-(((row[1] - at) / (0.3 * at)) ** 2))
    return Judged(score / 6, (used[1] / 6, used[2] / 6))


def _pair_table() -> list[list[float]]:
    """What two numbers that belong together are worth, in each of ten pairs: three are good together, others nearly never."""
    rng = random.Random(10)
    return [[(0.5, 0.75, 1.0)[a] if a == b else rng.uniform(0.2, 0.6) for a in range(3) for b in range(3)] for _ in range(10)]


_PAIRS = _pair_table()


def _pairs(program: Program) -> Judged:
    """Ten pairs of whole numbers, taken modulo 3: better ones are two changes away, and the first is worse."""
    rows = program.get("PAIRS")
    if not isinstance(rows, list) or len(rows) != 10:
        raise Broken("ten pairs were expected")
    found = [whole(row, 2) for row in rows]
    return Judged(sum(_PAIRS[i][3 * ((a + i) % 3) + (b + i * i) % 3] for i, (a, b) in enumerate(found)) / 10)


_CURVES = [40 ** (i / 7) for i in range(8)]


def _descent(program: Program) -> Judged:
    """Ten step sizes of a descent into valleys that are one to forty times as steep: long steps pay where others mend them."""
    sizes = numbers(program.get("SIZES"), 10)
    left = [math.prod(1 - max(-10.0, min(10.0, size)) * curve for size in sizes) for curve in _CURVES]
    return Judged(1 / (1 + 5 * math.sqrt(sum(one * one for one in left) / len(left))))


def _hills(program: Program) -> Judged:
    """Eight numbers with a broad hill near one and a higher, narrow one beyond a valley."""
    score = 0.0
    for i, x in enumerate(numbers(program.get("X"), 8)):
        broad, narrow = 0.8 + 0.05 * i, 2.6 - 0.1 * i
        score += max(0.7 * math.exp(-(((x - broad) / 0.6) ** 2)), math.exp(-(((x - narrow) / 0.3) ** 2)))
    return Judged(score / 8)


_BITS = listed("BITS", drawn(4, 36, 2), "36 bits, taken modulo 2.")
_STEPS = listed("MOVES", drawn(11, 18, 4), "Eighteen moves, taken modulo 4.")
_PARTS = listed("PARTS", [f"[0, {x}]" for x in (0.6, 0.3, 0.8, 0.5, 0.4, 0.9)], "Six parts: a mode and a number.")
DECEPTIVE = (
    Task("rastrigin", "deceptive", listed("X", (2.3, 3.4, 1.2, 3.6, 0.9, 2.2, 1.4, 3.1), "Eight numbers."), _rastrigin),
    Task("trap", "deceptive", _BITS, _trap, described=True, helpful=True),
    Task("maze", "deceptive", _STEPS, _maze, described=True, helpful=True),
    Task("modes", "deceptive", _PARTS, _modes),
    Task("pairs", "deceptive", listed("PAIRS", [[a, a // 3] for a in drawn(2, 10, 9)], "Ten pairs, taken modulo 3."), _pairs),
    Task("descent", "deceptive", listed("SIZES", (0.02,) * 10, "Ten step sizes."), _descent),
    Task("hills", "deceptive", listed("X", (0.5, 1.2, 0.3, 1.4, 0.9, 0.6, 1.5, 0.4), "Eight numbers."), _hills),
)
