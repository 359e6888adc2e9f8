"""A fixed seed and scripted results give an exact lineage.  Changing it needs a reason, given in the commit that does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from simulation import Simulation, build, contract

from archive import MeasureIssued, Proposed, ProposeIssued

GOLDEN = Path(__file__).parents[1] / "golden"


def trajectory(kind, policy):
    """One line a decision: what was asked for, and what became of it."""
    run = Simulation(build(kind, policy=policy, evaluations=40), np.random.default_rng(0), noise=0.05 if kind.noisy else 0.0)
    run.begin()
    run.run()
    lines = []
    for stamped in run.log:
        match stamped.record:
            case ProposeIssued(attempt, _, arm, parents, _, inspirations, propensity):
                lines.append(
                    f"{attempt.ticket} {arm.operator} of {','.join(parents)} p={propensity:.6f} with {','.join(inspirations)}"
                )
            case Proposed(attempt, _, status, candidate):
                lines.append(f"{attempt.ticket} {status} {candidate.id if candidate else ''}")
            case MeasureIssued(attempt, _, purpose, entries):
                lines += [f"{attempt.ticket} {purpose} {e.candidate} {e.stage} {e.seed} {e.start}" for e in entries]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("name", "kind", "policy"),
    [
        ("map_elites", contract(), "map_elites"),
        ("map_elites_noisy", contract(noisy=True), "map_elites"),
        ("one_plus_one", contract(), "one_plus_one"),
        ("best_of_n", contract(), "best_of_n"),
        ("auto", contract(), "auto"),
        ("auto_noisy", contract(noisy=True), "auto"),
    ],
)
def test_the_trajectory_is_the_golden_one(name, kind, policy):
    assert trajectory(kind, policy) == (GOLDEN / f"{name}.txt").read_text()
