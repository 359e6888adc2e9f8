"""Who breeds: tournaments of posterior draws, and inspirations beside them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np


def tournament(
    elites: Sequence[int],
    posterior: Callable[[int], tuple[float, float]],
    bred: Callable[[int], int],
    rng: np.random.Generator,
    *,
    size: int,
    uniform_share: float,
    eligible: Callable[[int], bool],
) -> int | None:
    """A parent: the best of ``size`` elites by rank of a posterior draw, discounted by how often each has bred.

    The utility is ``1 / ((1 + rank) * sqrt(1 + log(1 + children)))``: rank, so that it does not depend on the problem's unit, and a
    logarithm, so that a productive parent is slowed down but never starved.  With probability ``uniform_share`` every elite is
    equally likely, whatever its score.

    Args:
        elites: Candidates to choose from, at least one.
        posterior: Mean and standard deviation of a candidate, higher is better.
        bred: How many children a candidate has had.
        rng: Source of all draws.
        eligible: Which of the drawn elites may breed.

    Returns:
        One of ``elites``; None when none of those drawn is eligible.
    """
    n = len(elites)
    picks = [elites[i] for i in rng.integers(n, size=size).tolist()] if n > size else list(elites)
    picks = [key for key in picks if eligible(key)]
    if not picks:
        return None
    if rng.random() < uniform_share:
        return picks[int(rng.integers(len(picks)))]
    noise = rng.standard_normal(len(picks)).tolist()
    drawn = []
    for key, z in zip(picks, noise, strict=True):
        mean, sd = posterior(key)
        drawn.append((-(mean + sd * z), key))
    drawn.sort()
    best, winner = -1.0, drawn[0][1]
    for rank, (_, key) in enumerate(drawn):
        utility = 1.0 / ((1 + rank) * math.sqrt(1.0 + math.log1p(bred(key))))
        if utility > best:
            best, winner = utility, key
    return winner


def inspirations(elites: Sequence[int], leader: int, parent: int, rng: np.random.Generator, *, count: int) -> tuple[int, ...]:
    """Up to ``count`` other elites to look at: the leader first, then uniform draws; never the parent, never one twice."""
    chosen = [leader] if leader != parent and count else []
    for i in rng.integers(len(elites), size=2 * count).tolist():
        if len(chosen) >= count:
            break
        key = elites[i]
        if key != parent and key not in chosen:
            chosen.append(key)
    return tuple(chosen)
