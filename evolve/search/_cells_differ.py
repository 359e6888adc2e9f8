"""Whether a descriptor tells what the children of a program gain: a permutation test, pure.

What a child gains is its rank among the children of parents of about the same score, so that good parents, which few children
beat, do not pass for a kind of program.  Parents, not children, change places in a permutation: two dozen children of one lucky
parent are one observation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

_STRATA = 8  # of parents' scores
_CELLS = 4  # that a descriptor is cut into, of about as many parents each
_LEAST_PARENTS = 5  # in a cell
_PERMUTATIONS = 999


@dataclass(frozen=True, slots=True)
class Bred:
    """A child: its parent, that one's score and descriptors, and the child's score (None: it failed).  Higher is better."""

    parent: int
    before: float
    descriptors: Mapping[str, float]
    score: float | None


def p_values(children: Sequence[Bred], names: Sequence[str], rng: np.random.Generator) -> dict[str, float]:
    """For each descriptor how likely cells would differ as they do by chance; those that do not vary enough are left out."""
    parents: dict[int, int] = {}
    index = np.array([parents.setdefault(one.parent, len(parents)) for one in children], dtype=np.int64)
    ranks = _ranks_of_gains(children)
    sums, counts = np.bincount(index, weights=ranks), np.bincount(index).astype(float)
    order = [rng.permutation(len(parents)) for _ in range(_PERMUTATIONS)]
    found = {}
    for name in names:
        values = {one.parent: one.descriptors.get(name, 0.0) for one in children}
        cells = _cells(np.array([values[parent] for parent in parents]))
        if cells is None:
            continue
        here = _spread(cells, sums, counts)
        as_far = sum(_spread(cells, sums[one], counts[one]) >= here * (1 - 1e-12) for one in order)
        found[name] = (1 + as_far) / (1 + _PERMUTATIONS)
    return found


def _ranks_of_gains(children: Sequence[Bred]) -> np.ndarray:
    """Ranks in [-1/2, 1/2] within the strata, ties sharing theirs; failures gain least."""
    before = np.array([one.before for one in children])
    gains = np.array([-np.inf if one.score is None else one.score - one.before for one in children])
    strata = np.searchsorted(np.unique(np.quantile(before, np.arange(1, _STRATA) / _STRATA)), before, side="right")
    ranks = np.zeros(len(children))
    for stratum in np.unique(strata):
        inside = strata == stratum
        _, place, times = np.unique(gains[inside], return_inverse=True, return_counts=True)
        middle = np.cumsum(times) - (times + 1) / 2
        ranks[inside] = (middle[place] - (inside.sum() - 1) / 2) / inside.sum()
    return ranks


def _cells(values: np.ndarray) -> np.ndarray | None:
    """The cell of each parent; None where there are not two with enough of them."""
    edges = np.unique(np.quantile(values, np.arange(1, _CELLS) / _CELLS, method="lower"))
    cells = np.searchsorted(edges, values, side="right")
    sizes = np.bincount(cells)
    return cells if (sizes >= _LEAST_PARENTS).sum() >= 2 else None


def _spread(cells: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> float:
    """How far the cells' mean ranks lie from each other (as of Kruskal and Wallis)."""
    n = np.bincount(cells, weights=counts)
    return float((np.bincount(cells, weights=sums) ** 2 / np.maximum(n, 1.0)).sum())
