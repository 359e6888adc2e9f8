"""How often the intervals of ``evolve ablate`` hold all together, where the truth is known.

    python benchmarks/ablation_coverage.py --tables 2000

Tables of scores are drawn: a champion, an initial program, k changes left out and put in, on n seeds; normal noise of sd 1, and as
much between seeds.  In a column ``wild w`` one program, drawn anew each time, scatters w times as much as the others.  A table
counts as right if every interval that a map can show has the truth in it; 0.95 is promised.
"""

from __future__ import annotations

import argparse

import numpy as np

from evolve.research._effects import interval, n_contrasts, scatter_of

SIZES = ((2, 3), (5, 3), (20, 4), (10, 5), (5, 8), (10, 20))
WILD = (1.0, 2.0, 5.0)


def contrasts(k: int) -> list[dict[str, float]]:
    """All that a map of k changes asks."""
    asked = [{"champion": 1.0, "initial": -1.0}]
    for n in range(k):
        left_out, put_in = {"champion": 1.0, f"without {n}": -1.0}, {f"alone {n}": 1.0, "initial": -1.0}
        asked += [left_out, put_in, {**left_out, f"alone {n}": -1.0, "initial": 1.0}]
    return asked


def is_right(rng: np.random.Generator, k: int, n: int, wild: float) -> tuple[bool, bool]:
    """Of one table whether all its intervals hold, and whether its programs were taken to scatter alike."""
    names = ["champion", "initial", *(f"{how} {i}" for i in range(k) for how in ("without", "alone"))]
    means, sds = rng.normal(0.0, 2.0, len(names)), np.ones(len(names))
    sds[rng.integers(len(names))] = wild
    scores = means[:, None] + rng.normal(0.0, 1.0, n) + sds[:, None] * rng.normal(0.0, 1.0, (len(names), n))
    table, true = {name: list(row) for name, row in zip(names, scores, strict=True)}, dict(zip(names, means, strict=True))
    asked = contrasts(k)
    scatter = scatter_of(table, n_contrasts(asked) + 1)
    found = ((interval(table, one, scatter), sum(weight * true[name] for name, weight in one.items())) for one in asked)
    return all(one.low <= value <= one.high for one, value in found), scatter.pooled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=2000)
    tables = parser.parse_args().tables
    print("| changes | seeds | " + " | ".join(f"wild {wild:g}" for wild in WILD) + " |")
    print("|---|---|" + "---|" * len(WILD))
    for k, n in SIZES:
        cells = []
        for wild in WILD:
            rng = np.random.default_rng([k, n, int(wild)])
            found = [is_right(rng, k, n, wild) for _ in range(tables)]
            right, pooled = (sum(column) / tables for column in zip(*found, strict=True))
            cells.append(f"{right:.3f} (pooled {pooled:.2f})")
        print(f"| {k} | {n} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
