"""On a noisy problem a simplification takes its parent's place once it has shown not to be worse, and not before."""

from __future__ import annotations

import numpy as np
import pytest

from archive import RunningStats
from evolve.propose._registry import OPERATORS
from evolve.search import _results


class Row:
    def __init__(self, arm, parents):
        self.arm, self.parents = arm, parents


class World:
    """As much of a search as the rule looks at: a parent (row 0) and a child of ``llm_simplify`` (row 1)."""

    def __init__(self, runs, difference, *, operator="llm_simplify", noisy=True):
        rng = np.random.default_rng(0)
        self.noise, self.candidates, self.succeeded = 1.0, [Row(-1, ()), Row(0, (0,))], []
        self.all_stats = [RunningStats(), RunningStats()]
        for stats, mean in zip(self.all_stats, (0.0, difference), strict=True):
            for z in rng.standard_normal(runs):
                stats.add(mean + float(z))
        self.population, self.contract, self.operator = self, self, OPERATORS[operator]
        self.noisy = noisy

    def maker(self, number):
        return self.operator if self.candidates[number].arm >= 0 else None

    def noise_of(self, number):
        return self.noise

    def stats(self, number):
        return self.all_stats[number]

    def replace_parent(self, number, parent):
        self.succeeded.append((number, parent))
        return ["placed"]


@pytest.mark.parametrize(
    ("runs", "difference", "succeeds"),
    [(600, 0.0, True), (600, -0.5, False), (10, 0.0, False), (60, 1.0, True)],
)
def test_only_evidence_counts(runs, difference, succeeds):
    world = World(runs, difference)
    assert _results.try_replace_parent(world, 1) == (["placed"] if succeeds else [])
    assert world.succeeded == ([(1, 0)] if succeeds else [])


def test_it_is_for_simplifications_on_noisy_problems():
    assert not _results.try_replace_parent(World(600, 1.0, operator="llm_mutate"), 1)
    assert not _results.try_replace_parent(World(600, 1.0, noisy=False), 1)
