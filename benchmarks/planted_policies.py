"""What does a search find on a noisy problem, how much of it does it claim, and is that true?  Policies on planted worlds.

    python benchmarks/planted_policies.py [--policies auto,map_elites,hill_climb,one_plus_one] [--repeats 40] [--worlds gauss]
        [--evaluations 600] [--jobs 2] [--json]

The climbs of ``planted_truth.py`` (each child is a change of its parent, 3 % of changes better by 0.003, noise with an sd of
0.0025), with what a run sets aside for claims by default.  Said are, a search: the true gain of what it reports, which is its last
confirmed program, or the initial one where none was; claims; by how much what was claimed is above what is true, in sds of the
noise; programs tried.  ``false`` are the claims of all searches that are no better than the initial program.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from statistics import fmean

from _common import hardware
from planted_truth import SD, World, run, spread, table

from evolve.config._schema import BudgetConfig


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one search."""

    gain: float
    claims: int
    false: int
    above: float
    candidates: int


def searched(policy: str, world: str, repeat: int, evaluations: int) -> Found:
    """One search."""
    search, truth = run(policy, World(world), repeat, BudgetConfig(evaluations=evaluations))
    rows = search.state.population.candidates
    held = [vault for vault in search.state.confirmations.confirmations if vault.confirmed and vault.effect is not None]
    values = [truth.values[rows[vault.candidate].id] for vault in held]
    above = [(vault.effect.effect - value) / SD for vault, value in zip(held, values, strict=True) if vault.effect is not None]
    return Found(
        values[-1] if values else 0.0,
        len(held),
        sum(value <= 0 for value in values),
        fmean(above) if above else 0.0,
        search.run.usage.candidates,
    )


def row(policy: str, world: str, found: list[Found]) -> dict[str, object]:
    gain, error = spread([one.gain for one in found])
    return {
        "policy": policy,
        "world": world,
        "repeats": len(found),
        "true_gain": gain,
        "se": error,
        "claims": fmean(one.claims for one in found),
        "false": sum(one.false for one in found),
        "above_sd": fmean(one.above for one in found),
        "candidates": fmean(one.candidates for one in found),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policies", default="auto,map_elites,hill_climb,one_plus_one")
    parser.add_argument("--worlds", default="gauss")
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--evaluations", type=int, default=600)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    groups = [(policy, world) for world in words.worlds.split(",") for policy in words.policies.split(",")]
    jobs = [(policy, world, repeat, words.evaluations) for policy, world in groups for repeat in range(words.repeats)]
    with ProcessPoolExecutor(words.jobs) as pool:
        found = list(pool.map(searched, *zip(*jobs, strict=True), chunksize=2))
    shares = {group: found[i * words.repeats : (i + 1) * words.repeats] for i, group in enumerate(groups)}
    rows = [row(policy, world, some) for (policy, world), some in shares.items()]
    print(json.dumps({"hardware": hardware(), "rows": rows, "each": [asdict(one) for one in found]}) if words.json else table(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
