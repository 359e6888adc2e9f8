"""What one archive operation costs, beside pyribs, in one process.

    python benchmarks/archives.py [--rounds 5] [--quick] [--openevolve] [--json]

Adds: a grid of 1e3 to 1e6 cells, half of them filled beforehand, then single adds of candidates with two descriptors (cell index,
judgement by posterior lower bound, bench).  pyribs' ``GridArchive.add_single`` gets the same points in the same rounds.  CPU time,
median of interleaved rounds.  Then the same adds to the other archives over descriptors: a tessellation of 128 and of 10,000 cells,
and the archive by distance with 1,000 and with 100,000 candidates, at next to no distance, so that each founds a cell.

Parents: a tournament of 16 posterior draws and five inspirations out of 1e5 elites of a real ``Population``, as the search draws
them, generator included.

``--openevolve`` adds ``ProgramDatabase.add`` and ``sample`` of OpenEvolve at 1,000 and 10,000 programs, where it is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Protocol

import numpy as np
from _common import Spread, hardware

from archive import Axis, Candidate, CellArchive, CVTArchive, GridArchive, Measurement, NoveltyArchive, PackedText, Status
from evolve.problem.contract._contract import DescriptorSpec
from evolve.search._rng import generator
from evolve.search.state._population import Population
from evolve.select import inspirations, tournament
from evolve.testing import plain_contract

ADDS = 5000
PARENTS_OF = 100_000


@dataclass(frozen=True, slots=True)
class Row:
    """CPU microseconds of one operation; ``per_s`` is its rate."""

    what: str
    us: Spread

    @property
    def per_s(self) -> float:
        return 1e6 / self.us.median


def cpu_us(call: Callable[[], object], n: int) -> float:
    start = time.process_time()
    call()
    return (time.process_time() - start) / n * 1e6


class Stand(Protocol):
    """A grid to which as many elites are added as are given."""

    def add(self, xs: list[list[float]], scores: list[float]) -> None: ...


class Ours:
    """Our grid with half of its cells filled; each round adds new keys."""

    def __init__(self, side: int, rng: np.random.Generator) -> None:
        self.grid = GridArchive(axes=[Axis("x", 0.0, 1.0, side), Axis("y", 0.0, 1.0, side)])
        self.n = 0
        for cell in range(0, side * side, 2):
            self.grid.add_or_update(self.n, cell, float(rng.random()), 0.01)
            self.n += 1

    def add(self, xs: list[list[float]], scores: list[float]) -> None:
        grid, key = self.grid, self.n
        for (x, y), score in zip(xs, scores, strict=True):
            grid.add_or_update(key, grid.cell_of({"x": x, "y": y}), score, 0.01)
            key += 1
        self.n = key


class Ribs:
    """pyribs' grid, filled the same way."""

    def __init__(self, side: int, rng: np.random.Generator) -> None:
        from ribs.archives import GridArchive as RibsGrid

        self.grid = RibsGrid(solution_dim=1, dims=(side, side), ranges=[(0.0, 1.0), (0.0, 1.0)])
        centres = (np.arange(side) + 0.5) / side
        cells = np.stack(np.meshgrid(centres, centres, indexing="ij"), axis=-1).reshape(-1, 2)[::2]
        self.grid.add(np.zeros((len(cells), 1)), rng.random(len(cells)), cells)

    def add(self, xs: list[list[float]], scores: list[float]) -> None:
        solution = np.zeros(1)
        for x, score in zip(xs, scores, strict=True):
            self.grid.add_single(solution, score, x)


class Over:
    """An archive over two descriptors to which ``n`` candidates were added; each round adds new keys."""

    def __init__(self, archive: CellArchive, n: int, rng: np.random.Generator) -> None:
        self.archive = archive
        self.n = 0
        self.add(rng.random((n, 2)).tolist(), rng.random(n).tolist())

    def add(self, xs: list[list[float]], scores: list[float]) -> None:
        archive, key = self.archive, self.n
        for (x, y), score in zip(xs, scores, strict=True):
            archive.add_or_update(key, archive.cell_of({"x": x, "y": y}), score, 0.01)
            key += 1
        self.n = key


def other_adds(rounds: int, *, quick: bool) -> list[Row]:
    rng = np.random.default_rng(0)
    axes = [Axis("x", 0.0, 1.0, 1), Axis("y", 0.0, 1.0, 1)]
    made: dict[str, Over] = {}
    for n_cells in (128, 1000 if quick else 10_000):
        made[f"cvt: add, {n_cells} cells"] = Over(CVTArchive(axes=axes, n_cells=n_cells, seed=0), 1000, rng)
    for n in (1000, 10_000 if quick else 100_000):
        made[f"novelty: add, {n:.0e} founders or more"] = Over(NoveltyArchive(axes=axes, distance=1e-300), n, rng)
    times: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(rounds):
        xs, scores = rng.random((ADDS // 5, 2)).tolist(), rng.random(ADDS // 5).tolist()
        for name, one in made.items():
            times[name].append(cpu_us(partial(one.add, xs, scores), len(xs)))
    return [Row(name, Spread.of(found)) for name, found in times.items()]


def adds(rounds: int, sides: tuple[int, ...]) -> list[Row]:
    rng = np.random.default_rng(0)
    has_ribs = importlib.util.find_spec("ribs") is not None
    makers: dict[str, Callable[[int, np.random.Generator], Stand]] = {"ours": Ours, "pyribs": Ribs} if has_ribs else {"ours": Ours}
    stands = {(name, side): make(side, rng) for side in sides for name, make in makers.items()}
    times: dict[tuple[str, int], list[float]] = {key: [] for key in stands}
    for _ in range(rounds):
        xs, scores = rng.random((ADDS, 2)).tolist(), rng.random(ADDS).tolist()
        for key, stand in stands.items():
            times[key].append(cpu_us(partial(stand.add, xs, scores), ADDS))
    return [Row(f"{name}: add, {side * side:.0e} cells", Spread.of(found)) for (name, side), found in times.items()]


def filled(n: int) -> Population:
    """A noisy problem's population with ``n`` elites on a grid, each measured once, some twice."""
    side = math.isqrt(n - 1) + 1
    axes = tuple(DescriptorSpec(name=name, source="outcome", low=0.0, high=float(side), bins=side) for name in ("x", "y"))
    grid = GridArchive(axes=[axis.info for axis in axes])
    population = Population("benchmark", plain_contract(noisy=True, axes=axes), [grid])
    population._placed_with = (math.inf, math.inf, math.inf)  # judge all places again once, below, not after every candidate
    rng = np.random.default_rng(0)
    for i in range(n):
        name = f"{i:020x}"
        population.add(Candidate(name, name, PackedText("")), arm=0, ticket=i, tuner=-1, baseline=None)
        where = {"x": i // side + 0.5, "y": i % side + 0.5}
        for seed in range(1 + (i % 50 == 0)):
            result = Measurement(name, "full", seed, Status.OK, score=float(rng.normal()), descriptors=where)
            population.add_measurement(i, result)
    return population


def parents(rounds: int, n: int) -> Row:
    population = filled(n)
    rows = population.candidates
    ticket = 0

    def draw() -> None:
        nonlocal ticket
        for _ in range(500):
            rng = generator(1, "propose", ticket)
            ticket += 1
            parent = tournament(
                population.elites,
                population.posterior,
                lambda number: rows[number].n_children,
                rng,
                size=16,
                uniform_share=0.1,
                eligible=lambda number: rows[number].measured_cold or rows[number].arm == 0,
            )
            assert parent is not None
            inspirations(population.elites, population.leader or 0, parent, rng, count=5)

    return Row(
        f"parent and 5 inspirations of {len(population.elites)} elites", Spread.of([cpu_us(draw, 500) for _ in range(rounds)])
    )


def openevolve(rounds: int, n: int) -> list[Row]:
    """OpenEvolve's database at ``n`` programs: adding one, drawing a parent with inspirations."""
    from openevolve.config import DatabaseConfig
    from openevolve.database import Program, ProgramDatabase

    logging.disable(logging.CRITICAL)
    rng = np.random.default_rng(0)
    base = ProgramDatabase(DatabaseConfig(population_size=n, in_memory=True, log_prompts=False))

    def program(i: int) -> Program:
        code = f"def f(x):\n    return x * {rng.random()}\n"
        return Program(id=f"p{i}", code=code, metrics={"combined_score": float(rng.random())})

    for i in range(n):
        base.add(program(i))
    added, drawn, i = [], [], n
    for _ in range(rounds):
        new = [program(i + j) for j in range(20)]
        i += 20
        added.append(cpu_us(lambda new=new: [base.add(one) for one in new], 20))  # type: ignore[misc]
        drawn.append(cpu_us(lambda: [base.sample(num_inspirations=5) for _ in range(20)], 20))
    return [
        Row(f"OpenEvolve: add, {n} programs", Spread.of(added)),
        Row(f"OpenEvolve: parent and 5 inspirations of {n}", Spread.of(drawn)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="up to 1e5 cells and 1e4 elites")
    parser.add_argument("--openevolve", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = adds(args.rounds, (32, 100, 317) if args.quick else (32, 100, 317, 1000))
    rows += other_adds(args.rounds, quick=args.quick)
    rows.append(parents(args.rounds, PARENTS_OF // 10 if args.quick else PARENTS_OF))
    if args.openevolve:
        for n in (1000,) if args.quick else (1000, 10_000):
            rows += openevolve(args.rounds, n)
    ours = [row for row in rows if row.what.startswith("ours")]
    growth = ours[-1].us.median / ours[0].us.median
    if args.json:
        found = [{**asdict(row), "per_s": row.per_s} for row in rows]
        print(json.dumps({"benchmark": "archive", "hardware": hardware(), "rows": found, "growth": growth}))
        return
    print(f"{'':48}{'CPU us':>10}{'min':>10}{'max':>10}{'per s':>12}")
    for row in rows:
        print(f"{row.what:48}{row.us.median:10.2f}{row.us.low:10.2f}{row.us.high:10.2f}{row.per_s:12,.0f}")
    print(f"ours, largest grid / smallest: {growth:.2f} (target <= 4; 150,000 adds/s; parents <= 50 us)")


if __name__ == "__main__":
    main()
